#!/usr/bin/python3
"""The purge, the sealing and log-status on a real database, each by the procedures and by plain statements."""

import contextlib
import re
import signal
import subprocess
import threading
import unittest

import pymysql
from commands import PROJECT, ScriptTest, call, environment, option_file, start_service
from service import numbers, send_signal, session_processes, wait_until

INSERT = "INSERT INTO webhook_calls (webhook_id, http_code, headers, body) VALUES "
AGED = "INSERT INTO webhook_calls (webhook_id, http_code, headers, body, created_at) "
TABLES = ("webhook_calls", "webhook_call_chunks", "webhook_call_chunk_codes", "webhook_call_upkeep")
RIPE = "UTC_TIMESTAMP(3) - INTERVAL 16 MINUTE"
README = (PROJECT / "README.md").read_text()
service = None


def setUpModule():
    global service
    service = start_service()
    # What a host without routines has: the tables, and an account with what the README grants.
    service.sql("CREATE DATABASE plain")
    service.sql("CREATE USER owner@localhost")
    service.sql("GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, INDEX, ALTER ON plain.* TO owner@localhost")
    service.sql("CREATE USER keeper@localhost")


class UpkeepTest(ScriptTest):
    """By the procedures, with the account of the role."""

    database, account = "webhook_calls", None

    def setUp(self):
        for table in TABLES:
            self.sql(f"DELETE FROM {table}")

    @contextlib.contextmanager
    def connect(self):
        with service.connect() as connection:
            connection.select_db(self.database)
            yield connection

    def sql(self, statement):
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall()

    def script(self, name, *arguments, **changes):
        if self.account and "--defaults-file" not in arguments and name != "log-status":
            arguments = (*arguments, "--defaults-file", option_file(self.account))
        return super().script(name, *arguments, **{"WEBHOOK_CALLS_DB_NAME": self.database, **changes})

    def add_calls(self, webhook, count, age=RIPE, code=200):
        self.sql(AGED + f"SELECT {webhook}, {code}, 'a: 1', 'b', {age} FROM {numbers(count)}")

    def assert_exact(self, chunks):
        """So many chunks, which tile the ids and tell the truth about all the records in them."""
        rows = self.sql("SELECT webhook_id, first_id, last_id, n, min_at, max_at FROM webhook_call_chunks"
                        " WHERE min_at > UTC_TIMESTAMP(3) - INTERVAL 60 DAY ORDER BY 1, 2")
        self.assertEqual(chunks, len(rows), rows)
        ends = dict(self.sql("SELECT webhook_id, MAX(last_id) FROM webhook_call_chunks"
                             " WHERE min_at <= UTC_TIMESTAMP(3) - INTERVAL 60 DAY GROUP BY webhook_id"))
        for webhook, first, last, n, min_at, max_at in rows:
            self.assertEqual(ends.get(webhook, 0) + 1, first)
            ends[webhook] = last
            within = f"FROM webhook_calls WHERE webhook_id = {webhook} AND id BETWEEN {first} AND {last}"
            self.assertEqual(((n, min_at, max_at),), self.sql(f"SELECT COUNT(*), MIN(created_at), MAX(created_at) {within}"))
            codes = self.sql("SELECT http_code, n, last_id, min_at, max_at FROM webhook_call_chunk_codes"
                             f" WHERE webhook_id = {webhook} AND first_id = {first} ORDER BY ordinal")
            live = self.sql(f"SELECT http_code, COUNT(*) {within} GROUP BY http_code ORDER BY http_code")
            self.assertEqual(tuple((code, count, last, min_at, max_at) for code, count in live), codes)
        self.assertEqual(self.sql("SELECT COUNT(*) FROM webhook_call_chunks"),
                         self.sql("SELECT COUNT(DISTINCT webhook_id, first_id) FROM webhook_call_chunk_codes"))


class Plain:
    """By plain statements, with an account that has what the README says."""

    database, account = "plain", "keeper"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if service.sql("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'plain'") != ((0,),):
            return
        result = call("migrate", "--defaults-file", option_file("owner"), WEBHOOK_CALLS_DB_NAME="plain")
        assert (result.returncode, result.stderr) == (0, ""), result
        for words in ("may make no procedures, roles or events, as on a shared host", "at version 4"):
            assert words in result.stdout, result
        grants = re.findall(r"^    GRANT (.*) ON (\w+) TO keeper;$", README, re.M)
        assert len(grants) == 4, grants
        for privileges, table in grants:
            service.sql(f"GRANT {privileges} ON plain.{table} TO keeper@localhost")

class ExpireTest(UpkeepTest):
    def left(self):
        return [code for code, in self.sql("SELECT http_code FROM webhook_calls ORDER BY http_code")]

    def test_exactly_what_is_past_its_time(self):
        ages = ("60 * 86400", "60 * 86400 + 1", "61 * 86400", "400 * 86400", "60 * 86400 - 30", "59 * 86400", "0", "-86400")
        for code, age in enumerate(ages):
            self.sql(f"{AGED} VALUES (50, {code}, '', '', UTC_TIMESTAMP(3) - INTERVAL {age} SECOND)")
        self.assertEqual("Deleted 4 webhook calls that were past their 60 days.\n", self.succeeds("expire-calls"))
        self.assertEqual([4, 5, 6, 7], self.left())
        self.assertEqual("Deleted 0 webhook calls that were past their 60 days.\n", self.succeeds("expire-calls"))

    def purge_once(self):
        """Returns how many records it deleted."""
        return int(re.search(r"Deleted (\d+)", self.succeeds("expire-calls"))[1])

    def test_at_the_very_moment(self):
        self.sql(AGED + "VALUES (50, 1, '', '', UTC_TIMESTAMP(3) - INTERVAL 60 DAY + INTERVAL 1500000 MICROSECOND)")
        ((end,),) = self.sql("SELECT created_at + INTERVAL 60 DAY FROM webhook_calls")
        over = f"SELECT UTC_TIMESTAMP(3) >= '{end}'"
        while self.left():
            ((due,),) = self.sql(over)
            self.assertEqual(self.purge_once(), 1 - len(self.left()))
            self.assertFalse(due and self.left())
        self.assertEqual(((1,),), self.sql(over))

    def test_several_batches(self):
        self.sql(AGED + f"SELECT 50 + seq % 3, 200, '', '', UTC_TIMESTAMP(3) - INTERVAL 61 DAY FROM {numbers(3500)}")
        self.sql(INSERT + "(50, 404, '', '')")
        self.assertEqual("Deleted 3500 webhook calls that were past their 60 days.\n", self.succeeds("expire-calls", "--time-limit", "30"))
        self.assertEqual([404], self.left())

    def test_another_purge_is_running(self):
        self.sql(AGED + "VALUES (50, 1, '', '', UTC_TIMESTAMP(3) - INTERVAL 61 DAY)")
        with self.connect() as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT GET_LOCK(CONCAT(DATABASE(), '.expire_webhook_calls'), 10)")
            self.assertEqual("Another purge is running; this one left it the work.\n", self.succeeds("expire-calls"))
            self.assertEqual("", self.succeeds("expire-calls", "--quiet"))
            self.assertEqual([1], self.left())
        self.assertEqual("", self.succeeds("expire-calls", "--quiet"))
        self.assertEqual([], self.left())

    def test_time_limit(self):
        """A sender's transaction holds one of the records."""
        self.sql(AGED + f"SELECT 50, seq, '', '', UTC_TIMESTAMP(3) - INTERVAL 61 DAY FROM {numbers(3)}")
        with self.connect() as connection:
            connection.begin()
            connection.cursor().execute("SELECT * FROM webhook_calls WHERE http_code = 2 FOR UPDATE")
            for quiet in ([], ["--quiet"]):
                self.fails(3, "the limit of 1 s came before the end", "expire-calls", "--time-limit", "1", *quiet)
        self.succeeds("expire-calls")
        self.assertEqual([], self.left())

    def test_refused(self):
        for name in ("sender", "reader"):
            self.fails(1, "denied", "expire-calls", "--quiet", "--defaults-file", str(service.state / f"secrets/{name}.cnf"))
        self.fails(1, "nowhere", "expire-calls", WEBHOOK_CALLS_DB_NAME="nowhere")
        for limit in ("0", "-1", "1.5", "soon", "", "1; DROP TABLE webhook_calls", "1000000"):
            self.fails(2, "--time-limit must be" if limit else "--time-limit needs a value", "expire-calls", "--time-limit", limit)
        self.fails(2, "Unknown argument now", "expire-calls", "now")

    def test_chunks_go_with_their_records(self):
        self.add_calls(50, 4096, "UTC_TIMESTAMP(3) - INTERVAL 61 DAY")
        self.add_calls(50, 4097)
        self.assertEqual("Sealed 8192 webhook calls.\n", self.succeeds("seal-calls"))
        self.assertEqual(4096, self.purge_once())
        for table in ("webhook_call_chunks", "webhook_call_chunk_codes"):
            self.assertEqual(((4096,),), self.sql(f"SELECT SUM(n) FROM {table} WHERE min_at > UTC_TIMESTAMP(3) - INTERVAL 1 DAY"))
            self.assertEqual(((4096,),), self.sql(f"SELECT SUM(n) FROM {table}"))

    def test_note(self):
        self.add_calls(50, 7, "UTC_TIMESTAMP(3) - INTERVAL 61 DAY")
        self.succeeds("expire-calls")
        noted = "SELECT rows_handled, caught_up_at = began_at, ended_at >= began_at FROM webhook_call_upkeep WHERE task = 'expire'"
        self.assertEqual(((7, 1, 1),), self.sql(noted))
        self.succeeds("expire-calls")
        self.assertEqual(((0, 1, 1),), self.sql(noted))


class PlainExpireTest(Plain, ExpireTest):
    pass


class SealTest(UpkeepTest):
    def seal(self, *arguments):
        """Returns how many records it sealed."""
        return int(re.search(r"Sealed (\d+)", self.succeeds("seal-calls", *arguments))[1])

    def test_runs_of_4096(self):
        for code in (200, 404, "NULL"):
            self.add_calls(70, 3000, code=code)
            self.add_calls(71, 1500, code=code)
        self.add_calls(72, 4096)
        self.assertEqual(2 * 4096 + 4096, self.seal())
        self.assert_exact(3)
        self.assertEqual(0, self.seal())
        self.add_calls(72, 1)
        self.assertEqual(4096, self.seal("--all"))  # which now has a record behind it
        self.assertEqual("", self.succeeds("seal-calls", "--quiet"))
        self.assert_exact(4)

    def test_only_what_is_older_than_15_minutes(self):
        self.add_calls(70, 4000)
        self.add_calls(70, 1, "UTC_TIMESTAMP(3) - INTERVAL 14 MINUTE")
        self.add_calls(70, 4200)
        self.assertEqual(0, self.seal("--all"))
        self.sql(f"UPDATE webhook_calls SET created_at = {RIPE}")
        self.assertEqual(8192, self.seal("--all"))
        self.assert_exact(2)

    def test_which_webhooks_it_looks_at(self):
        """Those of which records have come of age since; all of them with --all, and once a day."""
        self.assertEqual(0, self.seal())
        self.add_calls(70, 4200, "UTC_TIMESTAMP(3) - INTERVAL 1 DAY")
        self.add_calls(71, 4200, "UTC_TIMESTAMP(3) - INTERVAL 15 MINUTE")
        self.assertEqual(4096, self.seal())
        self.assertEqual(((71,),), self.sql("SELECT webhook_id FROM webhook_call_chunks"))
        self.sql("UPDATE webhook_call_upkeep SET full_at = full_at - INTERVAL 1 DAY WHERE task = 'seal'")
        self.assertEqual(4096, self.seal())
        self.assertEqual(0, self.seal())
        self.assert_exact(2)

    def test_record_in_flight(self):
        """Whose id is in the middle of a chunk: it is waited for, and then it counts."""
        for end in ("commit", "rollback"):
            self.setUp()
            with self.connect() as sender:
                self.add_calls(70, 100)
                self.add_calls(71, 4200)
                sender.begin()
                sender.cursor().execute(f"{AGED} VALUES (70, 500, '', '', {RIPE})")
                self.add_calls(70, 4200)
                self.fails(3, "somebody holds them locked", "seal-calls", "--quiet")
                self.assert_exact(1)  # of the other webhook
                getattr(sender, end)()
            self.assertEqual(4096, self.seal())
            self.assert_exact(2)
            self.assertEqual(((1 if end == "commit" else 0,),), self.sql("SELECT COUNT(*) FROM webhook_call_chunk_codes WHERE http_code = 500"))

    def test_killed_while_it_waits(self):
        self.add_calls(70, 4100)
        with self.connect() as sender:
            sender.begin()
            sender.cursor().execute("SELECT * FROM webhook_calls WHERE webhook_id = 70 ORDER BY id DESC LIMIT 50, 1 FOR UPDATE")
            file = option_file(self.account) if self.account else str(service.state / "secrets/purger.cnf")
            process = subprocess.Popen([PROJECT / "scripts/seal-calls", "--defaults-file", file], start_new_session=True,
                                       env=environment(WEBHOOK_CALLS_DB_NAME=self.database), stderr=subprocess.DEVNULL)
            try:
                wait_until(lambda: self.sql("SELECT 1 FROM information_schema.processlist"
                                            " WHERE info LIKE 'INSERT INTO webhook_call_chunks%'"), "waiting sealing")
            finally:
                for pid in session_processes(process.pid):
                    send_signal(pid, signal.SIGKILL)
                process.wait()
        # The server may still have ended the statement; whoever sealed it, it is whole.
        wait_until(lambda: self.script("seal-calls", "--all").stdout == "Sealed 0 webhook calls.\n", "end of all sealing")
        self.assert_exact(1)

    def test_connection_lost(self):
        """It says so, and does not wait for an answer."""
        self.add_calls(70, 4100)
        with self.connect() as sender:
            sender.begin()
            sender.cursor().execute("SELECT * FROM webhook_calls WHERE webhook_id = 70 ORDER BY id DESC LIMIT 50, 1 FOR UPDATE")
            results = []
            thread = threading.Thread(target=lambda: results.append(self.script("seal-calls")))
            thread.start()
            ((waiting,),) = wait_until(lambda: self.sql("SELECT id FROM information_schema.processlist"
                                                        " WHERE info LIKE 'INSERT INTO webhook_call_chunks%'"), "waiting sealing")
            self.sql(f"KILL {waiting}")
            thread.join()
        self.assertEqual((1, ""), (results[0].returncode, results[0].stdout), results)
        self.assertIn("ERROR ", results[0].stderr)
        self.assert_exact(0)
        self.assertEqual(4096, self.seal("--all"))
        self.assert_exact(1)

    def test_chunks_locked_by_an_administrator(self):
        """Their webhook is left out, and no other."""
        for webhook in (70, 71):
            self.add_calls(webhook, 4200)
        self.assertEqual(2 * 4096, self.seal())
        for webhook in (70, 71):
            self.add_calls(webhook, 4200)
        with self.connect() as administrator:
            administrator.begin()
            administrator.cursor().execute("DELETE FROM webhook_call_chunks WHERE webhook_id = 70")
            self.fails(3, "Sealed 4096 webhook calls; some are left", "seal-calls", "--all")
            administrator.rollback()
        self.assertEqual(4096, self.seal())
        self.assert_exact(4)

    def test_several_at_once(self):
        for _ in range(3):
            self.add_calls(70, 5000, "UTC_TIMESTAMP(3) - INTERVAL 61 DAY")
            self.add_calls(71, 5000)
        results = []
        threads = [threading.Thread(target=lambda name=name: results.append(self.script(name))) for name in
                   ("seal-calls", "expire-calls", "seal-calls", "expire-calls", "seal-calls")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual({""}, {result.stderr for result in results if result.returncode != 3}, results)
        self.succeeds("expire-calls")
        self.succeeds("seal-calls", "--all")
        self.succeeds("expire-calls")
        self.assert_exact(3)

    def test_deleting_by_hand(self):
        """As the README says it."""
        statement = re.search(r"^      (DELETE k, c FROM .*?);$", README, re.M | re.S)[1]
        self.add_calls(7, 9000)
        self.add_calls(8, 4200)
        self.assertEqual(3 * 4096, self.seal())
        with self.connect() as administrator:
            administrator.begin()
            administrator.cursor().execute("DELETE FROM webhook_calls WHERE webhook_id = 7 LIMIT 1000")
            administrator.cursor().execute(statement)
            administrator.commit()
        self.assert_exact(1)
        self.assertEqual(4096, self.seal("--all"))
        self.assert_exact(2)

    def test_codes_without_their_chunks(self):
        """Left by who deletes only half of it: they do not stand in the way."""
        self.add_calls(70, 4200)
        self.assertEqual(4096, self.seal())
        self.sql("DELETE FROM webhook_call_chunks")
        self.sql("UPDATE webhook_call_chunk_codes SET http_code = 999")
        self.assertEqual(4096, self.seal("--all"))
        self.assert_exact(1)

    def test_locked_in_a_full_pass(self):
        """It is not forgotten."""
        self.assertEqual(0, self.seal())
        self.add_calls(70, 4200, "UTC_TIMESTAMP(3) - INTERVAL 1 DAY")
        with self.connect() as sender:
            sender.begin()
            sender.cursor().execute("SELECT * FROM webhook_calls WHERE webhook_id = 70 ORDER BY id LIMIT 50, 1 FOR UPDATE")
            self.fails(3, "somebody holds them locked", "seal-calls", "--all")
        self.assertEqual(4096, self.seal())

    def test_client_that_warns(self):
        folder = service.folder / f"warns-{self.database}"
        folder.mkdir()
        for name in ("mariadb", "mysql"):
            program = folder / name
            program.write_text(f"#!/bin/sh\necho 'WARNING: this client warns' >&2\nexec /usr/bin/{name} \"$@\"\n")
            program.chmod(0o755)
        for name in ("seal-calls", "expire-calls"):
            self.assertRegex(self.succeeds(name, PATH=f"{folder}:{environment()['PATH']}"), " 0 webhook calls")

    def test_read_only_server(self):
        self.add_calls(70, 4200, "UTC_TIMESTAMP(3) - INTERVAL 61 DAY")
        self.sql("SET GLOBAL read_only = ON")
        try:
            for name in ("seal-calls", "expire-calls"):
                self.assertEqual("This server is read-only, as a replica is: the primary does this.\n", self.succeeds(name))
                self.assertEqual("", self.succeeds(name, "--quiet"))
        finally:
            self.sql("SET GLOBAL read_only = OFF")
        self.assertEqual(4096, self.seal())

    def test_refused(self):
        for name in ("sender", "reader"):
            self.fails(1, "denied", "seal-calls", "--defaults-file", str(service.state / f"secrets/{name}.cnf"))
        self.fails(1, "nowhere", "seal-calls", WEBHOOK_CALLS_DB_NAME="nowhere")
        self.fails(2, "--time-limit must be", "seal-calls", "--time-limit", "0")
        self.fails(2, "Unknown argument now", "seal-calls", "now")


class PlainSealTest(Plain, SealTest):
    def test_server_without_autocommit(self):
        self.add_calls(70, 4200, "UTC_TIMESTAMP(3) - INTERVAL 61 DAY")
        self.add_calls(71, 4200)
        self.sql("SET GLOBAL autocommit = OFF")
        try:
            self.assertEqual(2 * 4096, self.seal())
            self.assertEqual("Deleted 4200 webhook calls that were past their 60 days.\n", self.succeeds("expire-calls"))
        finally:
            self.sql("SET GLOBAL autocommit = ON")
        self.assertEqual(((4200,),), self.sql("SELECT COUNT(*) FROM webhook_calls"))
        self.assertEqual(((2,),), self.sql("SELECT COUNT(*) FROM webhook_call_upkeep"))


class SealProcedureTest(UpkeepTest):
    def test_read_only_server_and_an_administrators_procedures(self):
        """Which the server would let write."""
        service.sql("CREATE DATABASE made_by_root")
        self.addCleanup(service.sql, "DROP DATABASE made_by_root")
        result = call("migrate", "--defaults-file", option_file("root"), WEBHOOK_CALLS_DB_NAME="made_by_root")
        self.assertEqual(0, result.returncode, result)
        with service.connect() as connection, connection.cursor() as cursor:
            connection.select_db("made_by_root")
            cursor.execute("SET GLOBAL read_only = ON")
            try:
                for procedure in ("expire_webhook_calls(1)", "seal_webhook_calls(1, FALSE)"):
                    with self.assertRaises(pymysql.err.MySQLError) as raised:
                        cursor.execute(f"CALL {procedure}")
                    self.assertEqual(1290, raised.exception.args[0], raised.exception)
            finally:
                cursor.execute("SET GLOBAL read_only = OFF")

    def test_pass_in_several_runs(self):
        """Each of which has time for one chunk."""
        for webhook in (70, 71, 72):
            self.add_calls(webhook, 8200)
        answers = []
        while not answers or answers[-1][1] == 0:
            answers += self.sql("CALL seal_webhook_calls(0, FALSE)")
            self.assertLess(len(answers), 20)
        self.assertEqual(6 * 4096, sum(rows for rows, _, _ in answers))
        self.assert_exact(6)
        self.assertEqual(((None, 1, 1),), self.sql(
            "SELECT resume_after, caught_up_at = began_at, full_at = began_at FROM webhook_call_upkeep WHERE task = 'seal'"))


class StatusTest(UpkeepTest):
    def status(self, code, *arguments, **changes):
        result = self.script("log-status", *arguments, **changes)
        self.assertEqual((code, ""), (result.returncode, result.stderr), result)
        lines = result.stdout.splitlines()
        return {**dict(line.split(": ", 1) for line in lines[:8]), "": lines[8]}

    def test_in_order(self):
        self.add_calls(70, 4200)
        self.succeeds("expire-calls")
        self.succeeds("seal-calls")
        status = self.status(0)
        self.assertEqual("1, with 4096 records", status["chunks"])
        self.assertEqual(("0", "0", "All is well."), (status["past their time"], status["waiting to be sealed"], status[""]))
        self.assertEqual(status["oldest stored record"], status["oldest visible record"])
        self.assertRegex(status["last sealing"], r"\A[-0-9]{10} [:.0-9]{12}, ended [-0-9]{10} [:.0-9]{12}, 4096 records\Z")
        self.assertRegex(status["records"], r"\Aabout \d+\Z")

    def test_empty_log(self):
        self.assertIn("The purge has not run", self.status(3)[""])
        self.succeeds("expire-calls")
        self.assertIn("The sealing has not caught up", self.status(4)[""])
        self.succeeds("seal-calls")
        status = self.status(0)
        self.assertEqual(("none", "none", "0, with 0 records"), tuple(
            status[name] for name in ("oldest visible record", "oldest stored record", "chunks")))

    def test_purge_is_behind(self):
        self.succeeds("expire-calls")
        self.succeeds("seal-calls")
        self.add_calls(70, 3, "UTC_TIMESTAMP(3) - INTERVAL 60 DAY - INTERVAL 90 MINUTE")
        self.add_calls(70, 2)
        self.assertEqual("3", self.status(0)["past their time"])
        status = self.status(3, "--max-late", "60")
        self.assertIn("The purge is behind", status[""])
        self.assertLess(status["oldest stored record"], status["oldest visible record"])
        self.succeeds("expire-calls")
        self.status(0, "--max-late", "60")

    def test_no_run_for_long(self):
        self.succeeds("expire-calls")
        self.succeeds("seal-calls")
        self.add_calls(70, 5)
        for task, code in (("seal", 4), ("expire", 3)):
            self.sql("UPDATE webhook_call_upkeep SET began_at = began_at - INTERVAL 3 HOUR, ended_at = ended_at - INTERVAL 3 HOUR,"
                     f" caught_up_at = caught_up_at - INTERVAL 3 HOUR WHERE task = '{task}'")
            self.status(code)
            self.status(0, "--max-late", "200")
        self.assertEqual("5", self.status(3)["waiting to be sealed"])

    def test_cannot_tell(self):
        self.fails(1, "nobody", "log-status", "--defaults-file", option_file("nobody"))
        self.fails(1, "nowhere", "log-status", WEBHOOK_CALLS_DB_NAME="nowhere")
        for late in ("0", "-1", "soon", "1.5"):
            self.fails(2, "--max-late must be", "log-status", "--max-late", late)


if __name__ == "__main__":
    unittest.main()
