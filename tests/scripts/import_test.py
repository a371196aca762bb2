#!/usr/bin/python3
"""import-calls on a real database: what it takes and what it refuses, that it goes on after whatever ended it, and that the API
shows what was imported."""

import base64
import contextlib
import csv
import io
import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

from commands import PROJECT, ScriptTest, environment, option_file, start_service
from service import LIST, SHOW, wait_until

sys.path.insert(0, str(PROJECT / "tests/readme"))
from readme_commands import blocks_of  # noqa: E402

IMPORT = PROJECT / "scripts/import-calls"
COLUMNS = ("webhook_id", "http_code", "headers", "body", "created_at")
TOKEN = [("Authorization", "Bearer import-1")]
TABLES = ("webhook_calls", "webhook_call_chunks", "webhook_call_chunk_codes", "webhook_call_upkeep", "webhook_call_imports")
service = None


def setUpModule():
    global service
    service = start_service()
    service.add_token("import-1", 1)
    service.add_webhooks(*((number, 1, f"hook {number}", f"https://example.com/{number}") for number in range(1, 8)))


def days_ago(days, form="%Y-%m-%dT%H:%i:%s.%fZ"):
    """By the database's clock."""
    with service.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT CAST(DATE_FORMAT(UTC_TIMESTAMP(3) - INTERVAL %s SECOND, %s) AS CHAR)", (days * 86400, form))
        return cursor.fetchone()[0]


def record(webhook=1, code=200, headers="a: 1", body="b", created_at=""):
    return {"webhook_id": webhook, "http_code": code, "headers": headers, "body": body, "created_at": created_at}


def ndjson(*records):
    return b"".join(json.dumps(each, ensure_ascii=False).encode() + b"\n" for each in records)


def csv_of(records, columns=COLUMNS):
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    for each in records:
        writer.writerow([("" if each.get(column) is None else each[column]) for column in columns])
    return text.getvalue().encode()


def resource_object(webhook, code, headers, body, created_at, number="77"):
    return {"type": "notification/webhook/calls", "id": number,
            "attributes": {"http_code": code, "headers": headers, "body": body, "created_at": created_at},
            "relationships": {"webhook": {"data": {"type": "notification/webhooks", "id": str(webhook)}}}}


class ImportTest(ScriptTest):
    database, account = "webhook_calls", None

    def setUp(self):
        for table in TABLES:
            self.sql(f"DELETE FROM {table}")
        folder = tempfile.TemporaryDirectory(prefix="webhook-calls-import-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.rejects = self.folder / "stdin.rejects"
        self.file = self.folder / "calls"
        self.day = days_ago(1, "%Y-%m-%d")
        self.at = f"{self.day}T10:00:00.123Z"

    def sql(self, statement):
        with service.connect() as connection, connection.cursor() as cursor:
            connection.select_db(self.database)
            cursor.execute(statement)
            return cursor.fetchall()

    def record(self, *values, **more):
        made = record(*values, **more)
        return {**made, "created_at": made["created_at"] or self.at}

    def command(self, *arguments):
        return [IMPORT, *arguments, *(["--defaults-file", option_file(self.account)] if self.account else [])]

    def environment(self, **changes):
        return environment(**{"WEBHOOK_CALLS_STATE": str(service.state), "WEBHOOK_CALLS_DB_NAME": self.database, **changes})

    def imports(self, code, data, *arguments, **changes):
        """Returns its output and what it complained of. The data are its standard input, or FILE where they are a path."""
        if isinstance(data, Path):
            arguments, data = (*arguments, str(data)), b""
        result = subprocess.run(self.command(*arguments), input=data, env=self.environment(**changes), cwd=self.folder, timeout=120,
                                capture_output=True, check=False)
        self.assertEqual(code, result.returncode, (result.stdout[-2000:], result.stderr[-2000:]))
        return result.stdout.decode(), result.stderr.decode()

    def started(self, file, *arguments):
        """In the background, on this file."""
        process = subprocess.Popen(self.command(*arguments, str(file)), env=self.environment(), cwd=self.folder,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

        def end():
            process.kill()
            process.wait()
            process.stderr.close()
        self.addCleanup(end)
        return process

    def peak(self, code, file, *arguments):
        """MiB of memory, and what it complained of."""
        process, peak = self.started(file, *arguments), 0
        while process.poll() is None:
            time.sleep(0.02)
            with contextlib.suppress(OSError, TypeError):  # it ends
                peak = int(re.search(r"^VmHWM:\s*(\d+)", Path(f"/proc/{process.pid}/status").read_text(), re.M)[1]) or peak
        _, complaint = process.communicate()
        self.assertEqual(code, process.returncode, complaint)
        return peak >> 10, complaint.decode()

    def stored(self):
        rows = self.sql("SELECT webhook_id, http_code, headers, body, CAST(created_at AS CHAR) FROM webhook_calls ORDER BY id")
        return [tuple(value.decode("latin-1") if isinstance(value, bytes) else value for value in row) for row in rows]

    def progress(self):
        return self.sql("SELECT imported, rejected, expired, ended_at IS NOT NULL FROM webhook_call_imports")

    def get(self, target):
        answer = service.send("GET", target, TOKEN)
        self.assertEqual(200, answer.status, answer.body)
        return answer.json()

    def assert_summary(self, output, imported, rejected, expired):
        self.assertIn(f"Read {imported + rejected + expired} records: {imported} imported, {rejected} rejected, "
                      f"{expired} past their 60 days.\n", output)


class FormatsTest(ImportTest):
    def test_each_format(self):
        rows = [(1, 200, "Content-Type: text/plain\r\nX-A: \"b\"", "line 1\nline, 2\r\n\"quoted\" it's \\n \x00 end", "10:00:00.120"),
                (2, None, None, None, "09:00:00.000"), (1, 404, "", "", "09:30:00.999"), (3, 999, "ü: 日本 🐎", "\U0010ffff\ufeff", "00:00:00.000"),
                (2, 100, ",", '"', "23:59:59.001")]
        records = [record(webhook, code, headers, body, f"{self.day}T{time}Z") for webhook, code, headers, body, time in rows]
        wanted = [(webhook, code, headers and headers.encode().decode("latin-1") if headers is not None else None,
                   body and body.encode().decode("latin-1") if body is not None else None, f"{self.day} {time}")
                  for webhook, code, headers, body, time in rows]
        columns = ("created_at", "body", "webhook_id", "headers", "http_code")
        encoded = [{"webhook_id": each["webhook_id"], "http_code": each["http_code"], "created_at": each["created_at"],
                    **{f"{name}_base64": each[name] and base64.encodebytes(each[name].encode()).decode() for name in ("headers", "body")}}
                   for each in records]
        for name, data, arguments in (
                ("ndjson", ndjson(*records), ()), ("format named", ndjson(*records), ("--format", "ndjson")),
                ("mark", b"\xef\xbb\xbf" + ndjson(*records), ()), ("empty lines", ndjson(*records).replace(b"\n", b"\n\n \r\n"), ()),
                ("no last line break", ndjson(*records)[:-1], ()),
                ("resources", ndjson(*(resource_object(*(each[column] for column in COLUMNS)) for each in records)), ()),
                ("base64", ndjson(*encoded), ()),
                ("csv", csv_of(records, columns), ()), ("csv named", csv_of(records), ("--format", "csv")),
                ("csv with a mark", b"\xef\xbb\xbf" + csv_of(records), ()),
                ("csv base64", csv_of(encoded, ("headers_base64", "created_at", "webhook_id", "http_code", "body_base64")), ()),
                ("csv both", csv_of(records, (*columns, "body_base64")), ())):
            with self.subTest(name):
                self.setUp()
                output, complaint = self.imports(0, data, *arguments)
                self.assertEqual("", complaint)
                self.assert_summary(output, 5, 0, 0)
                self.assertIn("Sealed 0 webhook calls.\n", output)
                self.assertEqual(wanted, self.stored())
                self.assertEqual(((5, 0, 0, 1),), self.progress())
                self.assertEqual([], list(self.folder.iterdir()))  # no file of rejects is left

    def test_bytes_through_the_api(self):
        """Any byte, and texts of 1 MiB and more: the records are as long as they were."""
        every = bytes(range(256)) * 4
        source = random.Random(1)
        long = "".join(source.choices("abc \"'\\\n\r\t\0ü日🐎", k=1 << 20))
        lines = [{**self.record(), "body": None, "body_base64": base64.b64encode(every).decode(), "headers": None,
                  "headers_base64": base64.b64encode(every[::-1]).decode()},
                 self.record(1, 200, long[:1000], long), self.record(1, 200, long, "'); DROP TABLE webhook_calls; --\\"),
                 {**self.record(), "body": None, "body_base64": base64.b64encode(source.randbytes(5 << 20)).decode()}, self.record()]
        output, _ = self.imports(0, ndjson(*lines))
        self.assert_summary(output, 5, 0, 0)
        shown = self.get(LIST % 1)["data"]
        self.assertEqual(5, len(shown))
        for line, call in zip(lines, shown):
            self.assertEqual(self.at, call["attributes"]["created_at"])
            for name in ("headers", "body"):
                wanted = line[name] if line[name] is not None else base64.b64decode(line[f"{name}_base64"]).decode(errors="replace")
                self.assertTrue(wanted == call["attributes"][name], name)
            ((headers, body),) = self.sql(f"SELECT headers, body FROM webhook_calls WHERE id = {call['id']}")
            for name, value in (("headers", headers), ("body", body)):
                wanted = line[name].encode() if line[name] is not None else base64.b64decode(line[f"{name}_base64"])
                self.assertTrue(wanted == value, name)
            self.assertEqual(call, self.get(SHOW % (1, int(call["id"])))["data"])

    def test_times(self):
        for text, wanted in ((f"{self.day}", "00:00:00.000"), (f"{self.day}T10:11Z", "10:11:00.000"), (f"{self.day} 10:11", "10:11:00.000"),
                             (f"{self.day}T10:11:12", "10:11:12.000"), (f"{self.day} 10:11:12.5Z", "10:11:12.500"),
                             (f"{self.day}T10:11:12.123999999Z", "10:11:12.123"), (f"{self.day}T10:11:12.12+02:00", "08:11:12.120"),
                             (f"{self.day}T10:11:12.000001-0130", "11:41:12.000"), (f"{self.day} 23:59:59+23:59", "00:00:59.000")):
            with self.subTest(text):
                self.setUp()
                self.imports(0, ndjson(self.record(created_at=text)))
                self.assertEqual(f"{self.day} {wanted}", self.stored()[0][4])

    def test_past_their_time(self):
        """At 60 days to the millisecond a record is not imported; what is to expire in some seconds is."""
        data = ndjson(*(self.record(code=code, created_at=days_ago(age)) for code, age in
                        ((201, 60), (202, 60 - 60 / 86400), (203, 61), (204, 4000), (205, 60 + 1 / 86400), (206, 59))),
                      self.record(created_at="0001-01-01"), self.record(webhook=99, created_at="1999-12-31T23:59:59Z"))
        output, complaint = self.imports(0, data)
        self.assert_summary(output, 2, 0, 6)
        self.assertEqual("", complaint)
        self.assertEqual([202, 206], [row[1] for row in self.stored()])
        self.assertEqual(2, self.get(LIST % 1 + "?count=true")["meta"]["count"])


class RejectsTest(ImportTest):
    def reject_each(self, cases, form=ndjson, header=b""):
        """Cases of (line, its reason); a good line is around each. All are told, and stand in the file as they were."""
        good = form(self.record()) if form is ndjson else form([self.record()])[len(header):]
        data = header + good
        for line, _ in cases:
            data += line + good
        output, complaint = self.imports(3, data)
        self.assert_summary(output, len(cases) + 1, len(cases), 0)
        self.assertIn(f"The rejected lines are in {self.rejects}.", output)
        self.assertEqual(len(cases) + 1, len(self.stored()))
        self.assertEqual(header + b"".join(line for line, _ in cases), self.rejects.read_bytes())
        self.assertEqual(0o600, self.rejects.stat().st_mode & 0o777)
        number = 2 if header else 1
        told = complaint.splitlines()
        for line, words in cases[:20]:
            lines = line.count(b"\n")
            where = f"line {number + 1}" if lines == 1 else f"lines {number + 1} to {number + lines}"
            number += lines + 1
            self.assertIn(f"scripts/import-calls: {where}: {words}", told.pop(0))
        self.assertEqual(bool(cases[20:]), bool(told), told)

    def test_json(self):
        good = self.record()
        without = lambda name: {key: value for key, value in good.items() if key != name}
        shown = resource_object(1, 200, "a", "b", self.at)
        cases = [(b"{\n", "it is not valid JSON: "), (b"null\n", "it is not a JSON object"), (b"[1]\n", "it is not a JSON object"),
                 (b'{"a": NaN}\n', "it is not valid JSON: NaN"), (b'{"a": "\x01"}\n', "it is not valid JSON: Invalid control character"),
                 (b'{"a": ' + b"9" * 5000 + b"}\n", "it is not valid JSON: a number is too long"),
                 (ndjson(good).replace(b'"b"', b'"\xff"'), "it is not valid UTF-8 at byte"), (b"[" * 100000 + b"\n", "its values are nested too deeply"),
                 (ndjson(good).replace(b'{', b'{"body": "x", '), "a member is there twice"), (b"{}\n", "webhook_id is missing"),
                 (ndjson(good)[:-1] + b"{}\n", "it is not valid JSON: Extra data"),
                 *((ndjson(without(name)), f"{name} is missing") for name in ("webhook_id", "http_code", "created_at")),
                 (ndjson({**good, "id": 7}), '"id" is no member of a record'), (ndjson({**good, "\x1b[31m": 7}), '"\\u001b[31m" is no member')]
        self.reject_each(cases)
        self.setUp()
        cases = [(ndjson({**good, name: value}), words) for name, value, words in (
            *(("webhook_id", value, "webhook_id is not a whole number") for value in ("1", 1.0, True, None, [], {})),
            ("webhook_id", 99, "there is no webhook 99"), ("webhook_id", -1, "there is no webhook -1"),
            *(("http_code", value, "http_code is not a whole number from 100") for value in ("200", 200.0, True, 0, 99, 1000, -200, [1])),
            ("headers", 7, "headers is not a text"), ("body", {"a": 1}, "body is not a text"))]
        self.reject_each(cases)
        self.setUp()
        cases = [(ndjson({**good, name: value}), words) for name, value, words in (
            ("body_base64", "Yg==", "body and body_base64 are both there"), ("headers_base64", "", "headers and headers_base64 are both"),
            ("created_at", 1700000000, "created_at is not a text"), ("created_at", None, "created_at is not a text"),
            ("created_at", days_ago(-1), "created_at is in the future"),
            *(("created_at", text, "created_at is no date and time") for text in (
                "", "yesterday", f"{self.day}Z", f"{self.day}T10:00:00z", f"{self.day}t10:00:00Z", f"{self.day}T10:00:00.1234567891Z",
                f"{self.day}T10:00:00.Z", f" {self.day}", f"{self.day}T1:00Z", "٢٠٢٦-11-01", f"{self.day}T10:00:00 02:00", f"{self.day}\n")))]
        cases += [(ndjson({**good, "created_at": text}), f"created_at has {words} that does not exist") for text, words in (
            ("2026-02-29", "a date"), ("2026-13-01", "a date"), ("0000-01-01", "a date"), ("0001-01-01T00:00:00+00:01", "a date"),
            (f"{self.day}T24:00:00Z", "a time"), (f"{self.day}T10:60:00Z", "a time"), (f"{self.day}T10:59:60Z", "a time"),
            (f"{self.day}T10:00:00+24:00", "an offset"), (f"{self.day}T10:00:00+0160", "an offset"))]
        self.reject_each(cases[:20])
        self.setUp()
        self.reject_each(cases[20:])
        self.setUp()
        cases = [(ndjson({**good, "headers": None, "headers_base64": value}), "headers_base64 is not valid Base64") for value in ("a", "ü===", "YQ=", "Y*==")]
        cases += [(ndjson({**good, "body": None, "body_base64": 7}), "body_base64 is not a text"),
                  (ndjson(good).replace(b'"b"', b'"\\ud800"'), "body is not valid Unicode"),
                  (ndjson({**good, "http_code": None, "body": ""}), "http_code is null, and yet there are headers"),
                  (ndjson({**good, "http_code": None, "headers": ""}), "http_code is null, and yet there is a body"),
                  (ndjson({**good, "type": "notification/webhooks"}), "its type is not notification/webhook/calls"),
                  (ndjson({**shown, "links": {}}), '"links" is no member of a record'),
                  (ndjson({**shown, "attributes": {**shown["attributes"], "webhook_id": 2}}), '"webhook_id" is no attribute'),
                  (ndjson({**shown, "attributes": None}), "it has not the attributes"),
                  (ndjson({**shown, "relationships": {}}), "it has not the attributes, and of relationships the webhook"),
                  (ndjson({**shown, "relationships": {"webhook": {"data": None}}}), "its webhook is not named by type and id"),
                  (ndjson({**shown, "attributes": {}}), "http_code is missing"),
                  (ndjson(resource_object("x", 200, "", "", self.at)), "webhook_id is not a whole number")]
        self.reject_each(cases)

    def test_csv(self):
        header = csv_of([])
        line = f"1,200,a,b,{self.at}\r\n".encode()
        cases = [(line.replace(b",b,", b",b,c,"), "it has 6 fields, and the first line 5"), (b"1\r\n", "it has 1 fields"),
                 (b",,,,\r\n", "created_at is not a text"), (line.replace(b"1,", b"x,", 1), 'webhook_id is not a whole number: "x"'),
                 (line.replace(b"1,", b",", 1), "webhook_id is not a whole number"), (line.replace(b"200", b"NULL"), "http_code is not"),
                 (line.replace(b"200", b"-1"), "http_code is not"), (line.replace(b"200", b""), "http_code is null, and yet there are headers"),
                 (line.replace(b",b,", b",\xff,"), "body is not valid Unicode"), (line.replace(b",b,", b',"b"c,'), "it is not valid CSV: "),
                 (line.replace(b",b,", b',"b\n\nc"d,'), "it is not valid CSV: "), (line.replace(b",b,", b',"a\nb",,'), "it has 6 fields"),
                 (line.replace(b",b,", b",\r,"), "it is not valid CSV: "), (line.replace(b"1,", b"99,", 1), "there is no webhook 99"),
                 (line.replace(b"1,", b"1" * 30 + b",", 1), "webhook_id is not a whole number")]
        self.reject_each(cases, csv_of, header)
        # A quote that is not closed takes what follows with it, into the file of rejects.
        self.setUp()
        tail = line.replace(b"b", b'"b') + line * 2
        _, complaint = self.imports(3, header + line + tail)
        self.assertIn("lines 3 to 5: it is not valid CSV: unexpected end of data", complaint)
        self.assertEqual(header + tail, self.rejects.read_bytes())

    def test_first_line_of_csv(self):
        for first, words in (("webhook_id,http_code,headers,body", "names no column created_at"), ("id," + ",".join(COLUMNS), '"id" is none'),
                             (",".join((*COLUMNS, "body")), "names a column twice"), ('"webhook_id', "is not CSV"), ("hello", '"hello" is none')):
            with self.subTest(first):
                output, complaint = self.imports(2, first.encode() + b"\n1,2,3,4,5\n", "--format", "csv")
                self.assertEqual("", output)
                self.assertIn(words, complaint)
        self.assertEqual((), self.progress())

    def test_only_some_are_shown(self):
        """And a file of rejects can be mended and imported."""
        data = b"".join(ndjson(self.record(webhook=90 + number % 2, body=str(number))) for number in range(500))
        output, complaint = self.imports(3, data)
        self.assertEqual(21, len(complaint.splitlines()))
        self.assertIn(f"Further rejects are not shown; all are in {self.rejects}.", complaint)
        self.assertEqual(data, self.rejects.read_bytes())
        self.rejects.write_bytes(data.replace(b'"webhook_id": 90', b'"webhook_id": 5'))
        output, _ = self.imports(3, self.rejects)
        self.assert_summary(output, 250, 250, 0)
        self.assertEqual([str(number) for number in range(0, 500, 2)], [row[3] for row in self.stored()])
        self.assertEqual(250, len((self.folder / "stdin.rejects.rejects").read_bytes().splitlines()))

    def test_larger_than_the_database_takes(self):
        ((before,),) = self.sql("SELECT @@GLOBAL.max_allowed_packet")
        self.sql("SET GLOBAL max_allowed_packet = 1048576")
        self.addCleanup(service.sql, f"SET GLOBAL max_allowed_packet = {before}")
        lines = [self.record(body="x" * size, headers="y" * (size // 2)) for size in (1048576, 1048577, 600000, 131072, 131073)]
        output, complaint = self.imports(3, ndjson(*lines, self.record(headers="h" * 1048577)))
        self.assert_summary(output, 4, 2, 0)
        self.assertIn("line 2: body has 1048577 bytes, more than the database takes (max_allowed_packet)", complaint)
        self.assertIn("line 6: headers has 1048577 bytes, more than the database takes", complaint)
        self.assertTrue([(line["headers"], line["body"]) for line in lines if len(line["body"]) != 1048577] ==
                        [row[2:4] for row in self.stored()])

    def test_lines_without_an_end(self):
        """Of more than 64 MiB: they are rejected, and nothing is lost, in bounded memory."""
        for name, begin in (("ndjson", b'{"body": "'), ("csv", csv_of([]) + b'1,200,a,"')):
            with self.subTest(name):
                self.setUp()
                good = ndjson(self.record()) if name == "ndjson" else csv_of([self.record()])[len(csv_of([])):]
                file = self.folder / "long"
                with open(file, "wb") as long:
                    long.write(begin)
                    for _ in range(3 * 65):
                        long.write(b"x" * (1 << 20))
                    long.write(b"\n" + good)
                size = file.stat().st_size
                peak, told = self.peak(3, file, "--format", name, "--rejects", str(self.rejects))
                self.assertIn("it is longer than 64 MiB", told)
                self.assertEqual(((1, 1, 0, 1),), self.progress())
                self.assertEqual(size - len(good), self.rejects.stat().st_size)
                self.assertLess(peak, 400)


class InterruptionTest(ImportTest):
    RECORDS = 30000

    def setUp(self):
        super().setUp()
        self.old = days_ago(70)
        self.lines, self.wanted, self.rejected = [], [], []
        for number in range(self.RECORDS):
            webhook, created_at = 1 + number % 7, self.at
            if number % 101 == 0:
                webhook = 99
            elif number % 103 == 0:
                created_at = self.old
            line = self.record(webhook, 200 + number % 3, f"X-Number: {number}", f"body {number} " + "x" * (number % 500), created_at)
            self.lines.append(ndjson({**line, "created_at": created_at}))
            if webhook == 99:
                self.rejected.append(self.lines[-1])
            elif created_at == self.at:
                self.wanted.append((webhook, f"X-Number: {number}"))
        self.file.write_bytes(b"".join(self.lines))
        self.rejects = self.folder / "calls.rejects"

    def committed(self):
        return (self.sql("SELECT imported FROM webhook_call_imports") or ((0,),))[0][0]

    def assert_all_there_once(self):
        rows = self.sql("SELECT webhook_id, CAST(headers AS CHAR) FROM webhook_calls ORDER BY id")
        self.assertEqual(len(self.wanted), len(rows))
        self.assertEqual(self.wanted, list(rows))
        self.assertEqual(b"".join(self.rejected), self.rejects.read_bytes())
        expired = self.RECORDS - len(self.wanted) - len(self.rejected)
        self.assertEqual(((len(self.wanted), len(self.rejected), expired, 1),), self.progress())

    def kill(self, process):
        """And waits for its client, which may still be at a transaction."""
        process.kill()
        process.wait()
        wait_until(lambda: self.sql("SELECT IS_FREE_LOCK(CONCAT(DATABASE(), '.import_calls'))") == ((1,),), "end of its client")

    def finish(self):
        output, _ = self.imports(3, self.file)
        self.assert_summary(output, len(self.wanted), len(self.rejected), self.RECORDS - len(self.wanted) - len(self.rejected))
        self.assert_all_there_once()
        return output

    def test_killed_again_and_again(self):
        """At any moment. Nobody waits for its client, which may still be at a transaction."""
        source, stops = random.Random(), set()
        for turn in range(40):
            before, process = self.committed(), self.started(self.file)
            if turn % 3:
                wait_until(lambda: self.committed() > before or process.poll() is not None, "a batch more")  # noqa: B023
            try:
                process.wait(source.uniform(0, 0.1))
                break
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            stops.add(self.committed())
        self.assertGreater(len(stops), 2, "it was not killed in the middle")
        self.finish()

    def test_file_of_rejects_is_ahead(self):
        """A batch is on its way to a database that does not go on: its rejects are in the file already, and do not count."""
        with service.connect() as other:
            other.begin()
            other.cursor().execute("INSERT INTO webhook_call_imports (name, digest, rejects_file) VALUES ('other', '', '')")
            process = self.started(self.file)
            wait_until(lambda: self.committed() > 0, "first batch")
            other.rollback()
            other.begin()
            other.cursor().execute("SELECT * FROM webhook_call_imports WHERE name = 'calls' FOR UPDATE")
            before = self.committed()

            def ahead():
                return self.rejects.stat().st_size > self.sql("SELECT rejects_bytes FROM webhook_call_imports")[0][0]
            if before < len(self.wanted):
                wait_until(ahead, "rejects that are not committed")
            process.kill()
            process.wait()
            other.rollback()
        self.finish()

    def test_ctrl_c(self):
        process = self.started(self.file)
        wait_until(lambda: self.committed() > 0, "first batch")
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=30)
        self.assertEqual(130, process.returncode, complaint)
        self.assertIn(b"Stopped. What is committed stays; the same command, with the same input, goes on behind it.", complaint)
        self.assertIn("Going on behind line ", self.finish())

    def test_connection_killed(self):
        process = self.started(self.file)
        wait_until(lambda: self.committed() > 0, "first batch")
        ((connection,),) = self.sql("SELECT IS_USED_LOCK(CONCAT(DATABASE(), '.import_calls'))")
        self.sql(f"KILL {connection}")
        _, complaint = process.communicate(timeout=30)
        self.assertEqual(1, process.returncode, complaint)
        self.assertRegex(complaint.decode(), r"scripts/import-calls: ERROR (20\d\d|1927|1317|4031)")
        self.assertIn("Going on behind line ", self.finish())

    def test_database_killed(self):
        process = self.started(self.file)
        wait_until(lambda: self.committed() > 0, "first batch")
        database = service.database_server()
        os.kill(database, signal.SIGKILL)
        _, complaint = process.communicate(timeout=30)
        wait_until(lambda: service.database_server() != database and service.database_answers(), "database", 60)
        self.assertEqual(1, process.returncode, complaint)
        self.assertRegex(complaint.decode(), r"scripts/import-calls: ERROR 20\d\d")
        self.assertIn("Going on behind line ", self.finish())

    def test_no_room_for_the_database(self):
        """Its files may not grow any more: it refuses what does not fit, or ends."""
        self.sql("TRUNCATE webhook_calls")
        self.file.write_bytes(ndjson(*(self.record(99 if number % 7 == 0 else 1, 200, f"X-Number: {number}", "x" * (1 << 20)) for number in range(160))))
        database, limit = service.database_server(), 101 << 20  # as much as its largest log has
        before = resource.prlimit(database, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            _, complaint = self.imports(1, self.file)
        finally:
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(database, resource.RLIMIT_FSIZE, before)
        self.assertRegex(complaint.splitlines()[-1], r"scripts/import-calls: ERROR \d+")
        print(f"\nno room: {complaint.splitlines()[-1]}", flush=True)
        wait_until(service.database_answers, "database", 60)
        self.assertLess(0, self.committed())
        output, _ = self.imports(3, self.file)
        self.assertIn("Going on behind line ", output)
        self.assert_summary(output, 137, 23, 0)
        self.assertEqual([f"X-Number: {number}" for number in range(160) if number % 7],
                         [headers.decode() for headers, in self.sql("SELECT headers FROM webhook_calls ORDER BY id")])
        self.assertEqual([number for number in range(160) if number % 7 == 0],
                         [int(re.search(rb"X-Number: (\d+)", line)[1]) for line in self.rejects.read_bytes().splitlines()])
        self.sql("TRUNCATE webhook_calls")

    def test_no_room_for_the_rejects(self):
        _, complaint = self.imports(1, self.file, "--rejects", "/dev/full")
        self.assertIn("No space left on device", complaint)
        self.assertEqual(((0, 0, 0, 0),), self.progress())
        self.finish()

    def test_file_of_rejects_is_gone(self):
        process = self.started(self.file)
        wait_until(lambda: self.committed() > 0, "first batch")
        self.kill(process)
        ((size,),) = self.sql("SELECT rejects_bytes FROM webhook_call_imports")
        self.assertEqual(b"".join(self.rejected)[:size], self.rejects.read_bytes()[:size])
        # Less of it, or another one, is refused and left alone.
        kept, whole = self.folder / "kept", self.rejects.read_bytes()
        self.rejects.write_bytes(whole[: size - 1])
        self.assertIn(f"has {size - 1} bytes, and the import has noted {size}", self.imports(2, self.file)[1])
        self.assertEqual(whole[: size - 1], self.rejects.read_bytes())
        other = self.folder / "other"
        other.write_text("precious")
        self.assertIn("is there already", self.imports(2, self.file, "--rejects", str(other))[1])
        self.assertEqual("precious", other.read_text())
        kept.write_bytes(whole[:size])
        self.rejects.unlink()
        output, _ = self.imports(3, self.file)
        self.assertIn(f"are in {self.rejects}, as the run before has left it", output)
        self.rejects.write_bytes(kept.read_bytes() + self.rejects.read_bytes())
        self.assert_all_there_once()

    def test_another_input(self):
        process = self.started(self.file)
        wait_until(lambda: self.committed() > 0, "first batch")
        self.kill(process)
        data, before = self.file.read_bytes(), self.progress()
        for name, changed in (("one byte", data[:20] + b" " + data[20:]), ("shorter", data[:1000]), ("empty", b""), ("a line more", self.lines[1] + data)):
            with self.subTest(name):
                self.file.write_bytes(changed)
                output, complaint = self.imports(2, self.file)
                self.assertEqual("", output)
                self.assertIn('This is not the input with which the import "calls" was begun', complaint)
        self.assertEqual(before, self.progress())
        # What is not read yet may have changed.
        ((done,),) = self.sql("SELECT bytes_read FROM webhook_call_imports")
        self.file.write_bytes(data[:done] + data[done:].replace(b'"webhook_id": 99', b'"webhook_id": 7'))
        self.imports(3, self.file)
        self.assertEqual(sum(line.startswith(b'{"webhook_id": 99') for line in data[:done].splitlines()), self.progress()[0][1])
        self.assertEqual(((len(self.wanted) + len(self.rejected) - self.progress()[0][1],),), self.sql("SELECT COUNT(*) FROM webhook_calls"))

    def test_done_already(self):
        self.finish()
        output, complaint = self.imports(3, self.file)
        self.assertEqual("", complaint)
        self.assertRegex(output, r'The import "calls" is done since 20[-0-9: .]+ UTC; nothing is imported now\.')
        self.assert_all_there_once()
        # By another way the same bytes are the same input; more of them are more of it.
        more = ndjson(self.record(3, body="more"), self.record(99))
        output, _ = self.imports(3, self.file.read_bytes() + more, "--name", "calls")
        self.assertIn("The input has grown", output)
        self.rejected.append(more.splitlines(keepends=True)[1])
        self.wanted.append((3, "a: 1"))
        self.RECORDS += 2
        self.assert_all_there_once()

    def test_counts_are_exact(self):
        """By the API, before the sealing, while it is at it, and afterwards."""
        wrong, done = [], threading.Event()

        def count():
            while not done.is_set():
                total = self.get(LIST % 1 + "?count=true&page[size]=1")["meta"]["count"]
                with service.connect() as connection, connection.cursor() as cursor:
                    cursor.execute("SELECT COUNT(*) FROM webhook_calls WHERE webhook_id = 1")
                    if total > cursor.fetchone()[0]:
                        wrong.append(total)
                self.script("seal-calls", "--quiet", "--all")
        thread = threading.Thread(target=count)
        thread.start()
        try:
            output = self.finish()
        finally:
            done.set()
            thread.join()
        self.assertEqual([], wrong)
        self.assertIn("Sealed ", output)
        ((chunks, sealed),) = self.sql("SELECT COUNT(*), SUM(n) FROM webhook_call_chunks")
        self.assertEqual((7, 7 * 4096), (chunks, sealed))
        for webhook in range(1, 8):
            for query, condition in (("", "1"), ("&filter[http_code]=201", "http_code = 201"), ("&filter[http_code__gte]=202", "http_code >= 202")):
                ((wanted,),) = self.sql(f"SELECT COUNT(*) FROM webhook_calls WHERE webhook_id = {webhook} AND {condition}")
                self.assertEqual(wanted, self.get(LIST % webhook + "?count=true&page[size]=1" + query)["meta"]["count"])

    def test_input_that_was_cut_off(self):
        """In the middle of a record: that is told, and the record is not taken for a wrong one."""
        records = [self.record(1, 200, f"X-Number: {number}", "ü,\n\"") for number in range(20)]
        for data in (ndjson(*records), csv_of(records)):
            for cut in (1 + len(data) // 2, len(data) - 12, len(data) // 2, len(data) // 2 - 7):
                ImportTest.setUp(self)
                self.file.write_bytes(data[:cut])
                _, complaint = self.imports(1, self.file)
                self.assertRegex(complaint, r"\Ascripts/import-calls: The input seems to be cut off: line \d+, its last, ")
                self.assertEqual((0, 0, 0), self.progress()[0][1:])
                self.file.write_bytes(data)
                self.assertIn("Going on behind line", self.imports(0, self.file)[0])
                self.assertEqual([f"X-Number: {number}" for number in range(20)], [row[2] for row in self.stored()])
        # A whole record without its line break is one, and cannot become another.
        ImportTest.setUp(self)
        data = csv_of(records[:2], ("webhook_id", "http_code", "created_at"))
        self.file.write_bytes(data[:-len("00.123Z\r\n") - 1])
        self.imports(0, self.file)
        self.file.write_bytes(data)
        self.assertIn("The input now goes on in line 3, which was the last one", self.imports(2, self.file)[1])
        ImportTest.setUp(self)
        data = ndjson(self.record(), self.record(99))
        self.assertIn("no line break, and there is no webhook 99. What comes", self.imports(1, data[:-1])[1])
        self.assert_summary(self.imports(3, data)[0], 1, 1, 0)
        self.assertEqual(ndjson(self.record(99)), self.rejects.read_bytes())

    def test_csv_goes_on(self):
        """Behind a record of several lines."""
        records = [self.record(1 if number % 50 else 99, 200, f"X-Number: {number}", f"line 1\nline {number}\r\n\n\"") for number in range(8000)]
        self.file.write_bytes(csv_of(records))
        process = self.started(self.file)
        wait_until(lambda: self.committed() > 0, "first batch")
        process.kill()
        process.wait()
        output, _ = self.imports(3, self.file)
        self.assert_summary(output, 7840, 160, 0)
        self.assertEqual([f"X-Number: {number}" for number in range(8000) if number % 50], [row[2] for row in self.stored()])
        self.assertEqual(csv_of([each for each in records if each["webhook_id"] == 99]), self.rejects.read_bytes())


class UsageTest(ImportTest):
    def test_usage(self):
        for words, *arguments in (("Unknown option --now", "--now"), ("There is no file", "nowhere"), ("one file at a time", "a", "b"),
                                  ('--format must be ndjson or csv, not "xml"', "--format", "xml"), ("--name must be", "--name", "a/b"),
                                  ("--name must be", "--name", "a\nb"), ("--name needs a value", "--name", ""), ("There is no file", "/")):
            (self.folder / "a").touch()
            output, complaint = self.imports(2, b"", *arguments)
            self.assertEqual("", output)
            self.assertIn(words, complaint)

    def test_nothing_at_all(self):
        output, complaint = self.imports(0, b"")
        self.assert_summary(output, 0, 0, 0)
        self.assertEqual("", complaint)

    def test_dry_run(self):
        data = ndjson(self.record(), self.record(99), self.record(created_at=days_ago(61)))
        output, complaint = self.imports(3, data, "--dry-run")
        self.assertIn("Read 3 records: 1 would be imported, 1 rejected, 1 past their 60 days.", output)
        self.assertIn("line 2: there is no webhook 99", complaint)
        self.imports(0, ndjson(self.record()), "--dry-run")
        self.assertEqual([], list(self.folder.iterdir()))
        self.assertEqual(((), []), (self.progress(), self.stored()))

    def test_another_import_is_running(self):
        with service.connect() as connection:
            connection.cursor().execute("SELECT GET_LOCK('webhook_calls.import_calls', 10)")
            self.assertIn("Another import is running in this database.", self.imports(1, ndjson(self.record()))[1])
        self.assertEqual(((), []), (self.progress(), self.stored()))

    def test_refused(self):
        self.account = "nobody"
        self.assertIn("nobody", self.imports(1, ndjson(self.record()))[1])
        self.account = None
        self.assertIn("nowhere", self.imports(1, ndjson(self.record()), WEBHOOK_CALLS_DB_NAME="nowhere")[1])
        service.sql("RENAME TABLE webhook_call_imports TO gone")
        try:
            self.assertIn("Has scripts/migrate brought the database's schema up to date?", self.imports(1, ndjson(self.record()))[1])
        finally:
            service.sql("RENAME TABLE gone TO webhook_call_imports")

    def test_two_names(self):
        for name in ("first", "second", "ü\N{RIGHT-TO-LEFT OVERRIDE} 'x'"):
            self.imports(0, ndjson(self.record(body=name)), "--name", name)
        self.assertIn("is not the input", self.imports(2, ndjson(self.record(body="third")), "--name", "second")[1])
        self.assertEqual(3, len(self.stored()))

    def test_memory(self):
        """Does not grow with the input: 96 MiB of records of 8 KiB, and of 1 MiB, and of those that are past their time."""
        for size, age in ((8 << 10, 1), (1 << 20, 1), (1 << 20, 61)):
            self.setUp()
            file = self.folder / "many"
            with open(file, "wb") as many:
                line = ndjson(self.record(body="x" * size, created_at=days_ago(age)))
                for _ in range((96 << 20) // size):
                    many.write(line)
            peak, _ = self.peak(0, file)
            print(f"\npeak with records of {size} bytes: {peak} MiB", flush=True)
            self.assertLess(peak, 100)
            self.assertEqual((96 << 20) // size, self.progress()[0][0 if age == 1 else 2])


class SharedHostingTest(FormatsTest):
    """A database on a shared host: an account with rights on its tables alone, without routines and events."""

    database, account = "hosted", "tenant"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        service.sql("CREATE DATABASE hosted")
        service.sql("CREATE USER tenant@localhost")
        service.sql("GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP, CREATE TEMPORARY TABLES, LOCK TABLES"
                    " ON hosted.* TO tenant@localhost")
        subprocess.run([PROJECT / "scripts/migrate", "--defaults-file", option_file("tenant")], check=True, capture_output=True,
                       env=environment(WEBHOOK_CALLS_DB_NAME="hosted"))
        service.sql("INSERT INTO hosted.webhooks SELECT * FROM webhook_calls.webhooks")

    def get(self, target):
        """By a pool of its own."""
        if not hasattr(SharedHostingTest, "pool"):
            service.sql("GRANT SELECT ON hosted.* TO run_reader@localhost")
            service.sql("INSERT INTO hosted.api_tokens SELECT * FROM webhook_calls.api_tokens")
            SharedHostingTest.pool = service.pool("hosted", WEBHOOK_CALLS_DB_NAME="hosted")
        answer = self.pool.send("GET", target, TOKEN)
        self.assertEqual(200, answer.status, answer.body)
        return answer.json()

    def test_sealed(self):
        output, _ = self.imports(0, ndjson(*[self.record()] * 5000))
        self.assertIn("Sealed 4096 webhook calls.", output)
        self.assertEqual(5000, self.get(LIST % 1 + "?count=true&page[size]=1")["meta"]["count"])


class ReadmeTest(ImportTest):
    """Each command of the README's section, as it stands there, with a table of the kind that it speaks of."""

    # Of a record that has status 0 there: nothing answered.
    DELIVERIES = [(7, 200, b"Content-Type: text/plain\r\nX-A: \"b\"", "Grüße, \"日本\" 🐎\nline 2\\".encode()), (5, 0, None, None),
                  (7, 503, b"", b""), (5, 201, b"a: 1", b"x" * 100_000)]
    BINARY = (7, 500, b"\xff\x00'", bytes(range(256)))

    def setUp(self):
        super().setUp()
        # In a table whose bodies are bytes, and whose times are those of the session.
        for statement in ("DROP DATABASE IF EXISTS shop", "CREATE DATABASE shop",
                          "CREATE TABLE shop.hooks (id INT PRIMARY KEY, customer_id INT, title TEXT, url TEXT)",
                          "INSERT INTO shop.hooks VALUES (5, 1, 'five', 'https://example.com/5'), (7, 1, 'seven', 'https://example.com/7')",
                          "CREATE TABLE shop.deliveries (id INT AUTO_INCREMENT PRIMARY KEY, hook_id INT, status INT, response_headers BLOB,"
                          " response_body LONGBLOB, sent_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6))"):
            service.sql(statement)
        self.addCleanup(service.sql, "DROP DATABASE shop")
        (self.folder / "scripts").symlink_to(PROJECT / "scripts")
        (self.folder / "shop.cnf").write_text(Path(option_file("root")).read_text())

    def deliver(self, *deliveries):
        service.sql("INSERT INTO shop.deliveries (hook_id, status, response_headers, response_body) VALUES (%s, %s, %s, %s)", *deliveries)

    def wanted(self, *deliveries):
        texts = lambda value: value if value is None else value.decode("latin-1")
        rows = service.sql("SELECT CAST(DATE_FORMAT(sent_at, '%Y-%m-%d %H:%i:%s.%f') AS CHAR) FROM shop.deliveries ORDER BY id")
        return [(hook, code or None, texts(headers), texts(body), at[:-3])
                for (hook, code, headers, body), (at,) in zip(deliveries, rows)]

    def commands(self, words):
        """The README's block for this that has these words in it."""
        (found,) = [block.text for block in blocks_of("import") if words in block.text]
        return found

    def run_block(self, words):
        result = subprocess.run(["bash", "-euo", "pipefail", "-c", self.commands(words)], cwd=self.folder, stdin=subprocess.DEVNULL, timeout=60,
                                env=self.environment(TOKEN="import-1", URL=f"http://127.0.0.1:{service.address[1]}"), capture_output=True,
                                encoding="utf-8", check=False)
        self.assertEqual((0, ""), (result.returncode, result.stderr), result)
        return result.stdout

    def test_all_are_tested(self):
        self.assertEqual(6, len(blocks_of("import")))

    def test_from_a_table(self):
        service.sql("DELETE FROM webhooks")
        self.addCleanup(service.add_webhooks, *((number, 1, f"hook {number}", f"https://example.com/{number}") for number in (1, 2, 3, 4, 6)))
        self.run_block("INSERT INTO webhooks")
        self.assertEqual(((5, 1, "five", "https://example.com/5"), (7, 1, "seven", "https://example.com/7")),
                         service.sql("SELECT id, account_id, name, url FROM webhooks ORDER BY id"))
        deliveries = [*self.DELIVERIES, self.BINARY]
        self.deliver(*deliveries)
        self.run_block(">calls.ndjson")
        output = self.run_block("scripts/import-calls calls.ndjson")
        self.assertIn("Read 5 records: 5 would be imported, 0 rejected, 0 past their 60 days.", output)
        self.assertIn("Read 5 records: 5 imported, 0 rejected, 0 past their 60 days.", output)
        self.assertEqual(self.wanted(*deliveries), self.stored())

    def test_as_csv(self):
        self.deliver(*self.DELIVERIES)
        self.run_block(">>calls.csv")
        output, _ = self.imports(0, self.folder / "calls.csv")
        self.assert_summary(output, 4, 0, 0)
        self.assertEqual(self.wanted(*self.DELIVERIES), self.stored())

    def test_from_another_installation(self):
        """By its database, and by its API."""
        lines = [self.record(7 - 2 * (number % 2), *((None, None, None) if number % 3 == 0 else (200, f"X: {number}", f"body {number} ü\n")))
                 for number in range(2100)]
        self.imports(0, ndjson(*lines))
        before = self.stored()
        self.run_block(">moved.ndjson")
        self.run_block(">webhook-7.ndjson")
        for file, wanted in (("moved.ndjson", before), ("webhook-7.ndjson", [row for row in before if row[0] == 7])):
            self.sql("DELETE FROM webhook_calls")
            output, _ = self.imports(0, self.folder / file)
            self.assert_summary(output, len(wanted), 0, 0)
            self.assertEqual(wanted, self.stored())


if __name__ == "__main__":
    unittest.main()
