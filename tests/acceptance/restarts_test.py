#!/usr/bin/python3
"""Parts of the service are restarted while it is used, or killed, and clients are as slow as they can be. What is restarted the right
way costs no request."""

import contextlib
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import time
import unittest

from faults import Leftovers, descriptors
from load import SteadyLoad
from service import (LIST, SANITIZED, WORKER, Server, Service, check_answer, free_port, process_state, send_signal,
                     wait_until)

TOKEN = [("Authorization", "Bearer reader-1")]
SMALL, BIG = LIST % 1, LIST % 9  # a page of 1000 x 64 KiB
IDS = list(range(1, 6))
service = None


def setUpModule():
    global service
    service = Service(workers=2)
    unittest.addModuleCleanup(service.stop)
    service.add_token("reader-1", 1)
    service.add_webhooks((1, 1, "small", "https://example.com/1"), (9, 1, "big", "https://example.com/9"))
    service.add_numbered_calls(1, 5)
    service.add_numbered_calls(9, 1000, "REPEAT(CHAR(97 + seq % 26), 65536)", above=9000)


def load(server, **options):
    return SteadyLoad(server, SMALL, TOKEN, IDS, **options)


class TestCase(unittest.TestCase):
    def use(self, server):
        """Looks at the end of the test for what stayed behind."""
        for _ in range(16):
            self.assert_served(server)
        self.addCleanup(Leftovers(service, server).check)
        return server

    def assert_served(self, server):
        answer = server.send("GET", SMALL, TOKEN)
        self.assertEqual(200, answer.status, answer.body)
        check_answer(answer)
        self.assertEqual(IDS, answer.ids())


class NginxTest(TestCase):
    def test_reloaded_again_and_again(self):
        self.use(service)
        master = service.session("nginx")

        def nginx_workers():
            return [pid for pid in service.processes("nginx") if pid != master]
        with load(service) as asked:
            for _ in range(10):
                before = nginx_workers()
                send_signal(master, signal.SIGHUP)
                wait_until(lambda before=before: set(nginx_workers()) - set(before), "new workers of nginx")
                asked.wait_for(50)
        print(f"\nnginx reloaded 10 times: {asked.total()} answers, {asked.closed} kept connections closed between two", flush=True)
        self.assertEqual({200}, set(asked.statuses))
        wait_until(lambda: len(nginx_workers()) == 2, "end of the old workers of nginx", 30)

    def test_replaced_by_another_process(self):
        """As for an update of nginx, by its signals: USR2 starts another beside it, WINCH and QUIT end the old one."""
        self.use(service)
        folder = service.folder / "other-nginx"
        folder.mkdir()
        port, pid_file = free_port(), folder / "nginx.pid"
        text = (service.state / "nginx.conf").read_text()
        for old, new in (("daemon off;", ""), (f'pid "{service.state}/nginx.pid"', f'pid "{pid_file}"'),
                         (f"listen 127.0.0.1:{service.address[1]};", f"listen 127.0.0.1:{port};"),
                         (f'include "{service.state}/nginx.d/*.conf";', "")):
            self.assertIn(old, text)
            text = text.replace(old, new)
        (folder / "nginx.conf").write_text(text)
        nginx = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
        subprocess.run([nginx, "-e", folder / "error.log", "-p", folder, "-c", folder / "nginx.conf"], check=True, cwd=folder)

        def running():
            try:
                return int(pid_file.read_text())
            except (OSError, ValueError):
                return 0  # it is just being made
        old = wait_until(running, "process of nginx")
        self.addCleanup(send_signal, old, signal.SIGTERM)
        server = Server(("127.0.0.1", port), os.devnull, lambda: -1)
        wait_until(lambda: self.connects(port), "listening nginx")
        with load(server) as asked:
            for _ in range(2):
                send_signal(old, signal.SIGUSR2)
                new = wait_until(lambda old=old: running() not in (0, old) and running(), "second process of nginx")
                self.addCleanup(send_signal, new, signal.SIGTERM)
                asked.wait_for(50)
                for ending in (signal.SIGWINCH, signal.SIGQUIT):
                    send_signal(old, ending)
                    asked.wait_for(50)
                wait_until(lambda old=old: process_state(old) in ("", "Z"), "end of the old nginx", 30)
                asked.wait_for(50)
                old = new
        print(f"\nnginx replaced twice: {asked.total()} answers, {asked.closed} kept connections closed between two", flush=True)
        self.assertEqual({200}, set(asked.statuses))
        send_signal(old, signal.SIGQUIT)
        wait_until(lambda: process_state(old) in ("", "Z"), "end of nginx", 30)

    @staticmethod
    def connects(port):
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0


class WorkersTest(TestCase):
    def test_ended_one_after_the_other(self):
        """By the signal that this project's pools send, and by the one that is multiwatch's own choice."""
        for workers, number in ((1, signal.SIGTERM), (2, signal.SIGUSR1)):
            pool = self.use(service.pool(f"ended-{workers}", workers=workers))
            with load(pool) as asked:
                for _ in range(10):
                    for worker in pool.worker_pids():
                        send_signal(worker, number)
                        wait_until(lambda worker=worker: process_state(worker) in ("", "Z"), "end of a worker")
                        wait_until(lambda: len(pool.worker_pids()) == workers, "full pool")
                    asked.wait_for(20)
            print(f"\n{workers} workers, each ended 10 times: {asked.total()} answers", flush=True)
            self.assertEqual({200}, set(asked.statuses))

    def test_ended_while_a_request_arrives(self):
        """The worker has its beginning, and answers it all the same. Then it ends."""
        pool = service.pool("arriving")
        fcgi = f"{os.path.dirname(service.env['FCGI_SOCKET'])}/arriving.fcgi"
        for number in (signal.SIGTERM, signal.SIGUSR1):
            request = fastcgi_request(REQUEST_METHOD="GET", DOCUMENT_URI=SMALL, QUERY_STRING="", REQUEST_ID="1",
                                      HTTP_AUTHORIZATION=TOKEN[0][1])
            for part in (0, 1, 8, 30, len(request) - 9):
                with self.subTest(signal=number, part=part), socket.socket(socket.AF_UNIX) as client:
                    worker = wait_until(pool.worker_pids, "worker")[0]
                    wait_until(lambda worker=worker: handles(worker, number), "worker that waits for requests")
                    sockets = descriptors(worker).count("socket")
                    client.settimeout(30)
                    client.connect(fcgi)
                    client.sendall(request[:part])
                    wait_until(lambda worker=worker: descriptors(worker).count("socket") > sockets, "accepted connection")
                    send_signal(worker, number)
                    client.sendall(request[part:])
                    answer = bytearray()
                    with contextlib.suppress(ConnectionResetError):
                        while data := client.recv(1 << 16):
                            answer += data
                    self.assertIn(b'"id":"5"', answer)
                    wait_until(lambda worker=worker: process_state(worker) in ("", "Z"), "end of the worker")

    def test_check_of_addresses_that_is_not_made(self):
        """Libfcgi would; a worker that accepts connections itself must not let anybody believe that it does."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            result = subprocess.run([WORKER], stdin=listener, capture_output=True, timeout=60,
                                    env=service.worker_environment(FCGI_WEB_SERVER_ADDRS="192.0.2.1"))
        self.assertEqual(1, result.returncode, result)
        self.assertIn(b"FCGI_WEB_SERVER_ADDRS is not supported", result.stderr)

    def test_connections_that_say_nothing(self):
        """To a worker itself: each holds it for two seconds at most."""
        pool = self.use(service.pool("silent"))
        fcgi = f"{os.path.dirname(service.env['FCGI_SOCKET'])}/silent.fcgi"
        with socket.socket(socket.AF_UNIX) as silent:
            silent.connect(fcgi)
            self.assert_served(pool)
            self.assertEqual(b"", silent.recv(1))

    def test_pool_killed(self):
        """All of it, with what keeps it. scripts/run starts another; systemd would."""
        self.use(service)
        with load(service, others=(502,)) as asked:
            for pid in service.processes("pool"):
                send_signal(pid, signal.SIGKILL)
            begin = time.monotonic()
            wait_until(lambda: asked.statuses[502] > 0, "502")
            wait_until(lambda: service.send("GET", SMALL, TOKEN).status == 200, "answer after the pool was killed")
            back = time.monotonic()
            wait_until(lambda: len(service.worker_pids()) == 2, "full pool")
            asked.wait_for(200)
        print(f"\npool killed: {dict(asked.statuses)}, back after {back - begin:.1f} s, the last 502 was asked for "
              f"{asked.last_other - begin:.1f} s after the kill", flush=True)
        self.assertLess(back - begin, 10 if not SANITIZED else 30)


def fastcgi_request(**parameters):
    """The bytes of a request, as a web server sends them: begin, parameters, no content."""
    def record(kind, content):
        return struct.pack("!BBHHBB", 1, kind, 1, len(content), 0, 0) + content
    pairs = b"".join(struct.pack("!BB", len(name), len(value)) + name.encode() + value.encode() for name, value in parameters.items())
    return record(1, struct.pack("!HBxxxxx", 1, 1)) + record(4, pairs) + record(4, b"") + record(5, b"")


def handles(pid, number):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(re.search(r"SigCgt:\s+([0-9a-f]+)", status.read())[1], 16) >> (number - 1) & 1


class SlowClientsTest(TestCase):
    """In front of one worker, which all others need meanwhile."""

    CLIENTS = 200

    def slow_pool(self, name):
        return self.use(service.pool(name, changes=[
            ("location ~ ^/api/", "client_header_timeout 2s;\nclient_body_timeout 2s;\nlocation ~ ^/api/")]))

    def trickle(self, pool, begin, rest):
        """Many clients that send the rest a byte a second, until nginx has closed all of them; returns how many had an answer."""
        clients = []
        for _ in range(self.CLIENTS):
            client = socket.socket(socket.AF_UNIX)
            client.settimeout(30)
            client.connect(pool.address)
            client.sendall(begin)
            clients.append(client)
        answered, open_clients, position = 0, set(clients), 0
        with load(pool, threads=2) as asked:
            started = time.monotonic()
            while open_clients and time.monotonic() - started < 60:
                for client in list(open_clients):
                    try:
                        client.sendall(rest[position % len(rest)].to_bytes(1, "big"))
                    except OSError:
                        open_clients.discard(client)
                self.assertFalse([line for line in pool.log_lines() if line["method"] != "GET"], "one came to a worker")
                deadline = time.monotonic() + 1
                while time.monotonic() < deadline:
                    asked.wait_for(10)
                    for client in list(open_clients):
                        with contextlib.suppress(BlockingIOError):
                            try:
                                data = client.recv(1 << 16, socket.MSG_DONTWAIT)
                            except ConnectionResetError:
                                data = b""
                            answered += data.startswith(b"HTTP/1.1 2")
                            open_clients.discard(client)
                position += 1
            seconds = time.monotonic() - started
        for client in clients:
            client.close()
        self.assertFalse(open_clients, "nginx has not closed all")
        self.assertEqual({200}, set(asked.statuses))
        print(f"\n{self.CLIENTS} clients that send a byte a second: all closed after {seconds:.1f} s; meanwhile {asked.total()} "
              "answers to others", flush=True)
        return answered

    def test_header_a_byte_a_second(self):
        """nginx's default gives it 60 s in all; here it is 2."""
        pool = self.slow_pool("slow-header")
        self.assertEqual(0, self.trickle(pool, b"", f"HEAD {SMALL} HTTP/1.1\r\nHost: a\r\n".encode()))

    def test_body_a_byte_a_second(self):
        """It must be slower than the time for one byte, which here are 2 s and by default 60."""
        pool = self.slow_pool("slow-body")
        begin = f"POST {SMALL} HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n".encode()
        clients = []
        for _ in range(self.CLIENTS):
            client = socket.socket(socket.AF_UNIX)
            client.connect(pool.address)
            client.sendall(begin)
            clients.append(client)
        with load(pool, threads=2) as asked:
            for _ in range(3):
                for client in clients:
                    client.sendall(b"x")
                deadline = time.monotonic() + 1
                while time.monotonic() < deadline:
                    asked.wait_for(10)
            self.assertFalse([line for line in pool.log_lines() if line["method"] != "GET"], "one came to a worker")

            def closed(client):
                try:
                    return client.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK) is not None
                except BlockingIOError:
                    return False
            wait_until(lambda: all(closed(client) for client in clients), "end of clients that do not go on", 30)
        for client in clients:
            client.close()
        self.assertEqual({200}, set(asked.statuses))

    def test_reading_a_byte_a_second(self):
        """The worker has made its 64 MB as soon as nginx has them in its file, and is there for others."""
        pool = self.use(service.pool("slow-reading"))
        begin = time.monotonic()
        reader = pool.open("GET", BIG, TOKEN)
        reader.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with load(pool, threads=2) as asked:
            wait_until(lambda: any(line["bytes"] > 1 << 25 and line["outcome"] == "complete" for line in pool.log_lines()),
                       "whole answer", 60)
            seconds = time.monotonic() - begin
            for _ in range(4):
                reader.received += reader.socket.recv(1)
                asked.wait_for(30)
                time.sleep(1)  # not a wait for something: the client's pace
        print(f"\nclient that reads a byte a second: the worker was free after {seconds:.1f} s, {asked.total()} answers to others",
              flush=True)
        answer = reader.finish()
        check_answer(answer)
        self.assertEqual([9000 + number for number in range(1, 1001)], answer.ids())


if __name__ == "__main__":
    unittest.main()
