#!/usr/bin/python3
"""Tokens and passwords stay where they belong. Everything that has to do with them runs, well and badly, while all command
lines of the machine and the database's list of statements are read again and again; then no log, output, answer or file has
one of them, in any of the usual encodings. (The environment of a process can be read by its own user and by root, and is not
looked at.)"""

import base64
import contextlib
import hashlib
import secrets
import socket
import subprocess
import threading
import unittest
from pathlib import Path
from urllib.parse import quote

import pymysql
from commands import PROJECT, ScriptTest, path_that_notes_arguments, secrets_of, start_service
from service import LIST, MYSQLD, SHOW, WORKER, send_signal, wait_until

service = None


def setUpModule():
    global service
    service = start_service()


def encodings(secret):
    """As it is, in hexadecimal, percent-encoded, and in base64 wherever it may stand in a longer text."""
    data = secret.encode()
    yield from {data, data.hex().encode(), data.hex().upper().encode(), quote(secret, safe="").encode(),
                "".join(f"%{byte:02x}" for byte in data).encode(), "".join(f"%{byte:02X}" for byte in data).encode()}
    for shift in range(3):
        text = base64.b64encode(b"x" * shift + data)[(0, 2, 3)[shift]:]
        yield text[: len(text) // 4 * 4 - 4]
        yield text[: len(text) // 4 * 4 - 4].translate(bytes.maketrans(b"+/", b"-_"))


class Watcher:
    """Reads command lines and statements until it is told to stop."""

    def __init__(self):
        self.seen, self.rounds, self._stop = set(), 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _watch(self):
        while not self._stop.is_set():
            for process in Path("/proc").glob("[1-9]*"):
                with contextlib.suppress(OSError):
                    self.seen.add((process / "cmdline").read_bytes())
            with contextlib.suppress(pymysql.err.MySQLError, UnicodeDecodeError):
                self.seen.update(str(row).encode() for row in service.sql("SHOW FULL PROCESSLIST"))
            self.rounds += 1


class SecretsTest(ScriptTest):
    def setUp(self):
        self.outputs = []  # and answers
        self.tokens = []

    def keep(self, result, code):
        for part in (result.stdout, result.stderr):
            self.outputs.append(part.encode(errors="surrogateescape") if isinstance(part, str) else part)
        self.assertEqual(code, result.returncode, result)

    def send(self, server, status, method, target, headers=()):
        answer = server.send(method, target, headers)
        self.outputs.append(answer.body + repr(answer.headers).encode())
        self.assertEqual(status, answer.status, (target, answer.body))

    def issue(self):
        result = self.script("token", "issue", "--account", "80", "--name", "watched", PATH=self.path)
        self.assertEqual(0, result.returncode, result)
        self.tokens.append(result.stdout.strip())  # the one place where it is shown
        return [("Authorization", "Bearer " + self.tokens[-1])]

    def requests(self):
        token = self.issue()
        for method, target, status in (("GET", LIST % 80, 200), ("HEAD", LIST % 80, 200), ("GET", SHOW % (80, 1), 404),
                                       ("GET", LIST % 81, 404), ("GET", LIST % 80 + "?typo=1&filter[id]=x", 400),
                                       ("DELETE", LIST % 80, 405), ("GET", LIST % 80 + "/", 404),
                                       ("GET", "/other", 404), ("GET", LIST % 80 + "?" + "a" * 40000, 414)):
            self.send(service, status, method, target, token)
        self.send(service, 406, "GET", LIST % 80, [*token, ("Accept", "application/vnd.api+json; ext=x")])
        self.send(service, 494, "GET", LIST % 80, [*token, ("X", "a" * 40000)])
        self.send(service, 400, "GET", LIST % 80, [*token, ("Content-Length", "x")])
        self.send(service, 401, "GET", LIST % 80, [("Authorization", token[0][1] + "x")])
        self.send(service, 401, "GET", LIST % 80, [("Authorization", token[0][1].replace("Bearer", "Token"))])
        return token

    def failing_workers(self, token):
        wrong = self.wrong_password
        for name, status, changes in (("away", 503, dict(WEBHOOK_CALLS_DB_HOSTS="unix:/nonexistent/db.sock")),
                                      ("password", 503, dict(WEBHOOK_CALLS_DB_PASSWORD_FILE=None,
                                                             WEBHOOK_CALLS_DB_PASSWORD=wrong)),
                                      ("schema", 503, dict(WEBHOOK_CALLS_DB_NAME="nowhere"))):
            pool = service.pool(name, **changes)
            self.send(pool, status, "GET", LIST % 80, token)
        service.sql("RENAME TABLE webhook_calls TO away")
        self.send(service, 500, "GET", LIST % 80, token)
        service.sql("RENAME TABLE away TO webhook_calls")
        gone = service.nginx_server("gone", "unix:/nonexistent/fcgi.sock")
        self.send(gone, 502, "GET", LIST % 80, token)
        for code, changes in ((0, {}), (1, dict(WEBHOOK_CALLS_DB_PASSWORD_FILE=None, WEBHOOK_CALLS_DB_PASSWORD=wrong)),
                              (1, dict(WEBHOOK_CALLS_DB_PASSWORD=wrong)), (1, dict(WEBHOOK_CALLS_DB_PASWORD=wrong)),
                              (1, dict(WEBHOOK_CALLS_DB_PASSWORD_FILE=None, WEBHOOK_CALLS_DB_PASSWORD=wrong,
                                       WEBHOOK_CALLS_ACCESS="x"))):
            self.keep(subprocess.run([WORKER, "--check-config"], env=service.worker_environment(**changes),
                                     capture_output=True, timeout=60, stdin=subprocess.DEVNULL), code)

    def scripts(self):
        wrong = service.folder / "wrong.cnf"
        wrong.write_text(f"[client]\nsocket={service.env['DB_SOCKET']}\nuser=run_reader\npassword={self.wrong_password}\n")
        digest = hashlib.sha256(self.tokens[0].encode()).hexdigest()
        for name, *arguments in (("migrate",), ("migrate", "--status"), ("expire-calls",), ("seal-calls",), ("log-status",),
                                 ("notify", "82", PROJECT / "LICENSE"), ("notify", "83", PROJECT / "LICENSE"),
                                 ("token", "list", "--account", "80"), ("token", "expire", digest, "--at", "2099-01-01"),
                                 ("token", "revoke", digest)):
            self.keep(self.script(name, *arguments, PATH=self.path), 0)
            if name == "notify":
                arguments = ["--reader-defaults-file", wrong, *arguments]
            self.keep(self.script(name, *arguments, "--defaults-file", wrong, PATH=self.path), 1)
        self.keep(self.script("token", "issue", "--account", "80", "--defaults-file", wrong, PATH=self.path), 1)
        self.keep(self.script("notify", "82", PROJECT / "LICENSE", "--defaults-file", wrong, PATH=self.path), 1)

    def database_that_dies(self):
        token = self.issue()
        self.send(service, 200, "GET", LIST % 80, token)
        server = service.database_server()
        send_signal(server, 9)
        wait_until(lambda: service.database_server() != server and service.database_answers(), "database", 60)
        self.send(service, 200, "GET", LIST % 80, token)

    def test_they_are_nowhere(self):
        self.wrong_password, self.url_secret = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        self.path = path_that_notes_arguments(service.folder / "programs")
        service.add_webhooks((80, 80, "eighty", "http://127.0.0.1:9/"))
        with socket.create_server(("127.0.0.1", 0)) as listener:
            refused = listener.getsockname()[1]
        url = f"http://user:{self.url_secret}@127.0.0.1:{{}}/?key={self.url_secret}"
        service.add_webhooks((82, 80, "", url.format(service.address[1])), (83, 80, "", url.format(refused)))
        general_log = service.state / "log/general.log"
        service.sql(f"SET GLOBAL general_log_file = '{general_log}'")
        service.sql("SET GLOBAL general_log = ON")
        with Watcher() as watcher:
            token = self.requests()
            self.failing_workers(token)
            self.scripts()
            statements = [service.sql("SELECT * FROM performance_schema." + table) for table in
                          ("events_statements_current", "events_statements_history", "session_connect_attrs")] if MYSQLD else []
            service.sql("SET GLOBAL general_log = OFF")
            self.database_that_dies()
        self.assertGreater(watcher.rounds, 20)
        arguments = (service.folder / "programs/arguments").read_bytes()
        logs = {log.name: log.read_bytes() for log in (service.state / "log").iterdir()}
        self.assertLess({"database.log", "general.log", "nginx-access.log", "nginx-error.log", "workers.log", "away.log"},
                        set(logs))
        for part in (b"/nonexistent/fcgi.sock", b"api_tokens", b"Access denied"):  # what is looked at is what was written
            self.assertTrue(any(part in text for text in logs.values()), part)

        passwords = [secret for secret in secrets_of(service.state) if secret != service.env["TOKEN"]]
        self.assertEqual((4, 2), (len(passwords), len(self.tokens)))
        everywhere = {"a command line or statement": b"\n".join(watcher.seen), "a program's arguments": arguments, **logs,
                      "an output or answer": b"\n".join(self.outputs),
                      "scripts/run's output": (service.folder / "run.log").read_bytes(),
                      "performance_schema": repr(statements).encode()}
        for name, text in everywhere.items():
            for secret in (*passwords, *self.tokens, self.wrong_password, self.url_secret):
                for encoded in encodings(secret):
                    self.assertFalse(encoded in text, f"{encoded} is in {name}")

        patterns = service.folder / "patterns"
        patterns.write_bytes(b"\n".join(encoded for secret in (*passwords, *self.tokens,
                                                               self.wrong_password) for encoded in encodings(secret)))
        found = subprocess.run(["grep", "-r", "-l", "-a", "-F", "-f", patterns, "--exclude-dir=secrets",
                                "--exclude-dir=socket", service.state],
                               capture_output=True, encoding="utf-8", timeout=120)
        self.assertEqual((1, ""), (found.returncode, found.stdout), "files that have one")

    def test_the_search_finds(self):
        secret = secrets.token_urlsafe(24)
        for text in (secret.encode(), secret.encode().hex().encode(),
                     *(base64.b64encode(b"u" * n + secret.encode() + b"\n") for n in range(5))):
            self.assertTrue(any(encoded in b"x" + text + b"y" for encoded in encodings(secret)), text)

    def test_query_strings(self):
        """They are in no log but nginx's of errors, which quotes the request line where the pool does not answer."""
        word = secrets.token_urlsafe(12)
        gone = service.nginx_server("gone-too", "unix:/nonexistent/too.sock")
        for server, headers, status in ((service, [("Authorization", "Bearer " + service.env["TOKEN"])], 404),
                                        (service, [], 401), (gone, [], 502)):
            self.assertEqual(status, server.send("GET", LIST % 89 + f"?filter[body]={word}", headers).status)
        logs = {log.name for log in (service.state / "log").iterdir() if word.encode() in log.read_bytes()}
        self.assertLessEqual(logs, {"nginx-error.log"})


if __name__ == "__main__":
    unittest.main()
