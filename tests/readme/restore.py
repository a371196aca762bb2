"""A back-up while everything is at work, and an empty server into which it is restored; every record is compared."""

import contextlib
import functools
import os
import shutil
import signal
import subprocess
import threading
import time

import pymysql

import readme_commands  # noqa: F401 where service.py is
from service import LIST, MYSQLD, die_with_parent, numbers, wait_until

COLUMNS = "webhook_id, http_code, headers, body, created_at"
CHECKSUM = ("SHA2(CONCAT_WS('|', webhook_id, COALESCE(http_code, 'none'), created_at, COALESCE(HEX(headers), 'none'), "
            "COALESCE(HEX(body), 'none')), 256)")
WEBHOOKS = (21, 22, 23)
SENDERS = (31, 32)  # each sends to a webhook of its own, whose name says how many records there are
TOKEN = [("Authorization", "Bearer reader-21")]


def add_records(service):
    """Old and new ones, sealed and not, with all kinds of bytes."""
    service.add_token("reader-21", 21)
    service.add_webhooks(*((webhook, 21, f"restored {webhook}", f"https://example.com/{webhook}") for webhook in WEBHOOKS),
                         *((webhook, 21, "0", "https://example.com/sender") for webhook in SENDERS))
    # The 60 days of the first 6,000 are over one by one in the next minutes, while all this goes on.
    service.sql(f"INSERT INTO webhook_calls (id, {COLUMNS}) SELECT 100000 + seq, 21 + seq % 2, IF(seq % 5 = 0, NULL, 200 + seq % 4), "
                "IF(seq % 5 = 0, NULL, 'a: 1'), IF(seq % 5 = 0, NULL, UNHEX(CONCAT(SHA2(seq, 512), SHA2(-seq, 512)))), "
                "UTC_TIMESTAMP(3) - INTERVAL 60 DAY + INTERVAL seq * IF(seq > 6000, 120000000, 50000) MICROSECOND "
                f"FROM {numbers(40000)}")
    all_bytes = bytes(range(256))
    bodies = [b"", b"'\"\\\0\n\r\x1a;", all_bytes * 4, b"\xff\xfe", "Grüße, 日本 🐎".encode(), all_bytes * (20 << 12), None]
    service.sql(f"INSERT INTO webhook_calls ({COLUMNS}) VALUES (23, %s, %s, %s, UTC_TIMESTAMP(3))",
                *((None if body is None else 200, body if body is None else b"X: \xe9\r\nY: '", body) for body in bodies))


class Activity:
    """Senders, the sealing and the purge, from here to there."""

    def __init__(self, service):
        self._service, self._done, self._threads, self._faults = service, threading.Event(), [], []
        self.sent = 0
        self.slowest = 0.0

    def __enter__(self):
        self.before = self.records()
        for work in (*(functools.partial(self._send, webhook) for webhook in SENDERS), self._seal, self._expire):
            self._threads.append(threading.Thread(target=self._watched, args=(work,)))
        for thread in self._threads:
            thread.start()
        self.must_go_on()
        chunk = "SELECT 1 FROM webhook_call_chunks WHERE webhook_id = 21"
        wait_until(lambda: self._faults or self._service.sql(chunk), "chunk", 60)
        return self

    def __exit__(self, *_):
        self._done.set()
        for thread in self._threads:
            thread.join()
        self.after = self.records()

    def records(self):
        return dict(self._service.sql(f"SELECT id, {CHECKSUM} FROM webhook_calls"))

    def must_go_on(self):
        seen = self.sent
        wait_until(lambda: self.sent > seen or self._faults, "records")

    def check(self, seconds):
        """After a dump that took so long."""
        if self._faults:
            raise self._faults[0]
        if self.slowest > max(2, 0.7 * seconds):
            raise AssertionError(f"a sender waited {self.slowest:.1f} s, the dump took {seconds:.1f} s")

    def _watched(self, work):
        try:
            with contextlib.closing(self._service.connect()) as connection:
                while not self._done.is_set():
                    work(connection.cursor())
        except Exception as fault:  # shown by check()
            self._faults.append(fault)

    def _send(self, webhook, cursor):
        begin = time.monotonic()
        cursor.execute("START TRANSACTION")
        cursor.execute("INSERT INTO webhook_calls (webhook_id, http_code, headers, body) "
                       f"VALUES ({webhook}, 200, 'b: 2', UNHEX(SHA2(RAND(), 512)))")
        cursor.execute(f"UPDATE webhooks SET name = name + 1 WHERE id = {webhook}")
        cursor.execute("COMMIT")
        self.slowest = max(self.slowest, time.monotonic() - begin)
        self.sent += 1

    def _seal(self, cursor):
        cursor.execute("CALL seal_webhook_calls(5, TRUE)")

    def _expire(self, cursor):
        cursor.execute("CALL expire_webhook_calls(5)")
        self._done.wait(0.05)


class EmptyServer:
    """A server with nothing in it but root, who has no password; all else is as the program has it by default."""

    def __init__(self, folder):
        self.folder, self.socket = folder, str(folder / "db.sock")
        folder.mkdir()
        user = [] if os.geteuid() else ["--user=root"]
        common = [MYSQLD or "mariadbd", "--no-defaults", f"--datadir={folder}/data", f"--tmpdir={folder}", *user]
        if MYSQLD:
            installer = [*common, "--initialize-insecure"]
            common.append("--mysqlx=OFF")
        else:
            installer = ["mariadb-install-db", "--no-defaults", f"--datadir={folder}/data", "--auth-root-authentication-method=normal",
                         "--skip-test-db", "--force", *user]
        environment = {**os.environ, "TMPDIR": str(folder), "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}
        subprocess.run(installer, check=True, capture_output=True, cwd=folder, env=environment)
        with open(folder / "log", "wb") as log:
            self._process = subprocess.Popen(
                [*common, f"--socket={self.socket}", f"--pid-file={folder}/pid", "--skip-networking"],
                stdout=log, stderr=log, cwd=folder, env=environment, preexec_fn=die_with_parent)
        wait_until(self._answers, "empty server", 60)

    def _answers(self):
        try:
            return self.connect("mysql").close() is None
        except pymysql.err.MySQLError:
            if self._process.poll() is not None:
                raise
            return False

    def stop(self):
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(60)
        shutil.rmtree(self.folder, ignore_errors=True)

    def connect(self, database="webhook_calls"):
        return pymysql.connect(unix_socket=self.socket, user="root", database=database, autocommit=True)

    def sql(self, statement):
        with contextlib.closing(self.connect()) as connection:
            cursor = connection.cursor()
            cursor.execute(statement)
            return cursor.fetchall()

    def compare(self, activity):
        """The records as they were read: all that was there before and was not purged meanwhile, nothing that never was, and
        each as it is in the other server."""
        found = dict(self.sql(f"SELECT id, {CHECKSUM} FROM webhook_calls"))
        known = {**activity.before, **activity.after}
        wrong = [record for record, checksum in found.items() if known.get(record, checksum) != checksum]
        lost = [record for record in activity.before if record not in found and record in activity.after]
        # What came and went between the two looks is in neither; nothing that is sent now goes that soon.
        made_up = [record for record in found if record not in known]
        if wrong or lost or made_up or len(found) < 30000:
            raise AssertionError(f"of {len(found)} restored records {len(wrong)} are wrong, {len(made_up)} made up; {len(lost)} are lost")
        # All of one instant. (Chunks that lose records to the purge are not compared.)
        sent = self.sql("SELECT id, name, (SELECT COUNT(*) FROM webhook_calls WHERE webhook_id = w.id) FROM webhooks w "
                        f"WHERE id IN {SENDERS}")
        if [row for row in sent if int(row[1]) != row[2]]:
            raise AssertionError(f"tables are not of one instant: {sent}")
        chunks = self.sql(
            "SELECT webhook_id, first_id, n, (SELECT COUNT(*) FROM webhook_calls c WHERE c.webhook_id = k.webhook_id AND "
            "c.id BETWEEN first_id AND last_id) FROM webhook_call_chunks k WHERE min_at > UTC_TIMESTAMP() - INTERVAL 59 DAY")
        codes = self.sql(
            "SELECT webhook_id, first_id, n, (SELECT COUNT(*) FROM webhook_calls c WHERE c.webhook_id = k.webhook_id AND c.id BETWEEN "
            "first_id AND last_id AND c.http_code <=> k.http_code) FROM webhook_call_chunk_codes k "
            "WHERE min_at > UTC_TIMESTAMP() - INTERVAL 59 DAY")
        if len(chunks) < 2 or [row for row in (*chunks, *codes) if row[2] != row[3]]:
            raise AssertionError(f"chunks and records are not of one instant: {chunks} {codes}")

    def compare_counts(self, pool):
        for webhook in WEBHOOKS:
            for query, condition in (("", "TRUE"), ("&filter[http_code]=201", "http_code = 201"), ("&filter[http_code]", "http_code IS NULL")):
                def live(condition=condition, webhook=webhook):
                    return self.sql(f"SELECT COUNT(*) FROM webhook_calls WHERE webhook_id = {webhook} AND {condition} AND "
                                    "created_at > UTC_TIMESTAMP(3) - INTERVAL 60 DAY")[0][0]
                before = live()
                answer = pool.send("GET", f"{LIST % webhook}?page[size]=1&count=true{query}", TOKEN)
                counted = answer.json()["meta"]["count"]
                if not before >= counted >= live():  # one may have come to its end in between
                    raise AssertionError(f"webhook {webhook}{query}: {counted} counted, there are {before}")

    def compare_what_migrate_makes(self, service):
        """Procedures, events, and what the roles may do, as in a server that was never restored."""
        for statement in (
                "SELECT routine_name, routine_definition FROM information_schema.routines WHERE routine_schema = 'webhook_calls' ORDER BY 1",
                "SELECT event_name, event_definition, status FROM information_schema.events WHERE event_schema = 'webhook_calls' ORDER BY 1",
                "SELECT User, Role FROM mysql.roles_mapping WHERE User LIKE 'run\\_%' ORDER BY 1, 2",
                "SELECT User, default_role, authentication_string FROM mysql.user WHERE User LIKE 'run\\_%' ORDER BY 1",
                "SELECT User, Table_name, Column_name, Column_priv FROM mysql.columns_priv ORDER BY 1, 2, 3",
                "SELECT User, Table_name, Table_priv FROM mysql.tables_priv WHERE User LIKE 'webhook%' ORDER BY 1, 2",
                "SELECT User, Routine_name, Proc_priv FROM mysql.procs_priv WHERE User LIKE 'webhook%' ORDER BY 1, 2"):
            here, there = self.sql(statement), service.sql(statement)
            if here != there or not here:
                raise AssertionError(f"{statement}: {here} and not {there}")
