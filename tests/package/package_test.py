"""The Debian package and its units under a real systemd, with Debian's nginx and MariaDB; scripts/test-package boots a Debian
and calls this there: with "first", where it installs the package, then, after another boot, with "again"."""

import json
import os
import re
import subprocess
import sys
import threading
import unittest
from pathlib import Path

from machine import (GIVEN, SETTINGS, SOCKET, TOKEN, UNIT, UNITS, WORKERS, Load, apt, call, connect, get, journal, processes,
                     properties, record_calls, run_tests, sql, start, succeeds, unattended, wait_until, workers, write)

from readme_commands import Shell, run_blocks

PACKAGES = {release: next((GIVEN / "packages").glob(f"webhook-calls_*-{release}_*.deb")) for release in (1, 2)}
SNIPPET = Path("/etc/nginx/snippets/webhook-calls.conf")
STEPS = "What is left to do"
SECRETS = ("migrator.cnf", "purger.cnf", "reader.cnf", "reader.password", "sender.cnf")
# What README's commands printed, by command.
said = {}


def versions():
    return call("dpkg-query", "-W", "-f", "${Version}", "webhook-calls")


def states(what="is-active"):
    """Of our units."""
    return subprocess.run(["systemctl", what, *UNITS], capture_output=True, text=True).stdout.split()


def leftovers():
    """Files with our name, wherever but in the database."""
    prune = [part for path in ("/proc", "/sys", "/opt", "/root", "/var/lib/mysql") for part in ("-path", path, "-prune", "-o")]
    found = call("find", "/", *prune, "-iname", "*webhook*calls*", "-print").split("\n")
    return [file for file in found if file and "webhook-calls-test.service" not in file]


def install():
    """By README's commands."""
    unattended()
    folder = Path("/root/webhook-calls")
    (folder / "var/package").mkdir(parents=True)
    # scripts/test-package has called it; here is what it made.
    places = [("scripts/package ", f"cp '{PACKAGES[1]}' var/package/ ")]
    with Shell(folder, places) as shell:
        def run(block):
            for command in block.commands:
                if command.text.startswith("curl "):
                    # The reload before it takes nginx a moment.
                    wait_until(lambda: "<html>" not in shell.run(command), "answer that is not nginx's")
                said[command.text] = shell.run(command, timeout=600) + shell.errors
                if command.text.startswith("apt install"):
                    look_at_what_is_there_before_the_steps()
        run_blocks("package", run)
        TOKEN.write_text(shell.run('printf %s "$TOKEN"'))
    sql("SET GLOBAL event_scheduler = OFF")  # the timer alone purges
    record_calls()
    wait_until(lambda: get()[0] == 200, "answer of 200")


def look_at_what_is_there_before_the_steps():
    """Without a database the service is up already; it answers as soon as there is one."""
    assert states() == ["active"] * len(UNITS), states()
    assert (SETTINGS / "reader.password").read_text() == ""
    said["units"] = states("is-enabled")


class InstallationTest(unittest.TestCase):
    def test_the_steps(self):
        printed = {command.split(" ")[0]: text for command, text in said.items()}
        self.assertEqual(1, printed["apt"].count(STEPS), printed["apt"])
        self.assertIn('"meta":{"count":0}', printed["curl"])
        self.assertEqual(["enabled"] * len(UNITS), said["units"])

    def test_files(self):
        self.assertEqual("", call("dpkg", "--verify", "webhook-calls"))
        self.assertTrue(succeeds("apt-get", "check"))
        for name in SECRETS:
            self.assertEqual("600 root root", call("stat", "-c", "%a %U %G", str(SETTINGS / name)).strip(), name)
        self.assertEqual("644 root root", call("stat", "-c", "%a %U %G", str(SETTINGS / "webhook-calls.conf")).strip())
        self.assertNotIn("assword=", (SETTINGS / "webhook-calls.conf").read_text().replace("PASSWORD", "password"))

    def test_the_user_has_no_way_in(self):
        account = call("getent", "passwd", "webhook-calls")
        self.assertRegex(account, r"^webhook-calls:x:\d{2,3}:\d{2,3}:Webhook call log:/:/usr/sbin/nologin$")

    def test_commands_know_where_all_is(self):
        for name in ("expire", "seal", "migrate"):
            call(f"webhook-calls-{name}")
        self.assertIn("All is well.", call("webhook-calls-log-status"))
        self.assertIn("0003", call("webhook-calls-migrate", "--status"))
        self.assertEqual(1, len(call("webhook-calls-token", "list", "--account", "1").strip().split("\n")))

    def test_the_settings_are_right_as_they_are(self):
        """Each commented line, with its default, is one that the worker takes."""
        settings = dict(re.findall(r"(?m)^#?(WEBHOOK_CALLS_\w+)=(.*)$", (SETTINGS / "webhook-calls.conf").read_text()))
        settings["WEBHOOK_CALLS_DB_PASSWORD_FILE"] = str(SETTINGS / "reader.password")
        settings = {name: value for name, value in settings.items() if value}
        self.assertIn("The settings are right", call("webhook-calls", "--check-config", env={**os.environ, **settings}))


class ServiceTest(unittest.TestCase):
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

    def test_exports_have_workers_of_their_own(self):
        """Which start with the first one, in the same sandbox."""
        before = workers()
        status, body = get("/api/v3/notification/webhook/1/calls", Accept="text/csv")
        self.assertEqual((200, 1001), (status, body.count(b"\r\n")), body[:300])
        self.assertEqual("active", properties("ActiveState", unit="webhook-calls-exports.service")["ActiveState"])
        self.assertEqual(before, workers())
        self.assertIn('"route":"export"', journal("--lines=5", unit="webhook-calls-exports.service"))
        self.assertEqual(406, get("/api/v3/notification/webhook/1/calls/1", Accept="text/csv")[0])

    def test_the_password_is_for_the_workers_alone(self):
        self.assertEqual("600", call("stat", "-c", "%a", str(SETTINGS / "reader.password")).strip())
        for command in (["cat", f"/run/credentials/{UNIT}/reader.password"], ["cat", str(SETTINGS / "reader.password")]):
            with self.subTest(command=command):
                self.assertFalse(succeeds("runuser", "-u", "www-data", "--", *command))
        for pid in processes():
            self.assertNotIn((SETTINGS / "reader.password").read_bytes(), Path(f"/proc/{pid}/environ").read_bytes())

    def test_only_nginx_may_connect(self):
        self.assertEqual("600 www-data www-data", call("stat", "-c", "%a %U %G", str(SOCKET)).strip())

    def test_the_log_is_in_the_journal(self):
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
                       " WHERE user = 'webhook_calls_reader' AND state LIKE 'Waiting for table%%'")
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
        self.assertFalse(SOCKET.exists())
        self.assertEqual("", subprocess.run(["pgrep", "-u", "webhook-calls"], capture_output=True, text=True).stdout)
        self.assertEqual(502, get()[0])
        call("systemctl", "start", "webhook-calls.socket")
        self.assertEqual(200, get()[0])

    def test_a_wrong_setting_is_told_in_the_journal_and_mended_by_a_restart(self):
        file = SETTINGS / "webhook-calls.conf"
        right = file.read_text()
        write(file, right + "WEBHOOK_CALLS_ACCESS=anyone\n", 0o644)
        try:
            call("systemctl", "restart", UNIT)
            restarts = int(properties("NRestarts")["NRestarts"])
            wait_until(lambda: int(properties("NRestarts")["NRestarts"]) >= restarts + 2, "second attempt")
            self.assertIn("WEBHOOK_CALLS_ACCESS must be", journal("--lines=30"))
        finally:
            write(file, right, 0o644)
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


class PasswordTest(unittest.TestCase):
    def test_a_wrong_password_is_in_the_log_and_mended_by_create_database(self):
        file = SETTINGS / "reader.password"
        write(file, "wrong")
        call("systemctl", "restart", UNIT)
        self.assertEqual(503, get()[0])
        reason = "Access denied for user 'webhook_calls_reader'@'localhost'"
        wait_until(lambda: reason in journal("--lines=10"), "reason in the log")
        call("webhook-calls-create-database")
        self.assertEqual(200, get()[0])
        self.assertNotEqual("wrong", file.read_text())


class UpgradeTest(unittest.TestCase):
    def setUp(self):
        start()
        self.secrets = {name: (SETTINGS / name).read_text() for name in SECRETS}
        self.count = json.loads(get()[1])["meta"]["count"]

    def upgrade(self, package, *options):
        """Under load."""
        before, socket = set(workers()), properties("InvocationID", unit="webhook-calls.socket")
        with Load() as load:
            output = apt(*options, "install", str(package))
            wait_until(lambda: len(workers()) == WORKERS and not before & set(workers()), "new pool")
            load.await_more()
        print(f"{len(load.answers)} requests during an upgrade, {len(load.failed())} failed", flush=True)
        self.assertEqual([], load.failed())
        self.assertEqual(socket, properties("InvocationID", unit="webhook-calls.socket"))
        self.assertNotIn(STEPS, output)
        self.assertEqual(self.secrets, {name: (SETTINGS / name).read_text() for name in SECRETS})
        self.assertEqual(self.count, json.loads(get()[1])["meta"]["count"])
        self.assertEqual(["active"] * len(UNITS), states())

    def test_1_nothing_else_changed(self):
        edited = (SETTINGS / "webhook-calls.conf").read_text() + "WEBHOOK_CALLS_DB_STATEMENT_TIMEOUT=7\n"
        write(SETTINGS / "webhook-calls.conf", edited, 0o644)
        # As if the new version had brought the newest migration.
        newest = sql("SELECT MAX(version) FROM schema_migrations")
        sql("DELETE FROM schema_migrations ORDER BY version DESC LIMIT 1")
        self.upgrade(PACKAGES[2])
        self.assertEqual(newest, sql("SELECT MAX(version) FROM schema_migrations"))
        self.assertRegex(versions(), "-2$")
        self.assertEqual(edited, (SETTINGS / "webhook-calls.conf").read_text())
        self.assertEqual([], list(SETTINGS.glob("*.dpkg-*")))

    def test_2_configuration_changed_too(self):
        """In the new version, both files; here, one of them."""
        call("dpkg-deb", "-R", str(PACKAGES[2]), "/root/new")
        for file, change in (("DEBIAN/control", lambda text: re.sub(r"(?m)^(Version: .*)-2$", r"\1-3", text)),
                             ("etc/webhook-calls/webhook-calls.conf", lambda text: text + "# new\n"),
                             (f".{SNIPPET}", lambda text: text + "# new\n"),
                             ("usr/share/webhook-calls/nginx/webhook-calls.conf", lambda text: text + "add_header X-New yes;\n")):
            path = Path("/root/new") / file
            path.write_text(change(path.read_text()))
        call("dpkg-deb", "-b", "/root/new", "/root/new.deb")
        edited = (SETTINGS / "webhook-calls.conf").read_text()
        self.assertNotIn("# new", edited)
        self.upgrade("/root/new.deb", "-o", "Dpkg::Options::=--force-confold")
        self.assertEqual(edited, (SETTINGS / "webhook-calls.conf").read_text())
        self.assertIn("# new", (SETTINGS / "webhook-calls.conf.dpkg-dist").read_text())
        self.assertIn("# new", SNIPPET.read_text())
        # nginx has read the new include.
        wait_until(lambda: "X-New: yes" in call("curl", "--silent", "--head", "http://127.0.0.1/"), "new header")

    def test_3_what_was_disabled_stays_so(self):
        call("systemctl", "disable", "--now", "webhook-calls-upkeep.timer")
        apt("install", "--reinstall", "/root/new.deb")
        self.assertEqual(["active"] * (len(UNITS) - 1) + ["inactive"], states())
        call("systemctl", "enable", "--now", "webhook-calls-upkeep.timer")


class AgainTest(unittest.TestCase):
    """After another boot. The tests go on where the one before them ended."""

    def test_1_all_comes_up_by_itself(self):
        wait_until(lambda: get()[0] == 200, "answer of 200")
        self.assertEqual(["active"] * len(UNITS), states())
        self.assertEqual(WORKERS, len(workers()))
        self.assertLessEqual(1000, json.loads(get()[1])["meta"]["count"])

    def test_2_removal(self):
        count = sql("SELECT COUNT(*) FROM webhook_calls")
        apt("remove", "webhook-calls")
        self.assertFalse(succeeds("pgrep", "-u", "webhook-calls"))
        self.assertFalse(succeeds("pgrep", "-x", "webhook-calls"))
        self.assertFalse(SOCKET.parent.exists())
        self.assertEqual(["inactive"] * len(UNITS), states())
        self.assertNotIn(str(SOCKET), Path("/proc/net/unix").read_text())
        kept = {*SECRETS, "webhook-calls.conf", "webhook-calls.conf.dpkg-dist"}
        self.assertEqual(kept, {file.name for file in SETTINGS.iterdir()})
        call("nginx", "-t")
        call("systemctl", "reload", "nginx")
        wait_until(lambda: get()[0] == 404, "answer of 404")
        call("systemctl", "restart", "nginx")
        self.assertEqual(count, sql("SELECT COUNT(*) FROM webhook_calls"))

    def test_3_installation_after_a_removal(self):
        self.assertNotIn(STEPS, apt("install", "/root/new.deb"))
        self.assertEqual(["active"] * len(UNITS), states())
        wait_until(lambda: get()[0] == 200, "answer of 200")

    def test_4_purge(self):
        count = sql("SELECT COUNT(*) FROM webhook_calls")
        output = apt("purge", "webhook-calls")
        self.assertEqual([], leftovers())
        self.assertFalse(succeeds("getent", "passwd", "webhook-calls"))
        self.assertFalse(succeeds("getent", "group", "webhook-calls"))
        self.assertFalse(succeeds("pgrep", "-x", "webhook-calls"))
        for listed in ("list-unit-files", "list-units"):
            self.assertNotRegex(call("systemctl", listed, "--all", "webhook-calls*"), r"webhook-calls(?!-test)")
        call("nginx", "-t")
        call("systemctl", "restart", "nginx")
        self.assertEqual(count, sql("SELECT COUNT(*) FROM webhook_calls"))
        # What it prints removes the rest.
        statements = "\n".join(re.findall(r"(?m)^  ((?:DROP|    ).*)$", output))
        call("mariadb", "--execute", statements)
        with connect("mysql") as connection, connection.cursor() as cursor:
            cursor.execute("SELECT User FROM mysql.user WHERE User LIKE 'webhook%'"
                           " UNION SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE 'webhook%'")
            self.assertEqual((), tuple(cursor.fetchall()))

    def test_5_where_nothing_may_be_started(self):
        policy = Path("/usr/sbin/policy-rc.d")
        write(policy, "#!/bin/sh\nexit 101\n", 0o755)
        try:
            output = apt("install", str(PACKAGES[1]))
        finally:
            policy.unlink()
        self.assertIn(STEPS, output)
        self.assertEqual((["inactive"] * len(UNITS), ["enabled"] * len(UNITS)), (states(), states("is-enabled")))
        self.assertFalse(SOCKET.exists())
        apt("purge", "webhook-calls")
        self.assertEqual([], leftovers())

    def test_6_where_no_systemd_runs(self):
        """As in a container or when an image is made: nothing in /run tells of one."""
        inside = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs tmpfs /run && exec "$@"', "-", "apt-get", "--yes"]
        call(*inside, "install", str(PACKAGES[1]))
        self.assertTrue(succeeds("getent", "passwd", "webhook-calls"))
        self.assertEqual("600", call("stat", "-c", "%a", str(SETTINGS / "reader.password")).strip())
        self.assertEqual(["enabled"] * len(UNITS), states("is-enabled"))
        self.assertFalse(succeeds("pgrep", "-x", "webhook-calls"))
        call(*inside, "purge", "webhook-calls")
        self.assertEqual([], leftovers())


if __name__ == "__main__":
    if sys.argv[1] == "first":
        run_tests(install, InstallationTest, ServiceTest, PasswordTest, UpgradeTest)
    else:
        run_tests(unattended, AgainTest)
