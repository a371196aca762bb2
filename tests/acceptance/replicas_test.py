#!/usr/bin/python3
"""Pools that read from a real replica, set up and promoted by the README's statements: what it answers, who purges and seals, what
lag means, and how all goes on when the primary is killed."""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
import unittest

import pymysql

from database_host import Host, stopped_database
from load import TimedLoad, running
from service import LIST, MYSQLD, PROJECT, SHOW, Service, check_answer, free_ports, numbers, stop_session, wait_until

sys.path.insert(0, str(PROJECT / "tests/readme"))
from readme_commands import blocks_of  # noqa: E402

TOKEN = [("Authorization", "Bearer reader-1")]
AGED = "INSERT INTO webhook_calls (webhook_id, http_code, headers, body, created_at) "
TABLES = ("webhooks", "api_tokens", "webhook_calls", "webhook_call_chunks", "webhook_call_chunk_codes", "webhook_call_upkeep")
CACHE = 5  # seconds after which a token that was revoked is refused
OPTIONS = ["--log-bin=binlog", *(["--gtid-mode=ON", "--enforce-gtid-consistency=ON"] if MYSQLD else ["--log-slave-updates", "--gtid-strict-mode=ON"])]
if MYSQLD:
    (CREATE_ACCOUNT, _, _), (START, PROMOTE) = blocks_of("replicas-mariadb"), blocks_of("replicas-mysql")
    STOP_APPLYING, APPLY = "STOP REPLICA SQL_THREAD", "START REPLICA"
else:
    CREATE_ACCOUNT, START, PROMOTE = blocks_of("replicas-mariadb")
    STOP_APPLYING, APPLY = "STOP SLAVE SQL_THREAD", "START SLAVE"
(ENABLE_EVENTS,) = blocks_of("replicas-both")
service, primary, replica = None, None, None


class Server(Host):
    """Workers and senders are at its unix socket, the port is for replication."""

    def __init__(self, name, *data, options):
        (self.port,) = free_ports(1)
        super().__init__(service.folder / name, *data, self.port, [*OPTIONS, *options])
        self.address = f"unix:{self.socket}"

    def connect(self, role=None):
        if role is None:
            return pymysql.connect(unix_socket=str(self.socket), user="root", database=service.env["DB_NAME"], autocommit=True)
        return pymysql.connect(read_default_file=self.option_file(role), database=service.env["DB_NAME"], autocommit=True)

    def run(self, block, **changes):
        for statement in map(str, block.commands):
            for old, new in changes.items():
                statement = statement.replace(old, new)
            self.sql(statement)

    def option_file(self, role):
        """Of one of the accounts that scripts/run has made, which are in each server's copy."""
        text = (service.state / f"secrets/{role}.cnf").read_text().replace(service.env["DB_SOCKET"], str(self.socket))
        file = self.folder / f"{role}.{threading.get_ident()}.cnf"
        file.write_text(text)
        return str(file)

    def script(self, name, *arguments, role="purger"):
        variables = {key: value for key, value in os.environ.items() if not key.startswith("WEBHOOK_CALLS_")}
        return subprocess.run([PROJECT / "scripts" / name, "--defaults-file", self.option_file(role), *arguments], env=variables, timeout=120,
                              stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8")

    def content(self):
        return {table: self.sql(f"SELECT * FROM {table} ORDER BY 1, 2, 3") for table in TABLES}

    def wrong_chunks(self):
        """Chunks, and their codes, that do not tell the truth about the records in them."""
        within = "FROM webhook_calls c WHERE c.webhook_id = k.webhook_id AND c.id BETWEEN k.first_id AND k.last_id"
        return (self.sql(f"SELECT * FROM webhook_call_chunks k WHERE n <> (SELECT COUNT(*) {within})") +
                self.sql(f"SELECT * FROM webhook_call_chunk_codes k WHERE n <> (SELECT COUNT(*) {within} AND c.http_code <=> k.http_code)"))

    def events(self):
        return {status for status, in self.sql("SELECT status FROM information_schema.events WHERE event_schema = DATABASE()")}

    def procedure_calls(self):
        return int(self.sql("SHOW GLOBAL STATUS LIKE 'Com_call_procedure'")[0][1])


def catch_up(seconds=60):
    """Waits until the replica has done all that the primary has."""
    ((position,),) = primary.sql(f"SELECT {'@@GLOBAL.gtid_executed' if MYSQLD else '@@GLOBAL.gtid_binlog_pos'}")
    wait = "WAIT_FOR_EXECUTED_GTID_SET" if MYSQLD else "MASTER_GTID_WAIT"
    if replica.sql(f"SELECT {wait}('{position}', {seconds})") != ((0,),):
        raise TimeoutError(f"the replica has not caught up: {replica_status()}")


def replica_status():
    connection = replica.connect()
    try:
        with connection.cursor(pymysql.cursors.DictCursor) as cursor:
            cursor.execute("SHOW REPLICA STATUS" if MYSQLD else "SHOW SLAVE STATUS")
            return cursor.fetchone()
    finally:
        connection.close()


def apply_what_has_arrived():
    """On the replica alone."""
    status = replica_status()
    if MYSQLD:
        position = status["Retrieved_Gtid_Set"].replace("\n", "")
        waited = replica.sql(f"SELECT WAIT_FOR_EXECUTED_GTID_SET('{position}', 60)")
    else:
        waited = replica.sql(f"SELECT MASTER_GTID_WAIT('{status['Gtid_IO_Pos']}', 60)")
    if waited != ((0,),):
        raise TimeoutError(f"the replica does not apply what it has: {status}")


def setUpModule():
    global service, primary, replica
    service = Service(workers=1)  # for its nginx, and for pools beside its own
    unittest.addModuleCleanup(service.stop)
    data = stopped_database(service)
    primary = Server("primary", *data, options=["--server-id=1"])
    replica = Server("replica", *data, options=["--server-id=2", "--read-only=ON", *([] if MYSQLD else ["--slave-parallel-threads=16"])])
    if MYSQLD:
        for server in (primary, replica):
            server.sql("RESET BINARY LOGS AND GTIDS")  # of what both have from the copy
    primary.run(CREATE_ACCOUNT, **{"10.0.0.": "127.0.0."})
    replica.run(START, **{"'10.0.0.1'": f"'127.0.0.1', {'SOURCE' if MYSQLD else 'MASTER'}_PORT = {primary.port}"})
    primary.sql("INSERT INTO api_tokens (token_hash, account_id, name) VALUES (UNHEX(SHA2('reader-1', 256)), 1, 'test')")
    primary.sql("INSERT INTO webhooks (id, account_id, name, url) VALUES " + ", ".join(f"({n}, 1, 'hook {n}', 'https://example.com/{n}')" for n in range(1, 9)))
    # In the order of time, all of them long enough ago to be sealed; the first are past their time.
    primary.sql(AGED + "SELECT 1 + seq % 2, ELT(1 + seq % 5, 200, 200, 404, 500, NULL), IF(seq % 5 = 4, NULL, 'a: 1'),"
                " IF(seq % 5 = 4, NULL, CONCAT('body ', seq)),"
                f" UTC_TIMESTAMP(3) - INTERVAL 61 DAY + INTERVAL seq * 5 MINUTE FROM {numbers(17000)}")
    catch_up()


class TestCase(unittest.TestCase):
    def pool(self, *servers, **environment):
        name = f"replicas-{len(service._pools)}"
        pool = service.pool(name, 2, WEBHOOK_CALLS_DB_HOSTS=",".join(server.address for server in servers), **environment)
        process = service._pools[-1]
        self.addCleanup(stop_session, process)
        return pool

    def get(self, pool, target):
        answer = pool.send("GET", target, TOKEN)
        self.assertEqual(200, answer.status, answer.body)
        return check_answer(answer)

    def count(self, pool, webhook, filters=""):
        return self.get(pool, LIST % webhook + f"?count=true&page[size]=1{filters}")["meta"]["count"]

    def assert_same(self):
        catch_up()
        ours, theirs = primary.content(), replica.content()
        for table in TABLES:
            self.assertTrue(ours[table] == theirs[table], table)
        self.assertEqual((), replica.wrong_chunks())

    @contextlib.contextmanager
    def standing_still(self):
        replica.sql(STOP_APPLYING)
        try:
            yield
        finally:
            replica.sql(APPLY)


class ReplicaTest(TestCase):
    def test_answers_are_the_primarys(self):
        at_primary, at_replica = self.pool(primary), self.pool(replica)
        targets = [LIST % webhook + query for webhook in (1, 2, 3, 99) for query in (
            "", "?count=true&page[size]=7", "?sort=-created_at,http_code&page[size]=9&page[number]=400&count=1",
            "?filter[http_code]=500&count=true&page[size]=3",
            "?filter[body]=body 16000", "?include=webhook&page[size]=1&sort=-id", "?filter[http_code]&sort=headers&page[size]=5")]
        last = self.get(at_primary, LIST % 1 + "?sort=-id&page[size]=1")["data"][0]["id"]
        for target in [*targets, SHOW % (1, int(last)), SHOW % (2, int(last)), SHOW % (1, 1)]:
            with self.subTest(target):
                answers = [pool.send("GET", target.replace(" ", "%20"), TOKEN) for pool in (at_primary, at_replica)]
                documents = [check_answer(answer) for answer in answers]
                self.assertEqual(answers[0].status, answers[1].status)
                if answers[0].status == 200:
                    self.assertEqual(*documents)

    def test_accounts_and_roles(self):
        primary.sql("CREATE USER late_reader@localhost IDENTIFIED BY 'late'")
        primary.sql("GRANT webhook_calls_reader TO late_reader@localhost")
        primary.sql(f"SET DEFAULT ROLE webhook_calls_reader {'TO' if MYSQLD else 'FOR'} late_reader@localhost")
        catch_up()
        pool = self.pool(replica, WEBHOOK_CALLS_DB_USER="late_reader", WEBHOOK_CALLS_DB_PASSWORD_FILE=None, WEBHOOK_CALLS_DB_PASSWORD="late")
        self.assertGreater(self.count(pool, 1), 0)

    def test_cron_on_both(self):
        """At once, while senders insert: the primary does the work, and the result is the same on both."""
        inserted = []

        def insert(webhook):
            with primary.connect("sender") as connection, connection.cursor() as cursor:
                for _ in range(20):
                    cursor.execute("INSERT INTO webhook_calls (webhook_id, http_code, headers, body) VALUES (%s, 200, 'a: 1', 'b')", webhook)
                    inserted.append(webhook)

        past = primary.sql("SELECT COUNT(*) FROM webhook_calls WHERE created_at < UTC_TIMESTAMP(3) - INTERVAL 60 DAY")[0][0]
        self.assertGreater(past, 200)
        with running(lambda: insert(1), lambda: insert(2)):
            for command, done in ((["expire-calls"], "Deleted"), (["seal-calls", "--all"], "Sealed")):
                results = []
                threads = [threading.Thread(target=lambda server=server: results.append((server, server.script(*command)))) for server in (replica, primary)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                for server, result in results:
                    self.assertEqual((0, ""), (result.returncode, result.stderr), result)
                    self.assertIn(done if server is primary else "This server is read-only", result.stdout)
            wait_until(lambda: len(inserted) > 200, "records")
        self.assert_same()
        ((chunks, sealed),) = replica.sql("SELECT COUNT(*), SUM(n) FROM webhook_call_chunks")
        self.assertEqual((4, 16384), (chunks, sealed))
        self.assertEqual(((0,),), replica.sql("SELECT COUNT(*) FROM webhook_calls WHERE created_at < UTC_TIMESTAMP(3) - INTERVAL 61 DAY + INTERVAL 23 HOUR"))
        for pool in (self.pool(primary), self.pool(replica)):
            for webhook in (1, 2):
                for filters, condition in (("", "TRUE"), ("&filter[http_code]=500", "http_code = 500"), ("&filter[http_code]", "http_code IS NULL")):
                    ((live,),) = replica.sql(f"SELECT COUNT(*) FROM webhook_calls WHERE webhook_id = {webhook} AND {condition}"
                                             " AND created_at > UTC_TIMESTAMP(3) - INTERVAL 60 DAY")
                    self.assertAlmostEqual(live, self.count(pool, webhook, filters), delta=1)  # one may expire between both

    def test_events(self):
        """One that was in the copy is enabled, and does nothing; one that is made later arrives disabled."""
        primary.sql(AGED + "SELECT 7, 200, '', '', UTC_TIMESTAMP(3) - INTERVAL 70 DAY " + f"FROM {numbers(10)}")
        catch_up()
        self.assertEqual({"ENABLED"}, replica.events())
        with replica.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SET sql_log_bin = 0")
            for name in ("expire", "seal"):
                cursor.execute(f"ALTER EVENT {name}_webhook_calls ON SCHEDULE EVERY 1 SECOND")
        before, calls = replica.content(), replica.procedure_calls()
        replica.sql("SET GLOBAL event_scheduler = ON")
        try:
            wait_until(lambda: replica.procedure_calls() >= calls + 4, "runs of the events")
        finally:
            replica.sql("SET GLOBAL event_scheduler = OFF")
        self.assertEqual(before, replica.content())
        for name in ("expire", "seal"):
            primary.sql(f"DROP EVENT {name}_webhook_calls")
        result = primary.script("migrate", role="migrator")
        self.assertEqual((0, ""), (result.returncode, result.stderr), result)
        catch_up()
        self.assertEqual([{"ENABLED"}, {"REPLICA_SIDE_DISABLED" if MYSQLD else "SLAVESIDE_DISABLED"}], [primary.events(), replica.events()])
        primary.script("expire-calls")
        self.assert_same()

    def test_lag(self):
        at_primary, at_replica = self.pool(primary), self.pool(replica)
        primary.sql("INSERT INTO api_tokens (token_hash, account_id, name) VALUES (UNHEX(SHA2('to-revoke', 256)), 1, 'test')")
        catch_up()

        def status(pool, token="to-revoke"):
            return pool.send("GET", LIST % 5, [("Authorization", f"Bearer {token}")]).status

        self.assertEqual([200, 200], [status(at_primary), status(at_replica)])
        with self.standing_still():
            primary.sql("DELETE FROM api_tokens WHERE token_hash = UNHEX(SHA2('to-revoke', 256))")
            primary.sql("INSERT INTO api_tokens (token_hash, account_id, name) VALUES (UNHEX(SHA2('new', 256)), 1, 'test')")
            primary.sql("INSERT INTO webhook_calls (webhook_id, http_code, headers, body) VALUES (5, 200, 'a: 1', 'b')")
            wait_until(lambda: status(at_primary) == 401, "end of the token at the primary", CACHE)
            self.assertEqual([200, 401], [status(at_replica), status(at_replica, "new")])
            self.assertEqual([1, 0], [self.count(at_primary, 5), self.count(at_replica, 5)])
        catch_up()
        began = time.monotonic()
        self.assertEqual([1, 200], [self.count(at_replica, 5), status(at_replica, "new")])
        wait_until(lambda: status(at_replica) == 401, "end of the token at the replica", CACHE)
        print(f"\na revoked token was refused {time.monotonic() - began:.1f} s after the replica had caught up", end="", flush=True)

    def test_log_status_tells_that_replication_stands_still(self):
        for name in ("expire-calls", "seal-calls"):
            primary.script(name)
        late = ", ".join(f"{column} = {column} - INTERVAL 3 HOUR" for column in ("began_at", "caught_up_at", "ended_at"))
        primary.sql(f"UPDATE webhook_call_upkeep SET {late} WHERE task = 'expire'")
        catch_up()
        with self.standing_still():
            primary.script("expire-calls")
            results = [server.script("log-status", role="reader") for server in (primary, replica)]
            self.assertEqual([0, 3], [result.returncode for result in results], results)

    def test_what_is_past_its_time_while_replication_stands_still(self):
        """The replica goes by its clock."""
        primary.sql(AGED + "VALUES (6, 200, '', '', UTC_TIMESTAMP(3) - INTERVAL 60 DAY + INTERVAL 2 SECOND), (6, 200, '', '', UTC_TIMESTAMP(3))")
        catch_up()
        pool = self.pool(replica)
        with self.standing_still():
            wait_until(lambda: self.count(pool, 6) == 1, "end of a record")
            self.assertEqual(((2,),), replica.sql("SELECT COUNT(*) FROM webhook_calls WHERE webhook_id = 6"))


class TakeoverTest(TestCase):
    """The last class, because the primary stays dead."""

    def make_semi_synchronous(self):
        if MYSQLD:
            primary.sql("INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'")
            replica.sql("INSTALL PLUGIN rpl_semi_sync_replica SONAME 'semisync_replica.so'")
        source, reader, stop, start = ("source", "replica", "STOP REPLICA", "START REPLICA") if MYSQLD else ("master", "slave", "STOP SLAVE", "START SLAVE")
        replica.sql(f"SET GLOBAL rpl_semi_sync_{reader}_enabled = ON")
        replica.sql(stop)
        replica.sql(start)
        primary.sql(f"SET GLOBAL rpl_semi_sync_{source}_timeout = 600000")
        primary.sql(f"SET GLOBAL rpl_semi_sync_{source}_enabled = ON")
        wait_until(lambda: primary.sql(f"SHOW STATUS LIKE 'Rpl_semi_sync_{source}_clients'")[0][1] == "1", "semi-synchronous replica")

    def test_primary_killed_and_replica_promoted(self):
        self.make_semi_synchronous()
        primary.sql(AGED + f"SELECT 4, 200 + seq % 3, 'a: 1', 'old', UTC_TIMESTAMP(3) - INTERVAL 3 DAY + INTERVAL seq SECOND FROM {numbers(4096)}")
        catch_up()
        pool = self.pool(primary, replica, WEBHOOK_CALLS_DB_CONNECT_TIMEOUT="2", WEBHOOK_CALLS_DB_STATEMENT_TIMEOUT="2")
        stored, writable, state = [], threading.Event(), {"host": primary}
        writable.set()

        def send(sender):
            """One record a transaction, at the host that takes them. What was not acknowledged is not sent again."""
            writable.wait(60)
            host = state["host"]
            with contextlib.suppress(pymysql.err.OperationalError), host.connect("sender") as connection, connection.cursor() as cursor:
                while True:
                    body = f"{sender} {len(stored)} {time.monotonic_ns()}"
                    cursor.execute("INSERT INTO webhook_calls (webhook_id, http_code, headers, body) VALUES (4, 201, 'a: 1', %s)", body)
                    stored.append((body, cursor.lastrowid, host))
                    if over.is_set():
                        return

        load = TimedLoad(pool, [LIST % 1 + "?count=true&page[size]=5&sort=-id", LIST % 2 + "?page[size]=3"], TOKEN)
        with running(*[load.loop] * 2, lambda: send("a"), lambda: send("b")) as over:
            # Each commit waits for the disk of both servers: 100 ms and more on a machine that others share.
            wait_until(lambda: len(stored) > 100, "records", 60)
            load.wait_for_more(50)
            writable.clear()
            primary.kill()
            load.wait_for_more(50)
            apply_what_has_arrived()
            replica.run(PROMOTE)
            replica.run(ENABLE_EVENTS)
            state["host"] = replica
            writable.set()
            wait_until(lambda: sum(host is replica for _, _, host in stored) > 100, "records at the new primary", 60)
            load.wait_for_more(50)
        load.report("primary killed, replica promoted")
        self.assertEqual([], load.faults())
        self.assertEqual({"ENABLED"}, replica.events())
        found = {body.decode(): number for number, body in replica.sql("SELECT id, body FROM webhook_calls WHERE webhook_id = 4 AND body <> 'old'")}
        self.assertEqual([], [body for body, number, _ in stored if found.get(body) != number])
        self.assertGreater(min(number for _, number, host in stored if host is replica), max(number for _, number, host in stored if host is primary))
        # What purges and seals goes on here; those records are younger than 15 minutes, so they are made older.
        replica.sql("UPDATE webhook_calls SET created_at = created_at - INTERVAL 20 MINUTE WHERE webhook_id = 4")
        replica.sql(AGED + f"SELECT 4, 200, '', '', UTC_TIMESTAMP(3) - INTERVAL 61 DAY FROM {numbers(50)}")
        ((total,),) = replica.sql("SELECT COUNT(*) FROM webhook_calls WHERE webhook_id = 4")
        self.assertGreater(total, 4096 + 50)
        for command, words in ((["expire-calls"], "Deleted "), (["seal-calls", "--all"], "Sealed 4096 ")):
            result = replica.script(*command)
            self.assertEqual((0, ""), (result.returncode, result.stderr), result)
            self.assertIn(words, result.stdout)
        self.assertEqual(((total - 50,),), replica.sql("SELECT COUNT(*) FROM webhook_calls WHERE webhook_id = 4"))
        self.assertEqual(((1,),), replica.sql("SELECT COUNT(*) FROM webhook_call_chunks WHERE webhook_id = 4"))
        self.assertEqual((), replica.wrong_chunks())
        self.assertEqual(total - 50, self.count(pool, 4))
        hosts = [json.loads(line)["host"] for line in pool.log.read_text().splitlines() if '"event":"database_host"' in line]
        self.assertEqual([replica.address] * 2, hosts)


if __name__ == "__main__":
    unittest.main()
