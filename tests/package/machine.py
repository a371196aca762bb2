"""What the tests need of the Debian that scripts/test-package boots for them. It is theirs alone: nothing is put back."""

import http.client
import os
import re
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path

import pymysql

GIVEN = Path("/opt/webhook-calls")
PROJECT = GIVEN / "project"
SETTINGS = Path("/etc/webhook-calls")
SOCKET = Path("/run/webhook-calls/fcgi.sock")
UNIT = "webhook-calls.service"
UNITS = ("webhook-calls.socket", UNIT, "webhook-calls-exports.socket", "webhook-calls-upkeep.timer")
WORKERS = 4
LIST = "/api/v3/notification/webhook/1/calls?page[size]=25&count=true"
# Of account 1, for the next boot too.
TOKEN = Path("/root/token")

sys.path.insert(0, str(PROJECT / "tests/readme"))


def call(*command, **options):
    """What it prints. A failure has that too."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, **options)
    if done.returncode:
        raise AssertionError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return done.stdout


def succeeds(*command):
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60).returncode == 0


def journal(*options, unit=UNIT):
    return call("journalctl", "--unit", unit, "--output=cat", *options)


def apt(*arguments):
    return call("apt-get", "--yes", "--quiet", "-o", "Dpkg::Use-Pty=0", *arguments)


def unattended():
    """Questions of apt and packages are answered as by default."""
    Path("/etc/apt/apt.conf.d/90test").write_text('APT::Get::Assume-Yes "true";\nDpkg::Use-Pty "false";\n')
    Path("/etc/dpkg/dpkg.cfg.d/90test").write_text("force-unsafe-io\n")
    os.environ.update(DEBIAN_FRONTEND="noninteractive", LC_ALL="C.UTF-8", HOME="/root")


def record_calls(count=1000):
    with connect() as connection, connection.cursor() as cursor:
        cursor.executemany("INSERT INTO webhook_calls (webhook_id, http_code, headers, body) VALUES (1, 200, %s, %s)",
                           [("Content-Type: text/plain", "x" * 500)] * count)


def write(path, text, mode=0o600):
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).write_text(text)
    Path(path).chmod(mode)


def connect(database="webhook_calls"):
    return pymysql.connect(unix_socket="/run/mysqld/mysqld.sock", user="root", database=database, autocommit=True)


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


def get(target=LIST, token=None, **headers):
    """The status and the whole body; 0 where the answer did not arrive in full."""
    client = http.client.HTTPConnection("127.0.0.1", 80, timeout=60)
    try:
        client.request("GET", target, headers={"Authorization": f"Bearer {token or TOKEN.read_text()}", **headers})
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


def run_tests(install, *classes):
    """Installs, then runs the tests of the classes, in this order; the last line is for scripts/test-package."""
    try:
        install()
    except Exception as error:  # whatever it was, the journal tells more
        print(type(error).__name__, error, call("journalctl", "--lines=60"), "0 passed, 1 failed", sep="\n", flush=True)
        sys.exit(1)
    loader = unittest.defaultTestLoader
    suite = unittest.TestSuite(loader.loadTestsFromTestCase(tests) for tests in classes)
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
    # A test may fail in several places.
    failed = len({test.id() for test, _ in result.failures + result.errors})
    if failed:
        print(call("journalctl", "--unit", "webhook-calls*", "--lines=60"))
    print(f"{max(result.testsRun - failed, 0)} passed, {failed} failed", flush=True)
    sys.exit(1 if failed else 0)
