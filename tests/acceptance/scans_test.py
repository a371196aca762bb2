#!/usr/bin/python3
"""No statement of the hot paths scans more than its page and two chunks, whatever the log's length: the statements that the
workers send are taken from the server's general log, explained, and run again while their reads are counted."""

import datetime
import re
import unittest

from service import LIST, SHOW, Service, check_answer, numbers

TOKEN = [("Authorization", "Bearer reader-1")]
CHUNK = 4096
HEALTHY, FAILING = 1, 2  # webhooks: one call in 10,000 failed; one in 50
FAILED = "filter[http_code__gte]=400"
NEWEST = "sort=-created_at&page[size]=25"
READS = ("Handler_read_first", "Handler_read_key", "Handler_read_last", "Handler_read_next", "Handler_read_prev")
service = None


def ago(**age):
    return (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(**age)).strftime("%Y-%m-%dT%H:%M:%SZ")


def setUpModule():
    global service
    service = Service(workers=1)
    unittest.addModuleCleanup(service.stop)
    service.add_token("reader-1", 1)
    service.add_webhooks((HEALTHY, 1, "healthy", ""), (FAILING, 1, "failing", ""))
    # 80,000 and 40,000, in the order of time, from 59 days ago to 20 minutes ago; then a few of the last minutes.
    service.sql(f"""INSERT INTO webhook_calls (webhook_id, http_code, headers, body, created_at)
        SELECT IF(seq % 3 = 0, {FAILING}, {HEALTHY}),
               CASE WHEN seq % 10007 = 1 THEN ELT(1 + seq % 3, 500, 502, NULL)
                    WHEN seq % 3 = 0 AND seq % 50 = 0 THEN ELT(1 + seq DIV 150 % 6, 404, 410, 429, 500, 503, NULL)
                    ELSE 200 + seq % 7 % 2 END,
               'a: 1', 'b', UTC_TIMESTAMP(3) - INTERVAL 59 DAY + INTERVAL seq * 42 SECOND
          FROM {numbers(120000)}""")
    service.sql(f"INSERT INTO webhook_calls (webhook_id, http_code, headers, body) "
                f"SELECT 1 + seq % 2, 200, 'a: 1', 'b' FROM {numbers(600)}")
    service.sql("CALL seal_webhook_calls(120, TRUE)")
    service.sql("ANALYZE TABLE webhook_calls, webhook_call_chunks, webhook_call_chunk_codes")
    # Before the workers prepare anything: the log has the values only of statements that were prepared while it was on.
    service.sql("SET GLOBAL log_output = 'TABLE'")
    service.sql("SET GLOBAL general_log = ON")
    service.kill_reader_connections()


class ScansTest(unittest.TestCase):
    def statements_of(self, target):
        """The answer to a request, and the SELECTs that made it, with their values."""
        service.sql("TRUNCATE TABLE mysql.general_log")
        answer = service.send("GET", target, TOKEN)
        sent = [text.decode() if isinstance(text, bytes) else text for text, in service.sql(
            "SELECT argument FROM mysql.general_log WHERE command_type = 'Execute' AND user_host LIKE '%reader%'")]
        self.assertTrue(sent)
        return answer, [text for text in sent if text.startswith("SELECT")]

    def reads_of(self, statement):
        with service.connect() as connection, connection.cursor() as cursor:
            cursor.execute("FLUSH STATUS")
            cursor.execute(statement)
            cursor.fetchall()
            cursor.execute("SHOW SESSION STATUS LIKE 'Handler_read%'")
            return sum(int(value) for name, value in cursor.fetchall() if name in READS)

    def check_plan(self, statement):
        indexes = re.findall(r"webhook_call\w+(?: [ck])? FORCE INDEX \((\w+)\)", statement)
        with service.connect() as connection, connection.cursor() as cursor:
            cursor.execute("EXPLAIN FORMAT=TRADITIONAL " + statement)
            names = [column[0] for column in cursor.description]
            plan = [dict(zip(names, row)) for row in cursor.fetchall()]
        for row in plan:
            if row["table"] in ("c", "k") and row["key"] is not None:
                self.assertIn(row["key"], indexes, plan)
            if row["table"] == "c":
                self.assertNotIn(row["type"], ("ALL", "index"), plan)

    def small_rows(self, webhook):
        """Of the tables that may be read whole."""
        return sum(service.sql(f"SELECT COUNT(*) FROM {table} WHERE webhook_id = {webhook}")[0][0]
                   for table in ("webhook_call_chunks", "webhook_call_chunk_codes"))

    def check(self, target, webhook, size):
        answer, statements = self.statements_of(target)
        check_answer(answer)
        self.assertEqual(200, answer.status, answer.body)
        limit = 2 * (size + 1) + 2 * CHUNK + self.small_rows(webhook)  # a page's records are found, and then read
        for statement in statements:
            self.check_plan(statement)
            reads = self.reads_of(statement)
            self.assertLessEqual(reads, limit, f"{target}\n{statement}")
        return answer

    def check_list(self, webhook, *queries, where="TRUE", order="id", page=1, size=25):
        """The queries, and that their answers are right."""
        for query in queries:
            with self.subTest(webhook=webhook, query=query):
                target = f"{LIST % webhook}?{query}&page[number]={page}&page[size]={size}"
                answer = self.check(re.sub(r"&page\[size\]=\d+(?=.*page\[size\])", "", target), webhook, size)
                cutoff = service.sql("SELECT UTC_TIMESTAMP(3) - INTERVAL 60 DAY + INTERVAL %s SECOND", (self.ahead,))[0][0]
                selected = f"FROM webhook_calls WHERE webhook_id = {webhook} AND created_at > '{cutoff}' AND ({where})"
                ids = service.sql(f"SELECT id {selected} ORDER BY {order} LIMIT {size} OFFSET {(page - 1) * size}")
                self.assertEqual([id for id, in ids], answer.ids())
                if "count=true" in query:
                    self.assertEqual(service.sql(f"SELECT COUNT(*) {selected}")[0][0], answer.json()["meta"]["count"])

    ahead = 0  # seconds by which the readers' clock is ahead of the server's

    ORDERS = {"sort=id": "id", "sort=-id": "id DESC", "sort=created_at": "created_at, id",
              "sort=-created_at": "created_at DESC, id DESC", "sort=-created_at,id": "created_at DESC, id"}

    def test_first_pages(self):
        for webhook in (HEALTHY, FAILING):
            for sort, order in self.ORDERS.items():
                for size in (25, 1000):
                    self.check_list(webhook, sort, sort + "&count=true", order=order, size=size)
            self.check_list(webhook, "fields[notification/webhook/calls]=http_code,created_at", page=2, size=1000)

    def test_deep_pages(self):
        for webhook, count in ((HEALTHY, 80300), (FAILING, 40300)):
            for sort, order in list(self.ORDERS.items())[:4]:  # the last one has to sort, and reads a chunk more for that
                for size in (25, 1000):
                    for page in (5000 // size, count // 2 // size, count // size, count // size + 2):
                        self.check_list(webhook, sort, order=order, page=page, size=size)

    def test_counts(self):
        for webhook in (HEALTHY, FAILING):
            for query, where in (("filter[http_code]=200", "http_code = 200"), (FAILED, "http_code >= 400"),
                                 ("filter[http_code]=500,404", "http_code IN (500, 404)"), ("filter[http_code]", "http_code IS NULL"),
                                 ("filter[http_code__lt]=300", "http_code < 300"), ("filter[http_code]=777", "FALSE")):
                self.check_list(webhook, query + "&count=true", where=where)

    def test_ranges_of_time(self):
        begin, end = ago(days=30), ago(days=23)
        week = f"filter[created_at__gte]={begin}&filter[created_at__lt]={end}"
        hour = f"filter[created_at__gte]={ago(days=30)}&filter[created_at__lt]={ago(days=30, hours=-1)}"
        for webhook in (HEALTHY, FAILING):
            for sort, order in self.ORDERS.items():
                for times in (week, hour):
                    bounds = re.findall(r"=([^&]+)", times)
                    where = f"created_at >= '{bounds[0][:-1]}' AND created_at < '{bounds[1][:-1]}'"
                    self.check_list(webhook, f"{times}&{sort}&count=true", where=where, order=order)
                    self.check_list(webhook, f"{times}&{sort}&{FAILED}", where=where + " AND http_code >= 400", order=order)
                self.check_list(webhook, f"{week}&{sort}", where=f"created_at >= '{begin[:-1]}' AND created_at < '{end[:-1]}'",
                                order=order, page=4, size=1000)

    def test_latest_failures(self):
        """However rare they are, and however many."""
        for webhook in (HEALTHY, FAILING):
            for query, where in ((FAILED, "http_code >= 400"), ("filter[http_code][]=500&filter[http_code][]=502", "http_code IN (500, 502)"),
                                 ("filter[http_code]", "http_code IS NULL"), ("filter[http_code]=200", "http_code = 200"),
                                 ("filter[http_code]&filter[http_code]=503,404", "http_code IN (503, 404) OR http_code IS NULL")):
                for sort, order in self.ORDERS.items():
                    self.check_list(webhook, f"{query}&{sort}", f"{query}&{sort}&count=true", where=where, order=order)

    def test_deep_among_codes(self):
        for sort, order in self.ORDERS.items():
            self.check_list(HEALTHY, f"filter[http_code]=200&{sort}", where="http_code = 200", order=order, page=30, size=1000)
            self.check_list(FAILING, f"{FAILED}&{sort}", where="http_code >= 400", order=order, page=20)

    def test_show(self):
        for webhook in (HEALTHY, FAILING):
            id, = service.sql(f"SELECT id FROM webhook_calls WHERE webhook_id = {webhook} ORDER BY id LIMIT 1 OFFSET 20000")[0]
            self.check(SHOW % (webhook, id), webhook, 1)


class LatePurgeTest(ScansTest):
    """The same when seven days' records have expired and are still stored, and the oldest webhook's chunks with them."""

    @classmethod
    def setUpClass(cls):
        cls.ahead = 7 * 86400 + 2 * 86400
        now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=cls.ahead)
        # The clock stands: what is compared with it moves on by the seconds that the tests take, over no record.
        service.freeze_clock(now.strftime("%Y-%m-%d %H:%M:%S"))

    @classmethod
    def tearDownClass(cls):
        service.sql("SET GLOBAL init_connect = ''")
        service.kill_reader_connections()


if __name__ == "__main__":
    unittest.main()
