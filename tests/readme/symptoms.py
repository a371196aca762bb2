"""The table of README's "Troubleshooting": each symptom is brought about, the client sees what the first column says, and what
the command of the second one prints has the words that the third one quotes."""

import contextlib
import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pymysql
from readme_commands import PROJECT

from faults import Held
from service import LIST, Server, can_connect, check_answer, die_with_parent, wait_until

FIRST = LIST % 1


class Symptoms:
    def __init__(self, test):
        self.test, self.service, self.shell, self.get = test, test.service, test.shell, test.get
        self.rows = {
            "401": self.unauthorized,
            "a token that was revoked still works": self.revoked,
            "404 for a webhook that exists": self.another_account,
            "404 for everything": self.wrong_path,
            "500": self.schema,
            "502": self.no_pool,
            "502, and the pool is running": self.no_permission,
            "503": self.no_database,
            "503 for some requests": self.statement_limit,
            "503, and no worker has it in its log": self.full_queue,
            "504": self.hanging_worker,
            "429": self.too_many,
            "an empty list": self.empty_list,
            "newest records are missing": self.not_recorded,
            "old records are missing": self.past_their_time,
            "counts and far pages get slow, `log-status` ends with 4": self.not_sealed,
            "the purge is behind, `log-status` ends with 3": self.not_purged,
            "one page is slow": self.slow_page,
            "workers do not start": self.misspelt_setting,
            "HTML in place of JSON": self.html,
            "times are hours off": self.clock,
            "curl: (18), broken JSON": self.cut_answer,
        }

    def run(self, block):
        commands = block.commands
        self.test.assertEqual(list(self.rows), [command.cells[0] for command in commands])
        for command in commands:
            with self.test.subTest(command.cells[0]):
                self.command, self.meaning = command, command.cells[2]
                self.rows[command.cells[0]]()

    def look(self, code=0):
        return self.shell.run(self.command, code) + self.shell.errors

    def says(self, *quoted, code=0):
        """The command prints each of these words, and README quotes it."""
        output = self.look(code)
        for words in quoted:
            self.test.assertIn(f"`{words}`", self.meaning)
            self.test.assertIn(words, output)
        return output

    def status(self, expected, answer):
        self.test.assertEqual(expected, answer.status, answer.body[:300])
        return check_answer(answer)

    # ---- Who may read

    def unauthorized(self):
        self.service.add_token("expired-1", 1, "2020-01-01")
        self.status(401, self.service.send("GET", FIRST, [("Authorization", "Bearer expired-1")]))
        digest = hashlib.sha256(b"expired-1").hexdigest()
        self.test.assertRegex(self.look(), rf"(?m)^{digest}\t.*\t2020-01-01")
        self.test.assertEqual(digest, self.shell.run("TOKEN=expired-1; " + self.quoted("sha256sum")).split()[0])

    def quoted(self, words):
        (code,) = [code for code in re.findall("`([^`]+)`", self.meaning) if words in code]
        return code

    def revoked(self):
        pool = self.service.pool("revoked", workers=1)
        token = self.shell.run("scripts/token issue --account 1").strip()
        header = [("Authorization", f"Bearer {token}")]
        self.status(200, pool.send("GET", FIRST, header))
        digest = hashlib.sha256(token.encode()).hexdigest()
        self.test.assertIn(digest, self.look())
        self.shell.run(f"scripts/token revoke {digest}")
        self.test.assertNotIn(digest, self.look())
        wait_until(lambda: pool.send("GET", FIRST, header).status == 401, "end of the token", 5)

    def another_account(self):
        self.status(404, self.get(LIST % 2))
        self.test.assertRegex(self.look(), "(?m)^2\t2\t")

    def wrong_path(self):
        self.status(404, self.get(FIRST + "/"))
        self.says('"There is no resource at this path."')

    # ---- Errors

    def schema(self):
        for statement, repair, words in (
                ("RENAME TABLE webhook_calls TO lost", "RENAME TABLE lost TO webhook_calls", "doesn't exist"),
                ("ALTER TABLE webhook_calls RENAME COLUMN http_code TO code", "ALTER TABLE webhook_calls RENAME COLUMN code TO http_code",
                 "Unknown column"),
                ("REVOKE SELECT ON webhook_call_chunks FROM webhook_calls_reader", None, "denied")):
            self.service.sql(statement)
            try:
                self.service.kill_reader_connections()
                self.status(500, self.get())
                self.says(words)
            finally:
                if repair:
                    self.service.sql(repair)
                else:
                    self.shell.run("scripts/migrate")
            self.service.kill_reader_connections()
            self.status(200, self.get())

    def no_pool(self):
        folder = Path(self.service.env["FCGI_SOCKET"]).parent
        self.status(502, self.get(server=self.service.nginx_server("nowhere", f"unix:{folder}/nowhere.fcgi")))
        self.says("No such file or directory")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"{folder}/left.fcgi")
        self.status(502, self.get(server=self.service.nginx_server("left", f"unix:{folder}/left.fcgi")))
        self.says("Connection refused")
        pool = self.service.pool("killed")
        with self.waiting_request(pool) as request:
            (worker,) = pool.worker_pids()
            os.kill(worker, signal.SIGKILL)
            self.status(502, request.finish())
        self.says("prematurely closed")

    def no_permission(self):
        """By an nginx whose processes may not connect: those of root may, to whatever socket."""
        with tempfile.TemporaryDirectory(prefix="webhook-calls-") as folder:
            folder = Path(folder)
            folder.chmod(0o755)
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(f"{folder}/fcgi.sock")
                listener.listen()
                Path(folder, "fcgi.sock").chmod(0o600 if os.geteuid() == 0 else 0)
                (folder / "temp").mkdir()
                shutil.copy(PROJECT / "nginx/webhook-calls.conf", folder)
                user = "" if os.geteuid() else "user nobody nogroup;\n"
                paths = "".join(f"{kind}_temp_path {folder}/temp/{kind};\n" for kind in
                                ("client_body", "fastcgi", "proxy", "scgi", "uwsgi"))
                (folder / "nginx.conf").write_text(
                    f"{user}daemon off;\npid {folder}/pid;\nevents {{}}\nhttp {{\naccess_log off;\n{paths}"
                    f"server {{\nlisten unix:{folder}/http;\nset $webhook_calls_pool unix:{folder}/fcgi.sock;\n"
                    f"include {folder}/webhook-calls.conf;\n}}\n}}\n")
                nginx = subprocess.Popen(["nginx", "-e", f"{folder}/error.log", "-p", folder, "-c", f"{folder}/nginx.conf"],
                                         env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin"}, preexec_fn=die_with_parent)
                try:
                    wait_until(lambda: can_connect(f"{folder}/http"), "nginx")
                    self.status(502, self.get(server=Server(f"{folder}/http", os.devnull, lambda: -1)))
                    with self.test.instead("var/log/nginx-error.log", folder / "error.log"):
                        self.says("13: Permission denied")
                finally:
                    nginx.terminate()
                    nginx.wait(20)

    def no_database(self):
        password = self.service.folder / "wrong.password"
        password.write_text("wrong")
        for name, words, changes in (("stranger", "Access denied", {"WEBHOOK_CALLS_DB_PASSWORD_FILE": str(password)}),
                                     ("lonely", "Can't connect", {"WEBHOOK_CALLS_DB_HOSTS": "unix:/nonexistent.sock"})):
            pool = self.service.pool(name, **changes)
            self.unavailable(pool, self.get(server=pool), words)
        pool = self.service.pool("surplus")
        before = self.service.sql("SELECT @@GLOBAL.max_connections")[0][0]
        self.service.sql("SET GLOBAL max_connections = 10")
        with contextlib.ExitStack() as others:
            try:
                while True:
                    others.enter_context(pymysql.connect(read_default_file=str(self.service.state / "secrets/reader.cnf")))
            except pymysql.err.OperationalError:
                answer = self.get(server=pool)
        self.service.sql(f"SET GLOBAL max_connections = {before}")
        self.unavailable(pool, answer, "Too many connections")
        pool = self.service.pool("hung", WEBHOOK_CALLS_DB_STATEMENT_TIMEOUT="1", WEBHOOK_CALLS_DB_CONNECT_TIMEOUT="1")
        self.status(200, self.get(server=pool))
        with Held(self.service.database_server()):
            answer = self.get(server=pool)
        self.unavailable(pool, answer, "Lost connection")

    def statement_limit(self):
        pool = self.service.pool("limited", WEBHOOK_CALLS_DB_STATEMENT_TIMEOUT="1")
        with self.test.locked():
            answer = self.get(server=pool)
        self.unavailable(pool, answer, "max_statement_time")

    def unavailable(self, pool, answer, words):
        self.status(503, answer)
        pool.log_line(answer.header("X-Request-Id"))
        with self.test.log_of(pool):
            self.says(words)

    @contextlib.contextmanager
    def waiting_request(self, pool):
        """One that a worker is at, because the records are locked."""
        before = len(self.service.reader_connections(busy=True))
        with self.test.locked():
            request = pool.open("GET", FIRST, [("Authorization", "Bearer reader-1")])
            wait_until(lambda: len(self.service.reader_connections(busy=True)) > before, "waiting request")
            yield request

    def full_queue(self):
        pool = self.service.pool("queue")
        fcgi = Path(self.service.env["FCGI_SOCKET"]).parent / "queue.fcgi"
        server = self.service.nginx_server(
            "full", "full", http_lines=f'upstream full {{ zone full 64k; server "unix:{fcgi}" max_conns=1; }}',
            server_lines=self.test.server_lines())
        with self.waiting_request(server) as request:
            answer = self.get(server=server)
            self.status(503, answer)
            self.test.assertIn(answer.header("X-Request-Id"), wait_until(self.look, "line of nginx's log"))
        self.status(200, request.finish())
        self.test.assertNotIn(answer.header("X-Request-Id"), [line["request_id"] for line in pool.log_lines()])

    def hanging_worker(self):
        pool = self.service.pool("hanging", changes=[("fastcgi_read_timeout    30s", "fastcgi_read_timeout    1s")])
        (worker,) = pool.worker_pids()
        with Held(worker):
            self.status(504, self.get(server=pool))
        self.says("upstream timed out")

    def too_many(self):
        server = self.service.nginx_server("crowded", "webhook_calls",
                                           server_lines=f"limit_conn webhook_calls_clients 1;\n{self.test.server_lines()}")
        with self.waiting_request(server) as request:
            self.status(429, self.get(server=server))
            self.test.assertRegex(wait_until(self.look, "line of nginx's log"), "^1 unix:\n$")
        self.status(200, request.finish())

    # ---- Answers that are not what one expects

    def empty_list(self):
        self.test.assertEqual([], self.status(200, self.get(FIRST + "?page[number]=9999999"))["data"])
        self.test.assertRegex(self.says('"count"'), '"count":[1-9]')

    def not_recorded(self):
        self.service.sql("CREATE USER shop")

        def record():
            with pymysql.connect(unix_socket=self.service.env["DB_SOCKET"], user="shop", database="webhook_calls",
                                 autocommit=True) as shop:
                shop.cursor().execute("INSERT INTO webhook_calls (webhook_id, http_code, headers, body) VALUES (1, 200, '', '')")

        def newest():
            count, at, now = self.look().splitlines()[-1].split("\t")
            return int(count)

        before = newest()
        for grant in ("DO 0", "GRANT webhook_calls_sender TO shop"):
            self.service.sql(grant)
            with self.test.assertRaises(pymysql.err.MySQLError) as failure:
                record()
            self.test.assertRegex(str(failure.exception), "denied")
        self.test.assertIn("`INSERT command denied`", self.meaning)
        self.test.assertEqual(before, newest())
        self.test.assertIn("webhook_calls_sender", self.shell.run(f"mariadb -e '{self.quoted('SHOW GRANTS')}'"))
        self.service.sql("SET DEFAULT ROLE webhook_calls_sender FOR shop")
        record()
        self.test.assertEqual(before + 1, newest())

    def past_their_time(self):
        oldest = re.search(r"(?m)^oldest visible record: (\S+ \S+)$", self.look())[1]
        first = self.status(200, self.get(FIRST + "?sort=created_at&page[size]=1"))["data"][0]["attributes"]["created_at"]
        self.test.assertEqual(oldest, first.replace("T", " ").replace("Z", ""))
        self.test.assertIn("`oldest visible record`", self.meaning)

    def not_sealed(self):
        self.service.sql("UPDATE webhook_call_upkeep SET caught_up_at = '2020-01-01' WHERE task = 'seal'")
        self.says("The sealing has not caught up", code=4)
        self.shell.run(self.quoted("scripts/seal-calls"))
        self.look()

    def not_purged(self):
        self.service.sql("INSERT INTO webhook_calls (id, webhook_id, created_at) VALUES (99999, 1, UTC_TIMESTAMP() - INTERVAL 61 DAY)")
        self.test.assertIn("The purge is behind", self.shell.run("scripts/log-status", code=3))
        self.test.assertIn("Deleted 1 webhook calls", self.look())
        self.shell.run("scripts/log-status")

    def slow_page(self):
        lines = self.service.log_lines()
        seen = len(lines)
        with self.waiting_request(self.service) as request:
            time.sleep(1.1)  # not a wait for something: how long it takes
        self.status(200, request.finish())
        wait_until(lambda: len(self.service.log_lines()) > seen, "line of the log")
        self.test.assertRegex(self.look(), r"(?m)^[0-9a-f]{32}\t1\d{3}\S*\t1\d{3}\S*$")

    def misspelt_setting(self):
        self.shell.run("export WEBHOOK_CALLS_DB_HOST=127.0.0.1")
        self.says("is not a setting", code=1)
        self.shell.run("unset WEBHOOK_CALLS_DB_HOST")

    def html(self):
        self.test.assertRegex(self.says("text/html"), "^HTTP/1.1 414 ")
        self.status(414, self.get(FIRST + "?" + 40000 * "x"))  # of a server that has those lines

    def clock(self):
        output = self.look()
        database, date = output.splitlines()[1].split("\t")[0], output.splitlines()[2]
        told = subprocess.run(["date", "-u", "-d", date, "+%s"], capture_output=True, text=True, check=True).stdout
        found = subprocess.run(["date", "-u", "-d", database, "+%s"], capture_output=True, text=True, check=True).stdout
        self.test.assertLess(abs(int(told) - int(found)), 30)

    def cut_answer(self):
        pool = self.service.pool("cut")
        curl = subprocess.Popen(["curl", "-sS", "-N", "-H", "Authorization: Bearer reader-1", "--unix-socket", pool.address,
                                 "http://localhost" + LIST % 9], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        curl.stdout.read(10_000)
        (worker,) = pool.worker_pids()
        with Held(worker):
            self.service.kill_reader_connections()
        _, complaint = curl.communicate(timeout=60)
        self.test.assertIn(b"curl: (18)", complaint)
        wait_until(pool.log_lines, "line of the log")
        with self.test.log_of(pool):
            self.test.assertRegex(self.look(), '"error":"[^"]')
