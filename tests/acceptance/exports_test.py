#!/usr/bin/python3
"""Exports: what is in them, and that slow clients, clients that leave, faults and too many of them harm nobody.

usage: exports_test.py [unittest's options]
"""

import csv
import io
import json
import re
import signal
import subprocess
import unittest
from pathlib import Path
from urllib.parse import quote

from faults import Held, Leftovers, open_transactions, seconds_of
from service import LIST, SANITIZED, SHOW, WORKER, Service, check_answer, executable, expect, send_signal, wait_until

AUTHORIZED = [("Authorization", "Bearer reader")]
CSV, NDJSON = [*AUTHORIZED, ("Accept", "text/csv")], [*AUTHORIZED, ("Accept", "application/x-ndjson")]
SMALL, LARGE, HUGE = 1, 2, 3  # webhooks
RECORDS = {SMALL: 20000, LARGE: 1500, HUGE: 3}
TEXT = "CONCAT('body ', seq, REPEAT('-', 1400))"


class ExportsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.service = service = Service(workers=2, WEBHOOK_CALLS_EXPORT_WORKERS="2")
        cls.addClassCleanup(service.stop)
        service.add_token("reader", 1)
        service.add_webhooks(*((webhook, 1, "hook", "https://example.com/") for webhook in (SMALL, LARGE, HUGE, 4)))
        service.add_numbered_calls(SMALL, RECORDS[SMALL], TEXT,
                                   "IF(seq % 7 = 0, 500, IF(seq % 11 = 0, NULL, 200))")
        service.add_numbered_calls(LARGE, RECORDS[LARGE], "CONCAT(seq, REPEAT('x', 65536))", above=1_000_000)
        service.add_numbered_calls(HUGE, RECORDS[HUGE], "CONCAT(seq, REPEAT('y', 5000000))", above=2_000_000)

    def setUp(self):
        wait_until(lambda: len(self.workers()) == 2, "both workers for exports")
        self.leftovers = Leftovers(self.service, self.service)

    def tearDown(self):
        wait_until(lambda: len(self.workers()) == 2, "both workers for exports")
        self.leftovers.check()

    def workers(self):
        return [pid for pid in self.service.processes("exports") if executable(pid) == WORKER]

    def get(self, webhook, headers, query="", server=None):
        answer = (server or self.service).send("GET", LIST % webhook + query, headers)
        expect(answer.status == 200 and answer.complete, f"{answer.status}, complete: {answer.complete}: {answer.body[-300:]!r}")
        return answer

    def begin(self, webhook=LARGE, headers=None, server=None, query=""):
        """An export whose client has read its beginning, and no more."""
        exchange = (server or self.service).open("GET", LIST % webhook + query, headers or CSV)
        self.addCleanup(exchange.close)
        exchange.read_some(1000)
        expect(exchange.received.startswith(b"HTTP/1.1 200 "), f"no export: {bytes(exchange.received[:300])!r}")
        return exchange

    def pages_are_answered(self):
        seconds, answer = seconds_of(lambda: self.service.send("GET", LIST % SMALL + "?page[size]=5", AUTHORIZED))
        expect(check_answer(answer) and answer.status == 200, f"a page beside exports is {answer.status}")
        expect(SANITIZED or seconds < 1, f"a page beside exports took {seconds:.1f} s")

    def log_line_of(self, exchange):
        return self.service.log_line(re.search(rb"X-Request-Id: (\w+)", exchange.received)[1].decode())

    # ---- What is in them

    def test_both_formats_have_all_records_in_the_order_asked_for(self):
        for query, order, condition in (
                ("", "id", "1"), ("?sort=-id", "id DESC", "1"), ("?sort=-created_at", "created_at DESC, id DESC", "1"),
                ("?sort=http_code", "http_code, id", "1"), ("?sort=-http_code,id", "http_code DESC, id", "1"),
                ("?sort=-headers,created_at", "headers DESC, created_at, id", "1"), ("?filter[http_code]", "id", "http_code IS NULL"),
                ("?filter[http_code]=5xx", "id", "http_code = 500"), ("?sort=body&filter[http_code]=500", "body, id", "http_code = 500"),
                ("?filter[body__match]=body+77", "id", "body LIKE '%body 77%'"), ("?filter[id]=0", "id", "0")):
            with self.subTest(query):
                rows = self.service.sql(f"SELECT id, http_code, body FROM webhook_calls WHERE webhook_id = {SMALL} AND {condition} "
                                        f"ORDER BY {order}")
                table = list(csv.DictReader(io.StringIO(self.get(SMALL, CSV, query).body.decode(), newline="")))
                self.assertEqual([(int(row["id"]), int(row["http_code"] or 0) or None, row["body"].encode()) for row in table],
                                 [tuple(row) for row in rows])
                lines = self.get(SMALL, NDJSON, query).body.split(b"\n")
                self.assertEqual(lines.pop(), b"")
                self.assertEqual([int(json.loads(line)["id"]) for line in lines], [row[0] for row in rows])

    def test_a_line_is_what_a_page_has(self):
        page = self.service.send("GET", LIST % SMALL + "?page[size]=1000", AUTHORIZED).body
        lines = self.get(SMALL, NDJSON).body.split(b"\n")
        expect(page.startswith(b'{"jsonapi":{"version":"1.1"},"data":[' + b",".join(lines[:1000]) + b"]"), "other bytes")

    def test_texts_of_any_size(self):
        for webhook, text in ((LARGE, "x" * 65536), (HUGE, "y" * 5000000)):
            csv.field_size_limit(6000000)
            with self.subTest(webhook):
                table = list(csv.DictReader(io.StringIO(self.get(webhook, CSV).body.decode(), newline="")))
                self.assertEqual(len(table), RECORDS[webhook])
                expect(all(row["body"] == f"{number}{text}" for number, row in enumerate(table, 1)), "another body")
                lines = self.get(webhook, NDJSON).body.splitlines()
                bodies = [json.loads(line)["attributes"]["body"] for line in lines]
                expect(bodies == [row["body"] for row in table], "another body in NDJSON")

    def test_compressed(self):
        answer = self.get(SMALL, [*CSV, ("Accept-Encoding", "gzip")])
        self.assertEqual(answer.header("Content-Encoding"), "gzip")
        self.assertEqual(answer.body, self.get(SMALL, CSV).body)

    def test_name_of_the_file(self):
        for headers, ending, content_type in ((CSV, "csv", "text/csv; charset=utf-8; header=present"),
                                              (NDJSON, "ndjson", "application/x-ndjson")):
            answer = self.get(SMALL, headers, "?filter[id]=1")
            self.assertRegex(answer.header("Content-Disposition"),
                             rf'^attachment; filename="webhook-1-calls-\d{{4}}-\d\d-\d\dT\d{{6}}Z\.{ending}"$')
            self.assertEqual(answer.header("Content-Type"), content_type)

    def test_head_reads_nothing(self):
        answer = self.service.send("HEAD", LIST % LARGE, CSV)
        self.assertEqual((answer.status, answer.header("Content-Length"), answer.body), (200, None, b""))
        line = self.service.log_line(answer.header("X-Request-Id"))
        self.assertEqual((line["route"], line["rows"], line["bytes"]), ("export", 0, 0))

    def test_records_that_arrive_and_expire_meanwhile(self):
        webhook = 4
        self.service.add_numbered_calls(webhook, 3000, "REPEAT('z', 8000)", above=3_000_000)
        export = self.begin(webhook, NDJSON)
        self.service.sql(f"DELETE FROM webhook_calls WHERE webhook_id = {webhook} AND id % 3 = 0")
        self.service.add_numbered_calls(webhook, 100, "'new'", above=3_010_000)
        answer = export.finish()
        expect(answer.complete, "cut short")
        ids = [json.loads(line)["id"] for line in answer.body.splitlines()]
        ids = [int(number) for number in ids]
        self.assertEqual(ids, sorted(set(ids)))
        expect({number for number in range(3_000_001, 3_003_001) if number % 3} <= set(ids), "records are missing")
        self.service.sql(f"DELETE FROM webhook_calls WHERE webhook_id = {webhook}")

    # ---- Memory

    @unittest.skipIf(SANITIZED, "sanitizers need memory of their own")
    def test_memory_does_not_grow_with_the_log(self):
        def peaks():
            return [int(re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1]) for pid in self.workers()]

        old = self.workers()
        for pid in old:
            send_signal(pid, signal.SIGTERM)
        wait_until(lambda: len(set(self.workers()) - set(old)) == 2 == len(self.workers()), "fresh workers")
        for webhook, limit in ((SMALL, 16), (LARGE, 16), (HUGE, 24)):
            for headers in (CSV, NDJSON):
                for _ in range(2):
                    self.get(webhook, headers)
            print(f"\nwebhook {webhook}: workers for exports had {[peak >> 10 for peak in peaks()]} MiB", end="", flush=True)
            expect(max(peaks()) <= limit << 10, f"{peaks()} KiB for webhook {webhook}")

    # ---- Slow clients, and those that leave

    def test_a_slow_client_holds_nothing_but_its_worker(self):
        export = self.begin()
        for _ in range(20):
            # While it takes what it has been sent, the worker may be at a statement; then the worker waits.
            wait_until(lambda: not open_transactions(self.service), "end of the reader's transactions", 5)
            self.pages_are_answered()
            export.read_some(len(export.received) + 500_000)
        files = [file for file in (self.service.state / "nginx-temp").rglob("*") if file.is_file()]
        self.assertEqual(files, [], "nginx keeps the export in a file")
        answer = export.finish()
        expect(answer.complete and answer.body.count(b"\r\n") == RECORDS[LARGE] + 1, "not all came")

    def test_a_client_that_leaves_frees_its_worker(self):
        for headers in (CSV, NDJSON):
            exports = [self.begin(headers=headers), self.begin(headers=headers)]
            for export in exports:
                export.close()
            for export in exports:
                self.assertEqual(self.log_line_of(export)["outcome"], "client_gone")
            seconds, _ = seconds_of(lambda: wait_until(lambda: self.service.send("GET", LIST % HUGE, CSV).status == 200, "room"))
            expect(SANITIZED or seconds < 5, f"room after {seconds:.1f} s")

    def test_a_client_that_stands_still_is_dropped(self):
        server = self.server("stands", changes=[("send_timeout               300s;", "send_timeout 2s;")])
        export = self.begin(server=server)
        line = self.log_line_of(export)
        self.assertEqual((line["outcome"], line["route"]), ("client_gone", "export"))
        expect(not export.finish().complete, "what was dropped looks complete")

    # ---- Too many

    def test_more_than_the_limit_get_a_429(self):
        exports = [self.begin(), self.begin(headers=NDJSON)]
        for _ in range(3):
            answer = self.service.send("GET", LIST % SMALL, CSV)
            document = check_answer(answer)
            self.assertEqual((answer.status, document["errors"][0]["code"]), (429, "too_many_requests"))
            self.pages_are_answered()
        exports[0].close()
        wait_until(lambda: self.service.send("GET", LIST % SMALL, CSV).status == 200, "room for another export")
        expect(exports[1].finish().complete, "the other one was cut short")

    def test_who_has_not_asked_yet_holds_none(self):
        """Requests whose content never comes: nginx has not given them to a worker, which would look at their token."""
        server = self.server("asking", [])
        for _ in range(4):
            client = server.open("GET", LIST % SMALL, [("Accept", "text/csv"), ("Content-Length", "60000")], body=b"slow")
            self.addCleanup(client.close)
        self.assertEqual([server.send("GET", LIST % SMALL, CSV).status for _ in range(5)], [200] * 5)

    # ---- Faults

    def test_a_lost_connection_is_made_again(self):
        export = self.begin()
        self.service.kill_reader_connections()
        answer = export.finish()
        expect(answer.complete, "cut short")
        ids = [int(row["id"]) for row in csv.DictReader(io.StringIO(answer.body.decode(), newline=""))]
        self.assertEqual(ids, list(range(1_000_001, 1_000_001 + RECORDS[LARGE])))
        self.assertEqual(self.log_line_of(export)["retried"], 1)

    def test_a_connection_lost_inside_a_text_is_made_again(self):
        for headers in (CSV, NDJSON):
            export = self.begin(HUGE, headers)
            self.service.kill_reader_connections()
            answer = export.finish()
            expect(answer.complete and answer.body == self.get(HUGE, headers).body, "cut short, or not what it is without a fault")
            self.assertEqual(self.log_line_of(export)["retried"], 1)

    def test_a_fault_in_the_middle_is_seen(self):
        for headers in (CSV, NDJSON):
            export = self.begin(headers=headers)
            self.service.sql("RENAME TABLE webhook_calls TO webhook_calls_away")
            try:
                answer = export.finish()
            finally:
                self.service.sql("RENAME TABLE webhook_calls_away TO webhook_calls")
            line = self.log_line_of(export)
            expect(not answer.complete, "it looks complete")
            expect(0 < len(answer.body) and not answer.body.endswith(b"\n"), "it ends with a whole line")
            self.assertEqual((line["outcome"], line["status"]), ("incomplete", 200))
            expect("webhook_calls" in line["error"], f"the log does not say why: {line}")

    def test_a_killed_worker_is_seen(self):
        export = self.begin()
        for pid in self.workers():
            send_signal(pid, signal.SIGKILL)
        expect(not export.finish().complete, "it looks complete")

    def test_errors_before_the_first_byte_are_documents(self):
        for target, status in ((LIST % 99, 404), (LIST % SMALL + "?page[size]=5", 400), (SHOW % (SMALL, 1), 406)):
            answer = self.service.send("GET", target, CSV)
            self.assertEqual((answer.status, bool(check_answer(answer))), (status, True))
        self.assertEqual(self.service.send("GET", LIST % SMALL, CSV[1:]).status, 401)
        with Held(self.service.database_server()):
            seconds, answer = seconds_of(lambda: self.service.send("GET", LIST % SMALL, CSV))
        self.assertEqual((answer.status, bool(check_answer(answer))), (503, True))
        expect(SANITIZED or seconds < 20, f"a 503 after {seconds:.0f} s")

    # ---- Where there is no pool for them

    def test_without_a_pool_for_them_there_are_none(self):
        server = self.service.nginx_server("no-exports", "unix:" + self.service.env["FCGI_SOCKET"])
        answer = server.send("GET", LIST % SMALL, CSV)
        self.assertEqual(answer.status, 406)
        self.assertIn("not set up for exports", check_answer(answer)["errors"][0]["detail"])
        answer = server.send("GET", LIST % SMALL, [*AUTHORIZED, ("Accept", "text/csv, */*;q=0.1")])
        self.assertEqual((answer.status, bool(check_answer(answer))), (200, True))

    def test_the_workers_for_pages_make_none(self):
        """Not even where a second line hides the type from nginx."""
        answer = self.service.send("GET", LIST % SMALL, [*AUTHORIZED, ("Accept", "image/png"), ("Accept", "text/csv")])
        line = self.service.log_line(answer.header("X-Request-Id"))
        if answer.status == 200:  # an nginx that reads both
            self.assertEqual(line["route"], "export")
        else:
            self.assertEqual((answer.status, bool(check_answer(answer))), (406, True))

    def test_equal_texts_of_several_pages(self):
        """The bytes of a text that is asked for are what is sorted by, also where it is longer than what is compared."""
        self.service.add_webhooks((5, 1, "hook", "https://example.com/"))
        self.service.add_numbered_calls(5, 1500, "REPEAT('€', 400)", above=5_000_000)
        text = quote("€" * 400)
        for sort in ("body", "-body"):
            answer = self.get(5, CSV, f"?filter[body]={text}&filter[body__suffix]={text}&sort={sort}&fields[notification/webhook/calls]=http_code")
            self.assertEqual(sorted(answer.ids()), list(range(5_000_001, 5_001_501)), sort)

    def test_no_client_gets_around_the_limit(self):
        for path in ("/.export", "/.no-export"):
            answer = self.service.send("GET", LIST % SMALL + path, CSV)
            self.assertEqual((answer.status, bool(check_answer(answer))), (404, True))
        answer = self.service.send("GET", LIST % SMALL + "?page[size]=1", [*AUTHORIZED, ("Exports", "on")])
        self.assertEqual((answer.status, bool(check_answer(answer))), (200, True))

    def test_a_cgi_program_makes_none(self):
        environment = self.service.worker_environment(
            REQUEST_METHOD="GET", DOCUMENT_URI=LIST % SMALL, QUERY_STRING="", HTTP_ACCEPT="text/csv", EXPORTS="on",
            HTTP_AUTHORIZATION="Bearer reader", GATEWAY_INTERFACE="CGI/1.1")
        answer = subprocess.run([WORKER], env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        expect(answer.stdout.startswith(b"Status: 406 "), answer.stdout[:300])

    def server(self, name, changes):
        """An nginx server of its own, whose exports are not counted with the others."""
        return self.service.nginx_server(
            name, "unix:" + self.service.env["FCGI_SOCKET"], changes,
            http_lines=f'upstream {name} {{ zone {name} 64k; server "unix:{self.service.env["EXPORT_SOCKET"]}" max_conns=2; }}',
            server_lines=f"set $webhook_calls_export_pool {name};")


if __name__ == "__main__":
    unittest.main()
