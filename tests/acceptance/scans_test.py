#!/usr/bin/python3
"""No statement of the hot paths scans more than its page and two chunks, whatever the log's length: the statements that the
workers send are taken from the server's general log, explained, and run again while their reads are counted. What is not
sealed yet, the tail, counts as a chunk; it can be longer by the records of the last 15 minutes, which no chunk may hold.

The exception is a list by code in the order of time from a time that cuts a chunk (the cutoff, while the purge is late, or a
bound that was asked for). It reads three: that chunk, the next one, and the tail, whose times nothing tells."""

import collections
import datetime
import functools
import itertools
import re
import unittest

from cursors import make_cursor
from service import LIST, SHOW, Service, check_answer, numbers

TOKEN = [("Authorization", "Bearer reader-1")]
CHUNK = 4096
OLD, YOUNG = {1: 20 * CHUNK, 2: 10 * CHUNK}, 300  # of each webhook: as many as leave the longest tail, CHUNK + YOUNG
HEALTHY, FAILING = 1, 2  # webhooks: one call in 10,000 failed; one in 50
DENSE = 3  # of this one a day has four chunks
BURST = 4  # most of its calls were recorded at one instant
GROUPS = {"created_at.day": "DATE_FORMAT(created_at, '%%Y-%%m-%%dT00:00:00.000Z')", "http_code": "http_code",
          "created_at.hour": "DATE_FORMAT(created_at, '%%Y-%%m-%%dT%%H:00:00.000Z')", "http_code.class": "CONCAT(http_code DIV 100, 'xx')"}
FAILED = "filter[http_code__gte]=400"
CODES = {FAILED: "http_code >= 400", "filter[http_code__lt]=300": "http_code < 300", "filter[http_code]=200": "http_code = 200",
         "filter[http_code][]=500&filter[http_code][]=502": "http_code IN (500, 502)", "filter[http_code]=777": "FALSE",
         "filter[http_code]=500,404": "http_code IN (500, 404)", "filter[http_code]": "http_code IS NULL",
         "filter[http_code]&filter[http_code]=503,404": "http_code IN (503, 404) OR http_code IS NULL"}
READS = ("Handler_read_first", "Handler_read_key", "Handler_read_last", "Handler_read_next", "Handler_read_prev")
service = None


def ago(**age):
    return (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(**age)).strftime("%Y-%m-%dT%H:%M:%SZ")


@functools.cache
def small_rows(webhook):
    """Of the tables that may be read whole."""
    return sum(service.sql(f"SELECT COUNT(*) FROM {table} WHERE webhook_id = {webhook}")[0][0]
               for table in ("webhook_call_chunks", "webhook_call_chunk_codes"))


@functools.cache
def largest_chunks(webhook, codes):
    """How many records with these codes each chunk has, the tail too, the most first."""
    return [int(n or 0) for n, in service.sql(
        f"SELECT SUM({codes}) AS n FROM webhook_calls c LEFT JOIN webhook_call_chunks k"
        f" ON k.webhook_id = c.webhook_id AND c.id BETWEEN k.first_id AND k.last_id"
        f" WHERE c.webhook_id = {webhook} GROUP BY k.first_id ORDER BY n DESC")]


def setUpModule():
    global service
    service = Service(workers=1)
    unittest.addModuleCleanup(service.stop)
    service.add_token("reader-1", 1)
    service.add_webhooks((HEALTHY, 1, "healthy", ""), (FAILING, 1, "failing", ""), (DENSE, 1, "dense", ""), (BURST, 1, "burst", ""))
    # In the order of time, from 59 days ago to 19 minutes ago; then those of the last minutes.
    service.sql(f"""INSERT INTO webhook_calls (webhook_id, http_code, headers, body, created_at)
        SELECT IF(seq % 3 = 0, {FAILING}, {HEALTHY}),
               CASE WHEN seq % 10007 = 1 THEN ELT(1 + seq % 3, 500, 502, NULL)
                    WHEN seq % 3 = 0 AND seq % 50 = 0 THEN ELT(1 + seq DIV 150 % 6, 404, 410, 429, 500, 503, NULL)
                    ELSE 200 + seq % 7 % 2 END,
               'a: 1', 'b', UTC_TIMESTAMP(3) - INTERVAL 59 DAY + INTERVAL seq * 41475000 MICROSECOND
          FROM {numbers(sum(OLD.values()))}""")
    service.sql(f"""INSERT INTO webhook_calls (webhook_id, http_code, headers, body, created_at)
        SELECT {DENSE}, IF(seq % 50 = 0, ELT(1 + seq DIV 50 % 4, 404, 500, 503, NULL), 200 + seq % 2), 'a: 1', 'b',
               UTC_TIMESTAMP(3) - INTERVAL 30 DAY + INTERVAL seq * 5273437 MICROSECOND FROM {numbers(12 * CHUNK + YOUNG)}""")
    service.sql(f"INSERT INTO webhook_calls (webhook_id, http_code, headers, body) "
                f"SELECT 1 + seq % 2, 200, 'a: 1', 'b' FROM {numbers(2 * YOUNG)}")
    # All of the first chunk at one instant; behind it, by id, records from before that and from after it.
    service.sql(f"""INSERT INTO webhook_calls (webhook_id, http_code, headers, body, created_at)
        SELECT {BURST}, IF(seq % 10 = 0, 500, 200), 'a: 1', 'b', UTC_TIMESTAMP(3) - INTERVAL 5 DAY
               + INTERVAL IF(seq <= {CHUNK} + 4, 0, IF(seq % 20 < 10, seq, -seq)) SECOND
          FROM {numbers(CHUNK + 404)}""")
    service.sql("CALL seal_webhook_calls(120, TRUE)")
    for webhook, old in OLD.items():
        rows = service.sql(f"SELECT SUM(n) FROM webhook_call_chunks WHERE webhook_id = {webhook}")
        assert rows[0][0] == old - CHUNK, rows
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
        sent = [(kind, text.decode() if isinstance(text, bytes) else text) for kind, text in service.sql(
            "SELECT command_type, argument FROM mysql.general_log WHERE user_host LIKE '%reader%'")]
        self.assertEqual([], [text for kind, text in sent if kind == "Query" and "webhook" in text])
        statements = [text for kind, text in sent if kind == "Execute" and text.startswith("SELECT")]
        self.assertTrue(statements)
        return answer, statements

    def check_statement(self, statement, limit):
        """Its plan, and how much it reads by it, at the readers' time: some compare with the server's clock."""
        with service.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT @@GLOBAL.init_connect")
            if clock := cursor.fetchone()[0]:
                cursor.execute(clock)
            cursor.execute("EXPLAIN FORMAT=TRADITIONAL " + statement)
            names = [column[0] for column in cursor.description]
            self.check_plan(statement, [dict(zip(names, row)) for row in cursor.fetchall()])
            # Rows that are pushed a condition and do not meet it would not be counted.
            cursor.execute("SET SESSION optimizer_switch = 'index_condition_pushdown=off'")
            cursor.execute("FLUSH STATUS")
            cursor.execute(statement)
            cursor.fetchall()
            cursor.execute("SHOW SESSION STATUS LIKE 'Handler_read%'")
            self.assertLessEqual(sum(int(value) for name, value in cursor.fetchall() if name in READS), limit, statement)

    def check_plan(self, statement, plan):
        """It names an index for each of the large tables, and that is the one which the server uses, to search in it."""
        named = re.findall(r"(?:FROM|JOIN) webhook_call\w* ([ck]) FORCE INDEX \((\w+)\)", statement)
        self.assertEqual(len(re.findall(r"(?:FROM|JOIN) webhook_call\w*", statement)), len(named), statement)
        used = [(row["table"], row["key"]) for row in plan if row["table"] in ("c", "k")]
        unused = collections.Counter(named) - collections.Counter(used)
        self.assertEqual(collections.Counter(), collections.Counter(used) - collections.Counter(named), plan)
        self.assertTrue(not unused or None in [row["table"] for row in plan], plan)  # None: the server need not read it
        self.assertFalse({row["type"] for row in plan if row["table"] in ("c", "k")} & {"ALL", "index"}, plan)

    def check(self, target, webhook, size, index="PRIMARY", codes="TRUE", chunks=2, offset=0):
        """So many chunks: of each no more than the records with these codes may be read. And the offset of a list by code where
        it is short: it is not skipped by chunks."""
        answer, statements = self.statements_of(target)
        check_answer(answer)
        self.assertEqual(200, answer.status, answer.body)
        self.assertIn(f" FROM webhook_calls c FORCE INDEX ({index})", statements[-1])
        # A page's records are found, and then read.
        limit = 2 * (size + 1) + sum(largest_chunks(webhook, codes)[:chunks]) + small_rows(webhook)
        limit += offset if codes != "TRUE" and offset <= CHUNK else 0
        for statement in statements:
            self.check_statement(statement, limit)
        return answer

    def check_list(self, webhook, *queries, times="TRUE", codes="TRUE", order="id", page=1, size=25, chunks=2):
        """The queries, and that their answers are right."""
        index = "by_code" if codes != "TRUE" else "PRIMARY" if order.startswith("id") else "by_created"
        for query in queries:
            with self.subTest(webhook=webhook, query=query, page=page, size=size):
                target = f"{LIST % webhook}?{query}&page[number]={page}&page[size]={size}"
                answer = self.check(target, webhook, size, index, codes, chunks, (page - 1) * size)
                cutoff = service.sql("SELECT COALESCE(%s, UTC_TIMESTAMP(3)) - INTERVAL 60 DAY", (self.frozen_at,))[0][0]
                selected = (f"FROM webhook_calls WHERE webhook_id = {webhook} AND created_at > '{cutoff}' AND {times}"
                            f" AND ({codes})")
                ids = service.sql(f"SELECT id {selected} ORDER BY {order} LIMIT {size} OFFSET {(page - 1) * size}")
                self.assertEqual([id for id, in ids], answer.ids())
                if "count=true" in query:
                    self.assertEqual(service.sql(f"SELECT COUNT(*) {selected}")[0][0], answer.json()["meta"]["count"])

    frozen_at = None  # where the readers' clock stands, if it does

    ORDERS = {"sort=id": "id", "sort=-id": "id DESC", "sort=created_at": "created_at, id",
              "sort=-created_at": "created_at DESC, id DESC", "sort=-created_at,id": "created_at DESC, id"}

    def test_first_pages(self):
        """Most read nothing else; one in the order of ids goes through what has expired of a chunk."""
        for webhook in (HEALTHY, FAILING):
            for sort, order in self.ORDERS.items():
                chunks = 2 if order == "created_at DESC, id" else 1 if order == "id" and self.frozen_at else 0
                for size in (25, 1000):
                    self.check_list(webhook, sort, order=order, size=size, chunks=chunks)
                    self.check_list(webhook, sort, order=order, size=size, page=2, chunks=max(chunks, 1))
                    self.check_list(webhook, sort + "&count=true", order=order, size=size)
            for sort in ("sort=id", "sort=-created_at"):
                self.check_list(webhook, sort + "&fields[notification/webhook/calls]=http_code,created_at",
                                order=self.ORDERS[sort], page=2, size=1000)

    def test_deep_pages(self):
        for webhook, old in OLD.items():
            count = old + YOUNG
            for sort, order in list(self.ORDERS.items())[:4]:  # the last one has to sort, and reads a chunk more for that
                for size in (25, 1000):
                    for page in (5000 // size, count // 2 // size, count // size, count // size + 2):
                        self.check_list(webhook, sort, order=order, page=page, size=size)
                self.check_list(webhook, sort + "&fields[notification/webhook/calls]=http_code", order=order,
                                page=count // 2000, size=1000)

    def test_counts(self):
        for webhook in (HEALTHY, FAILING):
            for query, codes in CODES.items():
                self.check_list(webhook, query + "&count=true", codes=codes)

    def check_counts(self, webhook, by, query, where="TRUE", chunks=1):
        """That they are right; so many chunks a statement may read."""
        with self.subTest(webhook=webhook, by=by, query=query):
            answer, statements = self.statements_of(f"{LIST % webhook}?count_by={by}&page[size]=0&{query}")
            check_answer(answer)
            for statement in statements:
                # For each record its group is looked up.
                self.check_statement(statement, 2 * (chunks * CHUNK + YOUNG + small_rows(webhook)))
            names = [key.partition(".")[0] for key in by.split(",")]
            groups = ", ".join(GROUPS[key] for key in by.split(","))
            expected = service.sql(
                f"SELECT {groups}, COUNT(*) FROM webhook_calls WHERE webhook_id = {webhook} AND {where}"
                f" AND created_at > COALESCE(%s, UTC_TIMESTAMP(3)) - INTERVAL 60 DAY GROUP BY {groups} ORDER BY {groups}",
                (self.frozen_at,))
            self.assertEqual([dict(zip([*names, "count"], row)) for row in expected], answer.json()["meta"]["counts"])
            return statements

    def test_counts_by_group(self):
        for webhook, old in OLD.items():
            tail = 2 if self.frozen_at else 1  # beside the tail, the chunk that the late purge has cut
            for by in ("http_code", "http_code.class"):
                self.check_counts(webhook, by, "", chunks=tail)
                self.check_counts(webhook, by, FAILED, "http_code >= 400", chunks=tail)
            week = f"filter[created_at__gte]={ago(days=30)}&filter[created_at__lt]={ago(days=23)}"
            begin, end = re.findall(r"=([^&]+)Z", week)
            self.check_counts(webhook, "http_code", week, f"created_at >= '{begin}' AND created_at < '{end}'", chunks=3)

    def test_counts_over_time(self):
        for by in ("created_at.day", "created_at.day,http_code", "http_code.class,created_at.day"):
            for query, where in (("", "TRUE"), ("filter[http_code__lt]=300", "http_code < 300"), (FAILED, "http_code >= 400")):
                statements = self.check_counts(DENSE, by, query, where)
                if query != FAILED:  # these are counted before the groups are, to see whether the chunks help
                    self.assertEqual([], [text for text in statements if text.startswith("SELECT COUNT(*)")])
        # Each chunk lies in many hours: that reads the records, and no other webhook's.
        self.check_counts(DENSE, "created_at.hour,http_code.class", "", chunks=12)

    def test_ranges_of_time(self):
        begin, end = ago(days=30), ago(days=23)
        week = f"filter[created_at__gte]={begin}&filter[created_at__lt]={end}"
        hour = f"filter[created_at__gte]={ago(days=30)}&filter[created_at__lt]={ago(days=30, hours=-1)}"
        for webhook in (HEALTHY, FAILING):
            for sort, order in self.ORDERS.items():
                for times in (week, hour):
                    bounds = re.findall(r"=([^&]+)", times)
                    between = f"created_at >= '{bounds[0][:-1]}' AND created_at < '{bounds[1][:-1]}'"
                    self.check_list(webhook, f"{times}&{sort}", f"{times}&{sort}&count=true", times=between, order=order)
                    for query, codes in ((FAILED, "http_code >= 400"), ("filter[http_code__lt]=300", "http_code < 300")):
                        self.check_list(webhook, f"{times}&{sort}&{query}", times=between, codes=codes, order=order,
                                        chunks=3 if order.startswith("created_at") else 2)
                self.check_list(webhook, f"{week}&{sort}", times=f"created_at >= '{begin[:-1]}' AND created_at < '{end[:-1]}'",
                                order=order, page=4, size=1000)

    def test_latest_failures(self):
        """However rare they are, and however many."""
        for webhook in (HEALTHY, FAILING):
            for query, codes in CODES.items():
                for sort, order in self.ORDERS.items():
                    self.check_list(webhook, f"{query}&{sort}", f"{query}&{sort}&count=true", codes=codes, order=order,
                                    chunks=3 if self.frozen_at and order == "created_at, id" else 2)

    def test_deep_among_codes(self):
        for sort, order in self.ORDERS.items():
            self.check_list(HEALTHY, f"filter[http_code]=200&{sort}", codes="http_code = 200", order=order, page=30, size=1000)
            self.check_list(FAILING, f"{FAILED}&{sort}", codes="http_code >= 400", order=order, page=20)

    def test_cursors(self):
        """A page costs the same wherever it lies, in both directions."""
        orders = {**self.ORDERS}
        if not self.frozen_at:  # among codes, what has expired is passed record by record
            orders |= {"sort=http_code": "http_code, id", "sort=-http_code": "http_code DESC, id DESC"}
        del orders["sort=-created_at,id"]  # has to sort
        asked = {"": "TRUE", FAILED: CODES[FAILED], "filter[http_code]=200": "http_code = 200"}
        for webhook in (HEALTHY, FAILING):
            for (sort, order), (query, codes) in itertools.product(orders.items(), asked.items()):
                columns = [key.split()[0] for key in order.split(", ")]
                cutoff = service.sql("SELECT COALESCE(%s, UTC_TIMESTAMP(3)) - INTERVAL 60 DAY", (self.frozen_at,))[0][0]
                records = service.sql(f"SELECT {', '.join(columns)} FROM webhook_calls WHERE webhook_id = {webhook}"
                                      f" AND created_at > '{cutoff}' AND ({codes}) ORDER BY {order}")
                index = "by_code" if codes != "TRUE" or "http_code" in order else "PRIMARY" if sort.endswith("id") else "by_created"
                for place in {0, len(records) // 2, len(records) - 1} if records else ():
                    cursor = make_cursor(order, records[place])
                    for end, expected in (("after", records[place + 1:place + 26]),
                                          ("before", records[max(place - 25, 0):place])):
                        with self.subTest(webhook=webhook, sort=sort, query=query, place=place, end=end):
                            target = f"{LIST % webhook}?{query}&{sort}&page[{end}]={cursor}&page[size]=25"
                            chunks = 3 if codes != "TRUE" else 1 if self.frozen_at and index == "PRIMARY" else 0
                            answer = self.check(target, webhook, 25, index, codes, chunks)
                            self.assertEqual([record[-1] for record in expected], answer.ids())

    def test_cursors_in_a_burst(self):
        """A chunk whose records all have the cursor's time says nothing of how many of them come after it."""
        for sort, order in self.ORDERS.items():
            expected = [id for id, in service.sql(
                f"SELECT id FROM webhook_calls WHERE webhook_id = {BURST} AND http_code = 500 ORDER BY {order}")]
            for end, link in (("after", "next"), ("before", "prev")):
                with self.subTest(sort=sort, end=end):
                    pages, target = [], f"{LIST % BURST}?filter[http_code]=500&{sort}&page[size]=25&page[{end}]="
                    while target:
                        document = check_answer(service.send("GET", target, TOKEN))
                        pages.append([int(resource["id"]) for resource in document["data"]])
                        target = document["links"].get(link)
                    self.assertEqual(expected, sum(pages if end == "after" else pages[::-1], []))

    def test_show(self):
        for webhook in (HEALTHY, FAILING):
            id, = service.sql(f"SELECT id FROM webhook_calls WHERE webhook_id = {webhook} ORDER BY id LIMIT 1 OFFSET 20000")[0]
            self.check(SHOW % (webhook, id), webhook, 1)


class LatePurgeTest(ScansTest):
    """The same when seven days' records have expired and are still stored, and the oldest webhook's chunks with them."""

    @classmethod
    def setUpClass(cls):
        now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=7 + 2)
        cls.frozen_at = now.strftime("%Y-%m-%d %H:%M:%S")
        service.freeze_clock(cls.frozen_at)

    @classmethod
    def tearDownClass(cls):
        service.sql("SET GLOBAL init_connect = ''")
        service.kill_reader_connections()


if __name__ == "__main__":
    unittest.main()
