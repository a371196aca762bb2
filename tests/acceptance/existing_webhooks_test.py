#!/usr/bin/python3
"""Webhooks that the platform has already: `webhooks` is a view over its table, made by the README's SQL; what migrate and
--check-config say of one that will not do; and tables of the same names that are somebody else's. cases_test.py --webhooks-view
has all that the API does with such a view."""

import unittest

import pymysql

import shop
from load import TimedLoad, running
from service import LIST, PROJECT, RUN_OPTIONS, SHOW, WORKER, Service, check_answer, numbers

TOKEN = [("Authorization", "Bearer reader-1")]
HOOKS = 5000
UUID = "12ab0000-0000-4000-8000-%012d"
VIEW = "CREATE ALGORITHM = MERGE DEFINER = webhook_calls_view@localhost SQL SECURITY DEFINER VIEW {}.webhooks (id, account_id, name, url) AS SELECT "
service = None


def setUpModule():
    global service
    service = Service(workers=1)
    unittest.addModuleCleanup(service.stop)
    shop.create(service)
    service.sql(f"INSERT INTO shop.hooks (customer_no, label, target) SELECT 1 + seq % 10, CONCAT('hook ', seq), 'https://shop.example/' FROM {numbers(HOOKS)}")
    service.sql("CREATE TABLE shop.uuid_hooks (hook_id BIGINT UNSIGNED NOT NULL PRIMARY KEY, customer CHAR(36) CHARACTER SET latin1 NOT NULL,"
                " label TEXT, target TEXT NOT NULL)")
    service.sql(f"INSERT INTO shop.uuid_hooks SELECT hook_id, CONCAT('{UUID[:-5]}', LPAD(customer_no, 12, '0')), label, target FROM shop.hooks")
    service.sql("ANALYZE TABLE shop.hooks, shop.uuid_hooks")


class TestCase(unittest.TestCase):
    def database(self, name):
        """A new one, of whose tables no account has been granted anything."""
        service.sql(f"CREATE DATABASE {name}")
        self.addCleanup(service.sql, f"DROP DATABASE {name}")
        self.addCleanup(service.sql, "DROP USER IF EXISTS webhook_calls_view@localhost")
        self.addCleanup(service.sql, "DROP ROLE IF EXISTS webhook_calls_nothing")
        return name

    def database_with_view(self, name, columns, source="shop.hooks", start=VIEW):
        self.database(name)
        service.sql("CREATE USER webhook_calls_view@localhost ACCOUNT LOCK")
        service.sql("GRANT SELECT ON shop.* TO webhook_calls_view@localhost")
        service.sql(start.format(name) + f"{columns} FROM {source}")
        return name

    def succeeds(self, result):
        self.assertEqual((0, ""), (result.returncode, result.stderr), result)
        return result.stdout

    def fails(self, words, result):
        self.assertEqual(1, result.returncode, result)
        for word in words:
            self.assertIn(word, result.stderr)

    def pool(self, database, account=1):
        """With a token of the account, and a call of each of the first webhooks."""
        service.sql(f"INSERT INTO {database}.api_tokens (token_hash, account_id, name) VALUES (UNHEX(SHA2('reader-1', 256)), {account}, 'test')")
        service.sql(f"INSERT INTO {database}.webhook_calls (id, webhook_id, http_code, headers, body) SELECT seq, seq, 200, 'a: 1', 'b' FROM {numbers(20)}")
        return service.pool(database, WEBHOOK_CALLS_DB_NAME=database)

    def webhook(self, pool, number):
        """Its name and url."""
        document = check_answer(pool.send("GET", LIST % number + "?include=webhook", TOKEN))
        self.assertEqual([str(number)], [call["id"] for call in document["data"]])
        (webhook,) = document["included"]
        return webhook["attributes"]["name"], webhook["attributes"]["url"]

    def status(self, pool, number):
        answer = pool.send("GET", LIST % number, TOKEN)
        check_answer(answer)
        return answer.status

    def reads(self, pool, number):
        """How many index entries and rows the server looks at to find the webhook, by the worker's own statement."""
        service.sql("SET GLOBAL log_output = 'TABLE'")
        service.sql("SET GLOBAL general_log = ON")
        try:
            service.kill_reader_connections()  # a statement is logged with its values where it is prepared meanwhile
            service.sql("TRUNCATE TABLE mysql.general_log")
            self.status(pool, number)
            logged = service.sql("SELECT argument FROM mysql.general_log WHERE user_host LIKE '%reader%' AND command_type = 'Execute'")
        finally:
            service.sql("SET GLOBAL general_log = OFF")
        texts = [text.decode() if isinstance(text, bytes) else text for text, in logged]
        (statement,) = [text for text in texts if "FROM api_tokens" in text]
        with service.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"USE {pool.database}")
            cursor.execute("FLUSH STATUS")
            cursor.execute(statement)
            self.assertEqual(number, cursor.fetchall()[0][1])
            cursor.execute("SHOW SESSION STATUS LIKE 'Handler_read%'")
            return sum(int(value) for _, value in cursor.fetchall())

    def assert_lookups_dive(self, pool, account, number):
        self.assertLess(self.reads(pool, number), 12)
        service.sql("GRANT SELECT ON shop.uuid_hooks TO webhook_calls_view@localhost")
        # What counts would count the whole table.
        service.sql(f"CREATE OR REPLACE DEFINER = webhook_calls_view@localhost VIEW {pool.database}.webhooks (id, account_id, name, url) AS"
                    f" SELECT hook_id, {account}, label, target FROM shop.uuid_hooks LIMIT 1000000")
        self.assertGreater(self.reads(pool, number), HOOKS)


class ViewTest(TestCase):
    def test_before_the_first_migration(self):
        long = "https://shop.example/" + 3000 * "ü"
        shop.add_hooks(service, (10001, 1, None, long, 0), (10002, 1, 300 * "é", "https://shop.example/deleted", 1))
        self.addCleanup(service.sql, "DELETE FROM shop.hooks WHERE hook_id > 10000")
        service.sql("ALTER TABLE shop.hooks MODIFY target TEXT CHARACTER SET latin1 NOT NULL")
        database = self.database("first")
        shop.run_block(service, shop.FIRST, database)
        self.assertRegex(self.succeeds(shop.migrate(service, database)), r"at version \d+, [1-9]\d* migrations applied now")
        self.assertIn("0 migrations applied now", self.succeeds(shop.migrate(service, database)))
        self.succeeds(shop.check_config(service, database))
        pool = self.pool(database)
        pool.database = database
        self.assertEqual(("hook 10", "https://shop.example/"), self.webhook(pool, 10))
        service.sql(f"INSERT INTO {database}.webhook_calls (id, webhook_id) VALUES (10001, 10001), (10002, 10002)")
        self.assertEqual(("", long), self.webhook(pool, 10001))
        self.assertEqual([404, 404, 404], [self.status(pool, number) for number in (10002, 11, 10003)])  # deleted, another's, unknown
        # The platform's changes count after 4 s at most; here for a webhook that the worker has not seen yet.
        shop.add_hooks(service, (10003, 1, "new", "", 0))
        self.assertEqual(200, self.status(pool, 10003))
        self.assert_nothing_of_the_platform_is_readable(database)
        self.assert_lookups_dive(pool, 1, 10)

    def assert_nothing_of_the_platform_is_readable(self, database):
        with pymysql.connect(read_default_file=str(service.state / "secrets/reader.cnf"), database=database) as reader, reader.cursor() as cursor:
            cursor.execute("SELECT id, account_id, name, url FROM webhooks WHERE id = 10")
            self.assertEqual(((10, 1, "hook 10", "https://shop.example/"),), cursor.fetchall())
            for statement in ("SELECT secret FROM shop.hooks", "SELECT hook_id FROM shop.hooks", "UPDATE webhooks SET account_id = 2",
                              "DELETE FROM webhooks", "INSERT INTO webhooks (id) VALUES (1)", "SHOW CREATE VIEW webhooks"):
                with self.subTest(statement), self.assertRaises(pymysql.err.MySQLError):
                    cursor.execute(statement)
        with self.assertRaises(pymysql.err.MySQLError):  # nobody logs in as the view's definer
            pymysql.connect(unix_socket=service.env["DB_SOCKET"], user="webhook_calls_view")

    def test_in_the_tables_place(self):
        database = self.database("later")
        self.succeeds(shop.migrate(service, database))
        service.sql(f"INSERT INTO {database}.webhooks (id, account_id, name, url)"
                    " SELECT hook_id, customer_no, label, target FROM shop.hooks WHERE hook_id <= 20")
        pool = self.pool(database)
        load = TimedLoad(pool, [LIST % 10, SHOW % (20, 20), LIST % 10 + "?include=webhook&count=true"], TOKEN)
        with running(*[load.loop] * 2):
            load.wait_for_more(50)
            shop.run_block(service, shop.LATER, database)
            self.succeeds(shop.migrate(service, database))
            self.succeeds(shop.check_config(service, database))
            load.wait_for_more(50)
            service.sql(f"RENAME TABLE {database}.webhooks TO {database}.webhooks_new, {database}.webhooks_before TO {database}.webhooks")
            load.wait_for_more(50)
            service.sql(f"RENAME TABLE {database}.webhooks TO {database}.webhooks_before, {database}.webhooks_new TO {database}.webhooks")
            load.wait_for_more(50)
        self.assertEqual([], load.faults())
        self.assertEqual((("VIEW",),), service.sql("SELECT table_type FROM information_schema.tables"
                                                   f" WHERE table_schema = '{database}' AND table_name = 'webhooks'"))

    def test_accounts_that_are_uuids(self):
        database = self.database("uuids")
        shop.run_block(service, shop.WITH_UUIDS, database)
        self.succeeds(shop.migrate(service, database))
        self.succeeds(shop.check_config(service, database))
        ((account,),) = service.sql(f"SELECT account_id FROM {database}.webhook_accounts WHERE customer = '{UUID % 1}'")
        pool = self.pool(database, account)
        pool.database = database
        self.assertEqual(("hook 10", "https://shop.example/"), self.webhook(pool, 10))
        self.assertEqual(404, self.status(pool, 11))
        service.sql(f"INSERT INTO shop.uuid_hooks VALUES (10004, '{UUID % 77}', 'new', '')")
        self.assertEqual(404, self.status(pool, 10004))
        self.assert_lookups_dive(pool, account, 10)


class FaultTest(TestCase):
    def test_views_that_will_not_do(self):
        """What the view has for columns, and what both programs say."""
        for number, (columns, words) in enumerate((
                ("hook_id, customer_no, label, target", ()),  # it will do: there is no NULL
                ("hook_id, customer_no, NULLIF(label, 'hook 7'), target", ("a NULL for webhook 7",)),
                ("hook_id, NULLIF(customer_no, 3), label, target", ("a NULL for webhook 2",)),
                (f"hook_id, CONCAT('{UUID[:4]}', customer_no), label, target", ("account_id as varchar",)),
                ("CONCAT(hook_id, ''), customer_no, label, target", ("id as varchar",)),
                ("hook_id / 2, customer_no, label, target", ("id as decimal",)),
                ("hook_id, customer_no, hook_id, CAST(target AS BINARY)", ("name as bigint", "url as ")))):
            with self.subTest(columns):
                database = self.database_with_view(f"fault_{number}", columns)
                result = shop.migrate(service, database)
                if words:
                    self.fails(words, result)
                    self.assertEqual(["webhooks"], self.tables(database))
                    service.sql(f"RENAME TABLE {database}.webhooks TO {database}.wrong")
                    self.succeeds(shop.migrate(service, database))
                    service.sql(f"RENAME TABLE {database}.webhooks TO {database}.ours, {database}.wrong TO {database}.webhooks")
                    self.fails(words, shop.check_config(service, database))
                else:
                    self.succeeds(result)
                    self.succeeds(shop.check_config(service, database))
                self.doCleanups()

    def tables(self, database):
        return [name for name, in service.sql(f"SHOW TABLES FROM {database}")]

    def test_lacks_a_column(self):
        start = "CREATE VIEW {}.webhooks (id, account_id, name) AS SELECT "
        database = self.database_with_view("lacking", "hook_id, customer_no, COALESCE(label, '')", start=start)
        self.fails(["must give id, account_id, name and url", "url"], shop.migrate(service, database))

    def test_cannot_be_merged(self):
        start = VIEW.replace("MERGE", "TEMPTABLE")
        database = self.database_with_view("unmerged", "hook_id, customer_no, COALESCE(label, ''), target", start=start)
        result = shop.migrate(service, database)
        self.assertEqual(0, result.returncode)
        self.assertIn("has not ALGORITHM = MERGE", result.stderr)

    def test_becomes_invalid(self):
        database = self.database_with_view("invalid", "hook_id, customer_no, COALESCE(label, ''), target")
        self.succeeds(shop.migrate(service, database))
        pool = self.pool(database)
        for break_, repair in (("RENAME TABLE shop.hooks TO shop.moved", "RENAME TABLE shop.moved TO shop.hooks"),
                               ("ALTER TABLE shop.hooks CHANGE label title TEXT", "ALTER TABLE shop.hooks CHANGE title label TEXT"),
                               ("REVOKE SELECT ON shop.* FROM webhook_calls_view@localhost", "GRANT SELECT ON shop.* TO webhook_calls_view@localhost")):
            with self.subTest(break_):
                self.assertEqual(200, self.status(pool, 10))
                service.sql(break_)
                try:
                    self.fails(["cannot read webhooks, which must give", "1356"], shop.check_config(service, database))
                    self.fails(["must give id, account_id, name and url", "1356"], shop.migrate(service, database))
                    answer = pool.send("GET", LIST % 11, TOKEN)  # of which nothing is remembered
                    check_answer(answer)
                    self.assertEqual(500, answer.status)
                    self.assertIn("1356", pool.log_line(answer.header("X-Request-Id"))["error"])
                finally:
                    service.sql(repair)
                self.assertEqual(404, self.status(pool, 11))
                self.succeeds(shop.check_config(service, database))

    def test_tables_of_another_program(self):
        ours = (PROJECT / "sql/migrations/0001_tables.sql").read_text().partition(";\n")[0].rpartition("\nCREATE")[2]
        for number, (table, statement) in enumerate((
                ("webhooks", "CREATE TABLE {}.webhooks (id BIGINT UNSIGNED PRIMARY KEY, account_id BIGINT UNSIGNED, name TEXT, url TEXT)"),
                ("webhooks", "CREATE TABLE {}.webhooks (id INT, account_id INT, name TEXT, url TEXT, created_at DATETIME) COLLATE utf8mb4_bin"),
                ("webhooks", "CREATE " + ours.replace("webhooks", "{}.webhooks").replace("utf8mb4_bin", "utf8mb4_general_ci")),
                ("api_tokens", "CREATE TABLE {}.api_tokens (id INT)"),
                ("webhook_calls", "CREATE VIEW {}.webhook_calls AS SELECT * FROM shop.hooks"))):
            with self.subTest(statement):
                database = self.database(f"foreign_{number}")
                service.sql(statement.format(database))
                self.fails([f"has a table {table} that is not this project's", "a view over your table"], shop.migrate(service, database))
                self.assertEqual([table], self.tables(database))


class ScriptsTest(TestCase):
    def test_load_demo_adds_nothing(self):
        database = self.database_with_view("insertable", "hook_id, customer_no, label, target")
        self.succeeds(shop.migrate(service, database))
        before = service.sql("CHECKSUM TABLE shop.hooks")
        result = shop.migrate(service, database, "root", "load-demo", "10")
        self.fails(["webhooks is a view over the platform's own table"], result)
        self.assertEqual(before, service.sql("CHECKSUM TABLE shop.hooks"))
        self.assertEqual(((0,),), service.sql(f"SELECT COUNT(*) FROM {database}.webhook_calls"))

    def test_run_shows_no_demo(self):
        with Service(workers=1) as another:
            shop.take_over(another)
            another._run.terminate()
            self.assertEqual(0, another._run.wait(90))
            another.command = lambda: [PROJECT / "scripts/run", "--worker", WORKER, *RUN_OPTIONS]
            another._start(1, {})
            self.assertIn("There is no demo, because webhooks is a view", (another.folder / "run.log").read_text())
            self.assertEqual(((0, 0),), another.sql("SELECT (SELECT COUNT(*) FROM shop.hooks), (SELECT COUNT(*) FROM webhook_calls)"))


if __name__ == "__main__":
    unittest.main()
