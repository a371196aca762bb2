#!/usr/bin/python3
"""scripts/run: the demo, a second start, the end, and what becomes of it when parts of it, or all of it, are killed."""

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import pymysql
from commands import PROJECT, call, environment, path_that_notes_arguments, processes_in, secrets_of
from service import (LIST, MYSQLD, RUN_OPTIONS, WORKER, Exchange, check_answer, die_with_parent, executable, free_port, process_state,
                     send_signal, wait_until)

WORKERS, EXPORT_WORKERS = 2, 1
folder = run = first_words = None


def setUpModule():
    global folder, run, first_words
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))  # with all that was started
    folder = Path(tempfile.mkdtemp(prefix="webhook-calls-scripts-"))
    unittest.addModuleCleanup(shutil.rmtree, folder, ignore_errors=True)
    run = Run(folder / "state")
    unittest.addModuleCleanup(run.end)
    run.start("--worker", WORKER, PATH=path_that_notes_arguments(folder / "programs"))
    first_words = run.text()


def lasting_port():
    """A free one that also stays free while run is down: below those that the kernel gives to connections."""
    while True:
        with socket.socket() as listener, contextlib.suppress(OSError):
            port = random.randrange(10000, 32000)
            listener.bind(("127.0.0.1", port))
            return port


class Run:
    """A scripts/run and its state folder, on a port of its own."""

    def __init__(self, state):
        self.state, self.port, self.process = state, lasting_port(), None
        self.output, self.user = folder / f"{state.name}.log", {}

    def begin(self, *arguments, **changes):
        def alone():
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # a test that runs in the background has it ignored
            die_with_parent()

        variables = environment(WEBHOOK_CALLS_STATE=str(self.state), WEBHOOK_CALLS_PORT=str(self.port),
                                WEBHOOK_CALLS_WORKERS=str(WORKERS),
                                WEBHOOK_CALLS_EXPORT_WORKERS=str(EXPORT_WORKERS))
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen([PROJECT / "scripts/run", *arguments, *RUN_OPTIONS], env={**variables, **changes}, cwd=folder,
                                            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                            start_new_session=True, preexec_fn=alone, **self.user)

    def start(self, *arguments, **changes):
        self.begin(*(arguments or ("--no-demo", "--worker", WORKER)), **changes)
        wait_until(lambda: "Ctrl-C stops it." in self.text() or self.process.poll() is not None, "started scripts/run", 120)
        if self.process.poll() is not None:
            raise AssertionError("scripts/run ended:\n" + self.text())
        self.env = self.read_env("bash")

    def read_env(self, shell):
        script = '. "$1"; for name in URL TOKEN DB_SOCKET DB_NAME FCGI_SOCKET EXPORT_SOCKET; do eval echo "\\$$name"; done'
        lines = subprocess.run([shell, "-c", "set -eu; " + script, shell, self.state / "run.env"], check=True, capture_output=True,
                               text=True, timeout=10).stdout.splitlines()
        return dict(zip(("URL", "TOKEN", "DB_SOCKET", "DB_NAME", "FCGI_SOCKET", "EXPORT_SOCKET"), lines))

    def text(self):
        return self.output.read_text(errors="replace")

    def stop(self, number=signal.SIGTERM):
        """Returns the exit code."""
        if number == signal.SIGINT:
            os.killpg(self.process.pid, number)  # as Ctrl-C does
        else:
            self.process.send_signal(number)
        return self.process.wait(90)

    def end(self):
        if self.process and self.process.poll() is None:
            self.stop()
        for process in processes_in(self.state):
            send_signal(process, signal.SIGKILL)

    def sql(self, statement):
        with pymysql.connect(unix_socket=self.env["DB_SOCKET"], user="root", database=self.env["DB_NAME"]) as connection:
            cursor = connection.cursor()
            cursor.execute(statement)
            return cursor.fetchall()

    def get(self, target, headers=None):
        token = [("Authorization", "Bearer " + self.env["TOKEN"])]
        return Exchange(("127.0.0.1", self.port), "GET", target, token if headers is None else headers, timeout=10).finish()

    def answers(self):
        try:
            return self.get(LIST % 1).status == 200
        except OSError:
            return False

    def part(self, name):
        """The id of the part's session, which is that of its first process."""
        try:
            return int((self.state / "sessions" / name).read_text())
        except (FileNotFoundError, ValueError):
            return None

    def workers(self):
        return [process for process in processes_in(self.state) if executable(process) == WORKER]

    def sockets(self):
        return [Path(self.env[name]) for name in ("DB_SOCKET", "FCGI_SOCKET", "EXPORT_SOCKET")]


class RunningTest(unittest.TestCase):
    def setUp(self):
        if run.process.poll() is not None:
            run.start()

    def assert_nothing_is_left(self, service):
        self.assertEqual({}, processes_in(service.state))
        self.assertEqual([], [path for path in service.sockets() if path.exists()])
        self.assertFalse((service.state / "run.env").exists())


class DemoTest(RunningTest):
    def calls(self, webhook):
        return [resource["attributes"] for resource in check_answer(run.get(LIST % webhook))["data"]]

    def test_run_env(self):
        expected = {"URL": f"http://127.0.0.1:{run.port}", "TOKEN": secrets_of(run.state)[-1], "DB_NAME": "webhook_calls",
                    "DB_SOCKET": str(run.state / "socket/db.sock"), "FCGI_SOCKET": str(run.state / "socket/fcgi.sock"),
                    "EXPORT_SOCKET": str(run.state / "socket/exports.sock")}
        for shell in ("bash", "sh"):
            self.assertEqual(expected, run.read_env(shell))

    def test_root_logs_in_without_a_password(self):
        client = ["mariadb", "--no-defaults", "--user=root", "--socket", run.env["DB_SOCKET"], run.env["DB_NAME"]]
        result = subprocess.run([*client, "-Ne", "SELECT COUNT(*) FROM webhooks"], capture_output=True, timeout=10)
        self.assertEqual((0, b"9\n"), (result.returncode, result.stdout))

    def test_each_endpoint_is_recorded(self):
        catalogue, receipt = ((run.state / "demo/files" / name).read_bytes() for name in ("catalogue.json", "receipt.txt"))
        self.assertEqual(5000, len(json.loads(catalogue)["articles"]))
        self.assertRaises(UnicodeDecodeError, receipt.decode)
        expected = [(200, '{"received":true}'), (204, ""), (200, "accepted, after some thought..."), (302, None),
                    (404, '{"error":"There is no such hook."}'), (500, None), (200, catalogue.decode()),
                    (200, receipt.decode(errors="replace"))]
        for webhook, (code, body) in enumerate(expected, 1):
            calls = self.calls(webhook)
            self.assertEqual([code] * 5, [attributes["http_code"] for attributes in calls])
            for attributes in calls:
                self.assertEqual(attributes["body"] if body is None else body, attributes["body"])
                self.assertRegex(attributes["headers"], r"\AServer: nginx\r\n([A-Za-z-]+: [^\r\n]+\r\n)*[A-Za-z-]+: [^\r\n]+\Z")
        self.assertIn("\r\nLocation: http", self.calls(4)[0]["headers"])
        self.assertIn("Traceback", self.calls(6)[0]["body"])
        nothing = {"http_code": None, "headers": None, "body": None}
        self.assertEqual([nothing] * 5, [{name: attributes[name] for name in nothing} for attributes in self.calls(9)])
        self.assertEqual({(receipt,)}, set(run.sql("SELECT body FROM webhook_calls WHERE webhook_id = 8")))
        self.assertEqual(((0,),), run.sql("SELECT COUNT(*) FROM webhook_calls WHERE ABS(created_at - UTC_TIMESTAMP()) > 10000"))

    def test_printed_curl_lines(self):
        lines = [line for line in first_words.splitlines() if line.startswith("  curl ")]
        documents = []
        for line in lines:
            result = subprocess.run(["bash", "-c", line], env=environment(), capture_output=True, timeout=20)
            self.assertEqual(0, result.returncode, result.stderr)
            documents.append(json.loads(result.stdout))
        first, second, third = documents
        self.assertEqual((2, "1"), (len(first["data"]), first["included"][0]["id"]))
        self.assertEqual((5, [500] * 5), (second["meta"]["count"], [one["attributes"]["http_code"] for one in second["data"]]))
        self.assertEqual([{"http_code", "created_at"}] * 5, [set(one["attributes"]) for one in third["data"]])

    def test_second_start_keeps_everything_and_sends_nothing(self):
        def everything():
            return run.sql("SELECT * FROM webhook_calls"), run.sql("SELECT * FROM webhooks"), run.sql("SELECT * FROM api_tokens")

        before, secrets = everything(), secrets_of(run.state)
        self.assertEqual(45, len(before[0]))
        run.stop()
        run.start("--worker", WORKER)
        self.assertEqual((before, secrets), (everything(), secrets_of(run.state)))
        self.assertEqual(secrets[-1], run.env["TOKEN"])
        self.assertTrue(run.answers())

    def test_secrets_are_on_no_command_line_and_in_no_log(self):
        logs = {file.name: file.read_text(errors="replace") for file in (run.state / "log").iterdir()}
        self.assertLessEqual({"database.log", "nginx-error.log", "nginx-access.log", "workers.log"}, set(logs))
        arguments = (folder / "programs/arguments").read_text()
        for program in ("curl\n", "mariadb\n", *([] if MYSQLD else ["mariadbd\n"]), "multiwatch\n", "nginx\n", "sha256sum\n"):
            self.assertIn(program, arguments)
        places = {**logs, "arguments": arguments, "processes": "\n".join(processes_in(run.state).values())}
        secrets = secrets_of(run.state)
        self.assertEqual(5, len(set(secrets)))
        self.assertEqual([], [name for name, text in places.items() for secret in secrets if secret in text])
        for secret in (run.state / "secrets").iterdir():
            self.assertEqual(0o600, secret.stat().st_mode & 0o777, secret)
        self.assertEqual(0o700, Path(run.env["DB_SOCKET"]).parent.stat().st_mode & 0o777)

    def test_purge_runs_by_itself(self):
        self.assertEqual((("ON", "ENABLED"),) * 2, run.sql(
            "SELECT @@event_scheduler, status FROM information_schema.events WHERE event_schema = 'webhook_calls'"))
        wait_until(lambda: run.sql("SELECT last_executed FROM information_schema.events WHERE last_executed IS NOT NULL"),
                   "purge by the event", 90)
        self.assertNotIn("Event Scheduler: [", (run.state / "log/database.log").read_text())


class EndTest(RunningTest):
    def test_signals(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number):
                self.setUp()
                self.assertEqual(WORKERS + EXPORT_WORKERS, len(run.workers()))
                self.assertEqual(0, run.stop(number))
                self.assert_nothing_is_left(run)

    def test_killed_parts_come_back(self):
        for part in ("database", "pool", "exports", "nginx"):
            with self.subTest(part):
                process = run.part(part)
                wait_until(lambda: run.answers() and len(run.workers()) == WORKERS + EXPORT_WORKERS, "whole service")
                others = [other for other in processes_in(run.state) if os.getsid(other) == run.part(part)]
                self.assertIn(process, others)
                send_signal(process, signal.SIGKILL)
                killed_at = time.monotonic()
                wait_until(lambda: process_state(process) in ("", "Z"), f"end of the {part}")
                wait_until(lambda: run.part(part) not in (None, process) and run.answers(), f"answer after the {part} was killed", 20)
                self.assertLess(time.monotonic() - killed_at, 10)
                wait_until(lambda: len(run.workers()) == WORKERS + EXPORT_WORKERS, "pool of the old size")
                self.assertEqual([], [other for other in others if process_state(other) not in ("", "Z")])
                self.assertIsNone(run.process.poll())
        self.assertEqual(((45,),), run.sql("SELECT COUNT(*) FROM webhook_calls"))
        self.assertEqual(0, run.stop())
        self.assert_nothing_is_left(run)

    def test_start_after_it_was_killed_itself(self):
        left = list(processes_in(run.state))
        run.process.kill()
        run.process.wait()
        run.start()
        self.assertTrue(run.answers())
        self.assertEqual([], [process for process in left if process in processes_in(run.state)])
        self.assertEqual(WORKERS + EXPORT_WORKERS, len(run.workers()))
        self.assertEqual(((45,),), run.sql("SELECT COUNT(*) FROM webhook_calls"))
        self.assertEqual(0, run.stop())
        self.assert_nothing_is_left(run)

    def test_stopped_in_the_middle_of_the_first_start(self):
        """With a long relative path, too long for a socket."""
        other = Run(folder / ("long-" * 22) / "state")
        self.addCleanup(other.end)
        for words in ("Creating the database", "Applying"):
            other.begin("--no-demo", "--worker", WORKER, WEBHOOK_CALLS_STATE=str(other.state.relative_to(folder)))
            wait_until(lambda: words in other.text() or other.process.poll() is not None, words, 60)
            self.assertEqual(0, other.stop(), other.text())
            self.assertEqual({}, processes_in(other.state))
        other.start("--no-demo", "--worker", WORKER, WEBHOOK_CALLS_STATE=str(other.state.relative_to(folder)))
        self.assertEqual((404, 0), (other.get(LIST % 1).status, other.sql("SELECT COUNT(*) FROM webhooks")[0][0]))
        self.assertEqual(0, other.stop())
        self.assert_nothing_is_left(other)
        self.assertFalse(Path(other.env["DB_SOCKET"]).parent.exists())

    @unittest.skipIf(os.geteuid() != 0, "all of these tests run as an ordinary user")
    def test_ordinary_user(self):
        nobody = {"user": 65534, "group": 65534, "extra_groups": []}
        if subprocess.run(["test", "-x", PROJECT / "scripts/run"], **nobody).returncode != 0:
            self.skipTest("the project is in a folder that others cannot enter")
        other = Run(folder / "nobodys/state")
        self.addCleanup(other.end)
        folder.chmod(0o711)
        other.state.mkdir(parents=True)
        os.chown(other.state, 65534, 65534)
        worker = Path(shutil.copy(WORKER, other.state.parent))
        worker.chmod(0o755)
        other.user = nobody
        other.start("--no-demo", "--worker", worker)
        self.assertEqual(404, other.get(LIST % 1).status)
        self.assertEqual({65534}, {Path(f"/proc/{process}").stat().st_uid for process in processes_in(other.state)})
        self.assertEqual(0, other.stop())
        self.assert_nothing_is_left(other)

    def test_folder_with_a_space(self):
        for name in ("state with a space é", "state, with a comma"):  # where the sockets are elsewhere
            other = Run(folder / name)
            self.addCleanup(other.end)
            other.start("--no-demo", "--worker", WORKER, LC_ALL="C")
            self.assertEqual(other.env, other.read_env("sh"))
            for media_type in ("*/*", "text/csv"):
                self.assertEqual(404, other.get(LIST % 1, [("Authorization", "Bearer " + other.env["TOKEN"]), ("Accept", media_type)]).status)
            self.assertEqual(0, other.stop())


class SettingsTest(RunningTest):
    def refused(self, code, words, *arguments, **changes):
        """With the state folder of a run that goes on."""
        variables = {"WEBHOOK_CALLS_STATE": str(run.state), "WEBHOOK_CALLS_PORT": str(free_port()), **changes}
        result = call("run", *RUN_OPTIONS, *arguments, **variables)
        self.assertEqual(code, result.returncode, result)
        self.assertIn(words, result.stderr)

    def test_second_run_on_the_same_state(self):
        for port in (run.port, free_port()):
            self.refused(1, "Another scripts/run", "--worker", WORKER, WEBHOOK_CALLS_PORT=str(port))
        self.assertTrue((run.state / "run.env").exists() and run.answers())

    def test_taken_port(self):
        state = folder / "never"
        self.refused(1, f"Port {run.port} on 127.0.0.1 is taken", "--worker", WORKER, WEBHOOK_CALLS_PORT=str(run.port),
                     WEBHOOK_CALLS_STATE=str(state))
        self.assertFalse((state / "database").exists())
        self.assertTrue(run.answers())

    def test_wrong_usage(self):
        for port in ("0", "65536", "http", "-1", "80 80", "08080", "1.5"):
            self.refused(2, "WEBHOOK_CALLS_PORT must be a port", WEBHOOK_CALLS_PORT=port)
        for workers in ("0", "-1", "many", "1000"):
            self.refused(2, "WEBHOOK_CALLS_WORKERS must be a number", WEBHOOK_CALLS_WORKERS=workers)
            self.refused(2, "WEBHOOK_CALLS_EXPORT_WORKERS must be a number", WEBHOOK_CALLS_EXPORT_WORKERS=workers)
        for size in ("0", "128", "0M", "lots", "1.5G", "-1M", "100000G"):
            self.refused(2, "WEBHOOK_CALLS_BUFFER_POOL must be a size", WEBHOOK_CALLS_BUFFER_POOL=size)
        for worker in ("/nonexistent/webhook-calls", str(PROJECT / "README.md"), str(folder)):
            self.refused(2, f"{worker} is not a program", "--worker", worker)
        self.refused(2, "--worker needs a value", "--worker")
        self.refused(2, "Unknown argument --nonsense", "--nonsense")
        self.refused(2, "Unknown argument start", "start")

    def test_folder_that_cannot_be_used(self):
        file = folder / "a-file"
        file.touch()
        self.refused(1, "cannot be used", "--worker", WORKER, WEBHOOK_CALLS_STATE=str(file))
        for name in ("a;b", "a$b", 'a"b', "a'b", "a{b}", "a\\b", "a\nb"):
            self.refused(1, "cannot take", "--worker", WORKER, WEBHOOK_CALLS_STATE=str(folder / name))

    def test_what_the_workers_find_in_their_environment(self):
        run.stop()
        run.start(WEBHOOK_CALLS_ACCESS="open", WEBHOOK_CALLS_DB_STATEMENT_TIMEOUT="7", WEBHOOK_CALLS_DB_HOSTS="nowhere.invalid",
                  WEBHOOK_CALLS_DB_PASSWORD="not-this-one", WEBHOOK_CALLS_DB_USER="nobody", WEBHOOK_CALLS_DB_NAME="mysql",
                  WEBHOOK_CALLS_DB_TLS_CA="/nonexistent", WEBHOOK_CALLS_BUFFER_POOL="256M")
        self.assertEqual(((256 << 20,),), run.sql("SELECT @@innodb_buffer_pool_size"))
        self.assertEqual(200, run.get(LIST % 1, []).status)
        self.assertEqual("webhook_calls", run.env["DB_NAME"])
        for worker in run.workers():
            lines = [line for line in Path(f"/proc/{worker}/environ").read_text().split("\0") if line.startswith("WEBHOOK_CALLS_")]
            names = {line.partition("=")[0].removeprefix("WEBHOOK_CALLS_") for line in lines}
            self.assertEqual({"ACCESS", "DB_STATEMENT_TIMEOUT", "DB_HOSTS", "DB_NAME", "DB_USER", "DB_PASSWORD_FILE"}, names)
        run.stop()
        self.setUp()
        self.assertEqual(401, run.get(LIST % 1, []).status)

    def test_settings_that_the_workers_refuse(self):
        run.stop()
        for name, value in (("WEBHOOK_CALLS_TYPO", "1"), ("WEBHOOK_CALLS_ACCESS", "nobody")):
            self.refused(1, name, "--no-demo", "--worker", WORKER, **{name: value})
            self.assert_nothing_is_left(run)


if __name__ == "__main__":
    unittest.main()
