#!/usr/bin/python3
"""A shared host: the installation in a home directory, of a user who is not root and has one plain database account.

Where the test is root's, all that is the user's runs as a user of its own. scripts/install-user builds as whoever runs the
test, and the folder is copied, as from a machine of one's own.
"""

import contextlib
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
import unittest
from pathlib import Path

import pymysql
from commands import PROJECT, call, environment, start_service
from service import LIST, MYSQLD, SHOW, Server, can_connect, executable, free_port, numbers, send_signal, wait_until

import cases_test

sys.path.insert(0, str(PROJECT / "tests/readme"))
from readme_commands import blocks_of  # noqa: E402

USER = 60777 if os.geteuid() == 0 else os.geteuid()
PASSWORD = "a\"b\\c#d'e f;g%h"
GRANTS = "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, INDEX, ALTER, CREATE TEMPORARY TABLES, LOCK TABLES"
ERRORS = """
error_page 400 403 404 405 413 414 500 501 505 /.webhook-calls-error;
error_page 494 =494 /.webhook-calls-error;
location / { return 404; }
"""
service = home = built = None


def setUpModule():
    global service, home, built
    service = start_service()
    # The user may enter, but not look: what is root's there has its own modes.
    for folder in (service.folder, service.state, Path(service.env["DB_SOCKET"]).parent):
        folder.chmod(0o711)
    home = service.folder / "home"
    home.mkdir()
    built = service.folder / "built"
    result = call("install-user", str(built), timeout=500)
    assert result.returncode == 0, result
    give_to_user(home)


def give_to_user(path):
    if os.geteuid() == 0:
        os.chown(path, USER, USER)


def user_options(**changes):
    """For subprocess: the user's, with a PATH as cron has it and the database's socket where a client looks for it."""
    variables = {"HOME": str(home), "PATH": f"{home}/bin:/usr/bin:/bin", "MYSQL_UNIX_PORT": service.env["DB_SOCKET"], "LANG": "C"}
    variables.update(changes)
    own = {"user": USER, "group": USER, "extra_groups": []} if os.geteuid() == 0 else {}
    return {"env": variables, "cwd": home, "umask": 0o022, **own}


def run(*command, timeout=120, stdin="", **changes):
    return subprocess.run([str(part) for part in command], **user_options(**changes), timeout=timeout, input=stdin,
                          capture_output=True, encoding="utf-8", errors="surrogateescape")


def user_processes():
    """Of the user, below the home directory, by id."""
    found = {}
    for process in Path("/proc").glob("[1-9]*"):
        try:
            if process.stat().st_uid == USER and str(home).encode() in process.joinpath("cmdline").read_bytes() + \
                    os.fsencode(os.readlink(process / "exe")):
                found[int(process.name)] = executable(process.name)
        except OSError:
            pass  # gone meanwhile
    return found


class SharedHost(unittest.TestCase):
    def setUp(self):
        self.prefix = home / "webhook-calls"
        self.database = "shop"
        service.sql("DROP DATABASE IF EXISTS shop")
        service.sql("DROP USER IF EXISTS shop@localhost")
        service.sql("CREATE DATABASE shop CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
        service.sql("CREATE USER shop@localhost IDENTIFIED BY %s", (PASSWORD,))
        service.sql(f"GRANT {GRANTS} ON shop.* TO shop@localhost")
        self.write(home / "password", PASSWORD + "\n")
        self.write(home / "bin/crontab", '#!/bin/sh\nset -eu\ncase ${1-} in\n-l) cat "$HOME/crontab" ;;\n'
                                         '-) cat >"$HOME/crontab.new"; mv "$HOME/crontab.new" "$HOME/crontab" ;;\nesac\n', 0o755)
        self.addCleanup(self.clean)
        self.copy(built, self.prefix)

    def clean(self):
        def end():  # again and again: what has just started does not handle it yet
            left = user_processes()
            for pid in left:
                send_signal(pid, signal.SIGTERM)
            return not left

        try:
            wait_until(end, "end of the user's processes")
        except TimeoutError:
            left = user_processes()
            for pid in left:
                send_signal(pid, signal.SIGKILL)
            raise TimeoutError(left)
        for path in home.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def write(self, path, text, mode=0o600):
        path.parent.mkdir(exist_ok=True)
        give_to_user(path.parent)
        path.write_text(text)
        path.chmod(mode)
        give_to_user(path)

    def copy(self, source, target):
        """As by tar through ssh."""
        archive = subprocess.run(["tar", "-C", source, "-cf", "-", "."], check=True, capture_output=True).stdout
        target.mkdir(exist_ok=True)
        give_to_user(target)
        subprocess.run(["tar", "-C", target, "--no-same-owner", "-xf", "-"], check=True, input=archive, **user_options())

    def command(self, name):
        return self.prefix / f"sbin/webhook-calls-{name}"

    def succeeds(self, name, *arguments, **changes):
        result = run(self.command(name), *arguments, **changes)
        self.assertEqual((0, ""), (result.returncode, result.stderr), result)
        return result.stdout

    def fails(self, code, words, name, *arguments, **changes):
        result = run(self.command(name), *arguments, **changes)
        self.assertEqual(code, result.returncode, result)
        self.assertIn(words, result.stderr)
        return result

    def set_up(self, *arguments, **changes):
        return self.succeeds("set-up", "--db-host", "localhost", "--db-name", "shop", "--db-user", "shop",
                             "--password-file", home / "password", *arguments, **changes)

    def sql(self, statement):
        return sql(statement)

    @contextlib.contextmanager
    def spawned(self, *command, **changes):
        log = home / "spawned.log"
        with open(log, "ab") as output:
            process = subprocess.Popen([str(part) for part in command], **user_options(**changes), stdin=subprocess.DEVNULL,
                                       stdout=output, stderr=output, start_new_session=True)
        try:
            yield process
        finally:
            process.terminate()
            process.wait()

    @contextlib.contextmanager
    def spawned_worker(self):
        """nginx -> a worker that spawn-fcgi started with the socket on descriptor 0."""
        with self.spawned("spawn-fcgi", "-n", "-s", home / "one.sock", "-M", "0600", "--", self.command("serve")):
            wait_until(lambda: can_connect(str(home / "one.sock")), "worker")
            yield service.nginx_server("spawned", f"unix:{home}/one.sock", server_lines=ERRORS)

    @contextlib.contextmanager
    def wrapped(self):
        """nginx -> fcgiwrap -> a worker for each request."""
        with self.spawned("/usr/sbin/fcgiwrap", "-f", "-c", "2", "-s", f"unix:{home}/wrap.sock"):
            wait_until(lambda: can_connect(str(home / "wrap.sock")), "fcgiwrap")
            include = (PROJECT / "nginx/webhook-calls.conf").read_text()
            line = re.search(r"# +(fastcgi_param SCRIPT_FILENAME /home/shop/webhook-calls/.*;)", include)
            yield service.nginx_server("wrapped", f"unix:{home}/wrap.sock", server_lines=ERRORS, changes=[
                (line[0], line[1].replace("/home/shop", str(home)))])

    @contextlib.contextmanager
    def apache(self, program):
        """Apache of the user's own, with the .htaccess of the installation: mod_fcgid, or CGI."""
        site, port = home / "site", free_port()
        text = (self.prefix / "share/webhook-calls/apache/webhook-calls.htaccess").read_text()
        self.write(site / ".htaccess", text.replace("] webhook-calls.fcgi", "] " + program)
                   .replace("$) webhook-calls.fcgi", "$) " + program), 0o644)
        modules = "mpm_event authz_core authn_core rewrite env setenvif mime fcgid cgid".split()
        self.write(home / "apache.conf", "\n".join([
            *(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in modules),
            f"ServerRoot {home}", f"DocumentRoot {site}", f"Listen 127.0.0.1:{port}", "ServerName localhost",
            f"PidFile {home}/apache.pid", f"ErrorLog {home}/apache.log", f"DefaultRuntimeDir {home}", f"ScriptSock {home}/cgid.sock",
            f"FcgidIPCDir {home}/fcgid", f"FcgidProcessTableFile {home}/fcgid.table", "StartServers 1", "TypesConfig /dev/null",
            "AddHandler fcgid-script .fcgi", "AddHandler cgi-script .cgi",
            f"<Directory {site}>", "AllowOverride AuthConfig FileInfo", "Options +ExecCGI +SymLinksIfOwnerMatch",
            "Require all granted", "</Directory>"]) + "\n")
        with self.spawned("/usr/sbin/apache2", "-f", home / "apache.conf", "-DFOREGROUND"):
            try:
                wait_until(lambda: can_connect(("127.0.0.1", port)), "Apache")
            except TimeoutError as late:
                raise RuntimeError((home / "spawned.log").read_text()[-2000:]) from late
            yield Server(("127.0.0.1", port), os.devnull, lambda: -1)


def sql(statement, *rows):
    connection = service.connect()
    connection.select_db("shop")
    with connection, connection.cursor() as cursor:
        for row in rows or [None]:
            cursor.execute(statement, row)
        return cursor.fetchall()


def cron_lines(text):
    return re.findall(r"^((?:\* ){4}\*|@reboot) +(.*)$", text, re.M)


def call_cron(text):
    """As cron does."""
    results = [subprocess.run(["/bin/sh", "-c", line], **user_options(PATH="/usr/bin:/bin"), timeout=120, stdin=subprocess.DEVNULL,
                              capture_output=True, encoding="utf-8") for _, line in cron_lines(text)]
    return [(result.returncode, result.stdout, result.stderr) for result in results]


class ReadyHost(SharedHost):
    """Set up, with a token, a webhook and a call."""

    def ready(self, *arguments):
        output = self.set_up(*arguments)
        token = self.succeeds("token", "issue", "--account", "1").strip()
        sql("INSERT INTO webhooks (id, account_id, name, url) VALUES (1, 1, 'n', 'http://127.0.0.1:9/')")
        sql("INSERT INTO webhook_calls (webhook_id, http_code, headers, body) VALUES (1, 200, 'a: 1', 'b')")
        return output, [("Authorization", f"Bearer {token}")]

    def assert_answers(self, server, headers):
        answer = server.send("GET", LIST % 1 + "?count=true", headers)
        self.assertEqual((200, 1), (answer.status, answer.json()["meta"]["count"]) if answer.status == 200 else answer.body)
        self.assertEqual(401, server.send("GET", LIST % 1).status)


class SetUpTest(ReadyHost):
    def test_first_time_again_and_moved(self):
        output, headers = self.ready("--cron")
        self.assertIn("This account may make no procedures, roles or events", output)
        self.assertIn("at version", output)
        settings = self.prefix / "etc/webhook-calls"
        for file in settings.iterdir():
            self.assertEqual(0o600, file.stat().st_mode & 0o777, file)
        self.assertEqual("account.cnf", os.readlink(settings / "purger.cnf"))
        with self.spawned_worker() as server:
            self.assert_answers(server, headers)

        before = {file: file.read_bytes() for file in settings.iterdir()}
        crontab = (home / "crontab").read_text()
        self.copy(built, self.prefix)
        again = self.succeeds("set-up", "--cron")
        self.assertIn("0 migrations applied now", again)
        self.assertEqual(before, {file: file.read_bytes() for file in settings.iterdir()})
        self.assertEqual(crontab, (home / "crontab").read_text())

        self.prefix = self.prefix.rename(home / "moved")
        self.succeeds("set-up", "--cron")
        self.assertEqual(crontab.replace(f"{home}/webhook-calls", f"{home}/moved"), (home / "crontab").read_text())
        with self.spawned_worker() as server:
            self.assert_answers(server, headers)
        self.assertEqual([(0, "", "")] * 2, call_cron((home / "crontab").read_text()))

    def test_other_lines_of_the_crontab_stay(self):
        self.write(home / "crontab", "MAILTO=me\n5 4 * * * backup\n")
        self.set_up("--cron")
        self.set_up("--cron")
        text = (home / "crontab").read_text()
        self.assertTrue(text.startswith("MAILTO=me\n5 4 * * * backup\n# webhook-calls: begin\n"), text)
        self.assertEqual(2, len(cron_lines(text)))

    def test_expires_and_seals_by_the_lines_that_it_prints(self):
        output, _ = self.ready()
        aged = "INSERT INTO webhook_calls (webhook_id, http_code, headers, body, created_at) SELECT 2, 200, '', '', "
        sql(aged + f"UTC_TIMESTAMP(3) - INTERVAL 61 DAY FROM {numbers(7)}")
        sql(aged + f"UTC_TIMESTAMP(3) - INTERVAL 16 MINUTE FROM {numbers(4100)}")
        self.assertEqual([(0, "", "")] * 2, call_cron(output))
        self.assertEqual(((4101,),), sql("SELECT COUNT(*) FROM webhook_calls"))
        self.assertEqual(((4096,),), sql("SELECT SUM(n) FROM webhook_call_chunks"))
        self.assertIn("All is well.", self.succeeds("log-status"))

    def test_what_is_refused(self):
        folder = self.prefix / "etc/webhook-calls"
        self.fails(2, "The first time, --db-host, --db-name", "set-up")
        wrong = ("set-up", "--db-host", "localhost", "--db-name", "shop", "--db-user", "shop", "--password-file", "-")
        self.fails(1, "No settings were changed", *wrong, stdin="wrong")
        self.assertEqual([], list(folder.iterdir()))
        self.set_up()
        before = {file: file.read_bytes() for file in folder.iterdir()}
        result = self.fails(1, "No settings were changed", "set-up", "--password-file", "-", stdin="wrong")
        self.assertIn("1045", result.stderr)
        self.fails(1, "No settings were changed", "set-up", "--db-name", "nowhere")
        self.assertEqual(before, {file: file.read_bytes() for file in folder.iterdir()})
        for arguments in (["--db-host", "a b"], ["--db-name", "a;b"], ["--db-user", "a'b"], ["--db-host", ""], ["what"]):
            self.fails(2, "tells more", "set-up", *arguments)
        self.fails(2, "is a folder", "set-up", "--starter", home)
        self.fails(2, "There is no folder", "set-up", "--starter", home / "nowhere/webhook-calls.cgi")

    def test_another_password(self):
        _, headers = self.ready("--pool")
        service.sql("ALTER USER shop@localhost IDENTIFIED BY 'second'")
        server = service.nginx_server("pool", f"unix:{self.prefix}/var/fcgi.sock")
        self.succeeds("set-up", "--password-file", "-", stdin="second")
        self.assert_answers(server, headers)

    def test_what_a_host_may_lack(self):
        self.assertEqual("This host has what is needed.\n", self.succeeds("set-up", "--check"))
        tools = home / "tools"
        self.write(tools / "x", "")
        for name in "bash awk base64 cat cut date dirname basename flock grep head mktemp mv od readlink sed setsid sha256sum tail tr curl sh uname getconf env".split():
            (tools / name).symlink_to(shutil.which(name))
        self.fails(1, "There is no database client on this host", "set-up", "--check", PATH=str(tools))
        (tools / "mysql").symlink_to(shutil.which("mariadb"))
        self.succeeds("set-up", "--check", PATH=str(tools))
        (tools / "flock").unlink()
        self.fails(1, "These programs are missing on this host: flock", "set-up", "--check", PATH=str(tools))
        (self.prefix / "lib/webhook-calls/libssl.so.3").write_bytes(b"")
        result = self.fails(1, "The worker does not run on this host", "set-up", "--check")
        self.assertRegex(result.stderr, r"made for \w+ with glibc 2\.34 or newer; this is \w+ with glibc 2")

    def test_nothing_of_a_secret_is_on_a_command_line(self):
        spy = home / "spy"
        for name in "awk base64 cat crontab flock grep mariadb mv od sed sh env".split():
            program = shutil.which(name, path=f"{home}/bin:/usr/bin:/bin")
            self.write(spy / name, f"#!/bin/bash\nprintf '%s\\n' {name} \"$@\" >>'{spy}/arguments'\nexec {program} \"$@\"\n", 0o755)
        self.set_up("--cron", PATH=f"{spy}:{home}/bin:/usr/bin:/bin")
        seen = (spy / "arguments").read_text()
        self.assertIn("mariadb\n", seen)
        self.assertNotIn(PASSWORD, seen)
        self.assertNotIn(PASSWORD.replace("\\", "\\\\")[2:8], seen)

    def test_what_remains(self):
        output, _ = self.ready("--pool", "--cron")
        self.assertEqual([(0, "", "")] * 4, call_cron((home / "crontab").read_text()))
        self.succeeds("pool", "stop")
        self.assertEqual({}, user_processes())
        shutil.rmtree(self.prefix)
        left = sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.name not in ("bin", "password"))
        self.assertEqual(["bin/crontab", "crontab"], left)


class ServeTest(SharedHost):
    """What the starter makes of settings; a CGI request without a web server."""

    REQUEST = {"REQUEST_METHOD": "GET", "REQUEST_URI": LIST % 1, "QUERY_STRING": "", "GATEWAY_INTERFACE": "CGI/1.1"}

    def test_settings_are_read_and_never_executed(self):
        self.set_up()
        file = self.prefix / "etc/webhook-calls/webhook-calls.conf"
        text = file.read_text()
        self.write(file, text + f"# a remark\n; another\n\n  WEBHOOK_CALLS_ACCESS = no\n", 0o600)
        self.fails(1, "Line ", "serve", "--check-config")
        self.write(file, text + f"WEBHOOK_CALLS_ACCESS=\"open\"\nTZ=UTC\nWEBHOOK_CALLS_REDACT_HEADERS='Set-Cookie'  \n"
                                f"WEBHOOK_CALLS_LOG=$(touch {home}/executed)`touch {home}/executed`\n")
        self.fails(1, "cannot be written", "serve", "--check-config")
        self.assertFalse((home / "executed").exists())
        self.write(file, text + f"WEBHOOK_CALLS_ACCESS=\"open\"\nWEBHOOK_CALLS_LOG={home}/own.log")
        result = run(self.command("serve"), **self.REQUEST)
        self.assertEqual(0, result.returncode, result)
        self.assertTrue(result.stdout.startswith("Status: 404 Not Found\n"), result.stdout)  # there is no such webhook
        self.assertIn('"status":404', (home / "own.log").read_text())
        self.assertEqual("", result.stderr)

    def test_what_is_missing(self):
        result = self.fails(1, "webhook-calls.conf cannot be read", "serve", **self.REQUEST)
        self.assertRegex(result.stdout, r"(?s)^Status: 500 .*\n\n\{.*\}")
        result = self.fails(1, "webhook-calls.conf cannot be read", "serve")
        self.assertEqual("", result.stdout)
        (self.prefix / "sbin/webhook-calls").unlink()
        self.fails(1, "There is no worker", "serve", **self.REQUEST)

    def test_the_program_is_not_found_by_its_own_name(self):
        self.set_up()
        changes = {"REQUEST_URI": "/webhook-calls.cgi" + LIST % 1, "SCRIPT_NAME": "/webhook-calls.cgi", "PATH_INFO": LIST % 1}
        self.assertTrue(run(self.command("serve"), **{**self.REQUEST, **changes}).stdout.startswith("Status: 404 "))

    def test_hardened_as_the_other_build_is(self):
        build = PROJECT / "var/build/user"
        result = subprocess.run(["/usr/bin/python3", "-B", PROJECT / "tests/hardening/hardening_test.py", self.prefix / "sbin/webhook-calls",
                                 *(build / part for part in ("fcgi/libcall_api.a", "sql/libcall_store.a", "sql/libcall_statements.a"))],
                                env=environment(PORTABLE="1"), capture_output=True, encoding="utf-8")
        self.assertEqual(0, result.returncode, result.stderr)

    def test_with_no_library_but_the_C_library(self):
        """In a root that has these, a shell and the folder, and the database's socket."""
        self.set_up()
        root = service.folder / "bare"
        self.addCleanup(shutil.rmtree, root, ignore_errors=True)
        listed = subprocess.run(["ldd", self.prefix / "sbin/webhook-calls", "/bin/sh"], capture_output=True, text=True, check=True).stdout
        for file in {match for match in re.findall(r"(/\S+) \(", listed) if str(home) not in match}:
            target = root / file.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
        names = {path.name for path in root.rglob("*") if path.is_file()}
        self.assertEqual({"ld-linux-x86-64.so.2", "libc.so.6", "libm.so.6", "libgcc_s.so.1"}, names)
        (root / "bin").mkdir()
        shutil.copy("/bin/sh", root / "bin/sh", follow_symlinks=True)
        (root / "tmp").mkdir()
        shutil.copytree(self.prefix, root / "webhook-calls", symlinks=True)
        os.link(service.env["DB_SOCKET"], root / "db.sock")
        file = root / "webhook-calls/etc/webhook-calls/webhook-calls.conf"
        file.write_text(re.sub("unix:.*", "unix:/db.sock", file.read_text()) + "WEBHOOK_CALLS_ACCESS=open\n")
        (root / "proc").mkdir()  # by which the dynamic linker finds out where a program is
        enter = ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--pid", "--fork", f"--root={root}", "--mount-proc"]
        sql("INSERT INTO webhooks (id, account_id, name, url) VALUES (1, 1, 'n', 'http://127.0.0.1:9/')")
        result = subprocess.run([*enter, "/bin/sh", "/webhook-calls/share/webhook-calls/scripts/serve"], capture_output=True,
                                encoding="utf-8", env=self.REQUEST, timeout=60)
        self.assertTrue(result.stdout.startswith("Status: 200 OK"), result)
        self.assertIn('"data":[]', result.stdout)
        if MYSQLD:  # whose passwords are proved by a plugin
            shutil.rmtree(root / "webhook-calls/lib/webhook-calls/plugin")
            result = subprocess.run(result.args, capture_output=True, encoding="utf-8", env=self.REQUEST, timeout=60)
            self.assertIn("caching_sha2_password", result.stderr)
            self.assertTrue(result.stdout.startswith("Status: 503"), result)


class CasesTest(SharedHost):
    """The cases of tests/acceptance, through the ways in which a host may start the worker."""

    @classmethod
    def setUpClass(cls):
        cls.database_before = service.env["DB_NAME"]

    def load(self):
        self.write(home / "site/x", "")
        self.set_up("--starter", home / "site/webhook-calls.fcgi")
        self.succeeds("set-up", "--starter", home / "site/webhook-calls.cgi")
        service.env["DB_NAME"] = "shop"
        self.addCleanup(service.env.update, DB_NAME=self.database_before)
        clock = cases_test.load_fixture(service)
        self.addCleanup(service.sql, "SET GLOBAL init_connect = ''")
        service.freeze_clock(clock)

    def check(self, server, *files, without=None):
        cases = [case for name in files for case in cases_test.read_cases(cases_test.CASES / f"{name}.case")
                 if without is None or without not in case.title]
        self.assertGreater(len(cases), 10)
        for case in cases:
            with self.subTest(case=f"{case.where} {case.title}"):
                cases_test.check_case(server, case)

    FILES = ("documents", "etags", "expiry", "fields", "filters_texts", "media_types", "methods", "page", "routes", "tokens")

    def test_spawned_worker(self):
        self.load()
        with self.spawned_worker() as server:
            self.check(server, *self.FILES)

    def test_fcgiwrap(self):
        self.load()
        with self.wrapped() as server:
            self.check(server, *self.FILES, without="in two lines")  # an environment has one of each name

    def test_apache(self):
        self.load()
        for program in ("webhook-calls.fcgi", "webhook-calls.cgi"):
            with self.subTest(program=program), self.apache(program) as server:
                self.check(server, "documents", "etags", "expiry", "tokens", "page", without="is compressed")
                for path in (f"/{program}", f"/{program}{LIST % 1}", f"/x{LIST % 1}"):
                    self.assertEqual(404, server.send("GET", path, [("Authorization", cases_test.TOKEN)]).status, path)


class CgiTest(ReadyHost):
    """What only one process for each request can do wrong."""

    def test_long_answers_are_whole_or_none(self):
        _, headers = self.ready()
        body = "x" * 1000
        sql(f"INSERT INTO webhook_calls (webhook_id, http_code, headers, body) SELECT 1, 200, '', '{body}' FROM {numbers(3000)}")
        target = LIST % 1 + "?page[size]=1000"
        with self.wrapped() as server:
            answer = server.send("GET", target, [*headers, ("Accept-Encoding", "identity")])
            self.assertTrue(answer.complete)
            self.assertEqual((200, 1000), (answer.status, len(answer.ids())))
            self.assertGreater(int(answer.header("Content-Length")), 1 << 20)
            head = server.send("HEAD", target, headers)
            self.assertEqual((200, None), (head.status, head.header("Content-Length")))

    def test_database_lost_in_the_middle(self):
        """Nothing of the answer was sent by then: it is asked for once more, or is an error that says so."""
        _, headers = self.ready()
        sql(f"INSERT INTO webhook_calls (webhook_id, http_code, headers, body) SELECT 1, 200, '', REPEAT('x', 1000000) FROM {numbers(40)}")
        with self.wrapped() as server:
            exchange = server.open("GET", LIST % 1, headers)
            find = "SELECT id FROM information_schema.processlist WHERE user = 'shop' AND info LIKE '%body%'"
            killed = 0
            while not exchange_ready(exchange):
                for pid, in service.sql(find):
                    with contextlib.suppress(pymysql.err.MySQLError):
                        service.sql(f"KILL {pid}")
                        killed += 1
            answer = exchange.finish()
        self.assertTrue(answer.complete)
        self.assertGreater(killed, 0)
        self.assertIn(answer.status, (200, 503))
        answer.json()

    def test_worker_killed_while_it_sends(self):
        """What it sent is shorter than it said: the web server cuts the answer visibly."""
        _, headers = self.ready()
        sql(f"INSERT INTO webhook_calls (webhook_id, http_code, headers, body) SELECT 1, 200, '', REPEAT('x', 1000000) FROM {numbers(90)}")
        with self.wrapped() as server:
            exchange = server.open("GET", LIST % 1, headers)
            exchange.read_some(1 << 20)
            for pid, program in user_processes().items():
                if program == str(self.prefix / "sbin/webhook-calls"):
                    send_signal(pid, signal.SIGKILL)
            answer = exchange.finish()
        self.assertEqual(200, answer.status)
        self.assertFalse(answer.complete)

    def test_time_of_a_request(self):
        """Not a bound, but a figure for the README; that a pool is faster is."""
        _, headers = self.ready()
        medians = {}
        for way in (self.spawned_worker, self.wrapped):
            with way() as server:
                times = []
                for _ in range(100):
                    began = time.perf_counter()
                    self.assertEqual(200, server.send("GET", SHOW % (1, 1), headers).status)
                    times.append((time.perf_counter() - began) * 1000)
                medians[way.__name__] = round(statistics.median(times), 1)
        print("milliseconds of a request, median:", medians, file=sys.stderr)
        self.assertLess(medians["spawned_worker"], medians["wrapped"])

    def test_new_version_while_apache_keeps_workers(self):
        _, headers = self.ready()
        self.write(home / "site/x", "")
        self.succeeds("set-up", "--starter", home / "site/webhook-calls.fcgi")
        with self.apache("webhook-calls.fcgi") as server:
            self.assert_answers(server, headers)
            old = [pid for pid, program in user_processes().items() if program == str(self.prefix / "sbin/webhook-calls")]
            self.assertGreater(len(old), 0)
            self.copy(built, self.prefix)
            statuses = []
            with self.spawned(self.command("set-up")) as upgrade:
                while upgrade.poll() is None:
                    statuses.append(server.send("GET", SHOW % (1, 1), headers).status)
                self.assertEqual(0, upgrade.returncode)
            statuses += [server.send("GET", SHOW % (1, 1), headers).status for _ in range(20)]
            self.assertEqual({200}, set(statuses), statuses)
            self.assertEqual([], [pid for pid in old if pid in user_processes()])


def exchange_ready(exchange):
    exchange.socket.settimeout(0.01)
    try:
        return bool(exchange.read_some(len(exchange.received) + 1))
    except TimeoutError:
        return False
    finally:
        exchange.socket.settimeout(90)


class PoolTest(ReadyHost):
    def server(self):
        return service.nginx_server("pool", f"unix:{self.prefix}/var/fcgi.sock")

    def workers(self):
        return sorted(pid for pid, program in user_processes().items() if program.startswith(str(self.prefix / "sbin/webhook-calls")))

    def multiwatch(self):
        return int((self.prefix / "var/pool.pid").read_text())

    def test_start_restart_stop(self):
        self.fails(3, "", "pool", "status")
        _, headers = self.ready("--pool")
        server = self.server()
        self.assert_answers(server, headers)
        wait_until(lambda: len(self.workers()) == 4, "4 workers")
        first, pool = self.workers(), self.multiwatch()
        self.succeeds("pool", "start")
        self.assertEqual((first, pool), (self.workers(), self.multiwatch()))
        self.assertIn(f"process {pool}", self.succeeds("pool", "status"))

        # A new version, while it is asked: none fails.
        self.copy(built, self.prefix)
        failed, statuses = [], []
        with self.spawned(self.command("set-up")) as upgrade:
            while upgrade.poll() is None:
                statuses.append(server.send("GET", SHOW % (1, 1), headers).status)
            self.assertEqual(0, upgrade.returncode, (home / "spawned.log").read_text())
        self.assertEqual({200}, set(statuses))
        self.assertEqual([], [pid for pid in first if pid in self.workers()])
        self.assertEqual(pool, self.multiwatch())
        self.assertEqual({str(self.prefix / "sbin/webhook-calls")}, {executable(pid) for pid in self.workers()})

        self.succeeds("pool", "stop")
        self.assertEqual([], self.workers())
        self.succeeds("pool", "stop")
        self.succeeds("pool", "restart")
        self.assert_answers(server, headers)
        for _ in range(3):  # while some of its workers have just begun
            self.succeeds("pool", "stop")
            self.assertEqual({}, user_processes())
            self.succeeds("pool", "start")

    def test_cron_starts_it_again(self):
        _, headers = self.ready("--pool", "--cron")
        server = self.server()
        lines = (home / "crontab").read_text()
        for ended in (self.multiwatch, lambda: self.workers()[0]):
            wait_until(lambda: len(self.workers()) == 4, "4 workers")
            before = self.workers()
            send_signal(ended(), signal.SIGKILL)
            wait_until(lambda: before != self.workers(), "other workers")
            wait_until(lambda: [0] * 4 == [result[0] for result in call_cron(lines)] and self.succeeds("pool", "status"), "pool")
            wait_until(lambda: len(self.workers()) == 4, "4 workers")
            self.assert_answers(server, headers)

    def test_with_what_the_installation_brought(self):
        """On a host that has neither spawn-fcgi nor multiwatch."""
        tools = home / "tools"
        self.write(tools / "x", "")
        for name in os.listdir("/usr/bin"):
            if name not in ("spawn-fcgi", "multiwatch"):
                (tools / name).symlink_to(f"/usr/bin/{name}")
        self.ready()
        file = self.prefix / "etc/webhook-calls/webhook-calls.conf"
        self.write(file, file.read_text() + "WEBHOOK_CALLS_WORKERS=1\nWEBHOOK_CALLS_POOL_MODE=0666\n")
        self.succeeds("pool", "start", PATH=str(tools))
        self.assertEqual(0o666, (self.prefix / "var/fcgi.sock").stat().st_mode & 0o777)
        self.assertEqual(str(self.prefix / "lib/webhook-calls/pool/multiwatch"), executable(self.multiwatch()))
        wait_until(lambda: len(self.workers()) == 1, "worker")
        self.succeeds("pool", "restart", PATH=str(tools))


class InstallUserTest(SharedHost):
    """scripts/install-user itself, as far as it does not build."""

    def install(self, *arguments, **changes):
        return run(PROJECT / "scripts/install-user", *arguments, **changes)

    def test_refused(self):
        for arguments, code, words in (([], 2, "Which folder"), (["/usr"], 2, "for the whole machine"), (["/a b"], 2, "may have letters"),
                                       (["/proc/x"], 1, "cannot be written to"), (["--what", "/x"], 2, "Unknown argument"),
                                       (["/x", "/y"], 2, "One folder")):
            result = self.install(*arguments)
            self.assertEqual(code, result.returncode, result)
            self.assertIn(words, result.stderr)
        self.assertEqual(0, self.install("--help").returncode)

    def test_packages_that_are_missing_without_sudo(self):
        tools = home / "tools"
        for name in os.listdir("/usr/bin"):
            if name not in ("sudo", "dpkg-query"):
                tools.mkdir(exist_ok=True)
                (tools / name).symlink_to(f"/usr/bin/{name}")
        self.write(tools / "dpkg-query", '#!/bin/sh\n[ "$4" = cmake ] || exec /usr/bin/dpkg-query "$@"\n', 0o755)
        if os.geteuid() == 0:
            result = self.install(home / "x", PATH=str(tools))
            self.assertEqual(1, result.returncode, result)
            self.assertIn("These Debian packages are missing, and installing them needs root or sudo: cmake", result.stderr)


class ReadmeTest(SharedHost):
    """The commands of README.md, as they stand there."""

    def test_commands(self):
        shutil.rmtree(self.prefix)
        mine = service.folder / "mine"
        mine.mkdir(exist_ok=True)
        (build,) = blocks_of("shared-host-build")
        result = subprocess.run(["bash", "-euc", build.script], cwd=PROJECT, env=environment(HOME=str(mine)), capture_output=True,
                                encoding="utf-8", timeout=500)
        self.assertEqual(0, result.returncode, result)
        self.copy(mine / "webhook-calls", self.prefix)
        (home / "password").rename(home / "db.password")
        self.write(home / "site/x", "")
        said = []
        *blocks, removal = blocks_of("shared-host")
        for block in (*blocks, None, removal):
            if block is None:
                self.used(said)
                continue
            result = run("bash", "-euc", block.script)
            self.assertEqual((0, ""), (result.returncode, result.stderr), result)
            said.append(result.stdout)
        self.assertEqual({}, user_processes())
        self.assertEqual("", (home / "crontab").read_text())
        self.assertEqual([".htaccess", "x"], sorted(path.name for path in (home / "site").iterdir()))
        self.assertFalse(self.prefix.exists())

    def used(self, said):
        sql("INSERT INTO webhooks (id, account_id, name, url) VALUES (1, 1, 'n', 'http://127.0.0.1:9/')")
        headers = [("Authorization", "Bearer " + re.search(r"^([A-Za-z0-9_-]{43})$", said[0], re.M)[1])]
        self.assertEqual([0] * 4, [result[0] for result in call_cron((home / "crontab").read_text())])
        pool = service.nginx_server("pool", f"unix:{self.prefix}/var/fcgi.sock")
        htaccess = (home / "site/.htaccess").read_text()
        with self.apache("webhook-calls.fcgi") as apache:
            self.assertEqual(htaccess, (home / "site/.htaccess").read_text())
            for server in (pool, apache):
                self.assertEqual(200, server.send("GET", LIST % 1, headers).status)


if __name__ == "__main__":
    unittest.main()
