#!/usr/bin/python3
"""Disks are full: the database's folder for sorting, nginx's for answers that wait for their reader, the one of all logs. And what reads the
workers' log is gone, or hangs. No answer depends on a log."""

import os
import shlex
import subprocess
import unittest
from pathlib import Path

from faults import Leftovers, seconds_of
from load import SteadyLoad
from service import LIST, SANITIZED, Service, check_answer, numbers, wait_until

TOKEN = [("Authorization", "Bearer reader-1")]
SMALL, BIG = LIST % 1, LIST % 9  # a page of 1000 x 64 KiB
IDS = list(range(1, 21))
SIZES = {"tmp": "64m", "nginx-temp": "80m", "log": "24m"}
service = None


class SmallDisksService(Service):
    """Some of its folders are small disks, mounted for its processes alone."""

    def command(self):
        mounts = [f"mount -t tmpfs -o size={size},mode=700 tmpfs {shlex.quote(str(self.state / name))}" for name, size in SIZES.items()]
        for name in SIZES:
            (self.state / name).mkdir(parents=True, exist_ok=True)
        # Who is no root may mount as the root of a namespace of users, and is himself again in another.
        oneself = "" if os.geteuid() == 0 else \
            f"unshare --user --map-user={os.geteuid()} --map-group={os.getegid()} setpriv --pdeathsig TERM "
        shell = " && ".join([*mounts, f'exec {oneself}"$@"'])
        return [*isolation(), "sh", "-c", shell, "sh", *super().command()]

    def disk(self, name):
        """As the service's processes see it."""
        return Path(f"/proc/{self.database_server()}/root{self.state / name}")


def isolation():
    return ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]


def setUpModule():
    global service
    tried = subprocess.run([*isolation(), "sh", "-c", "mount -t tmpfs -o size=1m tmpfs /mnt"], capture_output=True, text=True)
    if tried.returncode != 0:
        raise unittest.SkipTest("this machine lets nobody mount a small disk: " + tried.stderr.strip())
    service = SmallDisksService(workers=2)
    unittest.addModuleCleanup(service.stop)
    service.add_token("reader-1", 1)
    service.add_webhooks((1, 1, "small", "https://example.com/1"), (9, 1, "big", "https://example.com/9"),
                         (8, 1, "many", "https://example.com/8"))
    service.add_numbered_calls(1, 20)
    insert = "INSERT INTO webhook_calls (id, webhook_id, http_code, headers, body) "
    for begin in range(0, 1000, 200):  # in portions: MySQL writes what is to be committed to the small disk
        service.sql(insert + f"SELECT {begin + 9000} + seq, 9, 200, 'a: 1', REPEAT(CHAR(97 + seq % 26), 65536) FROM {numbers(200)}")
    for begin in range(0, 12000, 4000):
        service.sql(insert + f"SELECT {begin + 20000} + seq, 8, 200, '', RPAD(SHA2(seq + {begin}, 256), 1000, SHA2(seq * 7, 256)) "
                    f"FROM {numbers(4000)}")


def get(server, target=SMALL):
    return server.send("GET", target, TOKEN)


class Full:
    """The disk is full as long as this lasts, apart from the megabytes that are left."""

    def __init__(self, name, left=0):
        self._file, self._left = service.disk(name) / "filler", left

    def __enter__(self):
        with open(self._file, "wb", buffering=0) as filler:
            for size in (1 << 20, 4096, 1):
                try:
                    while True:
                        filler.write(bytes(size))
                except OSError:
                    pass  # full, to the last byte
            filler.truncate(filler.tell() - (self._left << 20))
        return self

    def __exit__(self, *_):
        self._file.unlink()


class TestCase(unittest.TestCase):
    def use(self, server):
        """Looks at the end of the test for what stayed behind."""
        for _ in range(16):
            self.assert_served(server)
        self.addCleanup(Leftovers(service, server).check)
        return server

    def assert_served(self, server):
        answer = get(server)
        self.assertEqual(200, answer.status, answer.body)
        check_answer(answer)
        self.assertEqual(IDS, answer.ids())

    def assert_cut_short(self, answer):
        self.assertEqual(200, answer.status)
        self.assertFalse(answer.complete, "the answer looks complete")
        with self.assertRaises(ValueError):
            answer.json()

    def assert_big_page(self, server):
        answer = get(server, BIG)
        self.assertEqual(200, answer.status)
        check_answer(answer)
        self.assertEqual([9000 + number for number in range(1, 1001)], answer.ids())


class DatabaseDiskTest(TestCase):
    def test_no_room_to_sort(self):
        """12 MB are sorted, with a buffer of 256 KiB. MariaDB gives up; MySQL may wait for room until the statement's limit."""
        pool = self.use(service.pool("sorting", WEBHOOK_CALLS_DB_STATEMENT_TIMEOUT="4"))
        hostile = LIST % 8 + "?sort=-body&page[number]=5&fields[notification/webhook/calls]=http_code"
        rows = service.sql("SELECT id FROM webhook_calls WHERE webhook_id = 8 ORDER BY LEFT(body, 1024) DESC, id DESC LIMIT 4000, 1000")
        wanted = [row[0] for row in rows]
        service.sql("SET GLOBAL sort_buffer_size = 262144")
        service.kill_reader_connections()
        with Full("tmp"):
            answer = get(pool, hostile)
            document = check_answer(answer)
            print(f"\nno room to sort: {answer.status}, the log says {pool.log_line(answer.header('X-Request-Id')).get('error')}", flush=True)
            if answer.status == 200:
                self.assertEqual(wanted, answer.ids())
            else:
                self.assertIn((answer.status, document["errors"][0]["code"]), ((500, "internal_error"), (503, "service_unavailable")))
            self.assertNotEqual(200, answer.status, "this statement needs no room to sort: choose another")
            for _ in range(4):
                self.assert_served(pool)
        seconds, answer = seconds_of(lambda: get(pool, hostile))
        self.assertEqual((200, wanted), (answer.status, answer.ids()))
        print(f"room again: back with the next request, which took {seconds:.3f} s", flush=True)


class NginxDiskTest(TestCase):
    def test_no_room_for_answers_that_wait_for_their_reader(self):
        """A quick reader has its page all the same; a slow one has it cut short, and the worker goes on."""
        pool = self.use(service.pool("waiting"))
        with Full("nginx-temp"):
            reader = pool.open("GET", BIG, TOKEN)
            reader.read_some(1_000)
            wait_until(lambda: [line["outcome"] for line in pool.log_lines() if line["bytes"] > 100_000] == ["client_gone"],
                       "end of the answer", 30)
            self.assert_served(pool)  # by the only worker
            self.assert_cut_short(reader.finish())
            with SteadyLoad(pool, SMALL, TOKEN, IDS) as load:
                load.wait_for(100)
        self.assert_big_page(pool)

    def test_no_more_room_in_the_middle(self):
        """64 MB for a disk that has 24."""
        pool = self.use(service.pool("too-small"))
        with Full("nginx-temp", left=24):
            for number in (1, 2):
                reader = pool.open("GET", BIG, TOKEN)
                reader.read_some(1_000)
                wait_until(lambda number=number: [line["outcome"] for line in pool.log_lines()].count("client_gone") == number,
                           "end of the answer", 30)
                self.assert_cut_short(reader.finish())
        self.assert_big_page(pool)


class LogTest(TestCase):
    """Nothing that is asked for depends on whether a log can be written."""

    def pool_with_log(self, name, log):
        """Its log is this file or device."""
        file = service.state / f"log/{name}.log"
        file.symlink_to(log)
        try:
            return self.use(service.pool(name, workers=2))
        finally:
            file.unlink()  # the service's end reads all logs

    def assert_all_answers(self, pool):
        with SteadyLoad(pool, SMALL, TOKEN, IDS) as load:
            load.wait_for(300)
        self.assertEqual({200}, set(load.statuses))
        answer = get(pool, LIST % 77)
        self.assertEqual(404, answer.status)
        check_answer(answer)
        self.assert_big_page(pool)

    def test_all_logs_full(self):
        """Those of nginx, of the workers and of the database."""
        self.use(service)
        pid = service.worker_pids()[0]
        log = Path(f"/proc/{pid}/fd/2")
        with Full("log"):
            size = log.stat().st_size
            self.assert_all_answers(service)
            self.assertLess(log.stat().st_size, size + 4096)  # a page of memory that it had already
        self.assert_served(service)
        self.assertGreater(log.stat().st_size, size)

    def test_device_that_is_always_full(self):
        self.assert_all_answers(self.pool_with_log("full", "/dev/full"))

    def test_reader_of_the_log_is_gone(self):
        log = service.folder / "gone"
        os.mkfifo(log)
        reader = os.open(log, os.O_RDONLY | os.O_NONBLOCK)
        pool = self.pool_with_log("gone", log)
        os.close(reader)
        self.assert_all_answers(pool)

    def test_reader_of_the_log_hangs(self):
        """A worker waits a second for it, once, and drops its lines until somebody reads again."""
        log = service.folder / "hanging"
        os.mkfifo(log)
        reader = os.open(log, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        pool = self.pool_with_log("hanging", log)
        served, seconds = 0, 0
        while seconds < 0.5:  # until the pipe is full, and the worker waits
            self.assertLess(served, 5000, "no pipe holds so much")
            seconds, _ = seconds_of(lambda: [self.assert_served(pool) for _ in range(2)])
            served += 2
        self.assertLess(seconds, 3 if not SANITIZED else 9)
        print(f"\nlog that nobody reads: full after {served} lines, then once {seconds:.1f} s", flush=True)
        self.assert_all_answers(pool)
        held = self.drain(reader)
        marker = get(pool).header("X-Request-Id").encode()

        def has_the_line():
            held.extend(self.drain(reader))
            return marker in held
        wait_until(has_the_line, "line of the log, which is read again")
        for line in bytes(held).splitlines():
            self.assertTrue(line.startswith(b"{") and line.endswith(b"}"), line)  # none is mixed or cut

    @staticmethod
    def drain(reader):
        text = bytearray()
        while True:
            try:
                part = os.read(reader, 1 << 16)
            except BlockingIOError:
                return text
            if not part:
                return text
            text += part


if __name__ == "__main__":
    unittest.main()
