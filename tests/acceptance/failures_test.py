#!/usr/bin/python3
"""Each failure that the README promises an answer to happens here at least once for real: processes are killed or held by signals, connections are
cut, statements run into their limits. What an answer must be then: complete and right, or an error, or visibly cut short."""

import json
import os
import re
import selectors
import signal
import socket
import subprocess
import time
import unittest

import pymysql

from faults import Held, seconds_of
from service import (LIST, SANITIZED, SHOW, Exchange, Service, check_answer, numbers, process_state, send_signal,
                     wait_until)

TOKEN = [("Authorization", "Bearer reader-1")]
SMALL = LIST % 1
BIG = LIST % 9  # a page of 1000 x 64 KiB
MIB = 1 << 20
HUGE = 16 * MIB
CONNECT_LIMIT, STATEMENT_LIMIT, SLACK = 2, 5, 6 if SANITIZED else 2
service = None


def setUpModule():
    global service
    service = Service(workers=2)
    unittest.addModuleCleanup(service.stop)
    service.add_token("reader-1", 1)
    service.add_webhooks((1, 1, "small", "https://example.com/1"), (9, 1, "big", "https://example.com/9"))
    service.add_numbered_calls(1, 20)
    add_big_calls()


def add_big_calls():
    service.add_numbered_calls(9, 1000, "REPEAT(CHAR(97 + seq % 26), 65536)", above=9000)


def get(server, target=SMALL):
    return server.send("GET", target, TOKEN)


def request_id_of(exchange):
    return re.search(rb"(?i)\r\nX-Request-Id: *(\S+)", exchange.received)[1].decode()


class TestCase(unittest.TestCase):
    def assert_unavailable(self, answer):
        self.assertEqual(503, answer.status, answer.body)
        document = check_answer(answer)
        self.assertEqual("service_unavailable", document["errors"][0]["code"])

    def assert_served(self, server):
        answer = get(server)
        self.assertEqual(200, answer.status, answer.body)
        check_answer(answer)
        self.assertEqual(list(range(1, 21)), answer.ids())

    def assert_cut_short(self, answer):
        self.assertEqual(200, answer.status)
        self.assertFalse(answer.complete, "the answer looks complete")
        with self.assertRaises(ValueError):
            answer.json()

    def the_worker(self, server):
        return wait_until(server.worker_pids, "worker")[0]

    def assert_memory_below(self, limit, pool, what):
        if SANITIZED:
            return
        with open(f"/proc/{self.the_worker(pool)}/status", encoding="ascii") as status:
            peak = int(re.search(r"VmHWM:\s+(\d+) kB", status.read())[1]) / 1024
        print(f"\npeak of the worker's memory, {what}: {peak:.1f} MiB (RSS)", flush=True)
        self.assertLess(peak, limit, what)


class DatabaseTest(TestCase):
    def test_database_killed(self):
        for _ in range(8):
            self.assert_served(service)  # each worker has its connection now
        database = service.database_server()
        os.kill(database, signal.SIGKILL)
        wait_until(lambda: process_state(database) in ("", "Z"), "end of the database")
        self.assert_unavailable(get(service))
        self.assert_unavailable(get(service, SHOW % (1, 1)))
        wait_until(service.database_answers, "new database", 30)
        for _ in range(8):
            self.assert_served(service)  # the first ones already

    def test_database_hangs(self):
        pool = service.pool("hung")
        self.assert_served(pool)
        with Held(service.database_server()):
            seconds, answer = seconds_of(lambda: get(pool))
            self.assert_unavailable(answer)
            self.assertLess(seconds, STATEMENT_LIMIT + CONNECT_LIMIT + SLACK)
            seconds, answer = seconds_of(lambda: get(pool))  # and now there is no connection
            self.assert_unavailable(answer)
            self.assertLess(seconds, CONNECT_LIMIT + SLACK)
        self.assert_served(pool)

    def test_statement_over_its_limit(self):
        """No worker may show a statement that was stopped as an empty list."""
        pool = service.pool("limit", WEBHOOK_CALLS_DB_STATEMENT_TIMEOUT="1")
        self.assert_served(pool)
        self.assertEqual(20, get(pool, SMALL + "?count=true").json()["meta"]["count"])
        blocker = service.connect()
        try:
            blocker.cursor().execute("LOCK TABLES webhook_calls WRITE")
            for target in (SMALL, SMALL + "?count=true", SMALL + "?sort=-body", SHOW % (1, 1), BIG):
                seconds, answer = seconds_of(lambda target=target: get(pool, target))
                self.assert_unavailable(answer)
                self.assertLess(seconds, 2 * 1 + SLACK)
        finally:
            blocker.close()
        self.assert_served(pool)

    def test_statement_is_stopped_while_it_works(self):
        """The same without a lock: the database gets so little time that sorting takes longer than the limit."""
        pool = service.pool("slow", WEBHOOK_CALLS_DB_STATEMENT_TIMEOUT="1")
        self.assert_served(pool)
        database, statuses = service.database_server(), []
        for share in (0.1, 0.05, 0.02, 0.01):
            exchange = Exchange(pool.address, "GET", BIG + "?sort=-body&page[size]=1&count=true", TOKEN)
            exchange.socket.setblocking(False)
            deadline = time.monotonic() + 30
            while not exchange.received and time.monotonic() < deadline:
                with Held(database):
                    time.sleep(0.05)  # not a wait for something: the database's pause
                time.sleep(0.05 * share)
                try:
                    exchange.received += exchange.socket.recv(1 << 16)
                except BlockingIOError:
                    pass
            exchange.socket.settimeout(30)
            answer = exchange.finish()
            statuses.append(answer.status)
            if answer.status == 200:
                self.assertEqual(([9986], 1000), (answer.ids(), answer.json()["meta"]["count"]))
            else:
                self.assert_unavailable(answer)
        self.assertIn(503, statuses)
        self.assert_served(pool)

    def test_hostile_query_costs_one_worker(self):
        """It ends at the limit, the answer says what to narrow, and meanwhile the other worker answers as ever."""
        service.add_webhooks((11, 1, "huge", "https://example.com/11"))
        self.addCleanup(service.sql, "DELETE FROM webhook_calls WHERE webhook_id = 11")
        pool = service.pool("hostile", workers=2, WEBHOOK_CALLS_DB_STATEMENT_TIMEOUT="1")
        for _ in range(4):  # until it takes this machine longer than the limit
            service.sql("INSERT INTO webhook_calls (webhook_id, http_code, headers, body) "
                        f"SELECT 11, 200, '', RPAD(SHA2(seq, 256), 900, SHA2(seq * 7, 256)) FROM {numbers(300000)}")
            hostile, served = pool.open("GET", LIST % 11 + "?sort=body&page[size]=1", TOKEN), 0
            hostile.socket.setblocking(False)
            while not hostile.received:
                self.assert_served(pool)
                served += 1
                try:
                    hostile.received += hostile.socket.recv(1 << 16)
                except BlockingIOError:
                    pass
            hostile.socket.settimeout(30)
            answer = hostile.finish()
            if answer.status != 200:
                break
        self.assert_unavailable(answer)
        self.assertIn("Filters on created_at, http_code or id make it faster", answer.json()["errors"][0]["detail"])
        self.assertGreater(served, 5)  # one, if it waited for the other; hundreds, where no other program is busy

    def test_wrong_password(self):
        pool = service.pool("password", WEBHOOK_CALLS_DB_PASSWORD_FILE=None, WEBHOOK_CALLS_DB_PASSWORD="not-the-one")
        answer = get(pool)
        self.assert_unavailable(answer)
        self.assertTrue(pool.log_line(answer.header("X-Request-Id"))["error"])
        self.assertNotIn("not-the-one", pool.log.read_text())

    def test_no_database(self):
        pool = service.pool("nowhere", WEBHOOK_CALLS_DB_HOSTS="unix:/nonexistent/db.sock")
        self.assert_unavailable(get(pool))

    def test_database_that_never_answers(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            host = "127.0.0.1:%d" % silent.getsockname()[1]
            pool = service.pool("silent", WEBHOOK_CALLS_DB_HOSTS=host)
            seconds, answer = seconds_of(lambda: get(pool))
            self.assert_unavailable(answer)
            self.assertLess(seconds, CONNECT_LIMIT + SLACK)
            good = "unix:" + service.env["DB_SOCKET"]
            pool = service.pool("second-host", WEBHOOK_CALLS_DB_HOSTS=f"{host},{good}")
            seconds, answer = seconds_of(lambda: get(pool))
            self.assertEqual(200, answer.status)
            self.assertLess(seconds, CONNECT_LIMIT + SLACK)

    def test_database_shut_down_under_load(self):
        """Orderly, as for an update: each answer is right or a 503, and no 500."""
        database, statuses = service.database_server(), []

        def ask():
            statuses.append(get(service, SMALL + "?count=true&sort=-body").status)
            return process_state(database) in ("", "Z")

        for _ in range(20):
            ask()
        service.sql("SHUTDOWN")
        wait_until(ask, "end of the database", 30)
        self.assertLessEqual(set(statuses), {200, 503})
        self.assertEqual({200}, set(statuses[:20]))
        wait_until(service.database_answers, "new database", 30)
        self.assert_served(service)

    def test_too_many_connections(self):
        pool = service.pool("crowded")
        connections = []
        service.sql("SET GLOBAL max_connections = 10")
        try:
            with self.assertRaises(pymysql.err.OperationalError):
                while True:  # one more than max_connections is root's own
                    connections.append(service.connect())
            self.assert_unavailable(get(pool))
        finally:
            for connection in connections:
                connection.close()
            wait_until(service.database_answers, "free connection")
            service.sql("SET GLOBAL max_connections = 151")
        self.assert_served(pool)

    def test_connection_killed_between_requests(self):
        for _ in range(3):
            service.kill_reader_connections()
            self.assert_served(service)
            self.assert_served(service)


class MidAnswerTest(TestCase):
    """The failure comes after the first bytes of a page of 64 MB have arrived at the client."""

    @classmethod
    def setUpClass(cls):
        # What the worker is held for may take a busy machine longer than the default limit.
        cls.pool = service.pool("streaming", WEBHOOK_CALLS_DB_STATEMENT_TIMEOUT="20")

    def begin(self, server=None, headers=(), version="HTTP/1.1"):
        exchange = (server or self.pool).open("GET", BIG, [*TOKEN, *headers], version=version)
        exchange.read_some(1_000)
        return exchange

    def test_worker_killed(self):
        """By curl: it must exit with a failure."""
        curl = subprocess.Popen(
            ["curl", "-sS", "-N", "-H", ": ".join(TOKEN[0]), "--unix-socket", self.pool.address, "http://localhost" + BIG],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        begin = curl.stdout.read(10_000)
        with Held(service.database_server()):
            worker = self.the_worker(self.pool)
            os.kill(worker, signal.SIGKILL)
            wait_until(lambda: process_state(worker) in ("", "Z"), "end of the worker")
            rest, complaint = curl.communicate(timeout=60)
        self.assertNotEqual(0, curl.returncode, "curl found nothing wrong")
        self.assertIn(curl.returncode, (18, 56), complaint)
        with self.assertRaises(ValueError):
            json.loads(begin + rest)
        self.assert_served(self.pool)

    def test_database_connection_killed(self):
        exchange = self.begin()
        self.kill_connection_of_worker()
        self.assert_cut_short(exchange.finish())
        line = self.pool.log_line(request_id_of(exchange))
        self.assertEqual(("incomplete", 200), (line["outcome"], line["status"]))
        self.assertTrue(line["error"])
        self.assertLess(line["rows"], 1000)
        self.assert_served(self.pool)

    def kill_connection_of_worker(self):
        with Held(self.the_worker(self.pool)):
            service.kill_reader_connections()

    def test_compressed_answer_is_cut_short_too(self):
        exchange = self.begin(headers=[("Accept-Encoding", "gzip")])
        self.kill_connection_of_worker()
        self.assert_cut_short(exchange.finish())

    def test_http_1_0_has_only_the_json_to_tell(self):
        exchange = self.begin(version="HTTP/1.0")
        self.kill_connection_of_worker()
        with self.assertRaises(ValueError):
            exchange.finish().json()

    def test_records_deleted(self):
        """A request sees one moment: the answer is the page that was counted and sorted at the beginning."""
        exchange = self.begin()
        with Held(self.the_worker(self.pool)):
            service.sql("UPDATE webhook_calls SET created_at = '2000-01-01' WHERE id > 9500")
            service.sql("DELETE FROM webhook_calls WHERE id > 9700")
        try:
            answer = exchange.finish()
            check_answer(answer)
            self.assertEqual(1000, len(answer.ids()))
            self.assertEqual(500, len(get(self.pool, BIG).ids()))
        finally:
            service.sql("DELETE FROM webhook_calls WHERE webhook_id = 9")
            add_big_calls()

    def test_record_purged_before_its_contents_are_read(self):
        """While the page waits for its reader. Records of 4,000 bytes come with the page, larger ones when they are due, here in
        two portions."""
        # Without its file nginx takes in no more than its buffers: the worker cannot come to the last records.
        pool = service.pool("waiting", changes=[("64 32k;", "64 32k;\n  fastcgi_max_temp_file_size 0;")])
        service.add_webhooks((12, 1, "mixed", "https://example.com/12"))
        service.sql("INSERT INTO webhook_calls (id, webhook_id, http_code, headers, body) SELECT 40000 + seq, 12, 200, 'a: 1', "
                    f"REPEAT(CHAR(97 + seq % 26), IF(seq > 976, 65536, 4000)) FROM {numbers(1001)}")
        exchange = pool.open("GET", LIST % 12, TOKEN)
        exchange.read_some(1_000)
        service.sql("DELETE FROM webhook_calls WHERE id IN (40978, 40998, 40999)")
        answer = exchange.finish()
        document = check_answer(answer)
        self.assertEqual([*range(40001, 40978), *range(40979, 40998), 41000], answer.ids())
        self.assertEqual([4000] * 976 + [65536] * 21, [len(resource["attributes"]["body"]) for resource in document["data"]])
        self.assertIn("next", document["links"])

    def test_statement_limit(self):
        pool = service.pool("streaming-limit", WEBHOOK_CALLS_DB_STATEMENT_TIMEOUT="1")
        exchange = self.begin(pool)
        with Held(service.database_server()):
            answer = exchange.finish()
        self.assert_cut_short(answer)
        self.assertEqual("incomplete", pool.log_line(request_id_of(exchange))["outcome"])
        self.assert_served(pool)

    def test_client_leaves(self):
        exchange = self.begin()
        with Held(service.database_server()):
            exchange.close()
        line = self.pool.log_line(request_id_of(exchange))
        self.assertEqual("client_gone", line["outcome"])
        self.assertLess(line["rows"], 1000)
        self.assert_served(self.pool)

    def test_sigterm(self):
        exchange = self.begin()
        with Held(service.database_server()):
            worker = self.the_worker(self.pool)
            os.kill(worker, signal.SIGTERM)
        answer = exchange.finish()
        self.assertTrue(answer.complete)
        check_answer(answer)
        self.assertEqual(1000, len(answer.ids()))
        wait_until(lambda: process_state(worker) in ("", "Z"), "end of the worker")
        self.assert_served(self.pool)

    def test_sigterm_to_the_pool(self):
        pool = service.pool("stopped")
        exchange = self.begin(pool)
        worker, multiwatch = self.the_worker(pool), pool._session()
        with Held(service.database_server()):
            os.kill(multiwatch, signal.SIGTERM)
        answer = exchange.finish()
        self.assertTrue(answer.complete)
        self.assertEqual(1000, len(answer.ids()))
        wait_until(lambda: all(process_state(pid) in ("", "Z") for pid in (worker, multiwatch)), "end of the pool")

    def test_page_of_1000_times_64_kib(self):
        pool = service.pool("memory")
        answer = get(pool, BIG)
        check_answer(answer)
        resources = answer.json()["data"]
        self.assertEqual([str(9000 + n) for n in range(1, 1001)], [resource["id"] for resource in resources])
        for resource in resources:
            self.assertEqual(chr(97 + (int(resource["id"]) - 9000) % 26) * 65536, resource["attributes"]["body"])
        self.assert_memory_below(32, pool, "page of 1000 x 64 KiB")

    def test_statements_do_not_keep_their_results(self):
        """What the driver holds for each prepared statement must not add up."""
        pool = service.pool("statements")
        for sort in ("id", "-id", "created_at", "-created_at", "http_code", "-http_code", "body", "-body", "headers", "-headers"):
            for filters in ("", "&filter[http_code]=200", "&filter[created_at__gte]=2000-01-01"):
                answer = get(pool, BIG + f"?page[size]=64&sort={sort}{filters}")
                self.assertEqual(64, len(answer.ids()))
        self.assertEqual(200, pool.send("HEAD", BIG + "?page[size]=63", TOKEN).status)
        self.assert_memory_below(32, pool, "30 statements of 64 x 64 KiB")

    def test_pages_of_bodies_of_all_sizes_in_any_order(self):
        """The portions in which a large page is made fit together."""
        service.add_webhooks((10, 1, "sizes", "https://example.com/10"))
        service.sql("INSERT INTO webhook_calls (id, webhook_id, http_code, headers, body, created_at) "
                    "SELECT 20000 + seq, 10, 200 + seq % 3, REPEAT(CHAR(65 + seq % 26), seq * 104729 % 40000), "
                    "CONCAT(seq * 7919 % 1009, REPEAT('x', seq * 7919 % 150000)), "
                    f"UTC_TIMESTAMP(3) - INTERVAL (seq * 37) % 101 SECOND FROM {numbers(300)}")
        for fields, sort, order in (("headers,body", "-created_at", "created_at DESC, id DESC"),
                                    ("headers", "http_code,-body", "http_code, LEFT(body, 9) DESC, id DESC"), ("body", "id", "id")):
            rows = service.sql(f"SELECT id, headers, body FROM webhook_calls WHERE webhook_id = 10 ORDER BY {order}")
            for page, part in ((1, rows[:250]), (2, rows[250:])):
                answer = get(self.pool, LIST % 10 + f"?page[size]=250&page[number]={page}&sort={sort}"
                                                    f"&fields[notification/webhook/calls]={fields}")
                document = check_answer(answer)
                self.assertEqual([row[0] for row in part], answer.ids())
                for row, call in zip(part, document["data"]):
                    wanted = {"headers": row[1].decode(), "body": row[2].decode()}
                    self.assertTrue({name: wanted[name] for name in fields.split(",")} == call["attributes"], call["id"])
                self.assertEqual(page == 1, "next" in document["links"])

    def test_one_large_record(self):
        body = bytes(range(256)) * 16_000  # 4 MB, and of each byte
        service.add_calls((8001, 1, 200, b"a: 1", body, "2999-01-01 00:00:00.000"))
        try:
            answer = get(self.pool, SHOW % (1, 8001))
            check_answer(answer)
            self.assertEqual(body.decode("utf-8", "replace"), answer.json()["data"]["attributes"]["body"])
        finally:
            service.sql("DELETE FROM webhook_calls WHERE id = 8001")


class HugeRecordTest(TestCase):
    """A body of 16 MiB and headers of 3 MiB, which a worker reads a MiB at a time."""

    @classmethod
    def setUpClass(cls):
        # Nothing of this repeats with a period that divides a MiB, and at each MiB there is something that cannot be cut.
        period = bytes(range(256)) + "ü€😀".encode() + b"\xf0\x9f\x98"
        body = bytearray(period * (HUGE // len(period) + 1))[:HUGE]
        for number in range(1, 16):
            border, cut = number * MIB, 1 + number // 5
            text = ("ü€😀".encode(), "😀".encode() * 3, b"\xf0\x9f\x98\xf0\x9f\x98\x80\x80", b"\xed\xa0\x80\xe2\x82\xac", b"\xe2\x82\xe2\x82")[number % 5]
            body[border - cut : border - cut + len(text)] = text
        cls.body, cls.headers = bytes(body), b"X-Letters: " + "€".encode() * MIB
        service.add_webhooks((13, 1, "huge records", "https://example.com/13"))

    def setUp(self):
        service.add_calls((50001, 13, 200, b"a: 1", b"before", "2999-01-01 00:00:00.000"),
                          (50002, 13, 200, self.headers, self.body[: 4 * MIB], "2999-01-01 00:00:00.000"),
                          (50003, 13, 200, b"a: 1", b"behind", "2999-01-01 00:00:00.000"))
        for begin in range(4 * MIB, HUGE, 4 * MIB):
            service.sql("UPDATE webhook_calls SET body = CONCAT(body, %s) WHERE id = 50002", [self.body[begin : begin + 4 * MIB]])
        self.addCleanup(service.sql, "DELETE FROM webhook_calls WHERE webhook_id = 13")

    def assert_whole(self, attributes):
        self.assertTrue(self.body.decode("utf-8", "replace") == attributes["body"], "another body")
        self.assertTrue(self.headers.decode("utf-8", "replace") == attributes["headers"], "other headers")

    def test_answers_are_right_and_the_memory_stays_small(self):
        pool = service.pool("huge")
        answer = get(pool, SHOW % (13, 50002))
        check_answer(answer)
        self.assert_whole(answer.json()["data"]["attributes"])
        answer = get(pool, LIST % 13)
        check_answer(answer)
        self.assertEqual([50001, 50002, 50003], answer.ids())
        self.assert_whole(answer.json()["data"][1]["attributes"])
        self.assertEqual("behind", answer.json()["data"][2]["attributes"]["body"])
        self.assert_memory_below(32, pool, "body of 16 MiB")

    def test_sizes_at_which_the_way_of_reading_changes(self):
        service.sql("DELETE FROM webhook_calls WHERE webhook_id = 13")
        sizes = [None, 0, MIB // 2, MIB // 2 + 1, MIB - 1, MIB, MIB + 1, 2 * MIB]
        texts = {size: None if size is None else self.body[-size - 1 : -1] for size in sizes}
        pairs = {50100 + 10 * i + j: (texts[headers], texts[body])
                 for i, headers in enumerate(sizes) for j, body in enumerate(sizes) if i == j or i < 2 or j < 2 or i + j == 9}
        for number, (headers, body) in pairs.items():
            service.add_calls((number, 13, 200, headers, body, "2999-01-01 00:00:00.000"))
        pool = service.pool("sizes")
        for targets in ([LIST % 13], [LIST % 13 + f"?page[size]=2&page[number]={page}" for page in range(1, len(pairs) // 2 + 2)],
                        [SHOW % (13, number) for number in pairs]):
            seen = []
            for target in targets:
                data = check_answer(get(pool, target))["data"]
                seen += data if isinstance(data, list) else [data]
            self.assertEqual(list(pairs), [int(call["id"]) for call in seen])
            for call, wanted in zip(seen, pairs.values()):
                for name, text in zip(("headers", "body"), wanted):
                    shown = None if text is None else text.decode("utf-8", "replace")
                    self.assertTrue(shown == call["attributes"][name], f"{name} of {call['id']}")
        self.assert_memory_below(32, pool, "records of 0 to 4 MiB")

    def test_nobody_wants_it(self):
        pool = service.pool("huge-head")
        answer = pool.send("HEAD", SHOW % (13, 50002), TOKEN)
        self.assertEqual(200, answer.status)
        tag = [("If-None-Match", answer.header("ETag"))]
        self.assertEqual(304, pool.send("GET", SHOW % (13, 50002), TOKEN + tag).status)
        self.assert_memory_below(32, pool, "HEAD")

    def test_purged_while_it_is_read(self):
        exchange = self.begin()
        service.sql("DELETE FROM webhook_calls WHERE id = 50002")
        answer = exchange.finish()
        check_answer(answer)
        self.assert_whole(answer.json()["data"]["attributes"])
        self.assertEqual(404, get(service, SHOW % (13, 50002)).status)

    def test_database_connection_killed_while_it_is_read(self):
        exchange = self.begin()
        service.kill_reader_connections()
        self.assert_cut_short(exchange.finish())

    def begin(self):
        """The worker waits for the reader: without its file nginx takes in no more than its buffers."""
        pool = service.pool(self.id().rpartition(".")[2][:20], changes=[("64 32k;", "64 32k;\n  fastcgi_max_temp_file_size 0;")])
        exchange = pool.open("GET", SHOW % (13, 50002), TOKEN)
        exchange.read_some(1_000)
        return exchange


class PoolTest(TestCase):
    def test_workers_killed_again_and_again(self):
        for _ in range(12):
            for pid in service.worker_pids():
                send_signal(pid, signal.SIGKILL)
            wait_until(lambda: get(service).status == 200, "answer after the workers were killed")
        wait_until(lambda: len(service.worker_pids()) == 2, "full pool")
        self.assert_served(service)

    def test_whole_pool_killed(self):
        for pid in service.processes("pool"):
            send_signal(pid, signal.SIGKILL)
        wait_until(lambda: get(service).status == 200, "answer after the pool was killed")
        wait_until(lambda: len(service.worker_pids()) == 2, "full pool")


class NginxTest(TestCase):
    def assert_error(self, status, answer):
        self.assertEqual(status, answer.status, answer.body)
        check_answer(answer)

    def test_no_pool_is_a_502(self):
        server = service.nginx_server("nobody", "unix:/nonexistent/fcgi.sock")
        self.assert_error(502, get(server))

    def test_pool_that_does_not_answer_is_a_504(self):
        pool = service.pool("stuck", changes=[("fastcgi_read_timeout    30s", "fastcgi_read_timeout 1s")])
        self.assert_served(pool)
        with Held(self.the_worker(pool)):
            self.assert_error(504, get(pool))

    def test_too_many_requests_are_a_429(self):
        server = service.nginx_server(
            "busy", "unix:" + service.env["FCGI_SOCKET"],
            changes=[("#   limit_req zone=webhook_calls burst=40 nodelay;", "limit_req zone=webhook_calls;")],
            http_lines="limit_req_zone $binary_remote_addr zone=webhook_calls:64k rate=1r/m;")
        answers = [get(server) for _ in range(3)]
        self.assertEqual([200, 429, 429], [answer.status for answer in answers])
        self.assert_error(429, answers[1])


class OverloadTest(TestCase):
    """While the one worker is held, so many requests wait as the limit says; each further one is refused without waiting."""
    ASKING, WAITING = 12, 3

    def assert_surplus_refused(self, status, worker, server):
        for _ in range(3):  # and those that were answered or refused take no room
            with Held(worker):
                exchanges = [server.open("GET", SMALL, TOKEN) for _ in range(self.ASKING)]
                with selectors.DefaultSelector() as selector:
                    for exchange in exchanges:
                        selector.register(exchange.socket, selectors.EVENT_READ, exchange)
                    refused = []
                    while len(refused) < self.ASKING - self.WAITING:
                        ready = [key.data for key, _ in selector.select(60)]
                        self.assertTrue(ready, f"only {len(refused)} of {self.ASKING} requests were refused")
                        for exchange in ready:
                            selector.unregister(exchange.socket)
                            refused.append(exchange)
                    for exchange in refused:
                        answer = exchange.finish()
                        self.assertEqual(status, answer.status, answer.body)
                        check_answer(answer)
                    self.assertFalse(selector.select(0), "more were refused than the limit says")
            for exchange in exchanges:
                if exchange not in refused:
                    answer = exchange.finish()
                    self.assertEqual(200, answer.status, answer.body)
                    check_answer(answer)

    def test_one_client_over_its_limit_is_a_429(self):
        pool = service.pool("client", changes=[("limit_conn_status 429;", f"limit_conn_status 429; limit_conn few {self.WAITING};")],
                            http_lines="limit_conn_zone $binary_remote_addr zone=few:64k;")
        self.assert_served(pool)
        self.assert_surplus_refused(429, self.the_worker(pool), pool)

    def test_a_full_queue_is_a_503(self):
        pool = service.pool("queue")
        fcgi = service.env["FCGI_SOCKET"].replace("fcgi.sock", "queue.fcgi")
        server = service.nginx_server("queueing", "queue", http_lines=
                                      f'upstream queue {{ zone queue 64k; server "unix:{fcgi}" max_conns={self.WAITING}; }}')
        self.assert_served(server)
        self.assert_surplus_refused(503, self.the_worker(pool), server)


if __name__ == "__main__":
    unittest.main()
