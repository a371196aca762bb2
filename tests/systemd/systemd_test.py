"""The units of scripts/systemd under a real systemd, with Debian's nginx and MariaDB; scripts/test-systemd boots it and calls
this there. The machine is this test's alone: what is installed is found in /opt/webhook-calls, and nothing is put back."""

import http.client
import json
import re
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path

import pymysql

GIVEN = Path("/opt/webhook-calls")
SETTINGS = Path("/etc/webhook-calls")
SOCKET = "/run/webhook-calls/fcgi.sock"
UNIT = "webhook-calls.service"
WORKERS = 4
LIST = "/api/v3/notification/webhook/1/calls?page[size]=25&count=true"
TOKEN = ""


def call(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120, **options).stdout


def write(path, text, mode=0o600):
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).write_text(text)
    Path(path).chmod(mode)


def connect():
    return pymysql.connect(unix_socket="/run/mysqld/mysqld.sock", user="root", database="webhook_calls", autocommit=True)


def sql(statement, *values):
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall()


def wait_until(condition, what, seconds=30):
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {seconds} s there is still no {what}")
        time.sleep(0.02)
    return value


def get(target=LIST, token=None):
    """The status and the whole body; 0 where the answer did not arrive in full."""
    client = http.client.HTTPConnection("127.0.0.1", 80, timeout=60)
    try:
        client.request("GET", target, headers={"Authorization": f"Bearer {token or TOKEN}"})
        answer = client.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        return 0, repr(error).encode()
    finally:
        client.close()


def properties(*names, unit=UNIT):
    return dict(line.split("=", 1) for line in call("systemctl", "show", "-p", ",".join(names), unit).splitlines())


def processes():
    """Of the service, by id: what the kernel says of each."""
    group = properties("ControlGroup")["ControlGroup"]
    found = {}
    for status in Path("/proc").glob("[1-9]*/status"):
        try:
            if group and any(line.endswith(":" + group) for line in (status.parent / "cgroup").read_text().splitlines()):
                found[int(status.parent.name)] = dict(re.findall(r"^(\w+):\t(.*)$", status.read_text(), re.M))
        except OSError:
            pass  # gone meanwhile
    return found


def workers():
    return sorted(pid for pid, status in processes().items() if status["Name"] == "webhook-calls")


def start():
    call("systemctl", "start", "webhook-calls.socket", UNIT)
    wait_until(lambda: len(workers()) == WORKERS, "pool")


class Load:
    """Requests from several clients at once, as fast as they are answered, while the block runs."""

    def __init__(self, clients=6):
        self.answers, self._ended = [], threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]

    def _ask(self):
        while not self._ended.is_set():
            self.answers.append(get())

    def await_more(self, count=50):
        before = len(self.answers)
        wait_until(lambda: len(self.answers) >= before + count, "answers")

    def failed(self):
        return [answer for answer in self.answers if answer[0] != 200]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        self.await_more()
        return self

    def __exit__(self, *_):
        self._ended.set()
        for thread in self._threads:
            thread.join()


def install():
    """By the steps of the README."""
    global TOKEN
    call("systemd-sysusers", "--inline", 'u webhook-calls - "Webhook call log"')
    call("install", str(GIVEN / "webhook-calls"), "/usr/local/bin/")
    root = pymysql.connect(unix_socket="/run/mysqld/mysqld.sock", user="root", autocommit=True).cursor()
    root.execute("CREATE DATABASE webhook_calls CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
    write(SETTINGS / "root.cnf", "[client]\nuser=root\n")
    call(str(GIVEN / "scripts/migrate"), "--defaults-file", str(SETTINGS / "root.cnf"))
    sql("SET GLOBAL event_scheduler = OFF")  # the timer alone purges
    for role in ("reader", "purger"):
        root.execute(f"CREATE USER app_{role}@localhost IDENTIFIED BY 'secret of {role}'")
        root.execute(f"GRANT webhook_calls_{role} TO app_{role}@localhost")
        root.execute(f"SET DEFAULT ROLE webhook_calls_{role} FOR app_{role}@localhost")
    write(SETTINGS / "webhook-calls.conf",
          "WEBHOOK_CALLS_DB_HOSTS=unix:/run/mysqld/mysqld.sock\nWEBHOOK_CALLS_DB_USER=app_reader\n")
    write(SETTINGS / "reader.password", "secret of reader\n")
    write(SETTINGS / "purger.cnf", '[client]\nsocket=/run/mysqld/mysqld.sock\nuser=app_purger\npassword="secret of purger"\n')
    sql("INSERT INTO webhooks (id, account_id, name, url) VALUES (1, 1, 'shop', 'http://shop.test/')")
    with connect() as connection, connection.cursor() as cursor:
        cursor.executemany("INSERT INTO webhook_calls (webhook_id, http_code, headers, body) VALUES (1, 200, %s, %s)",
                           [("Content-Type: text/plain", "x" * 500)] * 1000)
    TOKEN = call(str(GIVEN / "scripts/token"), "issue", "--account", "1", "--defaults-file", str(SETTINGS / "root.cnf")).strip()
    units = [str(unit) for unit in sorted((GIVEN / "scripts/systemd").iterdir())]
    call("install", "--mode=644", *units, "/etc/systemd/system/")
    call("systemctl", "daemon-reload")
    call("systemctl", "enable", "--now", "webhook-calls.socket", UNIT, "webhook-calls-upkeep.timer")
    write("/etc/nginx/sites-enabled/default",
          f"server {{ listen 80; set $webhook_calls_pool unix:{SOCKET};"
          f" include {GIVEN}/nginx/webhook-calls.conf; }}", 0o644)
    call("systemctl", "restart", "nginx")
    wait_until(lambda: get()[0] == 200, "answer of 200")


class SystemdTest(unittest.TestCase):
    def setUp(self):
        start()
        self.assertEqual(200, get()[0])

    def test_answers_in_the_sandbox(self):
        self.assertEqual(1000, json.loads(get()[1])["meta"]["count"])
        self.assertEqual(401, get(token="unknown")[0])
        user = call("id", "-u", "webhook-calls").strip()
        for pid, status in processes().items():
            limits = Path(f"/proc/{pid}/limits").read_text()
            with self.subTest(name=status["Name"]):
                self.assertEqual([user] * 4, status["Uid"].split())
                self.assertEqual({"0"}, {status[name].strip("0") or "0" for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")})
                self.assertEqual(("1", "2"), (status["NoNewPrivs"], status["Seccomp"]))
                self.assertRegex(limits, r"Max core file size +0 +0 ")
        self.assertEqual(WORKERS, len(workers()))
        for pid in workers():
            self.assertIn("SCHED_BATCH", call("chrt", "-p", str(pid)))

    def test_the_password_is_for_the_workers_alone(self):
        self.assertEqual("600", call("stat", "-c", "%a", str(SETTINGS / "reader.password")).strip())
        for command in (["cat", f"/run/credentials/{UNIT}/reader.password"], ["cat", str(SETTINGS / "reader.password")]):
            with self.subTest(command=command), self.assertRaises(subprocess.CalledProcessError):
                call("runuser", "-u", "www-data", "--", *command)
        for pid in processes():
            self.assertNotIn(b"secret of reader", Path(f"/proc/{pid}/environ").read_bytes())

    def test_only_nginx_may_connect(self):
        self.assertEqual("600 www-data www-data", call("stat", "-c", "%a %U %G", SOCKET).strip())

    def test_the_log_is_in_the_journal(self):
        journal = lambda: call("journalctl", "--unit", UNIT, "--output=cat")  # noqa: E731
        wait_until(lambda: '"event":"request"' in journal() and '"status":200' in journal(), "line about a request")

    def test_a_restart_loses_no_request(self):
        with Load() as load:
            for _ in range(10):
                before = set(workers())
                call("systemctl", "restart", UNIT)
                wait_until(lambda: len(set(workers()) - before) == WORKERS, "new pool")
                load.await_more()
        print(f"{len(load.answers)} requests during 10 restarts, {len(load.failed())} failed", flush=True)
        self.assertEqual([], load.failed())

    def test_a_restart_awaits_the_answer_in_the_making(self):
        answers = []
        with connect() as holder, holder.cursor() as cursor:
            cursor.execute("LOCK TABLES webhook_calls WRITE")
            client = threading.Thread(target=lambda: answers.append(get()))
            client.start()
            waiting = ("SELECT COUNT(*) FROM information_schema.processlist"
                       " WHERE user = 'app_reader' AND state LIKE 'Waiting for table%%'")
            wait_until(lambda: sql(waiting)[0][0] == 1, "request that waits for the table")
            restart = subprocess.Popen(["systemctl", "restart", UNIT])
            wait_until(lambda: properties("SubState")["SubState"] in ("stop-sigterm", "final-sigterm"), "stop")
            self.assertEqual([], answers)
            cursor.execute("UNLOCK TABLES")
        client.join()
        self.assertEqual(0, restart.wait(60))
        self.assertEqual(200, answers[0][0])

    def test_a_reload_of_nginx_loses_no_request(self):
        with Load() as load:
            for _ in range(5):
                call("systemctl", "reload", "nginx")
                load.await_more()
        self.assertEqual([], load.failed())

    def test_a_killed_worker_is_replaced(self):
        before, restarts = workers(), properties("NRestarts")
        call("kill", "-KILL", str(before[0]))
        wait_until(lambda: before[0] not in workers() and len(workers()) == WORKERS, "worker in its place")
        self.assertEqual(restarts, properties("NRestarts"))
        self.assertEqual(before[1:], [pid for pid in workers() if pid in before])

    def test_a_killed_pool_is_started_again(self):
        before = workers()
        call("kill", "-KILL", properties("MainPID")["MainPID"])
        wait_until(lambda: not set(before) & set(workers()) and len(workers()) == WORKERS, "new pool")
        self.assertEqual(200, get()[0])

    def test_a_stop_leaves_no_process_and_the_socket_starts_it_again(self):
        call("systemctl", "stop", "webhook-calls.socket", UNIT)
        self.assertEqual({}, processes())
        self.assertEqual("", subprocess.run(["pgrep", "-u", "webhook-calls"], capture_output=True, text=True).stdout)
        self.assertEqual(502, get()[0])
        call("systemctl", "start", "webhook-calls.socket")
        self.assertEqual(200, get()[0])

    def test_a_wrong_setting_is_told_in_the_journal_and_mended_by_a_restart(self):
        file = SETTINGS / "webhook-calls.conf"
        right = file.read_text()
        write(file, right + "WEBHOOK_CALLS_ACCESS=anyone\n")
        try:
            call("systemctl", "restart", UNIT)
            restarts = int(properties("NRestarts")["NRestarts"])
            wait_until(lambda: int(properties("NRestarts")["NRestarts"]) >= restarts + 2, "second attempt")
            self.assertIn("WEBHOOK_CALLS_ACCESS must be", call("journalctl", "--unit", UNIT, "--output=cat", "--lines=30"))
        finally:
            write(file, right)
        call("systemctl", "restart", UNIT)
        self.assertEqual(200, get()[0])

    def test_the_upkeep_purges(self):
        self.assertEqual("active", properties("ActiveState", unit="webhook-calls-upkeep.timer")["ActiveState"])
        sql("INSERT INTO webhook_calls (webhook_id, http_code, headers, body, created_at)"
            " VALUES (1, 200, '', '', UTC_TIMESTAMP(3) - INTERVAL 61 DAY)")
        call("systemctl", "start", "webhook-calls-upkeep.service")
        # It may have joined a run of the timer that was past the purge; then the next one does it.
        expired = "SELECT COUNT(*) FROM webhook_calls WHERE created_at < UTC_TIMESTAMP() - INTERVAL 60 DAY"
        wait_until(lambda: sql(expired)[0][0] == 0, "purge", 90)
        self.assertEqual({("expire",), ("seal",)}, set(sql("SELECT task FROM webhook_call_upkeep")))
        self.assertEqual("success", properties("Result", unit="webhook-calls-upkeep.service")["Result"])

    def test_its_timer_comes_each_minute(self):
        last = properties("LastTriggerUSec", unit="webhook-calls-upkeep.timer")
        wait_until(lambda: properties("LastTriggerUSec", unit="webhook-calls-upkeep.timer") != last, "run of the timer", 90)


if __name__ == "__main__":
    try:
        wait_until(Path("/run/mysqld/mysqld.sock").exists, "database")
        install()
    except subprocess.CalledProcessError as error:
        print(error, error.stdout, error.stderr, call("journalctl", "--lines=40"), "0 passed, 1 failed", sep="\n")
        sys.exit(1)
    except TimeoutError as error:
        print(error, get(), call("journalctl", "--lines=60"), "0 passed, 1 failed", sep="\n")
        sys.exit(1)
    result = unittest.main(exit=False, verbosity=2).result
    failed = len(result.failures) + len(result.errors)
    if failed:
        print(call("journalctl", "--unit", "webhook-calls*", "--lines=60"))
    print(f"{max(result.testsRun - failed, 0)} passed, {failed} failed", flush=True)
    sys.exit(1 if failed else 0)
