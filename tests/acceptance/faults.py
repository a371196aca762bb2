"""What the tests of faults share: processes that are held, a steady load whose every answer is checked, and a look at what a fault
left behind."""

import collections
import http.client
import os
import re
import signal
import socket
import threading
import time
from pathlib import Path

from service import SANITIZED, WORKER, Answer, check_answer, executable, expect, process_state, send_signal, wait_until


def seconds_of(action):
    begin = time.monotonic()
    result = action()
    return time.monotonic() - begin, result


class Held:
    """A process that is stopped for a while: SIGSTOP now, SIGCONT at the end."""

    def __init__(self, pid):
        self.pid = pid

    def __enter__(self):
        send_signal(self.pid, signal.SIGSTOP)
        wait_until(lambda: process_state(self.pid) in ("T", ""), "stopped process")

    def __exit__(self, *_):
        send_signal(self.pid, signal.SIGCONT)


class Connection(http.client.HTTPConnection):
    """To a port or to a unix socket."""

    def __init__(self, address):
        super().__init__("webhook-calls.test", timeout=90)
        self.address = address

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX if isinstance(self.address, str) else socket.AF_INET)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.address)


class Load:
    """Threads that ask all the time, half of them on a connection of their own for each request, and the others on one that is
    kept. Each answer must be the right one, or have one of the other statuses and be right in its form."""

    def __init__(self, server, target, headers, ids, threads=4, others=()):
        self.server, self.target, self.headers, self.ids, self.others = server, target, dict(headers), ids, others
        self.statuses, self.faults, self.closed = collections.Counter(), [], 0
        self.last_other = None  # when the latest request began that had another status
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._threads = [threading.Thread(target=self._ask, args=(number % 2 == 1,), daemon=True) for number in range(threads)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        self.wait_for(20)
        return self

    def __exit__(self, *failure):
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if not any(failure):
            expect(not self.faults, f"{len(self.faults)} of {self.total()} answers are wrong: {self.faults[:5]}")

    def total(self):
        return sum(self.statuses.values()) + len(self.faults)

    def wait_for(self, more):
        """Until so many more answers have arrived."""
        begin = self.total()
        wait_until(lambda: self.total() >= begin + more or self.faults, f"{more} answers", 60)

    def _ask(self, kept):
        connection = Connection(self.server.address)
        while not self._stop.is_set():
            begin = time.monotonic()
            try:
                status = self._exchange(connection) if kept else self._check(self.server.send("GET", self.target,
                                                                                               self.headers.items()))
                with self._lock:
                    self.statuses[status] += 1
                    if status != 200:
                        self.last_other = max(begin, self.last_other or begin)
            except Exception as fault:  # pylint: disable=broad-except
                connection.close()
                with self._lock:
                    self.faults.append(repr(fault))
        connection.close()

    def _exchange(self, connection):
        """On a connection that is kept. A server may close that between two requests: then, as all clients do, once more on another."""
        fresh = connection.sock is None
        try:
            connection.request("GET", self.target, headers=self.headers)
            response = connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            connection.close()
            if fresh:
                raise
            with self._lock:
                self.closed += 1
            return self._exchange(connection)
        body = response.read()
        head = "\r\n".join([f"HTTP/1.1 {response.status} -", *(f"{name}: {value}" for name, value in response.getheaders()
                                                             if name != "Transfer-Encoding")])
        return self._check(Answer(head.encode() + b"\r\n\r\n" + body, "GET"))

    def _check(self, answer):
        document = check_answer(answer)
        if answer.status not in self.others:
            expect(answer.status == 200, f"status {answer.status}: {answer.body[:300]!r}")
            expect([int(call["id"]) for call in document["data"]] == self.ids, f"other calls: {answer.body[:300]!r}")
        return answer.status


class Leftovers:
    """What a pool of workers holds, before a fault and after it. The service is that of its database."""

    def __init__(self, service, server):
        self._service, self._server = service, server
        self._workers = {pid: (descriptors(pid), resident_kib(pid)) for pid in server.worker_pids()}

    def check(self):
        """Raises where something has stayed."""
        server, service = self._server, self._service
        wait_until(lambda: len(server.worker_pids()) == len(self._workers), "pool of the old size")
        wait_until(lambda: len(service.reader_connections()) <= workers_of_all_pools(service),
                   "end of the connections that nobody uses")
        wait_until(lambda: not self._open_transactions(), "end of the readers' transactions")
        self._lock_all_tables()
        for pid in server.worker_pids():
            if pid in self._workers:
                files, memory = self._workers[pid]
                expect(len(descriptors(pid)) <= max(len(files), 5), f"worker {pid} has now {descriptors(pid)}, before {files}")
                grown = resident_kib(pid) - memory
                # A worker keeps 4 MiB of its last results, a MiB of freed heap, and what lies between the two.
                expect(SANITIZED or grown < 8 << 10, f"worker {pid} has {grown} KiB more")

    def _open_transactions(self):
        readers = self._service.reader_connections()
        rows = self._service.sql("SELECT trx_mysql_thread_id FROM information_schema.innodb_trx")
        return [row[0] for row in rows if row[0] in readers]

    def _lock_all_tables(self):
        """As a migration does, which fails where a reader still holds a table's definition."""
        connection = self._service.connect()
        try:
            cursor = connection.cursor()
            cursor.execute("SET SESSION lock_wait_timeout = 2")
            cursor.execute("LOCK TABLES webhook_calls WRITE, webhooks WRITE, api_tokens WRITE, webhook_call_chunks WRITE")
        finally:
            connection.close()


def descriptors(pid):
    """What its descriptors are: files by name, sockets and pipes by kind."""
    found = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.append(re.sub(r":\[\d+\]", "", os.readlink(descriptor)))
        except OSError:
            pass  # closed meanwhile
    return sorted(found)


def workers_of_all_pools(service):
    """They work in the service's folder."""
    def folder_of(process):
        try:
            return Path(os.readlink(process / "cwd"))
        except OSError:
            return Path("/")  # gone meanwhile
    return sum(executable(process.name) == WORKER and service.folder in (folder_of(process), *folder_of(process).parents)
               for process in Path("/proc").glob("[1-9]*"))


def resident_kib(pid):
    return int(re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1])
