#!/usr/bin/python3
"""scripts/restart-workers under load, with one worker and with several, with a new program and with one that does not start."""

import os
import re
import shutil
import signal
import subprocess
import unittest
from pathlib import Path

from commands import PROJECT, ScriptTest, environment, start_service
from faults import Held, Leftovers
from load import SteadyLoad
from service import LIST, SANITIZED, WORKER, check_answer, executable, process_state, session_processes, wait_until

TOKEN = [("Authorization", "Bearer reader-1")]
SMALL, BIG = LIST % 1, LIST % 9
IDS = list(range(1, 6))
ANSWERS = 200 if SANITIZED else 2000
service = None


def setUpModule():
    global service
    service = start_service()
    service.add_token("reader-1", 1)
    service.add_webhooks((1, 1, "small", "https://example.com/1"), (9, 1, "big", "https://example.com/9"))
    service.add_numbered_calls(1, 5)
    service.add_numbered_calls(9, 300, "REPEAT('x', 65536)", above=9000)


def exports():
    """The workers of scripts/run's other pool."""
    return [pid for pid in service.processes("exports") if executable(pid) == WORKER]


class RestartTest(ScriptTest):
    def assert_all_replaced(self, server, before, output):
        after = server.worker_pids()
        if server is service:  # they come last
            after += exports()
        self.assertEqual((len(before), set()), (len(after), set(before) & set(after)))
        replaced = re.findall(r"^Worker (\d+) is replaced by (\d+)\.$", output, re.M)
        self.assertEqual(len(before), len(output.splitlines()), output)
        self.assertEqual((set(before), set(after)), ({int(old) for old, _ in replaced}, {int(new) for _, new in replaced}))

    def under_load(self, server, *arguments):
        """Again and again, until some thousands were answered."""
        rounds = 0
        for _ in range(16):
            self.assertEqual(200, server.send("GET", SMALL, TOKEN).status)
        others = {pid for pid in self.other_processes(server)}
        left = Leftovers(service, server)
        with SteadyLoad(server, SMALL, TOKEN, IDS) as load:
            while load.total() < ANSWERS or rounds < 3:
                before = server.worker_pids() + (exports() if server is service else [])
                self.assert_all_replaced(server, before, self.succeeds("restart-workers", *arguments))
                rounds += 1
                load.wait_for(20)
        print(f"\n{len(server.worker_pids())} workers replaced {rounds} times: {load.total()} answers, 0 failed", flush=True)
        self.assertEqual({200}, set(load.statuses))
        self.assertLessEqual(others, self.other_processes(server))
        left.check()

    def other_processes(self, server):
        """Of the service, and of its other pools."""
        pools = [pool.pid for pool in service._pools if pool.pid != server.multiwatch()]  # pylint: disable=protected-access
        found = {pid for session in pools for pid in session_processes(session)}
        found |= {service.session("nginx"), service.session("database"), service.session("exports")}
        return found | ({server.multiwatch()} if server is service else set(service.processes("pool") + exports()))

    def test_pool_of_scripts_run(self):
        """It has one worker."""
        service.pool("neighbour", workers=2)
        self.under_load(service)

    def test_four_workers(self):
        pool = service.pool("four", workers=4)
        self.under_load(pool, "--pid", str(pool.multiwatch()), "--timeout", "30")

    def test_answer_in_the_making_is_completed(self):
        pool = service.pool("busy", changes=[("64 32k;", "64 32k;\n  fastcgi_max_temp_file_size 0;")])
        reader = pool.open("GET", BIG, TOKEN)
        reader.read_some(1_000)
        (old,) = pool.worker_pids()
        process = subprocess.Popen([PROJECT / "scripts/restart-workers", "--pid", str(pool.multiwatch())], env=environment(),
                                   stdout=subprocess.PIPE, encoding="utf-8")
        self.addCleanup(process.kill)
        pending = Path(f"/proc/{old}/status")
        wait_until(lambda: int(re.search(r"ShdPnd:\s+([0-9a-f]+)", pending.read_text())[1], 16) >> signal.SIGTERM - 1 & 1,
                   "signal that waits for the worker")
        self.assertIsNone(process.poll())
        answer = reader.finish()
        check_answer(answer)
        self.assertEqual([9000 + number for number in range(1, 301)], answer.ids())
        output, _ = process.communicate(timeout=60)
        self.assertEqual(0, process.returncode)
        self.assert_all_replaced(pool, [old], output)

    def test_worker_that_does_not_end(self):
        pool = service.pool("stuck", workers=2)
        workers = wait_until(lambda: len(pool.worker_pids()) == 2 and pool.worker_pids(), "full pool")
        with Held(workers[0]):
            self.fails_after(f"Worker {workers[0]} is still at its answer after 1 s", pool)
        wait_until(lambda: workers[0] not in pool.worker_pids() and len(pool.worker_pids()) == 2, "full pool")
        self.assertIn(workers[1], pool.worker_pids())
        self.assertEqual(200, pool.send("GET", SMALL, TOKEN).status)

    def fails_after(self, words, pool, timeout="1"):
        result = self.script("restart-workers", "--pid", str(pool.multiwatch()), "--timeout", timeout)
        self.assertEqual((1, ""), (result.returncode, result.stdout), result)
        self.assertIn(words, result.stderr)

    def test_new_program(self):
        """Put in place by a rename, as install does."""
        program = service.folder / "worker-of-this-pool"
        shutil.copy(WORKER, program)
        pool = service.pool("updated", workers=3, worker=program)
        wait_until(lambda: len(pool.worker_pids()) == 3, "full pool")
        with SteadyLoad(pool, SMALL, TOKEN, IDS) as load:
            old = pool.worker_pids()
            # A program that ends at once: the first worker's place stays empty, and the others answer.
            self.put(program, b"#!/bin/sh\nexit 1\n")
            self.fails_after(f"Worker {old[0]} has ended, and after 2 s there is none in its place", pool, "2")
            self.assertEqual([], [pid for pid in old[1:] if process_state(pid) in ("", "Z")])
            load.wait_for(50)
            with open(WORKER, "rb") as worker:
                self.put(program, worker.read())
            wait_until(lambda: len(pool.worker_pids()) == 1, "worker of the new program, the others having another file")
            self.succeeds("restart-workers", "--pid", str(pool.multiwatch()))
            load.wait_for(50)
        self.assertEqual({200}, set(load.statuses))
        inode = program.stat().st_ino
        self.assertEqual([inode] * 3, [os.stat(f"/proc/{pid}/exe").st_ino for pid in pool.worker_pids()])

    @staticmethod
    def put(program, content):
        new = program.with_suffix(".new")
        new.write_bytes(content)
        new.chmod(0o755)
        new.rename(program)


class UsageTest(ScriptTest):
    def test_wrong_usage(self):
        for pid in ("0", "-1", "all", "1 2", "012", "99999999999"):
            self.fails(2, "--pid must be the id of a process", "restart-workers", "--pid", pid)
        for seconds in ("0", "-1", "1.5", "soon", "86401", "1m"):
            self.fails(2, "--timeout must be a number of seconds", "restart-workers", "--timeout", seconds)
        for option in ("--pid", "--timeout"):
            self.fails(2, f"{option} needs a value", "restart-workers", option)
            self.fails(2, f"{option} needs a value", "restart-workers", option, "")
        self.fails(2, "Unknown argument 17", "restart-workers", "17")

    def test_no_pool(self):
        self.fails(1, "There is no pool of scripts/run", "restart-workers", WEBHOOK_CALLS_STATE="/nonexistent")
        self.fails(1, "There is no process 4194305", "restart-workers", "--pid", "4194305")  # more than there can be

    def test_what_is_no_multiwatch(self):
        workers = service.worker_pids()
        for pid in (os.getpid(), service.database_server(), service.session("nginx"), workers[0]):
            self.fails(1, f"Process {pid} is no multiwatch", "restart-workers", "--pid", str(pid))
        self.assertEqual(workers, service.worker_pids())

    @unittest.skipIf(os.geteuid() != 0, "needs another user's pool")
    def test_another_users_pool(self):
        nobody = {"user": 65534, "group": 65534, "extra_groups": []}
        if subprocess.run(["test", "-x", PROJECT / "scripts/restart-workers"], **nobody).returncode != 0:
            self.skipTest("the project is in a folder that others cannot enter")
        workers = service.worker_pids()
        result = subprocess.run([PROJECT / "scripts/restart-workers", "--pid", str(service.multiwatch())], env=environment(),
                                capture_output=True, text=True, **nobody)
        self.assertEqual((1, ""), (result.returncode, result.stdout), result)
        self.assertIn("call this as root, or as the pool's user", result.stderr)
        self.assertEqual(workers, service.worker_pids())


if __name__ == "__main__":
    unittest.main()
