#!/usr/bin/python3
"""migrate, token, expire-calls and load-demo on a real database, and what the four roles may do there."""

import contextlib
import hashlib
import os
import re
import shutil
import signal
import stat
import subprocess
import threading
import unittest

import pymysql
from commands import PROJECT, ScriptTest, environment, option_file, path_that_notes_arguments, start_service
from service import LIST, MYSQLD, numbers, wait_until

SCRIPTS = ("run", "test", "fuzz", "test-mysql", "test-galera", "test-package", "package", "format", "create-database", "migrate",
           "import-calls", "token", "notify", "expire-calls", "seal-calls", "log-status", "load-demo", "bench", "bench-scale",
           "restart-workers", "install-user", "set-up", "pool", "serve")
INSERT = "INSERT INTO webhook_calls (webhook_id, http_code, headers, body) VALUES "
WEBHOOK_60 = "REPLACE INTO webhooks (id, account_id, name, url) VALUES (60, 60, 'sixty', 'http://127.0.0.1:9/')"
AGED = "INSERT INTO webhook_calls (webhook_id, http_code, headers, body, created_at) "
# Of a database, everything, another's connection, table, column, what an administrator does, procedure, trigger on MySQL, role
# (of MySQL the last).
DENIED = {1044, 1045, 1095, 1142, 1143, 1227, 1370, 1419, 1959, 3530}
service = None


def setUpModule():
    global service
    service = start_service()


@contextlib.contextmanager
def login(role):
    """A cursor of the role's account."""
    with pymysql.connect(read_default_file=str(service.state / f"secrets/{role}.cnf"), database="webhook_calls",
                         autocommit=True) as connection:
        yield connection.cursor()


class UsageTest(ScriptTest):
    def test_help_and_unknown_option(self):
        programs = {file.name for file in (PROJECT / "scripts").iterdir() if file.is_file() and file.stat().st_mode & 0o100}
        self.assertEqual(set(SCRIPTS), programs)
        for name in SCRIPTS:
            self.assertIn(f"usage: scripts/{name} ", self.succeeds(name, "--help", cwd="/"))
            self.fails(2, "--nonsense", name, "--nonsense", "--help")

    def test_option_files(self):
        for name, *arguments in (("migrate",), ("expire-calls",), ("token", "issue", "--account", "1"), ("notify", "1", "LICENSE"),
                                 ("load-demo", "1"), ("import-calls", "--format", "ndjson", "LICENSE")):
            option = "--reader-defaults-file" if name == "notify" else "--defaults-file"
            self.fails(1, "nobody", name, *arguments, option, option_file("nobody"), cwd=PROJECT)
            self.fails(1, "cannot be read", name, *arguments, option, "/nonexistent.cnf", cwd=PROJECT)
            self.fails(2, f"{option} needs a value", name, *arguments, option)


class CreateDatabaseTest(ScriptTest):
    def setUp(self):
        self.settings = service.folder / "created"
        self.addCleanup(shutil.rmtree, self.settings, ignore_errors=True)
        self.addCleanup(service.sql, "DROP DATABASE IF EXISTS created_log")
        for role in ("migrator", "sender", "reader", "purger"):
            self.addCleanup(service.sql, f"DROP USER IF EXISTS created_{role}@localhost")

    def create(self, *arguments, user="root", database="created_log"):
        return self.script("create-database", "--defaults-file", option_file(user), "--settings", self.settings,
                           "--accounts", "created", *arguments, WEBHOOK_CALLS_DB_NAME=database)

    def created(self):
        result = self.create()
        self.assertEqual((0, ""), (result.returncode, result.stderr), result)
        return {file.name: file.read_text() for file in self.settings.iterdir()}

    def rights(self, role, statement):
        with pymysql.connect(read_default_file=str(self.settings / f"{role}.cnf"), database="created_log") as connection:
            connection.cursor().execute(statement)

    def test_all_that_is_needed_for_the_eyes_of_its_owner(self):
        found = self.created()
        self.assertEqual({"migrator.cnf", "sender.cnf", "reader.cnf", "purger.cnf", "reader.password"}, set(found))
        self.assertEqual({0o600}, {stat.S_IMODE(file.stat().st_mode) for file in self.settings.iterdir()})
        self.assertEqual(0o700, stat.S_IMODE(self.settings.stat().st_mode))
        self.assertIn(f"password={found['reader.password']}\n", found["reader.cnf"])
        self.rights("reader", "SELECT id FROM webhook_calls")
        self.rights("sender", "INSERT INTO webhook_calls (webhook_id) VALUES (1)")
        self.rights("purger", "CALL expire_webhook_calls(1)")
        self.rights("migrator", "DELETE FROM api_tokens")
        for role, statement in (("reader", "DELETE FROM webhook_calls"), ("sender", "SELECT id FROM webhook_calls"),
                                ("purger", "SELECT id FROM webhook_calls"), ("migrator", "SELECT * FROM mysql.user")):
            with self.subTest(role=role), self.assertRaises(pymysql.err.MySQLError) as refused:
                self.rights(role, statement)
            self.assertIn(refused.exception.args[0], DENIED)

    def test_again_keeps_the_passwords_and_mends_what_is_missing(self):
        before = self.created()
        self.assertEqual(before, self.created())
        (self.settings / "reader.password").unlink()
        (self.settings / "purger.cnf").unlink()
        service.sql("DROP USER created_reader@localhost")
        service.sql("ALTER USER created_sender@localhost IDENTIFIED BY 'another'")
        after = self.created()
        self.assertNotEqual(before.pop("purger.cnf"), after.pop("purger.cnf"))
        self.assertEqual(before, after)
        for role, statement in (("reader", "SELECT id FROM webhook_calls"), ("purger", "CALL expire_webhook_calls(1)"),
                                ("sender", "INSERT INTO webhook_calls (webhook_id) VALUES (1)")):
            self.rights(role, statement)

    def test_what_cannot_be(self):
        self.settings.write_text("a file")
        self.assertIn("cannot be written to", self.create().stderr)
        self.settings.unlink()
        for expected, arguments in (("--accounts must be", ("--accounts", "x'y")), ("--from must be", ("--from", "a'b")),
                                    ("--from needs a value", ("--from", ""))):
            with self.subTest(arguments):
                result = self.create(*arguments)
                self.assertEqual(2, result.returncode)
                self.assertIn(expected, result.stderr)
        self.assertEqual(2, self.create(database="a`b").returncode)
        result = self.create(user="run_reader")
        self.assertEqual(1, result.returncode)
        self.assertIn("The administrator cannot log in", result.stderr)
        self.assertFalse(service.sql("SHOW DATABASES LIKE 'created\\_log'"))


class MigrateTest(ScriptTest):
    def new_database(self, name):
        service.sql(f"CREATE DATABASE {name}")
        self.addCleanup(service.sql, f"DROP DATABASE {name}")
        return name

    def migrate(self, database, *arguments, user="root"):
        return self.script("migrate", *arguments, "--defaults-file", option_file(user), WEBHOOK_CALLS_DB_NAME=database)

    def migrated(self, database):
        result = self.migrate(database)
        self.assertEqual((0, ""), (result.returncode, result.stderr), result)
        return result.stdout

    def dump(self, database):
        tables = [name for name, in service.sql(f"SHOW TABLES FROM {database}")]
        found = [service.sql(f"SHOW CREATE TABLE {database}.{table}") for table in tables]
        for columns, table, key in (
                ("routine_name, routine_definition, definer, security_type, sql_mode", "routines", "routine_schema"),
                ("event_name, event_definition, definer, interval_value, interval_field, status", "events", "event_schema")):
            found.append(service.sql(f"SELECT {columns} FROM information_schema.{table} WHERE {key} = '{database}'"))
        for table, columns in (("db", "Event_priv, Drop_priv"), ("tables_priv", "Table_name, Table_priv"),
                               ("procs_priv", "Routine_name, Proc_priv"), ("columns_priv", "Table_name, Column_name, Column_priv")):
            grants = service.sql(f"SELECT User, {columns} FROM mysql.{table} WHERE Db = '{database}' ORDER BY 1, 2, 3")
            self.assertTrue(grants)
            found.append(grants)
        found.append(service.sql(f"SELECT version, name FROM {database}.schema_migrations ORDER BY version"))
        return [repr(part).replace(database, "DATABASE") for part in found]

    def test_again_changes_nothing(self):
        before, applied = self.dump("webhook_calls"), service.sql("SELECT * FROM schema_migrations")
        self.assertEqual("The schema of database webhook_calls is at version 4, 0 migrations applied now.\n", self.succeeds("migrate"))
        self.assertEqual((before, applied), (self.dump("webhook_calls"), service.sql("SELECT * FROM schema_migrations")))

    def test_repeated_after_an_interruption(self):
        whole = self.new_database("migrate_whole")
        self.assertEqual(["Applying 0001_tables", "Applying 0003_call_chunks", "Applying 0004_call_imports"],
                         self.migrated(whole).splitlines()[:3])
        first_table = re.search("(CREATE TABLE.*?)webhooks(.*?);", (PROJECT / "sql/migrations/0001_tables.sql").read_text(), re.S)
        for number, statements in enumerate((
                [first_table[1] + "migrate_0.webhooks" + first_table[2]],
                ["DELETE FROM migrate_1.schema_migrations", "INSERT INTO migrate_1.webhook_calls (webhook_id) VALUES (7)"],
                ["DELETE FROM migrate_2.schema_migrations WHERE version = 3", "DROP TABLE migrate_2.webhook_call_chunk_codes"],
                ["DELETE FROM migrate_3.schema_migrations WHERE version = 3", "DROP PROCEDURE migrate_3.expire_webhook_calls"],
                ["DROP EVENT migrate_4.expire_webhook_calls", "DROP EVENT migrate_4.seal_webhook_calls"],
                ["REVOKE EXECUTE ON PROCEDURE migrate_5.seal_webhook_calls FROM webhook_calls_purger"],
                # as the version before left it, when the purge was a migration
                ["DROP TABLE migrate_6.webhook_call_chunks", "DROP TABLE migrate_6.webhook_call_chunk_codes",
                 "DROP TABLE migrate_6.webhook_call_upkeep", "DROP TABLE migrate_6.webhook_call_imports",
                 "DROP PROCEDURE migrate_6.seal_webhook_calls", "DELETE FROM migrate_6.schema_migrations WHERE version = 4",
                 "UPDATE migrate_6.schema_migrations SET version = 2 WHERE version = 3"])):
            with self.subTest(statements):
                database = self.new_database(f"migrate_{number}")
                if number > 0:
                    self.migrated(database)
                for statement in statements:
                    service.sql(statement)
                self.assertIn("is at version 4", self.migrated(database))
                service.sql(f"DELETE FROM {database}.schema_migrations WHERE version = 2")
                self.assertEqual([re.sub(" AUTO_INCREMENT=2", "", part) for part in self.dump(database)], self.dump(whole))
        self.assertEqual(((7,),), service.sql("SELECT webhook_id FROM migrate_1.webhook_calls"))

    def test_killed_in_the_middle(self):
        """While it records what it has applied."""
        database = self.new_database("migrate_killed")
        with service.connect() as connection:
            connection.cursor().execute(f"CREATE TABLE {database}.schema_migrations LIKE schema_migrations")
            connection.cursor().execute(f"LOCK TABLES {database}.schema_migrations READ")
            command = [PROJECT / "scripts/migrate", "--defaults-file", option_file("root")]
            process = subprocess.Popen(command, env=environment(WEBHOOK_CALLS_DB_NAME=database), stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
            ((waiting,),) = wait_until(lambda: service.sql(
                f"SELECT id FROM information_schema.processlist WHERE db = '{database}' AND info LIKE 'INSERT%'"), "waiting migration")
            process.kill()
            process.wait()
            service.sql(f"KILL {waiting}")
        self.assertEqual(((0,),), service.sql(f"SELECT COUNT(*) FROM {database}.schema_migrations"))
        self.assertIn("3 migrations applied now", self.migrated(database))

    def test_two_at_once(self):
        database = self.new_database("migrate_twice")
        results = []
        threads = [threading.Thread(target=lambda: results.append(self.migrate(database))) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([(0, "")] * 3, [(result.returncode, result.stderr) for result in results])
        self.assertEqual([0, 0, 3], sorted(result.stdout.count("Applying") for result in results))

    def test_newer_schema(self):
        database = self.new_database("migrate_newer")
        self.migrated(database)
        service.sql(f"INSERT INTO {database}.schema_migrations (version, name) VALUES (99, '0099_later')")
        service.sql(f"DELETE FROM {database}.schema_migrations WHERE version = 3")
        before = self.dump(database)
        for arguments in ([], ["--status"]):
            result = self.migrate(database, *arguments)
            self.assertEqual(1, result.returncode, result)
            self.assertRegex(result.stderr, "migration 99.* too old")
        self.assertEqual(before, self.dump(database))

    def test_status(self):
        database = self.new_database("migrate_status")
        names = ("0001_tables", "0003_call_chunks", "0004_call_imports")
        self.assertEqual("".join(f"missing  {name}\n" for name in names), self.migrate(database, "--status").stdout)
        self.assertEqual((), service.sql(f"SHOW TABLES FROM {database}"))
        self.migrated(database)
        self.assertEqual("".join(f"applied  {name}\n" for name in names), self.migrate(database, "--status").stdout)

    def test_account_that_may_not_do_everything(self):
        database = self.new_database("migrate_limited")
        service.sql("CREATE USER limited@localhost")
        service.sql("GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, INDEX, ALTER, CREATE ROUTINE, ALTER ROUTINE, EXECUTE "
                    f"ON {database}.* TO limited@localhost")
        self.addCleanup(service.sql, "DROP USER limited@localhost")
        for applied in (3, 0):
            result = self.migrate(database, user="limited")
            self.assertEqual(0, result.returncode, result)
            self.assertIn(f"at version 4, {applied} migrations applied now", result.stdout)
            self.assertIn("The roles were not all granted: an administrator should run sql/roles.sql", result.stderr)
            self.assertNotIn("The procedures were not created", result.stderr)
            self.assertIn("let cron call scripts/expire-calls and scripts/seal-calls", result.stderr)
        self.assertIn("Deleted 0", self.script("expire-calls", "--defaults-file", option_file("limited"),
                                          WEBHOOK_CALLS_DB_NAME=database).stdout)
        service.sql(f"REVOKE CREATE ON {database}.* FROM limited@localhost")
        service.sql(f"DELETE FROM {database}.schema_migrations")
        service.sql(f"DROP TABLE {database}.webhooks")
        result = self.migrate(database, user="limited")
        self.assertEqual(1, result.returncode, result)
        self.assertIn("denied", result.stderr)

    def test_no_such_database(self):
        result = self.migrate("migrate_nowhere")
        self.assertEqual(1, result.returncode, result)
        self.assertIn("migrate_nowhere", result.stderr)


class RolesTest(ScriptTest):
    ROLES = ("sender", "reader", "purger", "migrator")

    def denied(self, cursor, *statements):
        for statement in statements:
            with self.subTest(statement), self.assertRaises(pymysql.err.MySQLError) as raised:
                cursor.execute(statement)
            self.assertIn(raised.exception.args[0], DENIED, statement)

    def writes(self):
        """Each way to change the schema or what is in it, for all that it has."""
        name = "information_schema.{0}s WHERE {0}_schema = 'webhook_calls'"
        tables, routines, events = ([row[0] for row in service.sql(f"SELECT {kind}_name FROM " + name.format(kind))]
                                    for kind in ("table", "routine", "event"))
        self.assertEqual((8, 2, 2), (len(tables), len(routines), len(events)))
        for table in tables:
            columns = [row[0] for row in service.sql(f"SHOW COLUMNS FROM {table}")]
            yield from (f"INSERT INTO {table} () VALUES ()", f"INSERT IGNORE INTO {table} SELECT * FROM {table}",
                        f"REPLACE INTO {table} () VALUES ()", f"LOAD DATA INFILE '/etc/hostname' INTO TABLE {table}",
                        f"TRUNCATE {table}", f"DROP TABLE {table}",
                        f"DELETE FROM {table}", f"DELETE FROM {table} WHERE FALSE", f"DELETE t FROM {table} t",
                        f"ALTER TABLE {table} ADD x INT",
                        f"ALTER TABLE {table} ENGINE = MEMORY", f"RENAME TABLE {table} TO x",
                        f"CREATE INDEX x ON {table} ({columns[0]})",
                        f"CREATE TRIGGER x BEFORE INSERT ON {table} FOR EACH ROW DO 0", f"CREATE TABLE x LIKE {table}",
                        f"CREATE VIEW x AS SELECT 1 FROM {table}", f"LOCK TABLES {table} WRITE", f"LOCK TABLES {table} READ",
                        f"ANALYZE TABLE {table}", f"OPTIMIZE TABLE {table}", f"FLUSH TABLES {table} WITH READ LOCK",
                        f"GRANT SELECT ON {table} TO root@localhost")
            for column in columns:
                yield from (f"UPDATE {table} SET {column} = {column}", f"UPDATE {table} SET {column} = NULL WHERE FALSE")
                yield f"INSERT INTO {table} ({column}) VALUES (1)"
        for routine in routines:
            arguments = {"expire_webhook_calls": "1", "seal_webhook_calls": "1, TRUE"}[routine]
            yield from (f"CALL {routine}({arguments})", f"ALTER PROCEDURE {routine} SQL SECURITY INVOKER",
                        f"DROP PROCEDURE {routine}")
        for event in events:
            yield from (f"ALTER EVENT {event} DISABLE", f"DROP EVENT {event}")
        yield from ("CREATE TABLE x (x INT)", "CREATE TEMPORARY TABLE x (x INT)", "CREATE PROCEDURE x() DO 0",
                    "CREATE FUNCTION x() RETURNS INT RETURN 1", "CREATE EVENT x ON SCHEDULE EVERY 1 DAY DO DO 0",
                    "DROP DATABASE webhook_calls",
                    "ALTER DATABASE webhook_calls CHARACTER SET latin1")

    def refused_to_all(self, root_connection):
        """What none of the four roles has a share in: the server's, and other databases'."""
        others = [f"SET ROLE webhook_calls_{role}" for role in self.ROLES]
        return ("CREATE DATABASE x", "CREATE TABLE mysql.x (x INT)", "SELECT * FROM mysql.user", "DELETE FROM mysql.user",
                "CREATE USER x", "CREATE ROLE x", "DROP USER root@localhost", "ALTER USER root@localhost ACCOUNT LOCK",
                "SET PASSWORD FOR root@localhost = ''",
                "GRANT ALL PRIVILEGES ON *.* TO CURRENT_USER", "SET GLOBAL event_scheduler = OFF", "SET GLOBAL read_only = ON",
                "SET GLOBAL general_log = ON", "SET GLOBAL init_connect = ''", "FLUSH PRIVILEGES",
                "FLUSH TABLES WITH READ LOCK", "FLUSH STATUS",
                f"KILL {root_connection}", "SHUTDOWN", "INSTALL PLUGIN x SONAME 'x'", "SELECT 1 INTO OUTFILE '/tmp/x'",
                "SELECT 1 INTO DUMPFILE '/tmp/x'", "PURGE BINARY LOGS BEFORE NOW()", *others)

    def test_nothing_but_their_own(self):
        """Whatever each role is not there for is refused, and the refusals leave all as it was."""
        allowed = {"reader": [], "purger": ["CALL expire_webhook_calls(1)", "CALL seal_webhook_calls(1, TRUE)"],
                   "sender": ["INSERT INTO webhook_calls () VALUES ()",  # which has no webhook_id, and is refused for that
                              *(f"INSERT INTO webhook_calls ({column}) VALUES (1)"
                                for column in ("webhook_id", "http_code", "headers", "body"))]}
        writes = list(self.writes())
        with service.connect() as root:
            for role in self.ROLES:
                with login(role) as cursor:
                    own = f"SET ROLE webhook_calls_{role}"
                    self.denied(cursor, *(statement for statement in self.refused_to_all(root.thread_id()) if statement != own))
                    cursor.execute("SELECT LOAD_FILE('/etc/hostname')")
                    self.assertEqual((None,), cursor.fetchone())
                    cursor.execute("SHOW PROCESSLIST")
                    self.assertEqual({f"run_{role}"}, {row[1] for row in cursor.fetchall()})
            before = self.content()
            for role, own in allowed.items():
                self.assertLessEqual(set(own), set(writes))
                with login(role) as cursor:
                    self.denied(cursor, *(statement for statement in writes if statement not in own))
            self.assertEqual(before, self.content())

    def content(self):
        tables = [row[0] for row in service.sql("SHOW TABLES")]
        return [tables, service.sql("CHECKSUM TABLE " + ", ".join(tables)),
                *(service.sql(f"SHOW CREATE TABLE {table}") for table in tables)]

    def test_sender(self):
        readme = (PROJECT / "README.md").read_text()
        php = re.search(r"prepare\('([^']+)'\)", readme)[1]
        self.assertIn("\n    " + php + "\n", readme)
        self.assertEqual(INSERT + "(?, ?, ?, ?)", php)
        with login("sender") as sender:
            for values in ((7, 200, b"Content-Type: text/plain\r\nX-Request-Id: 7f3a", bytes(range(256))), (7, 204, b"", b""),
                           (7, None, None, None)):
                sender.execute(f"PREPARE recorder FROM '{php}'")
                sender.execute("SET @webhook = %s, @code = %s, @headers = %s, @body = %s", values)
                sender.execute("EXECUTE recorder USING @webhook, @code, @headers, @body")
                sender.execute("SELECT LAST_INSERT_ID()")
                self.assertEqual((values,), service.sql(
                    f"SELECT webhook_id, http_code, headers, body FROM webhook_calls WHERE id = {sender.fetchone()[0]}"))
            sender.execute(INSERT + "(7, 200, 'a: 1', 'b'), (7, 500, 'a: 1', 'b')")
            self.denied(sender, "INSERT INTO webhook_calls (id, webhook_id) VALUES (1000, 7)",
                        "INSERT INTO webhook_calls (webhook_id, created_at) VALUES (7, UTC_TIMESTAMP(3))",
                        "INSERT INTO webhook_calls (id, webhook_id) VALUES (DEFAULT, 7)",
                        INSERT + "(7, 1, '', '') ON DUPLICATE KEY UPDATE http_code = 2",
                        *([] if MYSQLD else [INSERT + "(7, 1, '', '') RETURNING id"]),  # which MySQL does not know
                        INSERT + "((SELECT MAX(id) FROM webhooks), 1, '', '')", "REPLACE INTO webhook_calls (webhook_id) VALUES (7)",
                        *(f"SELECT {column} FROM webhook_calls" for column in ("1", "COUNT(*)", "id", "webhook_id", "body", "*")),
                        "UPDATE webhook_calls SET body = ''", "DELETE FROM webhook_calls", "TRUNCATE webhook_calls",
                        "DROP TABLE webhook_calls", "ALTER TABLE webhook_calls ADD x INT", "CREATE TABLE x (x INT)",
                        "LOCK TABLES webhook_calls WRITE", "SELECT id FROM webhooks", "SELECT token_hash FROM api_tokens",
                        "SELECT n FROM webhook_call_chunks", "DELETE FROM webhook_call_chunk_codes",
                        "SELECT task FROM webhook_call_upkeep", "CALL seal_webhook_calls(1, TRUE)",
                        "CALL expire_webhook_calls(1)", "SELECT * FROM mysql.user", "SET GLOBAL event_scheduler = ON")

    def test_reader(self):
        kept = ("webhook_call_chunks", "webhook_call_chunk_codes", "webhook_call_upkeep")
        tables = ("webhooks", "api_tokens", "webhook_calls", "schema_migrations", *kept)
        with login("reader") as reader:
            for statement in ("id, account_id, name, url FROM webhooks", "token_hash, account_id, expires_at FROM api_tokens",
                              "version FROM schema_migrations", "* FROM webhook_calls", *(f"* FROM {table}" for table in kept)):
                reader.execute("SELECT " + statement)
            self.denied(reader, "SELECT name FROM api_tokens", "INSERT INTO webhook_calls (webhook_id) VALUES (7)",
                        "INSERT INTO api_tokens (token_hash, account_id, name) VALUES ('', 1, '')", "UPDATE webhooks SET url = ''",
                        "UPDATE webhook_calls SET body = ''", "UPDATE api_tokens SET expires_at = NULL",
                        "UPDATE schema_migrations SET version = 3", *(f"DELETE FROM {table}" for table in tables),
                        *(f"TRUNCATE {table}" for table in tables), *(f"DROP TABLE {table}" for table in tables),
                        "CREATE TABLE x (x INT)", "CREATE TEMPORARY TABLE x (x INT)", "CALL expire_webhook_calls(1)",
                        "CALL seal_webhook_calls(1, TRUE)", "UPDATE webhook_call_chunks SET n = 1",
                        "SELECT id FROM webhook_calls INTO OUTFILE '/tmp/x'", "SELECT * FROM mysql.user")

    def test_purger(self):
        service.sql(AGED + f"SELECT 55, 50 + seq, '', '', UTC_TIMESTAMP(3) - INTERVAL 50 + seq DAY FROM {numbers(11)}")
        left = "SELECT MIN(http_code), MAX(http_code) FROM webhook_calls WHERE webhook_id = 55"
        with login("purger") as purger:
            self.denied(purger, "SELECT id FROM webhook_calls", "DELETE FROM webhook_calls", "TRUNCATE webhook_calls",
                        "INSERT INTO webhook_calls (webhook_id) VALUES (7)", "UPDATE webhook_calls SET body = ''",
                        "SELECT id FROM webhooks", "DROP PROCEDURE expire_webhook_calls", "ALTER EVENT expire_webhook_calls DISABLE",
                        "SELECT version FROM schema_migrations", "SELECT n FROM webhook_call_chunks",
                        "DELETE FROM webhook_call_chunks", "UPDATE webhook_call_upkeep SET resume_after = 1", "SELECT * FROM mysql.user")
            shifted = "timestamp = UNIX_TIMESTAMP() + 10 * 86400"
            for before, statement in ((f"SET {shifted}", ""), ("SET time_zone = '+13:00'", ""), ("SET sql_mode = ''", ""),
                                      ("DO 0", f"/*M! SET STATEMENT {shifted} FOR */ "), ("SET autocommit = 0", "")):
                purger.execute(before)
                purger.execute(statement + "CALL expire_webhook_calls(10)")
                self.assertEqual((1, 0), purger.fetchone()[1:])
                self.assertEqual(((51, 59),), service.sql(left))

    def test_migrator(self):
        with login("migrator") as migrator:
            for statement in ("CREATE TABLE extra (id INT)", "ALTER TABLE extra ADD x INT", "DROP TABLE extra",
                              "INSERT INTO webhooks (id, account_id, name, url) VALUES (9000, 1, '', '')",
                              "DELETE FROM webhooks WHERE id = 9000",
                              "SHOW CREATE PROCEDURE expire_webhook_calls"):
                migrator.execute(statement)
            self.denied(migrator, "CREATE DATABASE extra", "SELECT * FROM mysql.user", "CREATE USER extra",
                        "SET GLOBAL event_scheduler = ON", "GRANT ALL PRIVILEGES ON *.* TO webhook_calls_sender",
                        "SELECT 1 INTO OUTFILE '/tmp/x'")


class TokenTest(ScriptTest):
    def issue(self, account, *options, **changes):
        output = self.succeeds("token", "issue", "--account", str(account), *options, **changes)
        self.assertRegex(output, r"\A[A-Za-z0-9_-]{43}\n\Z")
        return output.strip()

    def stored(self, token):
        digest = hashlib.sha256(token.encode()).hexdigest()
        (row,) = service.sql(f"SELECT account_id, name, expires_at, created_at FROM api_tokens WHERE token_hash = x'{digest}'")
        return row

    def status(self, token):
        return service.send("GET", LIST % 60, [("Authorization", "Bearer " + token)]).status

    def test_issue(self):
        service.sql(WEBHOOK_60)
        path = path_that_notes_arguments(service.folder / "programs")
        token, other = self.issue(60, PATH=path), self.issue(61)
        self.assertEqual((200, 404, 401), (self.status(token), self.status(other), self.status(token + "x")))
        self.assertEqual((60, "", None), self.stored(token)[:3])
        self.assertNotIn(token, repr(service.sql("SELECT * FROM api_tokens")))
        self.assertNotIn(token, (service.folder / "programs/arguments").read_text())
        self.assertIn("sha256sum\n", (service.folder / "programs/arguments").read_text())

    def test_expires_in(self):
        _, _, expires_at, created_at = self.stored(self.issue(60, "--expires-in", "2"))
        self.assertAlmostEqual(2 * 86400, (expires_at - created_at).total_seconds(), delta=1)

    def test_odd_names(self):
        names = ["O'Brien \"& Söhne\" \\", "'); DROP TABLE api_tokens; -- ", "日本 🐎 $(id) `id` %s", "line\nline\n", " ", "\\'",
                 "x" * 255, "é" * 255]
        for name in names:
            self.assertEqual(name, self.stored(self.issue(62, "--name", name))[1])
        for name in (names[2], names[-1]):
            self.assertEqual(name, self.stored(self.issue(62, "--name", name, LC_ALL="C"))[1])

    def wait_for_refusal(self, token):
        wait_until(lambda: self.status(token) == 401, "refusal", 5)

    def test_list_and_revoke(self):
        service.add_webhooks((63, 63, "", ""))
        tokens = [self.issue(63, "--name", name) for name in ("first", "second")]
        listed = self.succeeds("token", "list", "--account", "63")
        hashes = [hashlib.sha256(token.encode()).hexdigest() for token in tokens]
        self.assertEqual(sorted(hashes), sorted(re.findall("^[0-9a-f]{64}", listed, re.M)))
        self.assertFalse(any(token in listed for token in tokens))
        self.assertEqual("", self.succeeds("token", "list", "--account", "64"))
        self.assertIn("Revoked " + hashes[0], self.succeeds("token", "revoke", hashes[0][:12]))
        self.assertEqual([hashes[1]], re.findall("^[0-9a-f]{64}", self.succeeds("token", "list", "--account", "63"), re.M))
        self.fails(1, hashes[0], "token", "revoke", hashes[0])
        for command in (["revoke"], ["expire", "--at", "now"]):
            for prefix in ("", "1234567", "%%%%%%%%", "_" * 64, hashes[1] + "0", "ABCDEFGH", hashes[1][:8] + "'"):
                self.fails(2, f"{command[0]} takes", "token", *command, prefix)
            self.fails(2, f"{command[0]} takes", "token", *command)
            self.fails(2, "Unknown argument", "token", *command, hashes[0], hashes[1])
        self.assertEqual(1, len(re.findall("^[0-9a-f]{64}", self.succeeds("token", "list", "--account", "63"), re.M)))

    def test_works_at_once_and_not_after_it_was_revoked(self):
        service.sql(WEBHOOK_60)
        token = self.issue(60)
        self.assertEqual([200] * 4, [self.status(token) for _ in range(4)])
        self.succeeds("token", "revoke", hashlib.sha256(token.encode()).hexdigest())
        self.wait_for_refusal(token)

    def test_prefix_of_several(self):
        """None of them is touched."""
        hashes = ["abcdef0123" + digit * 54 for digit in "01"]
        service.sql("INSERT INTO api_tokens (token_hash, account_id, name) VALUES (UNHEX(%s), 65, '')",
                    *((one,) for one in hashes))
        for command in (["revoke"], ["expire", "--at", "now"]):
            self.fails(1, "2 tokens", "token", *command, "abcdef01")
        stored = "SELECT LOWER(HEX(token_hash)), expires_at FROM api_tokens WHERE account_id = 65 ORDER BY 1"
        self.assertEqual(tuple((one, None) for one in hashes), service.sql(stored))
        self.succeeds("token", "revoke", hashes[0][:11])
        self.assertEqual(((hashes[1], None),), service.sql(stored))

    def test_expire(self):
        token, other = self.issue(60), self.issue(60)
        service.sql(WEBHOOK_60)
        digest = hashlib.sha256(token.encode()).hexdigest()
        for at, stored in (("2099-12-31 18:00 UTC", "2099-12-31 18:00:00"), ("2099-12-31T18:00+02:00", "2099-12-31 16:00:00"),
                           ("2099-12-31", "2099-12-31 00:00:00"), ("never", None)):
            said = self.succeeds("token", "expire", digest[:8], "--at", at, TZ="EST5")
            self.assertEqual(f"{digest} expires at {stored} UTC.\n" if stored else f"{digest} never expires.\n", said)
            self.assertEqual(stored, str(self.stored(token)[2]) if self.stored(token)[2] else None)
            self.assertEqual(200, self.status(token))
        for at in ("2099-02-30", "soon", "1", "2099-12-31'", "9999999999-01-01"):
            self.fails(2, "--at must be", "token", "expire", digest, "--at", at)
        self.fails(2, "--at must be given", "token", "expire", digest)
        self.fails(2, "--at needs a value", "token", "expire", digest, "--at", "")
        self.assertEqual(None, self.stored(token)[2])
        self.succeeds("token", "expire", digest, "--at", "now")
        self.wait_for_refusal(token)
        self.assertEqual((200, None), (self.status(other), self.stored(other)[2]))

    def test_wrong_usage(self):
        before = service.sql("SELECT COUNT(*) FROM api_tokens")
        for account in ("0", "-1", "one", "1 OR 1", "1.5", "", "0x1", "1" * 21):
            self.fails(2, "--account must be given" if account else "--account needs a value", "token", "issue", "--account", account)
        for days in ("0", "-1", "soon", "1.5", "", "1000000"):
            self.fails(2, "--expires-in must be" if days else "--expires-in needs a value", "token", "issue", "--account", "1", "--expires-in", days)
        for arguments in (["issue"], ["list"], [], ["make"], ["issue", "--account", "1", "extra"], ["issue", "--account"],
                          ["issue", "--account", "1", "--name", "x" * 256]):
            self.fails(2, "", "token", *arguments)
        self.fails(1, "The token was not issued", "token", "issue", "--account", "9" * 20)
        self.assertEqual(before, service.sql("SELECT COUNT(*) FROM api_tokens"))


class LoadDemoTest(ScriptTest):
    def setUp(self):
        self.clear()
        self.addCleanup(self.clear)

    def clear(self):
        service.sql("DELETE FROM webhook_calls")
        service.sql("DELETE FROM webhooks")

    def load(self, *arguments):
        """The webhooks' ids, the biggest first."""
        output = self.succeeds("load-demo", *arguments)
        first, others = re.search(r"with half of them is (\d+), .*:\n([\d ]+)\n", output).groups()
        return [int(first), *map(int, others.split())]

    def test_calls(self):
        service.add_webhooks((20000, 1, "of another", "http://127.0.0.1:9/"))
        ids = self.load("3000")
        self.assertEqual((3000, 1, 0), service.sql("SELECT COUNT(*), MIN(created_at) > UTC_TIMESTAMP(3) - INTERVAL 60 DAY, "
                                                   "COALESCE(SUM(created_at > UTC_TIMESTAMP(3)), 0) FROM webhook_calls")[0])
        self.assertEqual(list(range(20001, 20201)), ids)
        self.assertEqual({(webhook, 1) for webhook in [20000, *ids]}, set(service.sql("SELECT id, account_id FROM webhooks")))
        self.assertEqual(((1500,),), service.sql("SELECT COUNT(*) FROM webhook_calls WHERE webhook_id = 20001"))
        self.assertEqual((), service.sql("SELECT id FROM webhook_calls WHERE webhook_id NOT BETWEEN 20001 AND 20200"))
        times = [time for time, in service.sql("SELECT created_at FROM webhook_calls WHERE webhook_id = 20001 ORDER BY id")]
        self.assertEqual(sorted(times), times)
        self.assertEqual(((0, 0),), service.sql("SELECT SUM((http_code IS NULL) <> (headers IS NULL)), "
                                                "SUM((http_code IS NULL) <> (body IS NULL)) FROM webhook_calls"))
        self.assertGreater(service.sql("SELECT SUM(http_code IS NULL OR http_code >= 400) FROM webhook_calls")[0][0], 20)
        answer = service.send("GET", LIST % 20001 + "?page[size]=1000&count=true", [("Authorization", "Bearer " + service.env["TOKEN"])])
        self.assertEqual((200, 1500), (answer.status, answer.json()["meta"]["count"]))

    def test_again(self):
        """Adds as many, to the same webhooks and, where more are asked for, to new ones behind them."""
        first = self.load("300", "--webhooks", "3", "--failures-per-million", "1000000")
        self.assertEqual(((150, 150),), service.sql("SELECT COUNT(*), SUM(http_code IS NULL OR http_code >= 400) FROM webhook_calls "
                                                    f"WHERE webhook_id = {first[0]}"))
        again = self.load("100", "--webhooks", "4", "--rare-failures")
        self.assertEqual(([*first, first[-1] + 1], ((400,),)), (again, service.sql("SELECT COUNT(*) FROM webhook_calls")))

    def test_days(self):
        self.load("1000", "--days", "120")
        ((expired,),) = service.sql("SELECT SUM(created_at <= UTC_TIMESTAMP(3) - INTERVAL 60 DAY) FROM webhook_calls")
        self.assertAlmostEqual(500, expired, delta=2)

    def test_stopped(self):
        command = [PROJECT / "scripts/load-demo", "9999999999"]
        process = subprocess.Popen(command, env=environment(WEBHOOK_CALLS_STATE=str(service.state)), start_new_session=True,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8",
                                   # a test that runs in the background has it ignored
                                   preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        wait_until(lambda: service.sql("SELECT COUNT(*) FROM webhook_calls")[0][0], "calls", 60)
        os.killpg(process.pid, signal.SIGINT)  # what a terminal does
        _, errors = process.communicate(timeout=60)
        self.assertEqual(130, process.returncode, errors)
        self.assertIn("What is loaded stays", errors)
        ((count,),) = service.sql("SELECT COUNT(*) FROM webhook_calls")
        self.assertEqual((True, 0), (count > 0, count % 25000))

    def test_wrong_usage(self):
        for arguments in ([], ["0"], ["-1"], ["many"], ["1.5"], ["1", "2"], ["1", "--days", "0"], ["1", "--days", "x"], ["1", "--days"],
                          ["1", "--webhooks", "1"], ["1", "--webhooks", "10001"], ["1", "--failures-per-million", "1000001"],
                          ["1", "--failures-per-million", "-1"], ["1; DROP TABLE webhooks"]):
            self.fails(2, "", "load-demo", *arguments)
        self.assertEqual((), service.sql("SELECT id FROM webhook_calls"))


class BenchTest(ScriptTest):
    def test_wrong_usage(self):
        for arguments in (["everything"], ["compare", "slow,memory"], ["--workers", "0"], ["--workers", "100"], ["--workers"],
                          ["--seconds", "1.5"], ["--seconds", ""], ["--state", ""], ["--large=1"],
                          ["soak", "slow"], ["soak", "--minutes", "0"], ["soak", "--minutes"], ["--minutes", "5"],
                          ["export", "import"], ["export", "--rows", "0"], ["compare", "--rows", "2000"]):
            self.fails(2, "scripts/bench", "bench", *arguments)

    def test_exports_of_a_small_table(self):
        output = self.succeeds("bench", "export", "--rows", "3000", "--state", str(service.folder / "bench-export"), timeout=300)
        for way in ("export, CSV", "export, NDJSON", "mariadb-dump"):
            self.assertRegex(output, rf"(?m)^  {way} +[0-9,]+ \([0-9,]+ to [0-9,]+\) +\d+ ")
        self.assertRegex(output, r"peak of the workers for exports: \d+\.\d MiB")


class BenchScaleTest(ScriptTest):
    def test_a_small_table_twice(self):
        """The second time it is not loaded again."""
        for loads in (True, False):
            output = self.succeeds("bench-scale", "--rows", "3000", "--seconds", "1", "--state", str(service.folder / "bench"),
                                   timeout=300)
            self.assertEqual(loads, "Loading 3000 rows" in output)
            # Rows that were examined; whether that was too slow is another question.
            self.assertRegex(output, r"(?m)^count  .* 1[45]\d\d( +too slow)?$")
            self.assertRegex(output, r"(?m)^cursor: last page, by -id  .* 26( +too slow)?$")
            self.assertRegex(output, r"(?m)^4 senders: \d+ rows/s")
            self.assertRegex(output, r"(?m)^purge: 14\d\d rows, \d+ rows/s")
            self.assertNotIn("no answer", output)

    def test_wrong_usage(self):
        for arguments in (["--rows", "999"], ["--rows", "many"], ["--rows"], ["--seconds", "0"], ["--state", ""], ["20000000"]):
            self.fails(2, "", "bench-scale", *arguments)


if __name__ == "__main__":
    unittest.main()
