"""A private service for a test: real nginx, workers and MariaDB, started by scripts/run in a temporary folder.

    with Service(workers=2) as service:
        answer = service.send("GET", "/api/v3/notification/webhook/1/calls", [("Authorization", "Bearer …")])

The worker under test is named by WEBHOOK_CALLS_WORKER, else it is the release build. WEBHOOK_CALLS_MYSQLD names a MySQL server
that takes MariaDB's place. SANITIZED=1 says that the worker is made with sanitizers: then more time is given, and what they
find is a failure.
"""

import calendar
import csv
import ctypes
import gzip
import hashlib
import io
import json
import os
import random
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pymysql

PROJECT = Path(__file__).resolve().parents[2]
WORKER = os.path.realpath(os.environ.get("WEBHOOK_CALLS_WORKER", PROJECT / "var/build/release/fcgi/webhook-calls"))
MYSQLD = os.environ.get("WEBHOOK_CALLS_MYSQLD")
RUN_OPTIONS = ["--mysqld", MYSQLD] if MYSQLD else []  # of scripts/run
SANITIZED = os.environ.get("SANITIZED") == "1"
LIST = "/api/v3/notification/webhook/%d/calls"
SHOW = "/api/v3/notification/webhook/%d/calls/%d"


def wait_until(condition, what, seconds=60):
    """Polls until the condition holds, and returns what it gave."""
    deadline = time.monotonic() + seconds * (3 if SANITIZED else 1)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {seconds} s there is still no {what}")
        time.sleep(0.02)


class Answer:
    """A response as its bytes arrived: nothing is guessed, `complete` says whether the protocol calls it whole."""

    def __init__(self, raw, method):
        head, _, rest = raw.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split(" ")[1]) if raw else 0
        self.headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:]]
        self.body, self.complete = rest, True
        if method == "HEAD" or self.status == 304:
            return
        if self.header("Transfer-Encoding") == "chunked":
            self.body, self.complete = dechunk(rest)
        elif self.header("Content-Length") is not None:
            self.complete = len(rest) == int(self.header("Content-Length"))
        if self.header("Content-Encoding") == "gzip" and self.complete:
            self.body = gzip.decompress(self.body)

    def header(self, name):
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(values) if values else None

    def json(self):
        return json.loads(self.body)

    def ids(self):
        if self.export() == "csv":
            return [int(row["id"]) for row in csv.DictReader(io.StringIO(self.body.decode(), newline=""))]
        resources = map(json.loads, self.body.splitlines()) if self.export() else self.json()["data"]
        return [int(resource["id"]) for resource in resources]

    def export(self):
        """csv, ndjson, or None for any other answer."""
        return {"text/csv; charset=utf-8; header=present": "csv", "application/x-ndjson": "ndjson"}.get(self.header("Content-Type"))


def is_listening(socket):
    """Not only bound: until then, to connect to it is refused."""
    accepts = "00010000"  # __SO_ACCEPTCON
    return any(line.split()[3] == accepts and line.split()[-1] == str(socket)
               for line in Path("/proc/net/unix").read_text().splitlines())


def dechunk(rest):
    body, position = [], 0
    while True:
        line_end = rest.find(b"\r\n", position)
        if line_end < 0:
            return b"".join(body), False
        length = int(rest[position:line_end], 16)
        if length == 0:
            return b"".join(body), rest[line_end:] == b"\r\n\r\n"
        begin, position = line_end + 2, line_end + 2 + length + 2
        body.append(rest[begin : begin + length])
        if rest[position - 2 : position] != b"\r\n":
            return b"".join(body), False


class Exchange:
    """One request on a connection of its own, whose answer can be read bit by bit."""

    def __init__(self, address, method, target, headers=(), version="HTTP/1.1", body=b"", timeout=90, source=None):
        self.method = method
        self.received = bytearray()
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect(address)
        given = {name.lower() for name, _ in headers}
        lines = [f"{method} {target} {version}"]
        if "host" not in given:
            lines.append("Host: webhook-calls.test")
        lines += [f"{name}: {value}" for name, value in headers if value is not None]
        lines += ["Connection: close", "", ""]
        try:
            self.socket.sendall("\r\n".join(lines).encode("latin-1") + body)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the server refused before it had read everything: its answer tells

    def read_some(self, size):
        """Until at least so many bytes have arrived, or the end."""
        while len(self.received) < size:
            if not self._receive():
                break
        return self.received

    def finish(self):
        while self._receive():
            pass
        self.close()
        return Answer(bytes(self.received), self.method)

    def close(self):
        self.socket.close()

    def _receive(self):
        try:
            data = self.socket.recv(1 << 20)
        except ConnectionResetError:
            return False
        self.received += data
        return bool(data)


class Server:
    """An nginx server in front of a pool of workers."""

    def __init__(self, address, log, session, worker=WORKER):
        self.address, self.log, self._session, self._worker = address, Path(log), session, str(worker)
        self._log_offset, self._log_lines = 0, []

    def open(self, method, target, headers=(), **options):
        return Exchange(self.address, method, target, headers, **options)

    def send(self, method, target, headers=(), **options):
        return self.open(method, target, headers, **options).finish()

    def log_lines(self):
        """The workers' lines about requests so far."""
        with open(self.log, "rb") as log:
            log.seek(self._log_offset)
            for line in log:
                if not line.endswith(b"\n"):
                    break
                self._log_offset += len(line)
                if line.startswith(b"{") and b'"event":"request"' in line:
                    self._log_lines.append(json.loads(line))
        return self._log_lines

    def log_line(self, request_id):
        """The one line about a request; it is written after the answer was sent."""

        def lines():
            return [line for line in self.log_lines() if line["request_id"] == request_id]

        wait_until(lines, f"log line of request {request_id}")
        (line,) = lines()
        return line

    def multiwatch(self):
        """The process that keeps the pool."""
        return self._session()

    def worker_pids(self):
        return [pid for pid in session_processes(self._session()) if executable(pid) == self._worker]


def executable(pid):
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return ""


def process_state(pid):
    """The state's letter, or empty for a process that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except OSError:
        return ""


def session_processes(session):
    found = []
    for folder in os.listdir("/proc"):
        if folder.isdigit():
            try:
                fields = Path(f"/proc/{folder}/stat").read_text().rpartition(") ")[2].split()
            except OSError:
                continue
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(int(folder))
    return sorted(found)


def numbers(last):
    """For SQL: a table of one column, seq, with the numbers from 1 to the last."""
    return f"JSON_TABLE(CONCAT('[0', REPEAT(',0', {last} - 1), ']'), '$[*]' COLUMNS (seq FOR ORDINALITY)) AS numbers"


def die_with_parent():
    """For a child: SIGTERM when the test is gone, however it went (1 is PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


class Service(Server):
    def __init__(self, workers=2, **environment):
        self._pools = []
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))  # with all that was started
        self.folder = Path(tempfile.mkdtemp(prefix="webhook-calls-"))
        self.state = self.folder / "state"
        self._run = None
        try:
            self._start(workers, environment)
        except BaseException:
            self.stop()
            raise

    def _start(self, workers, environment):
        for _ in range(5):
            port = free_port()
            variables = dict(os.environ, WEBHOOK_CALLS_STATE=str(self.state), WEBHOOK_CALLS_PORT=str(port),
                             WEBHOOK_CALLS_WORKERS=str(workers), **environment)
            variables.pop("WEBHOOK_CALLS_WORKER", None)
            variables.pop("WEBHOOK_CALLS_MYSQLD", None)
            with open(self.folder / "run.log", "wb") as output:
                self._run = subprocess.Popen(
                    self.command(),
                    env=variables, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                    preexec_fn=die_with_parent)
            wait_until(lambda: (self.state / "run.env").exists() or self._run.poll() is not None, "run.env", 120)
            if self._run.poll() is None:
                break
            output = (self.folder / "run.log").read_text()
            if "is taken" not in output and "Not started: nginx" not in output:
                raise RuntimeError("scripts/run failed:\n" + output)
        else:
            raise RuntimeError("scripts/run found no free port")
        lines = (self.state / "run.env").read_text().splitlines()
        self.env = {name: "".join(shlex.split(value)) for name, value in (line.split("=", 1) for line in lines)}
        super().__init__(("127.0.0.1", port), self.state / "log/workers.log", lambda: self.session("pool"))
        self.sql("SET GLOBAL event_scheduler = OFF")  # the purge would delete what is past its time by the wall clock

    def command(self):
        return [PROJECT / "scripts/run", "--no-demo", "--worker", WORKER, *RUN_OPTIONS]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        for process in self._pools:
            stop_session(process)
        if self._run and self._run.poll() is None:
            for pid in self.processes("database") + self.processes("pool"):
                send_signal(pid, signal.SIGCONT)
            self._run.terminate()
            try:
                self._run.wait(90)
            except subprocess.TimeoutExpired:
                for pid in [pid for part in ("nginx", "pool", "database") for pid in self.processes(part)]:
                    send_signal(pid, signal.SIGKILL)
                self._run.kill()
                self._run.wait()
        logs = [log.read_text(errors="replace") for log in self.state.glob("log/*.log")]
        complaints = [text[-8000:] for text in logs if re.search(r"Sanitizer|runtime error:", text)]
        shutil.rmtree(self.folder, ignore_errors=True)
        expect(not complaints, "a sanitizer found something:\n" + "\n".join(complaints))

    # ---- Processes: each part that scripts/run starts is a session, whose id it keeps in a file

    def session(self, part):
        try:
            return int((self.state / "sessions" / part).read_text())
        except (OSError, ValueError):
            return -1

    def processes(self, part):
        return session_processes(self.session(part))

    def database_server(self):
        return self.session("database")  # it has no other process

    # ---- Database

    def connect(self):
        return pymysql.connect(unix_socket=self.env["DB_SOCKET"], user="root", database=self.env["DB_NAME"],
                               autocommit=True, charset="utf8mb4")

    def sql(self, statement, *rows):
        """As root: the statement once, or once for each row of values."""
        connection = self.connect()
        try:
            with connection.cursor() as cursor:
                for row in rows or [None]:
                    cursor.execute(statement, row)
                return cursor.fetchall()
        finally:
            connection.close()

    def database_answers(self):
        try:
            return bool(self.sql("SELECT 1"))
        except pymysql.err.MySQLError:
            return False

    def reader_connections(self, busy=False):
        """Their ids; of those with a statement under way only, where `busy`."""
        # MySQL's other list has the statements too, and fails where one has bytes that are no UTF-8.
        table, prefix = ("performance_schema.threads", "processlist_") if MYSQLD else ("information_schema.processlist", "")
        condition = f" AND {prefix}command <> 'Sleep'" if busy else ""
        return [row[0] for row in self.sql(f"SELECT {prefix}id FROM {table} WHERE {prefix}user = 'run_reader'{condition}")]

    def kill_reader_connections(self):
        for connection in self.reader_connections():
            try:
                self.sql(f"KILL {connection}")
            except pymysql.err.MySQLError:
                pass  # gone by itself
        wait_until(lambda: not self.reader_connections(), "end of the readers' connections")

    def freeze_clock(self, utc):
        """From now on the workers' sessions, and no others, see this instant: 2026-11-30 12:00:00.000."""
        seconds, _, fraction = utc.partition(".")
        unix = calendar.timegm(time.strptime(seconds, "%Y-%m-%d %H:%M:%S"))
        # init_connect is for accounts without CONNECTION ADMIN: the reader's, not root's.
        self.sql(f"SET GLOBAL init_connect = 'SET timestamp = {unix}.{fraction or 0}'")
        self.kill_reader_connections()

    def add_webhooks(self, *rows):
        """Rows of (id, account, name, url)."""
        self.sql("INSERT INTO webhooks (id, account_id, name, url) VALUES (%s, %s, %s, %s)", *rows)

    def add_token(self, token, account, expires_at=None):
        token_hash = hashlib.sha256(token.encode()).digest()
        self.sql("INSERT INTO api_tokens (token_hash, account_id, name, expires_at) VALUES (%s, %s, 'test', %s)",
                 (token_hash, account, expires_at))

    def remove_token(self, token):
        self.sql("DELETE FROM api_tokens WHERE token_hash = %s", (hashlib.sha256(token.encode()).digest(),))

    def add_calls(self, *rows):
        """Rows of (id, webhook, code, headers, body, created_at)."""
        insert = "INSERT INTO webhook_calls (id, webhook_id, http_code, headers, body, created_at) VALUES "
        mark = "(%s, %s, %s, %s, %s, %s)"
        for begin in range(0, len(rows), 500):
            part = rows[begin : begin + 500]
            self.sql(insert + ", ".join([mark] * len(part)), [value for row in part for value in row])

    def add_numbered_calls(self, webhook, last, body="CONCAT('body ', seq)", code="200", above=0):
        """Calls with the numbers from 1 to the last, whose ids are `above` more. Body and code are SQL, in which seq is the number."""
        self.sql("INSERT INTO webhook_calls (id, webhook_id, http_code, headers, body) "
                 f"SELECT {above} + seq, {webhook}, {code}, 'a: 1', {body} FROM {numbers(last)}")

    # ---- Further pools, in front of each an nginx server of its own on a unix socket

    def pool(self, name, workers=1, changes=(), http_lines="", server_lines="", worker=WORKER, **environment):
        """A pool with these worker variables (None unsets one)."""
        fcgi = Path(self.env["FCGI_SOCKET"]).parent / f"{name}.fcgi"
        process, log = self.start_workers(name, ["-s", fcgi, "-M", "0600"], workers, worker, **environment)
        wait_until(lambda: is_listening(fcgi), f"socket of pool {name}")
        server = self.nginx_server(name, f"unix:{fcgi}", changes, http_lines, server_lines)
        return Server(server.address, log, lambda: process.pid, worker)

    def start_workers(self, name, where, workers=1, worker=WORKER, **environment):
        """Workers that no nginx server knows yet, which listen as these options of spawn-fcgi say. Returns the process that leads
        their session, and their log."""
        log = self.state / f"log/{name}.log"
        command = ["spawn-fcgi", "-n", *where, "--", shutil.which("multiwatch"), f"--forks={workers}",
                   "--retry=1000000000", "--timeout=1", "--", worker]
        with open(log, "ab") as output:
            process = subprocess.Popen(
                command, env=self.worker_environment(**environment), cwd=self.folder, stdin=subprocess.DEVNULL, stdout=output,
                stderr=output, start_new_session=True, preexec_fn=die_with_parent)
        self._pools.append(process)
        return process, log

    def worker_environment(self, **changes):
        """What a worker of this service needs, with changes (None unsets a variable)."""
        variables = {key: value for key, value in os.environ.items() if not key.startswith("WEBHOOK_CALLS_")}
        variables.update(WEBHOOK_CALLS_DB_HOSTS="unix:" + self.env["DB_SOCKET"],
                         WEBHOOK_CALLS_DB_NAME=self.env["DB_NAME"], WEBHOOK_CALLS_DB_USER="run_reader",
                         WEBHOOK_CALLS_DB_PASSWORD_FILE=str(self.state / "secrets/reader.password"))
        variables.update(changes)
        return {key: value for key, value in variables.items() if value is not None}

    def nginx_server(self, name, pool, changes=(), http_lines="", server_lines=""):
        """A server with the project's include, in which `changes` are made as an operator would: pairs of (old, new)."""
        http = Path(self.env["FCGI_SOCKET"]).parent / f"{name}.http"
        include = PROJECT / "nginx/webhook-calls.conf"
        if changes:
            text = include.read_text()
            for old, new in changes:
                if old not in text:
                    raise ValueError(f"there is no {old} in {include}")
                text = text.replace(old, new)
            include = self.state / f"nginx.d/{name}.include"
            include.write_text(text)
        (self.state / f"nginx.d/{name}.conf").write_text(
            f'{http_lines}\nserver {{\nlisten "unix:{http}";\n{server_lines}\n'
            f'set $webhook_calls_pool "{pool}";\ninclude "{include}";\n}}\n')
        self.reload_nginx(lambda: can_connect(str(http)))
        return Server(str(http), os.devnull, lambda: -1)

    def reload_nginx(self, ready):
        send_signal(self.session("nginx"), signal.SIGHUP)
        try:
            wait_until(ready, "reloaded nginx")
        except TimeoutError as late:
            raise RuntimeError((self.state / "log/nginx-error.log").read_text()[-2000:]) from late


def can_connect(address):
    """A unix socket's path, or an IPv4 address and a port."""
    try:
        with socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET) as client:
            client.connect(address)
            return True
    except OSError:
        return False


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def free_ports(count):
    """On all local addresses, and below those that the system itself gives away: for what is started again later."""
    limit = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    listeners, ports = [], []
    try:
        while len(ports) < count:
            listener, port = socket.socket(), random.randrange(10000, limit)
            listeners.append(listener)
            try:
                listener.bind(("", port))
                ports.append(port)
            except OSError:
                pass  # taken
    finally:
        for listener in listeners:
            listener.close()
    return ports


def send_signal(pid, number):
    try:
        if pid > 0:
            os.kill(pid, number)
    except ProcessLookupError:
        pass


def stop_session(process):
    """Ends a process that leads a session, and all that it started."""
    for pid in session_processes(process.pid):
        send_signal(pid, signal.SIGCONT)
    process.terminate()
    try:
        wait_until(lambda: process.poll() is not None and not session_processes(process.pid), "end of a pool", 10)
    except TimeoutError:
        for pid in session_processes(process.pid):
            send_signal(pid, signal.SIGKILL)
        process.wait()


# ---- What holds for every answer


class Wrong(AssertionError):
    pass


def expect(condition, text):
    if not condition:
        raise Wrong(text)


def unique_members(pairs):
    names = [name for name, _ in pairs]
    expect(len(set(names)) == len(names), f"an object has a member twice: {names}")
    return dict(pairs)


TITLES = {
    "invalid_parameter": (400, "Invalid query parameter"),
    "bad_request": (400, "Bad request"),
    "unauthorized": (401, "Unauthorized"),
    "forbidden": (403, "Forbidden"),
    "not_found": (404, "Not found"),
    "method_not_allowed": (405, "Method not allowed"),
    "not_acceptable": (406, "Not acceptable"),
    "content_too_large": (413, "Content too large"),
    "uri_too_long": (414, "URI too long"),
    "unsupported_media_type": (415, "Unsupported media type"),
    "too_many_requests": (429, "Too many requests"),
    "request_header_too_large": (494, "Request header too large"),
    "internal_error": (500, "Internal server error"),
    "not_implemented": (501, "Not implemented"),
    "bad_gateway": (502, "Bad gateway"),
    "service_unavailable": (503, "Service unavailable"),
    "gateway_timeout": (504, "Gateway timeout"),
    "http_version_not_supported": (505, "HTTP version not supported"),
}
SOURCES = {401: {"header": "Authorization"}, 406: {"header": "Accept"}, 415: {"header": "Content-Type"}}


def check_answer(answer, method="GET", challenge="Bearer", export=None):
    """The rules that hold for each answer; returns its document (None where there is no body). `challenge`: of a 401. `export`: what
    the answer must be if it is no error, csv or ndjson; then there is no document."""
    expect(answer.complete, "the answer is not complete")
    request_id = answer.header("X-Request-Id")
    expect(request_id, "there is no X-Request-Id")
    vary = [name.strip() for name in (answer.header("Vary") or "").split(",")]
    expect("Accept" in vary, f"Vary is {answer.header('Vary')}, which does not name Accept")
    required = {401: ("WWW-Authenticate", challenge), 405: ("Allow", "GET, HEAD")}.get(answer.status)
    if required:
        expect(answer.header(required[0]) == required[1], f"{required[0]} is {answer.header(required[0])}")
    if answer.status in (429, 503):
        expect(re.fullmatch("[1-9][0-9]*", answer.header("Retry-After") or ""), f"a {answer.status} without Retry-After")
    if export and answer.status == 200:
        expect(answer.export() == export, f"Content-Type is {answer.header('Content-Type')}, and not that of {export}")
        name = rf'attachment; filename="webhook-[0-9]+-calls-[0-9T-]+Z\.{export}"'
        expect(re.fullmatch(name, answer.header("Content-Disposition") or ""), f"the file's name: {answer.header('Content-Disposition')}")
        expect(answer.header("Content-Length") is None, "there is a length, which HEAD cannot tell")
        expect(method != "HEAD" or answer.body == b"", f"there is a body: {answer.body[:80]!r}")
        answer.body.decode("utf-8")  # strict
        return None
    if answer.status != 304:
        expect(answer.header("Content-Type") == "application/vnd.api+json",
               f"Content-Type is {answer.header('Content-Type')}")
    if method == "HEAD" or answer.status == 304:
        expect(answer.body == b"", f"there is a body: {answer.body[:80]!r}")
        return None
    text = answer.body.decode("utf-8")  # strict
    expect(not re.search(r"\s", re.sub(r'"(?:[^"\\]|\\.)*"', "", text)), "the JSON is not compact")
    document = json.loads(text, object_pairs_hook=unique_members)
    expect(document.get("jsonapi") == {"version": "1.1"}, f"jsonapi is {document.get('jsonapi')}")
    if answer.status >= 400:
        check_errors(document, answer.status, request_id)
    return document


def check_errors(document, status, request_id):
    expect(set(document) == {"jsonapi", "errors"}, f"an error document with the members {list(document)}")
    expect(document["errors"], "there is no error object")
    for number, error in enumerate(document["errors"], 1):
        wanted_id = request_id if number == 1 else f"{request_id}.{number}"
        expect(error.get("id") == wanted_id, f"error id {error.get('id')} should be {wanted_id}")
        expect(error.get("status") == str(status), f"error status {error.get('status')!r}")
        expect(TITLES.get(error.get("code")) == (status, error.get("title")), f"code and title of {error}")
        expect(error.get("detail"), "an error without a detail")
        if error["code"] == "invalid_parameter":
            source = error.get("source", {})
            expect(list(source) == ["parameter"] and isinstance(source["parameter"], str), f"source is {source}")
        else:
            expect(error.get("source") in (SOURCES.get(status), None), f"source is {error.get('source')}")
        leak = re.search(r"SELECT |webhook_calls\b|mysql|mariadb|\.sock|localhost|127\.0\.0\.1", json.dumps(error), re.I)
        expect(not leak, f"the error tells too much: {leak and leak.group()}")


def curl_line(server, method, target, headers=()):
    """The same request for a shell."""
    where = ["--unix-socket", server.address, "http://localhost" + target] if isinstance(server.address, str) else \
        [f"http://{server.address[0]}:{server.address[1]}{target}"]
    fields = [part for name, value in headers for part in ("-H", f"{name}: {value or ''}".rstrip())]
    line = shlex.join(["curl", "-gi", "--path-as-is", *([] if method == "GET" else ["-X", method]), *fields, *where])
    return line if len(line) < 4000 else line[:4000] + "…"


if __name__ == "__main__":
    sys.exit("This is the tests' harness; run cases_test.py or failures_test.py.")
