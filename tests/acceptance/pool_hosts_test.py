#!/usr/bin/python3
"""Pools of workers on several hosts, as README.md sets them up, while some are killed, hang or cannot be reached; and connections to a pool on
TCP that nginx would not make. The hosts are addresses of this machine: 127.0.0.2 and so on."""

import contextlib
import signal
import socket
import subprocess
import sys
import time
import unittest
from pathlib import Path

import fastcgi
from load import TimedLoad, running
from service import (LIST, PROJECT, SANITIZED, SHOW, WORKER, Server, Service, can_connect, check_answer, expect, free_ports, send_signal,
                     session_processes, stop_session, wait_until)

sys.path.insert(0, str(PROJECT / "tests/readme"))
from readme_commands import blocks_of  # noqa: E402

TOKEN = [("Authorization", "Bearer reader-1")]
SMALL = [LIST % 1, LIST % 1 + "?count=true&sort=-created_at&page[size]=7", LIST % 1 + "?filter[http_code]=500", SHOW % (1, 1)]
LARGE = LIST % 9  # a page of 64 MB
FAIL_SECONDS, CONNECT_SECONDS, READ_SECONDS = 2, 2, 3  # shorter than in the README, where that can be
READ_LIMIT, WRITE_LIMIT, CLOSE_LIMIT = 2, 30, 2  # of a worker: kReadTimeout, three times kWriteTimeout, and libfcgi's
SLACK = 6 if SANITIZED else 2
service = None
deaf = None


def setUpModule():
    global service
    service = Service(workers=1)
    unittest.addModuleCleanup(service.stop)
    service.add_token("reader-1", 1)
    service.add_webhooks((1, 1, "small", "https://example.com/1"), (9, 1, "large", "https://example.com/9"))
    service.add_numbered_calls(1, 50, code="200 + seq % 2 * 300")
    service.add_numbered_calls(9, 1000, "REPEAT(CHAR(97 + seq % 26), 65536)", above=9000)
    begin_deaf_clients()


def begin_deaf_clients():
    """As long as the other tests take, two web servers take nothing of a page of 64 MB, at a pool of two workers: see SilentReaderTest."""
    global deaf
    (port,) = free_ports(1)
    deaf = Host("127.0.0.10", port)
    for _ in range(2):
        client = fastcgi.connect(deaf.address, receive_buffer=4096)
        unittest.addModuleCleanup(client.close)
        client.sendall(fastcgi.begin_of_request(LARGE) + fastcgi.record(fastcgi.STDIN))
    deaf.begin = time.monotonic()


def assert_served(test, server, seconds):
    begin = time.monotonic()
    answer = server.send("GET", SMALL[0], TOKEN)
    took = time.monotonic() - begin
    test.assertEqual(200, answer.status, answer.body)
    test.assertEqual(50, len(check_answer(answer)["data"]))
    test.assertLess(took, seconds + SLACK)


class Host:
    """A pool of workers on an address of its own."""

    def __init__(self, address, port, workers=2, **environment):
        self.address, self.workers, self.environment = (address, port), workers, environment
        self.name = "host-" + address
        self.start()

    def start(self):
        where = ["-a", self.address[0], "-p", str(self.address[1])]
        self.process, self.log = service.start_workers(self.name, where, self.workers, **self.environment)
        self.server = Server(None, self.log, lambda: self.process.pid)
        wait_until(lambda: len(self.server.worker_pids()) == self.workers, f"workers of {self.name}")

    def requests(self):
        return len(self.server.log_lines())

    def signal(self, number):
        for pid in session_processes(self.process.pid):
            send_signal(pid, number)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.process.wait()
        wait_until(lambda: not session_processes(self.process.pid), f"end of {self.name}")

    @contextlib.contextmanager
    def hung(self):
        self.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)

    def wait_for_more(self, count, seconds):
        before = self.requests()
        wait_until(lambda: self.requests() >= before + count, f"{count} more requests at {self.name}", seconds)


def connections(port):
    """Those that are open from nginx, or a worker, to the other."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ends = f":{port:04X}"
    return [line[1:4] for line in lines if line[3] in ("01", "08") and (line[1].endswith(ends) or line[2].endswith(ends))]


class UnreachableHost:
    """An address that takes no connection and refuses none, as where packets are lost: its queue is full."""

    def __init__(self, address, port):
        self.sockets = [socket.create_server((address, port), backlog=0)]
        try:
            while True:
                self.sockets.append(fastcgi.connect((address, port), timeout=0.2))
        except TimeoutError:
            pass

    def close(self):
        for each in self.sockets:
            each.close()


class PoolHostsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        (cls.port,) = free_ports(1)
        cls.hosts = [Host(f"127.0.0.{n}", cls.port) for n in (2, 3, 4)]
        cls.server = cls.nginx("hosts", [host.address for host in cls.hosts])
        cls.addClassCleanup(cls.check_that_nothing_is_left)

    @classmethod
    def check_that_nothing_is_left(cls):
        wait_until(lambda: not connections(cls.port), "end of all connections")
        for host in cls.hosts:
            expect(len(session_processes(host.process.pid)) == 3, f"{host.name} has another number of processes")
            stop_session(host.process)
            expect(not can_connect(host.address), f"something still listens at {host.name}")

    @classmethod
    def nginx(cls, name, addresses, *changes):
        members = "\n".join(f"server {address}:{port} max_conns=128 max_fails=2 fail_timeout={FAIL_SECONDS}s;" for address, port in addresses)
        upstream = name.replace("-", "_")
        return service.nginx_server(
            name, upstream, [("fastcgi_read_timeout    30s", f"fastcgi_read_timeout {READ_SECONDS}s"), *changes],
            f"upstream {upstream} {{\nzone {upstream} 64k;\nleast_conn;\n{members}\n}}")

    def load(self, targets=SMALL, server=None):
        return TimedLoad(server or self.server, targets, TOKEN)

    def test_one_killed_and_back(self):
        host, load = self.hosts[0], self.load()
        with running(*[load.loop] * 6):
            for host in self.hosts:
                host.wait_for_more(50, 20)
            for _ in range(3):
                host.kill()
                load.wait_for_more(300)
                host.start()
                begin = time.monotonic()
                host.wait_for_more(20, FAIL_SECONDS + SLACK)
                print(f"\nback after {time.monotonic() - begin:.1f} s", end="")
        load.report("one of three pool hosts killed three times")
        self.assertEqual([], load.faults())
        self.assertLess(load.slowest(), SLACK)

    def test_one_hung_and_back(self):
        host, load = self.hosts[1], self.load()
        with running(*[load.loop] * 6):
            host.wait_for_more(50, 20)
            with host.hung():
                begin = time.monotonic()
                # Until the first ones have given up, and one tried again.
                wait_until(lambda: load.slowest(begin) >= READ_SECONDS, "end of the first wait", 30)
                load.wait_for_more(300)
                first = len([1 for _, seconds, _ in load.since(begin) if seconds >= READ_SECONDS])
                wait_until(lambda: len([1 for _, seconds, _ in load.since(begin) if seconds >= READ_SECONDS]) > first, "another trial", 30)
            back = time.monotonic()
            host.wait_for_more(20, FAIL_SECONDS + SLACK)
            print(f"\nback after {time.monotonic() - back:.1f} s", end="")
            load.wait_for_more(100)
        load.report("one of three pool hosts hung")
        self.assertEqual([], load.faults())
        self.assertLess(load.slowest(), READ_SECONDS + SLACK)
        # Of six clients no more than their share may wait at the hung host, because it is not the one with the fewest connections.
        self.assertLessEqual(first, 3)

    def test_one_killed_one_hung_and_one_unreachable(self):
        killed, hung, well = self.hosts
        lost = UnreachableHost("127.0.0.5", self.port)
        self.addCleanup(lost.close)
        server = self.nginx("lost-one", [*[host.address for host in self.hosts], ("127.0.0.5", self.port)])
        load = self.load(server=server)
        killed.kill()
        try:
            with hung.hung(), running(*[load.loop] * 6):
                load.wait_for_more(300, 60)
                wait_until(lambda: load.slowest() >= READ_SECONDS, "end of the first wait", 30)
                load.wait_for_more(300, 60)
        finally:
            killed.start()
        load.report("of four pool hosts one killed, one hung, one unreachable")
        self.assertEqual([], load.faults())
        self.assertLess(load.slowest(), READ_SECONDS + CONNECT_SECONDS + SLACK)

    def test_large_answers_are_right_or_visibly_cut(self):
        host = self.hosts[2]
        load = self.load([LARGE + f"?page[size]={size}" for size in (40, 160)])
        with running(*[load.loop] * 4):
            for _ in range(3):
                host.wait_for_more(4, 20)
                host.kill()
                load.wait_for_more(8, 60)
                host.start()
        load.report("large answers")
        self.assertEqual([], [fault for fault in load.faults() if not fault.startswith("cut short")])

    def test_answer_in_the_middle_of_which_its_host_is_killed(self):
        # Without its file nginx takes in no more than its buffers: the worker waits for this client.
        server = self.nginx("without-file", [host.address for host in self.hosts], ("64 32k;", "64 32k;\n  fastcgi_max_temp_file_size 0;"))
        exchange = server.open("GET", LARGE, TOKEN)
        exchange.read_some(1_000)
        for host in self.hosts:
            host.kill()
        try:
            answer = exchange.finish()
        finally:
            for host in self.hosts:
                host.start()
        self.assertEqual((200, False), (answer.status, answer.complete))

    def test_all_killed_and_back(self):
        for host in self.hosts:
            host.kill()
        for _ in range(10):  # first each is asked, then there is none to ask
            answer = self.server.send("GET", SMALL[0], TOKEN)
            self.assertIn(answer.status, (502, 503))
            check_answer(answer)
        for host in self.hosts:
            host.start()
        wait_until(lambda: self.server.send("GET", SMALL[0], TOKEN).status == 200, "answer", FAIL_SECONDS + SLACK)

    def test_503_of_a_worker_is_the_answer(self):
        """Not a reason to ask the next host: a statement over its limit would be repeated on each."""
        (port,) = free_ports(1)
        hosts = [Host(f"127.0.0.{n}", port, WEBHOOK_CALLS_DB_HOSTS="unix:/nonexistent/db.sock") for n in (6, 7)]
        server = self.nginx("no-database", [host.address for host in hosts])
        for _ in range(10):
            answer = server.send("GET", SMALL[0], TOKEN)
            self.assertEqual(503, answer.status)
            check_answer(answer)
        wait_until(lambda: sum(host.requests() for host in hosts) >= 10, "log lines")
        self.assertEqual(10, sum(host.requests() for host in hosts))


class ConnectionTest(unittest.TestCase):
    """What is no web server's way, at a pool on TCP."""

    @classmethod
    def setUpClass(cls):
        (port,) = free_ports(1)
        cls.host = Host("127.0.0.8", port, workers=4)
        cls.server = service.nginx_server("tcp", f"127.0.0.8:{port}")

    def connect(self, **options):
        client = fastcgi.connect(self.host.address, **options)
        self.addCleanup(client.close)
        return client

    def test_connections_that_fall_silent(self):
        """Each holds a worker for READ_LIMIT and the time libfcgi takes to close it, and no longer."""
        for sent in (0, 8, 20, -1):
            self.connect().sendall(fastcgi.begin_of_request(SMALL[0])[:sent])
        assert_served(self, self.server, READ_LIMIT + CLOSE_LIMIT)

    def test_content_that_nobody_reads(self):
        content = fastcgi.record(fastcgi.STDIN, b"x" * 60_000) * 4
        for end in (fastcgi.record(fastcgi.STDIN), b""):
            clients = [self.connect() for _ in range(4)]
            for client in clients:
                client.sendall(fastcgi.begin_of_request(SMALL[0]) + content + end)
            for client in clients:
                output, ended = fastcgi.read_answer(client)
                self.assertTrue(ended)
                self.assertTrue(output.startswith(b"Status: 200 OK\r\n"), output[:200])
            assert_served(self, self.server, CLOSE_LIMIT)

    def test_list_of_web_servers_that_nobody_would_look_at(self):
        """libfcgi's own setting. It is libfcgi's accepting that reads it, which the workers do themselves."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            result = subprocess.run([WORKER], env=service.worker_environment(FCGI_WEB_SERVER_ADDRS="127.0.0.1"), stdin=listener,
                                    capture_output=True, timeout=30)
        self.assertEqual((1, b""), (result.returncode, result.stdout))
        self.assertIn(b"FCGI_WEB_SERVER_ADDRS", result.stderr)


class ReadmeTest(unittest.TestCase):
    def test_the_pool_as_it_is_started_there(self):
        address = "127.0.0.11", *free_ports(1)
        (block,) = blocks_of("cluster")
        (command,) = map(str, block.commands)
        for word, here in (("10.0.0.2", address[0]), ("9000", str(address[1])), ("/usr/sbin/webhook-calls", str(WORKER))):
            self.assertIn(word, command)
            command = command.replace(word, here)
        process = subprocess.Popen(["sh", "-c", "exec " + command], env=service.worker_environment(), cwd=service.folder,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        self.addCleanup(stop_session, process)
        wait_until(lambda: can_connect(address), "pool")
        assert_served(self, service.nginx_server("readme", "%s:%d" % address), 0)


class SilentReaderTest(unittest.TestCase):
    def test_web_server_that_reads_nothing(self):
        """Last of this file's tests, because the time limit is long. Both answers were begun in setUpModule()."""
        wait_until(lambda: deaf.requests() == 2, "end of the answers that nobody reads", max(0, deaf.begin + WRITE_LIMIT - time.monotonic()) + SLACK)
        self.assertEqual(["client_gone"] * 2, [line["outcome"] for line in deaf.server.log_lines()])
        assert_served(self, service.nginx_server("deaf", "%s:%d" % deaf.address), 0)


if __name__ == "__main__":
    unittest.main()
