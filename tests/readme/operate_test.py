#!/usr/bin/python3
"""README's chapter "Operating", as it is typed: the blocks of the context "operate", in their order. One service stands for
all of them; what README says one sees is looked for in what there is to see."""

import json
import os
import re
import shutil
import signal
import threading
import unittest

from readme_commands import PROJECT, Shell, blocks, run_blocks
import restore
from run_test import checkout, pattern_of
from symptoms import Symptoms

from faults import seconds_of
from service import LIST, MYSQLD, WORKER, Service, can_connect, executable, free_port, numbers, wait_until

TOKEN = [("Authorization", "Bearer reader-1")]


class InstalledService(Service):
    """Its worker is a file of its own, which an upgrade can replace."""

    def command(self):
        (self.folder / "sbin").mkdir(exist_ok=True)
        self.program = self.folder / "sbin/webhook-calls"
        shutil.copy(WORKER, self.program)
        return [PROJECT / "scripts/run", "--no-demo", "--worker", self.program]

    def worker_pids(self):
        """Those of the program before as well."""
        return [pid for pid in self.processes("pool") if executable(pid).startswith(str(self.program))]


def shown(heading, words):
    """The configuration under a heading that has these words."""
    (text,) = [block.text for block in blocks() if block.marker == "shown" and block.heading == heading and words in block.text]
    return text


@unittest.skipIf(MYSQLD, "the commands are those of MariaDB")
class OperateTest(unittest.TestCase):
    maxDiff = None

    def test_operate(self):
        self.service = service = InstalledService(workers=2)
        self.addCleanup(service.stop)
        self.here = service.folder / "checkout"
        self.here.mkdir()
        checkout(self.here, service.state)
        self.configure()
        self.start_front_server()
        self.add_records()
        places = [("/etc/webhook-calls", str(service.folder / "etc")),
                  ("/var/log/nginx", str(service.state / "log")),
                  ("http://127.0.0.1:8080", f"http://127.0.0.1:{self.port}"),
                  ("/usr/local/sbin/webhook-calls", str(service.program)),
                  ("var/build/release/fcgi/webhook-calls", WORKER)]
        with Shell(self.here, places, **self.environment(service.folder, service.env["DB_SOCKET"])) as self.shell:
            self.steps = [
                ("Purge and sealing", self.in_turn),
                ("Purge and sealing", self.log_status),
                ("Monitoring", self.probe),
                ("Monitoring", self.log_status_as_a_check),
                ("Monitoring", self.check_config),
                ("Monitoring", self.log_lines),
                ("Monitoring", self.nginx),
                ("Troubleshooting", self.request_id),
                ("Troubleshooting", lambda block: Symptoms(self).run(block)),
                ("Upgrade", self.migrate),
                ("Upgrade", self.new_program),
                ("Upgrade", self.new_workers),
                ("Back-up and restore", self.back_up),
                ("Back-up and restore", self.restore),
            ]
            run_blocks("operate", self.run_block)
        self.assertEqual([], self.steps)

    def run_block(self, block):
        self.assertTrue(self.steps, f"{block} has no test")
        heading, step = self.steps.pop(0)
        self.assertEqual(heading, block.heading, block)
        step(block)

    # ---- What an operator has

    def environment(self, home, socket, state=None):
        """The database's root logs in by the client's own configuration, without a password."""
        (home / ".my.cnf").write_text(f"[client]\nsocket={socket}\nuser=root\n")
        return {"HOME": str(home), "WEBHOOK_CALLS_STATE": str(state or self.service.state),
                "PATH": f"{self.service.program.parent}:{os.environ['PATH']}:/usr/sbin:/sbin"}

    def configure(self):
        folder = self.service.folder / "etc"
        folder.mkdir()
        for name in ("migrator.cnf", "purger.cnf", "reader.password"):
            shutil.copy(self.service.state / "secrets" / name, folder)
        (folder / "webhook-calls.conf").write_text(
            f"WEBHOOK_CALLS_DB_HOSTS=unix:{self.service.env['DB_SOCKET']}\nWEBHOOK_CALLS_DB_USER=run_reader\n")

    def server_lines(self):
        return shown("Monitoring", "stub_status").replace("/var/log/nginx", str(self.service.state / "log"))

    def start_front_server(self):
        """nginx as README says that it is watched."""
        self.port = free_port()
        (self.service.state / "nginx.d/0-front.conf").write_text(
            shown("Monitoring", "log_format") + f"server {{\nlisten 127.0.0.1:{self.port};\n{self.server_lines()}\n"
            f'set $webhook_calls_pool webhook_calls;\ninclude "{PROJECT}/nginx/webhook-calls.conf";\n}}\n')
        self.service.reload_nginx(lambda: can_connect(("127.0.0.1", self.port)))

    def add_records(self):
        service = self.service
        service.add_webhooks((1, 1, "first", "https://example.com/1"), (2, 2, "another's", "https://example.com/2"),
                             (9, 1, "big", "https://example.com/9"))
        service.add_token("reader-1", 1)
        service.sql("DELETE FROM webhook_call_upkeep")  # of an event, before there were records
        # Of some the 60 days are over, and some wait to be sealed.
        service.sql("INSERT INTO webhook_calls (id, webhook_id, http_code, headers, body, created_at) SELECT seq, 1, "
                    "IF(seq % 7 = 0, NULL, 200 + seq % 3), IF(seq % 7 = 0, NULL, 'a: 1'), "
                    "IF(seq % 7 = 0, NULL, UNHEX(SHA2(seq, 512))), "
                    f"UTC_TIMESTAMP(3) - INTERVAL 61 DAY + INTERVAL seq * 400 SECOND FROM {numbers(12000)}")
        service.sql("INSERT INTO webhook_calls (id, webhook_id, http_code, headers, body) "
                    f"SELECT 20000 + seq, 9, 200, 'a: 1', REPEAT(CHAR(97 + seq % 26), 65536) FROM {numbers(1000)}")

    def get(self, target=LIST % 1, server=None):
        return (server or self.service).send("GET", target, TOKEN)

    # ---- The steps

    def in_turn(self, block):
        for command in block.commands:
            self.assertEqual("", self.shell.run(command) + self.shell.errors)

    def log_status(self, block):
        for command in block.commands:
            self.assertRegex(self.shell.run(command), "^" + pattern_of(command.shown) + "$")
        self.assertGreater(len(self.service.sql("SELECT 1 FROM webhook_call_chunks")), 1)
        self.assertFalse(self.service.sql("SELECT 1 FROM webhook_calls WHERE created_at < UTC_TIMESTAMP() - INTERVAL 60 DAY"))

    def probe(self, block):
        make, address, curl = block.commands
        self.shell.run(make)
        self.assertEqual(0o600, (self.here / "probe.header").stat().st_mode & 0o777)
        self.shell.run(address)
        self.assertRegex(self.shell.run(curl), r"^200 in [0-9.]+ s\n$")
        # It must be able to fail: another account's webhook is a 404, which is curl's 22.
        self.shell.run(curl.text.replace("$LIST", "${LIST/\\/1\\//\\/2\\/}"), code=22)

    def log_status_as_a_check(self, block):
        cron, plugin = block.commands
        self.assertEqual("", self.shell.run(cron))
        self.shell.run(plugin)
        for task, code in (("seal", 1), ("expire", 2)):
            before = self.service.sql(f"SELECT caught_up_at, ended_at FROM webhook_call_upkeep WHERE task = '{task}'")[0]
            update = f"UPDATE webhook_call_upkeep SET caught_up_at = %s, ended_at = %s WHERE task = '{task}'"
            self.service.sql(update, ("2020-01-01", "2020-01-01"))
            self.assertIn("has not", self.shell.run(cron))
            self.shell.run(plugin, code=code)
            self.service.sql(update, before)
        self.shell.run(plugin)

    def check_config(self, block):
        (command,) = block.commands
        self.assertIn("The settings are right", self.shell.run(command))

    def log_lines(self, block):
        times, failures, slow, changes, statuses = block.commands
        # Its first host is not there, then it is asked for what waits for a lock.
        hosts = f"unix:/nonexistent.sock,unix:{self.service.env['DB_SOCKET']}"
        pool = self.service.pool("watched", WEBHOOK_CALLS_DB_HOSTS=hosts, WEBHOOK_CALLS_DB_STATEMENT_TIMEOUT="1")
        for _ in range(3):
            self.assertEqual(200, self.get(server=pool).status)
        self.assertEqual(400, self.get(LIST % 1 + "?page[size]=0", pool).status)
        with self.locked():
            answer = self.get(server=pool)
        self.assertEqual(503, answer.status)
        lines = wait_until(lambda: pool.log_lines() if len(pool.log_lines()) == 5 else None, "log")
        with self.log_of(pool):
            found = json.loads(self.shell.run(times))
            milliseconds = sorted(line["total_ms"] for line in lines)
            self.assertEqual({"n": 5, "p50": milliseconds[2], "p99": milliseconds[4], "max": milliseconds[4]}, found)
            self.assertRegex(self.shell.run(failures), r"^ *1 503 complete .*max_statement_time")
            self.assertRegex(self.shell.run(slow), rf"^{lines[4]['time']}\t{lines[4]['request_id']}\t1\t1\t\d*\t\d{{3,}}")
            self.assertRegex(self.shell.run(changes), r"^20\S+Z\tunix:.*db\.sock\t.*nonexistent")
            self.assertEqual({"200 3", "400 1", "503 1"}, set(self.shell.run(statuses).splitlines()))

    def nginx(self, block):
        count, status = block.commands
        self.assertRegex(self.shell.run(count), r"(?m)^\d+ 200 of nginx, 200 of the workers$")
        self.assertRegex(self.shell.run(status), r"^Active connections: \d")

    def request_id(self, block):
        remember, look = block.commands
        self.shell.run(remember)
        self.assertRegex(self.shell.run("echo $ID"), "^[0-9a-f]{32}\n$")
        self.assertRegex(self.shell.run(look), r'(?m)^\{.*"request_id":"[0-9a-f]{32}".*\}$')

    def migrate(self, block):
        status, migrate = block.commands
        self.assertRegex(self.shell.run(status), "(?m)^applied  0001_tables$")
        self.assertIn("0 migrations applied now", self.shell.run(migrate))
        # A schema that is newer than the program.
        newest, = self.service.sql("SELECT MAX(version) FROM schema_migrations")[0]
        self.service.sql(f"INSERT INTO schema_migrations (version, name) VALUES ({newest + 1}, 'later')")
        self.service.sql("ALTER TABLE webhook_calls ADD COLUMN attempts INT NOT NULL DEFAULT 1")
        self.shell.run(migrate, code=1)
        self.says_in_upgrade(self.shell.errors, "it is too old for this database")
        check = next(one for block in blocks() if block.heading == "Monitoring" for one in
                     (block.commands if block.context else []) if "--check-config" in one.text)
        self.shell.run(check, code=1)
        errors = self.shell.errors.replace(f"version {newest + 1}", "version 4").replace(f"needs {newest}", "needs 3")
        self.says_in_upgrade(errors, "The schema has version 4, this program needs 3: install the program's newer version.")
        for process in self.service.worker_pids():
            os.kill(process, signal.SIGTERM)  # new ones, which meet that schema
        for query in ("", "?count=true", "?sort=-created_at&page[number]=9"):
            self.assertEqual(200, self.get(LIST % 1 + query).status)
        self.service.sql("ALTER TABLE webhook_calls DROP COLUMN attempts")
        # And one that is older.
        self.service.sql("DELETE FROM schema_migrations WHERE version >= 3")
        self.service.sql("DROP TABLE webhook_call_chunks, webhook_call_chunk_codes")
        self.shell.run(check, code=1)
        errors = re.sub(f"version [0-9]+, this program needs {newest}", "version 3, this program needs 4", self.shell.errors)
        self.says_in_upgrade(errors, "The schema has version 3, this program needs 4: run scripts/migrate.")
        self.assertEqual(500, self.get(LIST % 1 + "?count=true").status)
        self.assertIn(f"{newest - 2} migrations applied now", self.shell.run(migrate))
        self.assertEqual(200, self.get(LIST % 1 + "?count=true").status)

    def says_in_upgrade(self, output, words):
        self.assertIn(words, output)
        text = re.search("(?s)### Upgrade\n.*?\n### ", (PROJECT / "README.md").read_text())[0]
        self.assertIn(words, re.sub(r"\s+", " ", text))

    def new_program(self, block):
        install, check = block.commands
        before = self.service.program.stat().st_ino
        self.shell.run(install)
        self.assertNotEqual(before, self.service.program.stat().st_ino)
        self.assertIn("The settings are right", self.shell.run(check))

    def new_workers(self, block):
        (restart,) = block.commands
        before, statuses, done = self.service.worker_pids(), [], threading.Event()

        def ask():
            while not done.is_set():
                statuses.append(self.get(LIST % 1 + "?page[size]=100").status)

        clients = [threading.Thread(target=ask) for _ in range(3)]
        for client in clients:
            client.start()
        try:
            wait_until(lambda: len(statuses) > 20, "requests")
            self.assertEqual(4, self.shell.run(restart).count("is replaced by"))
            enough = len(statuses) + 20
            wait_until(lambda: len(statuses) > enough, "requests")
        finally:
            done.set()
            for client in clients:
                client.join()
        self.assertEqual({200}, set(statuses))
        self.assertFalse(set(before) & set(self.service.worker_pids()))

    def back_up(self, block):
        restore.add_records(self.service)
        self.backed_up = restore.Activity(self.service)
        with self.backed_up:
            for command in block.commands:
                seconds, output = seconds_of(lambda command=command: self.shell.run(command, timeout=300))
                if "webhook_calls |" in command.text:
                    dump_seconds = seconds
                    self.backed_up.must_go_on()
                    self.without_chunks(command)
        self.assertRegex(output, "^-- Dump completed")
        for name in ("webhook-calls.sql.gz", "accounts.sql.gz"):
            self.assertEqual(0o600, (self.here / name).stat().st_mode & 0o777)
        self.backed_up.check(dump_seconds)

    def without_chunks(self, command):
        """And by the migrator."""
        options = re.findall("`(--(?:ignore-table-data|defaults-file)=[^`]+)`", (PROJECT / "README.md").read_text())
        options.sort()  # which is the one that must come first
        self.assertEqual(3, len(options))
        dump = command.text.replace("mariadb-dump", " ".join(["mariadb-dump", *options])).replace("webhook-calls.sql", "part.sql")
        self.shell.run(dump, timeout=300)
        tables = self.shell.run("zcat part.sql.gz | grep -oE '^(CREATE TABLE|INSERT INTO) `webhook_call(s|_chunk)[a-z_]*`' | sort -u")
        self.assertEqual(["CREATE TABLE `webhook_call_chunk_codes`", "CREATE TABLE `webhook_call_chunks`",
                          "CREATE TABLE `webhook_calls`", "INSERT INTO `webhook_calls`"], tables.splitlines())

    def restore(self, block):
        """On a host that has nothing but the project and an empty server."""
        server = restore.EmptyServer(self.service.folder / "other")
        self.addCleanup(server.stop)
        self.shell.close()
        with Shell(self.here, **self.environment(server.folder, server.socket, server.folder)) as self.shell:
            create, room, read, migrate, accounts, expire, seal, status = block.commands
            self.shell.run(create)
            self.shell.run(read, code=1)  # with the server's own limit, a long body does not go through
            self.assertIn("gone away", self.shell.errors)
            self.shell.run(room)
            self.shell.run(read, timeout=300)
            server.compare(self.backed_up)
            self.assertRegex(self.shell.run(migrate), ", 0 migrations applied now")
            self.assertEqual("", self.shell.errors)
            self.shell.run(accounts)
            # The workers' account is back, with its password and its role.
            pool = self.service.pool("restored", WEBHOOK_CALLS_DB_HOSTS=f"unix:{server.socket}")
            server.compare_counts(pool)
            self.assertRegex(self.shell.run(expire), r"^Deleted [1-9]\d* webhook calls")
            self.shell.run(seal)
            self.assertIn("All is well.", self.shell.run(status))
            server.compare_counts(pool)
            # Chunks that were left out are made again, and in between counts are right.
            hooks = "SELECT DISTINCT webhook_id FROM webhook_call_chunks ORDER BY webhook_id"
            sealed = server.sql(hooks)
            server.sql("DELETE FROM webhook_call_chunks")
            server.sql("DELETE FROM webhook_call_chunk_codes")
            server.compare_counts(pool)
            self.shell.run(seal)
            self.assertEqual(sealed, server.sql(hooks))
            server.compare_counts(pool)
            server.compare_what_migrate_makes(self.service)
            newest = server.sql("SELECT MAX(id) FROM webhook_calls")[0][0]
            server.sql("INSERT INTO webhook_calls (webhook_id) VALUES (21)")
            self.assertLess(newest, server.sql("SELECT MAX(id) FROM webhook_calls")[0][0])

    # ---- For the symptoms too

    def locked(self):
        """Nobody reads the records."""
        connection = self.service.connect()
        connection.cursor().execute("LOCK TABLES webhook_calls WRITE")
        return connection

    def log_of(self, pool):
        """A context in which README's log is this pool's."""
        return self.instead("var/log/workers.log", pool.log)

    def instead(self, here, there):
        return Instead(self.shell, here, there)


class Instead:
    def __init__(self, shell, here, there):
        self.shell, self.place = shell, (here, str(there))

    def __enter__(self):
        self.shell.places.append(self.place)

    def __exit__(self, *_):
        self.shell.places.remove(self.place)


if __name__ == "__main__":
    unittest.main()
