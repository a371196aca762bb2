#!/usr/bin/python3
"""Workers that know three database hosts with the same data, of which some are killed, hang, or are of no use: what a client sees of it, where the
workers are meanwhile, and when they are back. scripts/test-galera has the same with a real cluster."""

import contextlib
import json
import time
import unittest

from database_host import Host, stopped_database
from load import TimedLoad, running
from service import LIST, MYSQLD, SANITIZED, SHOW, Service, check_answer, free_ports, stop_session, wait_until

TOKEN = [("Authorization", "Bearer reader-1")]
TARGETS = [LIST % 1, LIST % 1 + "?count=true&sort=-created_at&page[size]=7", LIST % 1 + "?filter[http_code]=500", SHOW % (1, 1)]
CONNECT_LIMIT, STATEMENT_LIMIT, PAUSE = 2, 2, 10  # seconds; the last is HostOrder::kFirstPause
SLACK = 6 if SANITIZED else 2
WORKERS = 2
service = None
command, data = None, None  # of the service's database, and a copy of its files
hosts = []


def setUpModule():
    global service, command, data
    service = Service(workers=1)  # for its nginx, and for pools beside its own
    unittest.addModuleCleanup(service.stop)
    service.add_token("reader-1", 1)
    service.add_webhooks((1, 1, "hook", "https://example.com/1"))
    service.add_numbered_calls(1, 300, code="200 + seq % 2 * 300")
    # MySQL's default kind of password needs TLS there, which these servers do not have.
    (port,) = [None] if MYSQLD else free_ports(1)
    if port:
        for statement in (f"CREATE USER run_reader@127.0.0.1 IDENTIFIED BY '{password()}'",
                          "GRANT webhook_calls_reader TO run_reader@127.0.0.1", "SET DEFAULT ROLE webhook_calls_reader FOR run_reader@127.0.0.1"):
            service.sql(statement)
    command, data = stopped_database(service)
    hosts.extend(Host(service.folder / name, command, data, port if name == "third" else None) for name in ("first", "second", "third"))


def password():
    return (service.state / "secrets/reader.password").read_text()


class TestCase(unittest.TestCase):
    def pool(self, *those, workers=WORKERS):
        name = f"hosts-{len(service._pools)}"
        pool = service.pool(name, workers, WEBHOOK_CALLS_DB_HOSTS=",".join(host.address for host in those),
                            WEBHOOK_CALLS_DB_CONNECT_TIMEOUT=str(CONNECT_LIMIT), WEBHOOK_CALLS_DB_STATEMENT_TIMEOUT=str(STATEMENT_LIMIT))
        self.addCleanup(lambda: stop_session(service._pools[-1]))  # its connections would be counted in the next test
        return pool

    def changes(self, pool):
        """The log's lines about database hosts."""
        lines = [line for line in pool.log.read_text().splitlines() if '"event":"database_host"' in line]
        return [json.loads(line) for line in lines]

    def wait_for_workers_at(self, host, seconds, count=WORKERS):
        begin = time.monotonic()
        wait_until(lambda: host.readers() == count, f"{count} workers at host {host.folder.name}", seconds)
        return time.monotonic() - begin

    def assert_served(self, pool, seconds):
        begin = time.monotonic()
        answer = pool.send("GET", TARGETS[0], TOKEN)
        self.assertEqual(200, answer.status, answer.body)
        check_answer(answer)
        self.assertLess(time.monotonic() - begin, seconds + SLACK)

    def assert_unavailable(self, pool, seconds):
        begin = time.monotonic()
        answer = pool.send("GET", TARGETS[0], TOKEN)
        self.assertEqual(503, answer.status, answer.body)
        check_answer(answer)
        self.assertLess(time.monotonic() - begin, seconds + SLACK)


class UnderLoadTest(TestCase):
    def test_first_killed_and_back(self):
        first, second, third = hosts
        pool = self.pool(*hosts)
        load = TimedLoad(pool, TARGETS, TOKEN)
        with running(*[load.loop] * 4):
            self.wait_for_workers_at(first, 10)
            with first.killed():
                gone = self.wait_for_workers_at(second, SLACK)
                load.wait_for_more(200)
            back = self.wait_for_workers_at(first, PAUSE + SLACK)
            load.wait_for_more(200)
        load.report(f"first host killed: workers at the second after {gone:.1f} s, back {back:.1f} s after it was")
        self.assertEqual([], load.faults())
        self.assertLess(load.slowest(), SLACK)
        self.assertEqual((0, 0), (second.readers(), third.readers()))
        changes = self.changes(pool)
        self.assertEqual([second.address] * WORKERS + [first.address] * WORKERS, [line["host"] for line in changes])
        for line in changes[:WORKERS]:
            self.assertIn(first.address, line["error"])

    def test_first_hung_and_back(self):
        first, second, _ = hosts
        pool = self.pool(*hosts)
        load = TimedLoad(pool, TARGETS, TOKEN)
        with running(*[load.loop] * 4):
            self.wait_for_workers_at(first, 10)
            with first.hung():
                gone = self.wait_for_workers_at(second, STATEMENT_LIMIT + SLACK)
                load.wait_for_more(200)
            back = self.wait_for_workers_at(first, PAUSE + SLACK)
            load.wait_for_more(200)
        load.report(f"first host hung: workers at the second after {gone:.1f} s, back {back:.1f} s after it was")
        self.assertEqual([], load.faults())
        # Two workers, four clients: one may come to a worker that waits, and then to the other one that does.
        self.assertLess(load.slowest(), 2 * STATEMENT_LIMIT + SLACK)
        self.assertEqual(0, second.readers())
        self.assertEqual([second.address] * WORKERS + [first.address] * WORKERS, [line["host"] for line in self.changes(pool)])

    def test_first_dead_and_second_hung(self):
        """For so long that workers try both again, which costs a client no more than one time limit."""
        first, second, third = hosts
        pool = self.pool(*hosts)
        load = TimedLoad(pool, TARGETS, TOKEN)
        with first.killed(), running(*[load.loop] * 4):
            self.wait_for_workers_at(second, 10)
            load.wait_for_more(200)  # a request is repeated once: those that met the dead host shall not meet the hung one, too
            with second.hung():
                begin = time.monotonic()
                gone = self.wait_for_workers_at(third, STATEMENT_LIMIT + SLACK)
                settled = time.monotonic()
                wait_until(lambda: load.since(settled + PAUSE + CONNECT_LIMIT), "answer after another trial", PAUSE + CONNECT_LIMIT + SLACK)
                load.wait_for_more(200)
                self.assertEqual(WORKERS, third.readers())
                trial = load.slowest(settled + 1)
        load.report(f"first host dead, second hung: workers at the third after {gone:.1f} s, a trial cost {trial:.1f} s", begin)
        self.assertEqual([], load.faults())
        self.assertLess(load.slowest(), 2 * max(STATEMENT_LIMIT, CONNECT_LIMIT) + SLACK)

    def test_all_killed_and_back(self):
        pool = self.pool(*hosts)
        self.assert_served(pool, CONNECT_LIMIT)
        with contextlib.ExitStack() as dead:
            for host in hosts:
                dead.enter_context(host.killed())
            for _ in range(4):
                self.assert_unavailable(pool, 0)
        for _ in range(4):
            self.assert_served(pool, 0)

    def test_all_hung_and_back(self):
        pool = self.pool(*hosts, workers=1)
        self.assert_served(pool, CONNECT_LIMIT)
        with contextlib.ExitStack() as hung:
            for host in hosts:
                hung.enter_context(host.hung())
            self.assert_unavailable(pool, STATEMENT_LIMIT + 3 * CONNECT_LIMIT)
            self.assert_unavailable(pool, 3 * CONNECT_LIMIT)
        self.assert_served(pool, 0)


class OneWorkerTest(TestCase):
    def test_silent_host_is_not_asked_again(self):
        """The request goes on at the next one: it does not wait for the silent one to let it connect, too."""
        first, second, _ = hosts
        pool = self.pool(first, second, workers=1)
        self.assert_served(pool, 0)
        with first.hung():
            self.assert_served(pool, STATEMENT_LIMIT)
        (change,) = wait_until(lambda: self.changes(pool), "log line")
        self.assertEqual(second.address, change["host"])
        self.assertRegex(change["error"], f"^{first.address}: 2013 .* during query$")

    def test_what_another_host_said_of_a_webhook_is_forgotten(self):
        first, second, _ = hosts
        self.addCleanup(first.sql, f"UPDATE {service.env['DB_NAME']}.webhooks SET name = 'hook'")
        first.sql(f"UPDATE {service.env['DB_NAME']}.webhooks SET name = 'hook at the first host'")
        pool = self.pool(first, second, workers=1)

        def name():
            document = check_answer(pool.send("GET", LIST % 1 + "?include=webhook&page[size]=1", TOKEN))
            return document["included"][0]["attributes"]["name"]

        with first.killed():
            self.assertEqual("hook", name())
        while len(self.changes(pool)) < 2:  # there, and back
            name()  # what the second host says of it would be remembered for 4 s
        self.assertEqual("hook at the first host", name())


class UselessHostTest(TestCase):
    def assert_next_is_used(self, useless, code):
        pool = self.pool(useless, hosts[1], workers=1)
        for _ in range(3):
            self.assert_served(pool, 0)
        (change,) = self.changes(pool)
        self.assertEqual(hosts[1].address, change["host"])
        self.assertIn(f"{useless.address}: {code} ", change["error"])
        self.assertNotIn(password(), pool.log.read_text())

    def test_host_that_refuses_the_password(self):
        hosts[0].sql("ALTER USER run_reader@localhost IDENTIFIED BY 'another'")
        try:
            self.assert_next_is_used(hosts[0], 1045)
        finally:
            hosts[0].sql(f"ALTER USER run_reader@localhost IDENTIFIED BY '{password()}'")

    def test_host_without_the_schema(self):
        """First an empty one, as where it was never migrated, then none of that name."""
        empty = Host(service.folder / "empty", command, data)
        self.addCleanup(empty.stop)
        name = service.env["DB_NAME"]
        empty.sql(f"DROP DATABASE {name}")
        empty.sql(f"CREATE DATABASE {name}")
        empty.sql(f"GRANT SELECT ON {name}.* TO run_reader@localhost")
        self.assert_next_is_used(empty, 1146)
        empty.sql(f"DROP DATABASE {name}")
        self.assert_next_is_used(empty, 1049)


class TimeLimitTest(TestCase):
    def test_statement_over_its_limit_is_not_repeated_at_another_host(self):
        first, second, _ = hosts
        pool = self.pool(*hosts, workers=1)
        self.assert_served(pool, 0)
        executed = second.sql("SHOW GLOBAL STATUS LIKE 'Com_stmt_execute'")
        blocker = first.connect()
        try:
            blocker.cursor().execute(f"LOCK TABLES {service.env['DB_NAME']}.webhook_calls WRITE")
            self.assert_unavailable(pool, STATEMENT_LIMIT)
        finally:
            blocker.close()
        self.assert_served(pool, 0)
        self.assertEqual(executed, second.sql("SHOW GLOBAL STATUS LIKE 'Com_stmt_execute'"))
        self.assertEqual([], self.changes(pool))


if __name__ == "__main__":
    unittest.main()
