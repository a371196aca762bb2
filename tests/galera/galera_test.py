#!/usr/bin/python3
"""The service on a MariaDB Galera cluster of three real nodes, of which some are killed: what is read, written and purged meanwhile.

    scripts/test-galera
"""

import os
import re
import signal
import sys
import time
import unittest
from pathlib import Path

import pymysql

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))
from commands import PROJECT, call  # noqa: E402
from cluster import Cluster  # noqa: E402
from load import running  # noqa: E402
from service import LIST, SHOW, Service, check_answer, wait_until  # noqa: E402

TOKEN = [("Authorization", "Bearer reader-1")]
INSERT = "INSERT INTO webhook_calls (webhook_id, http_code, headers, body) VALUES (%s, %s, %s, %s)"
AGED = "INSERT INTO webhook_calls (webhook_id, http_code, headers, body, created_at) "
EXPIRED = "SELECT COUNT(*) FROM webhook_calls WHERE created_at <= UTC_TIMESTAMP(3) - INTERVAL 60 DAY"
LEFT = f"{EXPIRED} OR webhook_id = 33"
VISIBLE = "SELECT COUNT(*) FROM webhook_calls WHERE webhook_id = %s AND created_at > UTC_TIMESTAMP(3) - INTERVAL 60 DAY"
WORKERS_RETURN_LIMIT = 70  # seconds: HostOrder::kLongestPause, and what the machine's other work takes
RECOVERY_LIMIT = 20  # seconds after a node's death, on a machine that has other work too; as a rule it is 2

# What cron calls on every node, by a purger's option file: name and options.
CRON_JOBS = (("expire-calls", "--time-limit", "2"), ("seal-calls", "--all", "--time-limit", "2"))

service = None
cluster = None
pool = None  # of workers that know all three nodes
pool_of = {}  # by node: of a worker that knows only this one


def progress(text):
    print(f"  {time.strftime('%H:%M:%S')} {text}", flush=True)


def option_file(node, user, lines=""):
    file = node.folder / f"{user}.cnf"
    file.write_text(f"[client]\nsocket={node.socket}\nuser={user}\n{lines}")
    return str(file)


def migrate(node):
    return call("migrate", "--defaults-file", option_file(node, "root"))


def setUpModule():
    global service, cluster, pool
    service = Service(workers=1)  # for its nginx, and for pools beside its own
    unittest.addModuleCleanup(service.stop)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: unittest takes an exit for one test's error
    cluster = Cluster(service.folder / "galera")
    unittest.addModuleCleanup(cluster.stop)
    progress("starting three nodes")
    cluster.start()
    progress("preparing the schema on one")
    first = cluster.nodes[0]
    first.sql("CREATE DATABASE webhook_calls CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", database=None)
    migrated = migrate(first)
    if migrated.returncode != 0 or migrated.stderr:
        raise RuntimeError(f"scripts/migrate: {migrated}")
    for role in ("sender", "reader", "purger"):
        first.sql(f"CREATE USER {role}@localhost")
        first.sql(f"GRANT webhook_calls_{role} TO {role}@localhost")
        first.sql(f"SET DEFAULT ROLE webhook_calls_{role} FOR {role}@localhost")
    token_hash = "UNHEX(SHA2('reader-1', 256))"
    first.sql(f"INSERT INTO api_tokens (token_hash, account_id, name) VALUES ({token_hash}, 1, 'test')")
    first.sql("INSERT INTO webhooks (id, account_id, name, url) SELECT seq, 1, CONCAT('hook ', seq), '' FROM seq_1_to_99")
    cluster.wait_until_level()
    hosts = [f"unix:{node.socket}" for node in cluster.nodes]
    account = {"WEBHOOK_CALLS_DB_USER": "reader", "WEBHOOK_CALLS_DB_PASSWORD_FILE": None}
    pool = service.pool("cluster", workers=3, WEBHOOK_CALLS_DB_HOSTS=",".join(hosts), **account)
    for node, host in zip(cluster.nodes, hosts):
        pool_of[node] = service.pool(f"node{node.number}", WEBHOOK_CALLS_DB_HOSTS=host, **account)


def get(server, target):
    return server.send("GET", target, TOKEN)


def walk(server, target):
    """The ids of all pages, as the links lead."""
    ids = []
    while target:
        answer = get(server, target)
        document = check_answer(answer)
        if answer.status != 200:
            raise AssertionError(f"{answer.status} for {target}")
        ids += answer.ids()
        target = document["links"].get("next")
    return ids


class GaleraTest(unittest.TestCase):
    def setUp(self):
        """Whatever a test before this one did, all three nodes are there."""
        for node in cluster.nodes:
            if not node.is_alive():
                node.provision()
            node.wait_until_synced()


class SchemaTest(GaleraTest):
    def test_migrated_on_one_node(self):
        """Tables, procedures, roles and accounts are there on all nodes; the event, which could be disabled unseen, on none."""
        newest = max(int(file.name[:4]) for file in (PROJECT / "sql/migrations").glob("????_*.sql"))
        for node in cluster.nodes:
            with self.subTest(node=node.number):
                self.assertEqual(((newest,),), node.sql("SELECT MAX(version) FROM schema_migrations"))
                result = migrate(node)
                self.assertEqual((0, ""), (result.returncode, result.stderr), result)
                self.assertIn("This is a Galera node: let cron call scripts/expire-calls", result.stdout)
                self.assertIn("0 migrations applied now", result.stdout)
                self.assertEqual((), node.sql("SELECT event_name FROM information_schema.events"))
                node.sql(INSERT, (90 + node.number, 200, b"a: 1", b"\xff"), user="sender")
                with self.assertRaises(pymysql.err.MySQLError):
                    node.sql("SELECT body FROM webhook_calls", user="sender")
                result = call("expire-calls", "--defaults-file", option_file(node, "purger"))
                self.assertEqual((0, ""), (result.returncode, result.stderr), result)
        cluster.wait_until_level()
        for written in cluster.nodes:
            answers = [get(server, LIST % (90 + written.number)) for server in (pool, *pool_of.values())]
            self.assertEqual([200] * 4, [answer.status for answer in answers])
            self.assertEqual(1, len({answer.body for answer in answers}))
            self.assertEqual(1, len(answers[0].ids()))


class Readers:
    """Asks the pool for things that do not change, and notes when each answer came: the right one, or a 503 in the API's form."""

    def __init__(self):
        targets = [f"{LIST % 1}?page[size]=50&page[number]={page}" for page in range(1, 7)]
        targets += [f"{LIST % 1}?count=true&sort=-created_at&page[size]=7", f"{LIST % 1}?filter[http_code__gte]=500", LIST % 1]
        targets += [SHOW % (1, id) for id in get(pool, LIST % 1).ids()[:3]]
        self.expected = {}
        for target in targets:
            answer = get(pool, target)
            check_answer(answer)
            if answer.status != 200:
                raise AssertionError(f"{answer.status} for {target}")
            self.expected[target] = answer.body
        self.answers, self.reasons = [], set()  # (time, status); the log's words about the 503

    def loop(self):
        for target, expected in self.expected.items():
            answer = get(pool, target)
            check_answer(answer)
            if answer.status not in (200, 503) or (answer.status == 200 and answer.body != expected):
                raise AssertionError(f"{answer.status} for {target}: {answer.body[:400]}")
            self.answers.append((time.monotonic(), answer.status))

    def statuses_since(self, begin):
        return [status for moment, status in self.answers if moment >= begin]

    def assert_recovered(self, test, event, begin):
        """Within the limit all answers are 200 again, and stay so for 200 of them from now."""
        now = time.monotonic()

        def recovered():
            return len(self.statuses_since(now)) >= 200 and self.statuses_since(begin)[-200:] == [200] * 200

        wait_until(recovered, f"end of the 503 after {event}", RECOVERY_LIMIT + 30)
        failed = [moment - begin for moment, status in self.answers if moment >= begin and status == 503]
        gaps = [after - before for (before, _), (after, _) in zip(self.answers, self.answers[1:]) if after >= begin]
        progress(f"{event}: {len(self.statuses_since(begin))} answers, {len(failed)} of them 503, "
                 f"the last {max(failed, default=0):.1f} s after it; longest pause {max(gaps):.1f} s")
        reasons = {line.get("error", "")[:300] for line in pool.log_lines() if line["status"] == 503}
        for reason in reasons - self.reasons:
            progress(f"a reason: {reason}")
        self.reasons |= reasons
        test.assertLess(max(failed, default=0), RECOVERY_LIMIT)


class Writer:
    """A sender at one node. A write that fails is not repeated, only counted: what was confirmed must be there in the end."""

    def __init__(self, node, webhook, rows=1):
        self.node, self.webhook, self.rows = node, webhook, rows
        self.ids, self.failed, self.connection = [], [], None

    def loop(self):
        try:
            if self.connection is None:
                self.connection = self.node.connect("sender")
            with self.connection.cursor() as cursor:
                cursor.executemany(INSERT, [(self.webhook, 200, b"a: 1", b"body %d" % number) for number in range(self.rows)])
                cursor.execute("SELECT LAST_INSERT_ID()")
                ((first,),) = cursor.fetchall()
            self.ids.append(first)
        except pymysql.err.MySQLError as error:
            self.failed.append(str(error))
            self.connection = None
            time.sleep(0.05)  # as a sender that waits before it tries again
        time.sleep(0.002)

    def wait_for_more(self, count=50):
        before = len(self.ids)
        wait_until(lambda: len(self.ids) >= before + count, f"writes at node {self.node.number}", RECOVERY_LIMIT)


class KilledNodeTest(GaleraTest):
    def setUp(self):
        super().setUp()
        node = cluster.nodes[0]
        if not node.sql("SELECT 1 FROM webhook_calls WHERE webhook_id = 1 LIMIT 1"):
            node.sql("INSERT INTO webhook_calls (webhook_id, http_code, headers, body) "
                     "SELECT 1, 200 + seq % 2 * 300, 'a: 1', CONCAT('body ', seq) FROM seq_1_to_300")
        cluster.wait_until_level()

    def assert_same_on_all_nodes(self, *webhooks):
        cluster.wait_until_level()
        for webhook in webhooks:
            for query in ("", "?sort=-created_at&count=true", "?filter[http_code]=500&count=true"):
                answers = [get(server, LIST % webhook + query) for server in pool_of.values()]
                self.assertEqual([200] * 3, [answer.status for answer in answers])
                self.assertEqual(1, len({answer.body for answer in answers}), f"webhook {webhook}{query} differs between nodes")

    def check_kill_under_load(self, webhook, come_back, log_words):
        first, *others = cluster.nodes
        readers, writers = Readers(), [Writer(node, webhook) for node in others]
        with running(readers.loop, readers.loop, *(writer.loop for writer in writers)):
            wait_until(lambda: len(readers.answers) > 100, "reading load")
            log_begin, begin = first.log.stat().st_size, time.monotonic()
            first.kill()
            wait_until(lambda: all(node.status("cluster_size") == "2" for node in others), "cluster of two", RECOVERY_LIMIT)
            for writer in writers:
                writer.wait_for_more()
            readers.assert_recovered(self, "node 1 killed", begin)
            begin = time.monotonic()
            come_back(first)
            first.wait_until_synced()
            self.assertRegex(first.log.read_bytes()[log_begin:].decode(errors="replace"), log_words)
            readers.assert_recovered(self, "node 1 back", begin)
            for writer in writers:
                writer.wait_for_more()
        self.assert_same_on_all_nodes(1, webhook)
        for writer in writers:
            progress(f"node {writer.node.number}: {len(writer.ids)} writes, {len(writer.failed)} refused {set(writer.failed)}")
        written = [id for writer in writers for id in writer.ids]
        for node in cluster.nodes:
            ids = walk(pool_of[node], LIST % webhook)
            self.assertEqual(len(set(ids)), len(ids))
            self.assertEqual(set(), set(written) - set(ids), f"confirmed writes that node {node.number} does not have")
            self.assertEqual((), node.sql("SELECT event_name FROM information_schema.events"))

    def test_killed_and_back_with_its_data(self):
        self.check_kill_under_load(2, lambda node: node.rejoin(), "IST received|Receiving IST")

    def test_killed_and_provisioned_anew(self):
        self.check_kill_under_load(3, lambda node: node.provision(), "SST received")

    def test_node_outside_the_cluster(self):
        """It lives and lets clients connect, but refuses their statements: workers turn to the next host."""
        first, *others = cluster.nodes
        readers = Readers()
        with running(readers.loop, readers.loop):
            wait_until(lambda: len(readers.answers) > 100, "reading load")
            begin = time.monotonic()
            first.set_provider_option("gmcast.isolate=1")
            try:
                wait_until(lambda: first.status("ready") == "OFF", "node outside the cluster", 30)
                wait_until(lambda: others[0].status("cluster_size") == "2", "cluster of two", 30)
                readers.assert_recovered(self, "node 1 outside the cluster", begin)
            finally:
                first.set_provider_option("gmcast.isolate=0")
            first.wait_until_synced()
            readers.assert_recovered(self, "node 1 inside again", begin)
        self.assert_same_on_all_nodes(1)

    def test_hung_and_back(self):
        """Its clients' connections stay open, and nothing comes: workers leave it, the cluster shuts it out, and it joins again by itself."""
        first, *others = cluster.nodes
        readers, writers = Readers(), [Writer(node, 4) for node in others]
        with running(readers.loop, readers.loop, *(writer.loop for writer in writers)):
            wait_until(lambda: len(readers.answers) > 100, "reading load")
            begin = time.monotonic()
            os.kill(first.process.pid, signal.SIGSTOP)
            try:
                wait_until(lambda: all(node.status("cluster_size") == "2" for node in others), "cluster of two", RECOVERY_LIMIT)
                readers.assert_recovered(self, "node 1 hung", begin)
                for writer in writers:
                    writer.wait_for_more()
            finally:
                os.kill(first.process.pid, signal.SIGCONT)
            back, log_begin = time.monotonic(), pool.log.stat().st_size
            returned = f'"event":"database_host","host":"unix:{first.socket}"'.encode()
            wait_until(lambda: pool.log.read_bytes()[log_begin:].count(returned) == 3, "workers at node 1", WORKERS_RETURN_LIMIT)
            progress(f"workers at node 1 again after {time.monotonic() - back:.1f} s")
            first.wait_until_synced()
            readers.assert_recovered(self, "node 1 back", back)
        self.assertEqual([], [status for _, status in readers.answers if status != 200])
        self.assert_same_on_all_nodes(1, 4)


class PurgeTest(GaleraTest):
    CONSTANT, GROWING, PASSING, SEALED, OLD = 31, 32, 33, 34, (41, 42, 43)
    RIPE = 21000  # records of SEALED, that is five chunks and a tail

    def setUp(self):
        super().setUp()
        node = cluster.nodes[0]
        for table in ("webhook_calls", "webhook_call_chunks", "webhook_call_chunk_codes"):
            node.sql(f"DELETE FROM {table}")
        for other in cluster.nodes:
            other.sql(f"{AGED} SELECT {self.SEALED}, 200 + seq % 3, '', '', UTC_TIMESTAMP(3) - INTERVAL 20 MINUTE "
                      f"FROM seq_1_to_{self.RIPE // 3}")
        node.sql(f"{AGED} SELECT {self.CONSTANT}, 200, '', '', UTC_TIMESTAMP(3) - INTERVAL 59 DAY - INTERVAL seq SECOND "
                 "FROM seq_1_to_700")
        self.results, self.dead = {node: [] for node in cluster.nodes}, set()

    def add_expired(self, rows):
        for webhook in (*self.OLD, self.CONSTANT, self.GROWING, self.PASSING):
            cluster.nodes[1].sql(f"{AGED} SELECT {webhook}, 200, 'a: 1', 'old', UTC_TIMESTAMP(3) - INTERVAL 61 DAY "
                                 f"- INTERVAL seq SECOND FROM seq_1_to_{rows // 6}")
        # These pass away while the purges are at work.
        cluster.nodes[1].sql(f"{AGED} SELECT {self.PASSING}, 200, '', '', UTC_TIMESTAMP(3) - INTERVAL 60 DAY + INTERVAL seq * 5000 "
                             "MICROSECOND FROM seq_1_to_900")
        cluster.wait_until_level()

    def cron(self, node, file):
        """Calls the jobs at one node, as cron would, only more often."""
        def loop():
            for name, *options in CRON_JOBS:
                was_dead = node in self.dead
                result = call(name, *options, "--defaults-file", file)
                allowed = (0, 1, 3) if was_dead or node in self.dead else (0, 3)
                if result.returncode not in allowed or (result.returncode == 0 and result.stderr) or re.search(
                        "deadlock|lock wait", result.stderr, re.I):
                    raise AssertionError(f"node {node.number}, {name}: {result}")
                self.results[node].append((name, result.returncode, result.stdout + result.stderr))
            time.sleep(0.02)
        return loop

    def counter(self, node):
        """Compares the worker's count with the database's own, of one moment as far as the webhook lets one tell."""
        def loop():
            counts = {}
            try:
                for webhook in (self.CONSTANT, self.GROWING, self.PASSING, self.SEALED):
                    before = node.sql(VISIBLE, (webhook,))[0][0]
                    answer = get(pool_of[node], LIST % webhook + "?count=true&fields[notification/webhook/calls]=")
                    check_answer(answer)
                    after = node.sql(VISIBLE, (webhook,))[0][0]
                    counts[webhook] = (before, answer, after)
            except pymysql.err.MySQLError:
                if node not in self.dead:
                    raise
                time.sleep(0.1)
                return
            for webhook, (before, answer, after) in counts.items():
                if answer.status == 503 and node in self.dead:
                    continue
                count = answer.json()["meta"]["count"] if answer.status == 200 else None
                low, high = min(before, after), max(before, after)
                if count is None or not low <= count <= high or (webhook == self.CONSTANT and (low, high) != (700, 700)):
                    raise AssertionError(f"node {node.number}, webhook {webhook}: {before}, {answer.status} {count}, {after}")
                # One answer is one snapshot.
                if count <= 1000 and len(answer.json()["data"]) != count:
                    raise AssertionError(f"node {node.number}, webhook {webhook}: count {count}, listed {len(answer.json()['data'])}")
                self.counted += 1
        return loop

    def purge(self, rows, while_it_runs):
        self.add_expired(rows)
        self.counted = 0
        # Where a session does not commit by itself, a conflict may show as late as at COMMIT.
        files = [option_file(node, "purger", "init-command='SET autocommit=0'\n" if node.number > 1 else "") for node in cluster.nodes]
        writers = [Writer(node, self.GROWING) for node in cluster.nodes[:2]]
        crons, counters = map(self.cron, cluster.nodes, files), map(self.counter, cluster.nodes)
        with running(*crons, *counters, *(writer.loop for writer in writers)) as over:
            while_it_runs()
            wait_until(lambda: over.is_set() or all(node.sql(LEFT) == ((0,),) for node in cluster.nodes if node not in self.dead),
                       "end of the purge", 180)
        for writer in writers:
            self.assertFalse([error for error in writer.failed if "1213" in error or "1205" in error], writer.failed)
        return writers

    def assert_level(self, writers):
        """What must hold on all nodes in the end, whatever happened."""
        cluster.wait_until_level()
        written = {id for writer in writers for id in writer.ids}
        for node in cluster.nodes:
            self.assertEqual(((0,),), node.sql(EXPIRED))
            self.assertEqual(700, len(walk(pool_of[node], LIST % self.CONSTANT)))
            self.assertEqual(set(), written - set(walk(pool_of[node], LIST % self.GROWING)))
            self.assertEqual([], walk(pool_of[node], LIST % self.PASSING))
            self.assert_chunks(node)
        self.assertGreater(self.counted, 30)

    def assert_chunks(self, node):
        """They tile the ids, and tell the truth."""
        chunks, end = node.sql("SELECT first_id, last_id, n FROM webhook_call_chunks WHERE webhook_id = %s ORDER BY 1", (self.SEALED,)), 0
        self.assertEqual((self.RIPE - 1) // 4096, len(chunks), chunks)
        for first, last, n in chunks:
            self.assertEqual(end + 1, first, chunks)
            end = last
            live = node.sql("SELECT COUNT(*) FROM webhook_calls WHERE webhook_id = %s AND id BETWEEN %s AND %s", (self.SEALED, first, last))
            codes = node.sql("SELECT SUM(n) FROM webhook_call_chunk_codes WHERE webhook_id = %s AND first_id = %s", (self.SEALED, first))
            self.assertEqual((n, n), (live[0][0], codes[0][0]))

    def report(self):
        for node, results in self.results.items():
            codes = [code for _, code, _ in results]
            progress(f"node {node.number}: {len(codes)} calls, exit codes { {code: codes.count(code) for code in sorted(set(codes))} }, "
                     f"{self.deleted(node)} deleted")
        progress(f"{self.counted} counts compared")

    def deleted(self, node):
        return sum(int(number) for _, _, text in self.results[node] for number in re.findall(r"Deleted (\d+) webhook calls", text))

    def test_on_all_nodes_at_once(self):
        """And each row is reported as deleted once, however often the nodes are in each other's way."""
        rows = 18000
        writers = self.purge(rows, lambda: None)
        self.report()
        self.assertEqual(rows + 900, sum(self.deleted(node) for node in cluster.nodes))
        self.assert_level(writers)

    def test_one_node_is_killed(self):
        *others, last = cluster.nodes

        def kill():
            wait_until(lambda: self.deleted(last) > 0 or others[0].sql(EXPIRED)[0][0] < 40000, "first third of the purge", 120)
            self.dead.add(last)
            last.kill()

        writers = self.purge(60000, kill)
        self.report()
        self.assertTrue(all(node.is_alive() for node in others))
        last.rejoin()
        last.wait_until_synced()
        result = call("expire-calls", "--defaults-file", option_file(last, "purger"))
        self.assertEqual((0, ""), (result.returncode, result.stderr), result)
        self.assert_level(writers)


class NumbersTest(GaleraTest):
    def test_ids_given_on_all_nodes_at_once(self):
        webhook, single, several = 51, 200, 20
        for node in cluster.nodes:
            self.assertEqual(((3,),), node.sql("SELECT @@auto_increment_increment"))
        writers = [Writer(node, webhook, rows) for node in cluster.nodes for rows in (1, 25)]
        enough = {1: single, 25: several}
        with running(*(writer.loop for writer in writers)) as over:
            wait_until(lambda: over.is_set() or all(len(writer.ids) >= enough[writer.rows] for writer in writers), "inserted rows", 120)
        self.assertEqual([], [error for writer in writers for error in writer.failed])
        rows = sum(len(writer.ids) * writer.rows for writer in writers)
        confirmed = {id for writer in writers for id in writer.ids}
        self.assertEqual(sum(len(writer.ids) for writer in writers), len(confirmed))
        cluster.wait_until_level()
        for server in (pool, *pool_of.values()):
            for query in ("page[size]=97", "page[size]=97&sort=-created_at", "page[size]=1000&count=true"):
                ids = walk(server, f"{LIST % webhook}?{query}")
                self.assertEqual((rows, rows), (len(ids), len(set(ids))), query)
                self.assertLessEqual(confirmed, set(ids))
        progress(f"{rows} rows from {len(writers)} writers")


if __name__ == "__main__":
    try:
        result = unittest.main(exit=False, verbosity=2).result
    finally:
        unittest.doModuleCleanups()  # Ctrl-C ends unittest on the spot
    wrong = len(result.failures) + len(result.errors)
    sys.stdout.flush()
    sys.stderr.flush()
    print(f"{max(0, result.testsRun - wrong)} passed, {wrong} failed", flush=True)
    sys.exit(wrong > 0 or result.testsRun == 0)
