#!/usr/bin/python3
"""The database is restarted, slow, read-only, or its schema is damaged: what clients get then, how soon the service is back by itself, and
that nothing stays behind."""

import contextlib
import os
import signal
import socket
import threading
import time
import unittest

import pymysql

from faults import Held, Leftovers, seconds_of
from load import SteadyLoad
from service import LIST, MYSQLD, SANITIZED, SHOW, Service, check_answer, process_state, wait_until

TOKEN = [("Authorization", "Bearer reader-1")]
SMALL, ONE, LONG = LIST % 1, SHOW % (1, 7), LIST % 2
COUNTED_BY_CHUNKS = LIST % 4 + "?count=true&page[size]=1"
COUNTED, LATEST = SMALL + "?count=true", SMALL + "?sort=-created_at"
IDS = list(range(1, 21))
CONNECT_LIMIT, SLACK = 2, 6 if SANITIZED else 2
service = None


def setUpModule():
    global service
    service = Service(workers=2)
    unittest.addModuleCleanup(service.stop)
    service.add_token("reader-1", 1)
    service.add_webhooks((1, 1, "small", "https://example.com/1"), (2, 1, "long", "https://example.com/2"),
                         (4, 1, "many", "https://example.com/4"))
    service.add_numbered_calls(1, 20)
    service.add_numbered_calls(2, 100, "REPEAT('x', 3000)", above=1000)
    service.add_numbered_calls(4, 9000, "'b'", above=10000)


def get(server, target=SMALL, headers=TOKEN):
    return server.send("GET", target, headers)


class TestCase(unittest.TestCase):
    def use(self, server):
        """Looks at the end of the test for what stayed behind."""
        for target in (SMALL, ONE, COUNTED, LATEST) * 4:
            self.assert_served(server, target)
        self.addCleanup(Leftovers(service, server).check)
        return server

    def assert_served(self, server, target=SMALL):
        answer = get(server, target)
        self.assertEqual(200, answer.status, answer.body)
        document = check_answer(answer)
        if target == ONE:
            self.assertEqual(("7", "body 7"), (document["data"]["id"], document["data"]["attributes"]["body"]))
            return
        self.assertEqual(IDS, sorted(answer.ids()))
        self.assertEqual([f"body {number}" for number in answer.ids()], [call["attributes"]["body"] for call in document["data"]])
        if target == COUNTED:
            self.assertEqual(20, document["meta"]["count"])

    def assert_back(self, server, what):
        """The first requests are answered already."""
        seconds, _ = seconds_of(lambda: self.assert_served(server))
        for target in (ONE, COUNTED, LATEST, SMALL) * 2:
            self.assert_served(server, target)
        print(f"\n{what}: back with the next request, which took {seconds:.3f} s", flush=True)

    def assert_error(self, answer, status, code):
        self.assertEqual(status, answer.status, answer.body)
        self.assertEqual(code, check_answer(answer)["errors"][0]["code"])

    def assert_unavailable(self, answer):
        self.assert_error(answer, 503, "service_unavailable")


class RestartTest(TestCase):
    """While there are connections, idle ones and such that are used."""

    def restart(self, how):
        database = service.database_server()
        with SteadyLoad(service, SMALL, TOKEN, IDS, others=(503,)) as load:
            begin = time.monotonic()
            how(database)
            wait_until(lambda: process_state(database) in ("", "Z"), "end of the database", 60)
            wait_until(service.database_answers, "new database", 60)
            back = time.monotonic()
            load.wait_for(200)
        print(f"\n{how.__name__}: the database was away for {back - begin:.1f} s, answers were {dict(load.statuses)}", flush=True)
        self.assertGreater(load.statuses[503], 0)
        self.assertLess(load.last_other, back + SLACK)  # the server answered a little before this test knew it
        print(f"the last 503 was asked for {load.last_other - back:.3f} s after that", flush=True)

    def test_shut_down(self):
        self.use(service)

        def shut_down(_):
            service.sql("SHUTDOWN")
        self.restart(shut_down)
        self.assert_back(service, "database shut down and started")

    def test_killed(self):
        self.use(service)

        def kill(database):
            os.kill(database, signal.SIGKILL)
        self.restart(kill)
        self.assert_back(service, "database killed and started")

    def test_restarted_while_nobody_asks(self):
        """Then no request notices."""
        self.use(service)
        database = service.database_server()
        service.sql("SHUTDOWN")
        wait_until(lambda: process_state(database) in ("", "Z"), "end of the database", 60)
        wait_until(service.database_answers, "new database", 60)
        self.assert_back(service, "database restarted while nobody asked")


class SlowProxy:
    """Between workers and database: what the database says is passed on in pieces, each so many seconds after the one before."""

    def __init__(self):
        self.piece, self.pause = 1 << 16, 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host = "127.0.0.1:%d" % self._listener.getsockname()[1]
        self._end, self._sockets = threading.Event(), [self._listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self):
        self._end.set()
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(service.env["DB_SOCKET"])
            self._sockets += [client, server]
            threading.Thread(target=self._pass_on, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(server, client, True), daemon=True).start()

    def _pass_on(self, source, sink, slowly):
        with contextlib.suppress(OSError):
            while True:
                data = source.recv(self.piece if slowly else 1 << 16)
                if not data or (slowly and self._end.wait(self.pause)):
                    break
                sink.sendall(data)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


class SlowDatabaseTest(TestCase):
    def proxied(self, name, limit=1, **options):
        proxy = SlowProxy()
        self.addCleanup(proxy.stop)
        pool = service.pool(name, WEBHOOK_CALLS_DB_HOSTS=proxy.host, WEBHOOK_CALLS_DB_STATEMENT_TIMEOUT=str(limit), **options)
        return proxy, self.use(pool)

    def test_answers_that_take_long_are_right(self):
        """Each takes less than the limit, as do those of a database that is far away or busy."""
        limit = 3  # the server must be rid of its result by then, on a busy machine, too
        proxy, pool = self.proxied("far", limit)
        proxy.piece, proxy.pause = 4000, 0.05
        for target in (SMALL, ONE, COUNTED, LATEST):
            self.assert_served(pool, target)
        seconds, answer = seconds_of(lambda: get(pool, LONG))
        check_answer(answer)
        self.assertEqual((200, [1000 + number for number in range(1, 101)]), (answer.status, answer.ids()))
        self.assertGreater(seconds, limit)  # 300 KB
        print(f"\nslow database: right after {seconds:.1f} s", flush=True)
        proxy.piece, proxy.pause = 1 << 16, 0
        self.assert_back(pool, "database fast again")

    def test_answer_later_than_the_limit_is_a_503(self):
        proxy, pool = self.proxied("late")
        proxy.pause = 1.5
        for target in (SMALL, ONE, COUNTED):  # the first by a connection that was there, the others by new ones
            seconds, answer = seconds_of(lambda target=target: get(pool, target))
            self.assert_unavailable(answer)
            self.assertLess(seconds, 3 * CONNECT_LIMIT + 2 * 1 + SLACK, target)  # for each answer while it logs in
            print(f"\ndatabase later than the limit: 503 after {seconds:.1f} s", flush=True)
        proxy.pause = 0
        self.assert_back(pool, "database in time again")

    def test_stalls_in_the_middle_of_a_result(self):
        proxy, pool = self.proxied("stalling")
        for piece in (1, 7, 1000, 50000):
            proxy.piece, proxy.pause = piece, 60
            seconds, answer = seconds_of(lambda: get(pool, LONG))
            self.assert_unavailable(answer)
            self.assertLess(seconds, CONNECT_LIMIT + 2 * 1 + SLACK)
            proxy.piece, proxy.pause = 1 << 16, 0
            self.assert_back(pool, f"database stalled after {piece} bytes")

    def test_trickle_that_never_stops(self):
        """The driver's limit is for each wait, so that nginx's is the one that ends it; the worker is free when the trickle ends."""
        proxy, pool = self.proxied("trickle", changes=[("fastcgi_read_timeout    30s", "fastcgi_read_timeout 2s")])
        proxy.piece, proxy.pause = 100, 0.5  # 25 minutes for the whole
        seconds, answer = seconds_of(lambda: get(pool, LONG))
        self.assert_error(answer, 504, "gateway_timeout")
        self.assertLess(seconds, 2 + SLACK)
        proxy.piece, proxy.pause = 1 << 16, 0
        self.assert_back(pool, "database that trickled")

    def test_stalls_in_the_middle_of_an_answer(self):
        """What has been sent cannot be taken back: the answer is visibly cut short."""
        service.add_webhooks((3, 1, "large", "https://example.com/3"))
        service.add_numbered_calls(3, 300, "REPEAT('x', 65536)", above=5000)
        proxy, pool = self.proxied("cut-short")
        proxy.pause = 0.01
        exchange = pool.open("GET", LIST % 3, TOKEN)
        exchange.read_some(1000)
        proxy.pause = 60
        seconds, answer = seconds_of(exchange.finish)
        self.assertEqual((200, False), (answer.status, answer.complete))
        with self.assertRaises(ValueError):
            answer.json()
        self.assertLess(seconds, 1 + SLACK)
        proxy.pause = 0
        self.assert_back(pool, "database stalled in the middle of an answer")

    def test_server_that_gets_little_time(self):
        """It is stopped nine tenths of the time."""
        self.use(service)
        end, database = threading.Event(), service.database_server()

        def hold():
            while not end.is_set():
                with Held(database):
                    time.sleep(0.09)  # not a wait for something: the database's pause
                time.sleep(0.01)
        holding = threading.Thread(target=hold, daemon=True)
        with SteadyLoad(service, SMALL, TOKEN, IDS, others=(503,)) as load:
            holding.start()
            load.wait_for(40)
            end.set()
            holding.join()
        print(f"\ndatabase stopped nine tenths of the time: {dict(load.statuses)}", flush=True)
        self.assert_back(service, "database at full speed again")


class ReadOnlyTest(TestCase):
    def test_reading_goes_on(self):
        self.use(service)
        setting = "super_read_only" if MYSQLD else "read_only"  # MySQL's implies the other
        with SteadyLoad(service, SMALL, TOKEN, IDS) as load:
            service.sql(f"SET GLOBAL {setting} = 1")
            try:
                with self.assertRaises(pymysql.err.MySQLError), pymysql.connect(
                        read_default_file=str(service.state / "secrets/sender.cnf"), database=service.env["DB_NAME"]) as sender:
                    sender.cursor().execute("INSERT INTO webhook_calls (webhook_id) VALUES (1)")
                for target in (SMALL, ONE, COUNTED, LATEST) * 3:
                    self.assert_served(service, target)
                load.wait_for(100)
            finally:
                service.sql(f"SET GLOBAL {setting} = 0")
                service.sql("SET GLOBAL read_only = 0")
            load.wait_for(50)
        self.assertEqual({200}, set(load.statuses))


class SchemaTest(TestCase):
    """A fault of the database's is a 500, whose reason only the log has; it is over with the first request after the repair."""

    def setUp(self):
        self.pool = self.use(service.pool(f"schema-{abs(hash(self.id())) % 10**8}", workers=2))

    @contextlib.contextmanager
    def damaged(self, harm, repair):
        service.sql(harm)
        try:
            yield
        finally:
            service.sql(repair)
        self.assert_back(self.pool, harm)

    def assert_fault(self, code, targets, headers=TOKEN):
        for target in targets:
            for _ in range(3):  # both workers, with and without a connection
                answer = get(self.pool, target, headers)
                self.assert_error(answer, 500, "internal_error")
                line = self.pool.log_line(answer.header("X-Request-Id"))
                self.assertIn(line["error"].split(" ")[0], code, line)
                self.assertEqual((500, "complete", 0), (line["status"], line["outcome"], line["rows"]))

    def test_table_dropped(self):
        with self.damaged("RENAME TABLE webhook_calls TO gone", "RENAME TABLE gone TO webhook_calls"):
            self.assert_fault(("1146",), (SMALL, ONE, COUNTED, LATEST))

    def test_table_of_chunks_dropped(self):
        with self.damaged("RENAME TABLE webhook_call_chunks TO gone", "RENAME TABLE gone TO webhook_call_chunks"):
            self.assert_fault(("1146",), (COUNTED_BY_CHUNKS,))
            for target in (SMALL, ONE, COUNTED, LATEST):  # right as long as a reader is remembered: what finds one asks the chunks
                answer = get(self.pool, target)
                self.assertIn(answer.status, (200, 500), target)
                check_answer(answer)
        self.assertEqual(9000, check_answer(get(self.pool, COUNTED_BY_CHUNKS))["meta"]["count"])

    def test_table_of_tokens_dropped(self):
        """What a worker remembers of a reader lasts some seconds; nobody else is let in."""
        with self.damaged("RENAME TABLE api_tokens TO gone", "RENAME TABLE gone TO api_tokens"):
            self.assert_fault(("1146",), (SMALL, ONE), [("Authorization", "Bearer nobodys")])
            wait_until(lambda: get(self.pool).status == 500, "end of what was remembered", 10)
            self.assert_fault(("1146",), (SMALL, ONE, COUNTED))

    def test_column_renamed(self):
        with self.damaged("ALTER TABLE webhook_calls RENAME COLUMN http_code TO code",
                          "ALTER TABLE webhook_calls RENAME COLUMN code TO http_code"):
            self.assert_fault(("1054", "1143"), (SMALL, ONE, LATEST))

    def test_index_dropped(self):
        with self.damaged("ALTER TABLE webhook_calls DROP INDEX by_created",
                          "ALTER TABLE webhook_calls ADD INDEX by_created (webhook_id, created_at, id, http_code)"):
            self.assert_fault(("1176",), (LATEST,))
            self.assert_served(self.pool)
            self.assert_served(self.pool, ONE)

    def test_types_changed(self):
        """Answers stay the same, or are a 500: none is wrong."""
        for column, other, ours in (("http_code", "INT NULL", "SMALLINT UNSIGNED NULL"), ("http_code", "VARCHAR(9) NULL", "SMALLINT UNSIGNED NULL"),
                                    ("body", "MEDIUMTEXT NULL", "LONGBLOB NULL"), ("body", "VARBINARY(4000) NULL", "LONGBLOB NULL"),
                                    ("headers", "TEXT NULL", "MEDIUMBLOB NULL"),
                                    ("created_at", "DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6))", "DATETIME(3) NOT NULL DEFAULT (UTC_TIMESTAMP(3))"),
                                    ("created_at", "VARCHAR(40) NOT NULL", "DATETIME(3) NOT NULL DEFAULT (UTC_TIMESTAMP(3))")):
            with self.subTest(column=column, other=other):
                before = {target: check_answer(get(self.pool, target)) for target in (SMALL, ONE, COUNTED, LATEST)}
                change = f"ALTER TABLE webhook_calls MODIFY COLUMN {column} "
                with self.damaged(change + other, change + ours):
                    for target, wanted in before.items():
                        for _ in range(2):
                            answer = get(self.pool, target)
                            document = check_answer(answer)
                            if answer.status != 500:
                                self.assertEqual(wanted, document, target)
                self.assertEqual(before, {target: check_answer(get(self.pool, target)) for target in before})

    def test_column_added(self):
        """Statements that were prepared before go on, and while it is added, too."""
        with SteadyLoad(self.pool, SMALL, TOKEN, IDS) as load:
            for position in ("", " FIRST", " AFTER http_code"):
                with self.damaged(f"ALTER TABLE webhook_calls ADD COLUMN note VARCHAR(9) NOT NULL DEFAULT 'new'{position}",
                                  "ALTER TABLE webhook_calls DROP COLUMN note"):
                    for target in (SMALL, ONE, COUNTED, LATEST) * 3:
                        self.assert_served(self.pool, target)
                load.wait_for(20)
        self.assertEqual({200}, set(load.statuses))


if __name__ == "__main__":
    unittest.main()
