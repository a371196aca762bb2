"""What the tests of faults share: processes that are held, and a look at what a fault left behind."""

import os
import re
import signal
import time
from pathlib import Path

from service import SANITIZED, WORKER, executable, expect, process_state, send_signal, wait_until


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
        wait_until(lambda: not open_transactions(service), "end of the readers' transactions")
        self._lock_all_tables()
        for pid in server.worker_pids():
            if pid in self._workers:
                files, memory = self._workers[pid]
                expect(len(descriptors(pid)) <= max(len(files), 5), f"worker {pid} has now {descriptors(pid)}, before {files}")
                grown = resident_kib(pid) - memory
                # A worker keeps 4 MiB of its last results, a MiB of freed heap, and what lies between the two.
                expect(SANITIZED or grown < 8 << 10, f"worker {pid} has {grown} KiB more")

    def _lock_all_tables(self):
        """As a migration does, which fails where a reader still holds a table's definition."""
        connection = self._service.connect()
        try:
            cursor = connection.cursor()
            cursor.execute("SET SESSION lock_wait_timeout = 2")
            cursor.execute("LOCK TABLES webhook_calls WRITE, webhooks WRITE, api_tokens WRITE, webhook_call_chunks WRITE")
        finally:
            connection.close()


def open_transactions(service):
    """The readers' connections that have one."""
    # InnoDB keeps what it told last until nobody has asked for 0.1 s.
    time.sleep(0.12)
    readers = service.reader_connections()
    rows = service.sql("SELECT trx_mysql_thread_id FROM information_schema.innodb_trx")
    return [row[0] for row in rows if row[0] in readers]


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
