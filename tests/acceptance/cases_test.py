#!/usr/bin/python3
"""Sends the requests of cases/*.case through the real nginx, workers and MariaDB, and compares the answers.

usage: cases_test.py [--list] [--odd-server] [--webhooks-view] [TEXT...]

With a TEXT, only the cases whose file or title contains it. --odd-server: the database has other defaults than usual.
--webhooks-view: the webhooks are a platform's own table, over which there is a view.

A case is a title, a request, and after --- the answer:

    === A list can be restricted to some HTTP codes
    GET /api/v3/notification/webhook/1/calls?filter[http_code]=404
    Accept: application/json
    ---
    200
    ETag: <absent>

    {"data": …}

The request's target is sent as it stands here (\\xNN is a byte); the token of account 1 is sent where the case has no
Authorization line. "Name: <absent>" means no such header, in the request as in the answer; <etag> in If-None-Match is the
tag of the same request without that line, <etag of TARGET> another's. The document is compared as a whole, in any layout;
in it, and in headers, <any> stands for a text that is not empty, and <request-id> for the answer's X-Request-Id.

A table is a request with <row> in it, and after --- a line for each of its values, with what must come of it:

    filter[id]=2,1          => 1 2                  these records, in this order (7..9 for 7 8 9, none for none)
    count=yes               => 1 2 3 count 3        and this meta.count
    text/csv                => csv 1 2              an export in CSV (or ndjson) with these records
    page[size]=0&sort=x     => 400 page[size] sort  this status, here with the source.parameter of each error object
    application/json        => 200                  this status

Where the answer's lines have the Content-Type of an export, what follows them are the export's own lines, in which
\\xNN is a byte.

In a row {1..100} stands for 1,2,…,100 and {100*x=1} for x=1&x=1… Beyond what is written here, the rules that hold for every
answer are checked each time (service.py, check_answer).
"""

import ast
import json
import re
import shlex
import sys
import unittest
from pathlib import Path

import shop
from service import Service, Wrong, check_answer, curl_line, expect

CASES = Path(__file__).parent / "cases"
TOKEN = "Bearer reader-1"


# ---- Reading the files


class Case:
    """One request and what its answer must be."""

    def __init__(self, where, title, request, status=None, headers=(), document=None, ids=None, count=None,
                 parameters=None, export=None, export_lines=None):
        self.where, self.title = where, title
        method_and_target, *lines = request
        self.method, _, self.target = method_and_target.partition(" ")
        self.target = unescape(self.target)
        self.version, match = "HTTP/1.1", re.fullmatch(r"(.*) (HTTP/1\.\d)", self.target, re.S)
        if match:
            self.target, self.version = match.groups()
        self.request_headers = [split_header(line) for line in lines]
        if not any(name.lower() == "authorization" for name, _ in self.request_headers):
            self.request_headers.append(("Authorization", TOKEN))
        self.request_headers = [(name, None if value == "<absent>" else value) for name, value in self.request_headers]
        self.status, self.headers, self.document = status, headers, document
        self.ids, self.count, self.parameters, self.export, self.export_lines = ids, count, parameters, export, export_lines


def unescape(text):
    text = re.sub(r"\\x([0-9a-f]{2})", lambda match: chr(int(match[1], 16)), text)
    text = re.sub(r"\{(\d+)\.\.(\d+)\}", lambda match: ",".join(map(str, range(int(match[1]), int(match[2]) + 1))), text)
    return re.sub(r"\{(\d+)\*([^}]*)\}", lambda match: "&".join([match[2]] * int(match[1])), text)


def split_header(line):
    name, colon, value = line.partition(":")
    if not colon:
        raise ValueError(f"this is no header: {line}")
    return name, unescape(value.strip())


def read_cases(path):
    block, begin = [], 0
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines() + ["=== end"], 1):
        if line.startswith("==="):
            if block:
                yield from read_block(f"{path.name}:{begin}", begin, path.name, block)
            block, begin = [line], number
        elif block:
            block.append(line)
        elif line and not line.startswith("#"):
            raise ValueError(f"{path.name}:{number}: this stands before the first title")


def read_block(where, begin, name, block):
    title = block[0].strip("= ")
    if "---" not in block:
        raise ValueError(f"{where}: there is no ---")
    divide = block.index("---")
    request = [line for line in block[1:divide] if line and not line.startswith("#")]
    answer = block[divide + 1 :]
    if any("<row>" in line for line in request):
        for number, line in enumerate(answer, begin + divide + 1):
            if line.strip() and not line.startswith("#"):
                yield read_row(f"{name}:{number}", title, request, line)
        return
    while answer and not answer[0].strip():
        del answer[0]
    blank = answer.index("") if "" in answer else len(answer)
    document = "\n".join(line for line in answer[blank:] if not line.startswith("#")).strip()
    content_type = dict(map(split_header, answer[1:blank])).get("Content-Type", "")
    export = {"text/csv": "csv", "application/x-ndjson": "ndjson"}.get(content_type.partition(";")[0])
    try:
        if export:
            return Case(where, title, request, int(answer[0]), [split_header(line) for line in answer[1:blank]], export=export,
                        export_lines=document.split("\n") if document else None)
        yield Case(where, title, request, int(answer[0]), [split_header(line) for line in answer[1:blank]],
                   json.loads(document) if document else None)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def read_row(where, title, request, line):
    row, arrow, wanted = re.fullmatch(r"(.*?)\s*(=>)\s+(.*)", line).groups() if " => " in " " + line else (0, 0, 0)
    if not arrow:
        raise ValueError(f"{where}: a row needs its =>")
    request = [part.replace("<row>", row) for part in request]
    words = shlex.split(wanted)
    if re.fullmatch("[2-5][0-9][0-9]", words[0]):
        return Case(where, f"{title}: {row}", request, int(words[0]), parameters=words[1:])
    export = words.pop(0) if words[0] in ("csv", "ndjson") else None
    count = None
    if "count" in words:
        count = int(words[words.index("count") + 1])
        words = words[: words.index("count")]
    ids = [number for word in words if word != "none" for number in id_range(word)]
    return Case(where, f"{title}: {row}", request, 200, ids=ids, count=count, export=export)


def id_range(word):
    first, _, last = word.partition("..")
    return range(int(first), int(last or first) + 1)


# ---- The dataset


# Other defaults than Debian's, as a hoster may have set them. They change no answer. (The comment is for MariaDB alone.)
ODD_SERVER = (
    "sql_mode = CONCAT('ANSI,NO_BACKSLASH_ESCAPES,STRICT_ALL_TABLES,ONLY_FULL_GROUP_BY,PAD_CHAR_TO_FULL_LENGTH'"
    "                  /*M! ,',EMPTY_STRING_IS_NULL' */)",
    "time_zone = '+05:30'", "TRANSACTION ISOLATION LEVEL READ COMMITTED", "autocommit = 0", "sql_select_limit = 2",
    "max_join_size = 10", "max_sort_length = 64", "character_set_server = 'latin1'",
    "collation_server = 'latin1_german1_ci'", "lc_time_names = 'cs_CZ'", "div_precision_increment = 0",
    "group_concat_max_len = 4", "sql_auto_is_null = 1",
)


def load_fixture(service):
    tables, rows, clock = {}, None, None
    for line in (CASES / "fixture.txt").read_text(encoding="utf-8").splitlines():
        line = line.strip()
        if line.startswith("["):
            rows = tables.setdefault(line.strip("[]"), [])
        elif line.startswith("clock "):
            clock = line.partition(" ")[2]
        elif line and not line.startswith("#"):
            rows.append([read_field(field.strip()) for field in re.split(r"\s+\|\s+", line)])
    service.add_webhooks(*((int(row[0]), int(row[1]), row[2].decode(), row[3].decode()) for row in tables["webhooks"]))
    for token, account, expires_at in tables["tokens"]:
        service.add_token(token, int(account), expires_at)
    service.add_calls(*((number, webhook, code, headers, body, created_at)
                        for ids, webhook, code, created_at, headers, body in tables["calls"] for number in id_range(ids)))
    return clock


def read_field(field):
    if field == "NULL":
        return None
    if '"' not in field:
        return field
    parts = re.findall(r'(?:(\d+)\*)?("(?:[^"\\]|\\.)*")', field)
    return b"".join(ast.literal_eval("b" + text) * int(times or 1) for times, text in parts)


# ---- Comparing


def difference(wanted, got, request_id, path=""):
    """Where the two documents differ, in words; empty where they do not."""
    if isinstance(wanted, str) and "<" in wanted:
        if wanted == "<any>":
            return "" if isinstance(got, str) and got else f"{path} should be a text, not {got!r}"
        wanted = wanted.replace("<request-id>", request_id)
    if isinstance(wanted, dict) and isinstance(got, dict):
        for name in [*wanted, *got]:
            if name not in got or name not in wanted:
                return f"{path}/{name} {'is missing' if name in wanted else 'should not be there'}"
            inner = difference(wanted[name], got[name], request_id, f"{path}/{name}")
            if inner:
                return inner
        return ""
    if isinstance(wanted, list) and isinstance(got, list) and len(wanted) == len(got):
        return next(filter(None, (difference(*pair, request_id, f"{path}/{index}")
                                  for index, pair in enumerate(zip(wanted, got)))), "")
    if type(wanted) is type(got) and wanted == got:
        return ""
    return f"{path} should be\n  {json.dumps(wanted)}\nand is\n  {json.dumps(got)}"


def check_case(service, case):
    headers = [(name, fill_in_tag(service, case, value)) for name, value in case.request_headers]
    answer = service.send(case.method, case.target, headers, version=case.version)
    expect(answer.status == case.status, f"the status is {answer.status}, not {case.status}:\n{answer.body[:2000]!r}")
    document = check_answer(answer, case.method, export=case.export)
    request_id = answer.header("X-Request-Id")
    for name, wanted in case.headers:
        got = answer.header(name)
        if wanted == "<absent>":
            expect(got is None, f"there is a header {name}: {got}")
        else:
            expect(not difference(wanted, got, request_id), f"header {name} is {got}, not {wanted}")
    if case.method == "HEAD":
        check_head(service, case, headers, answer)
    if case.document is not None:
        wrong = difference(case.document, document, request_id)
        expect(not wrong, wrong)
    if case.export_lines is not None:
        line_end = "\r\n" if case.export == "csv" else "\n"
        wanted = "".join(unescape(line) + line_end for line in case.export_lines).encode("latin-1")
        expect(answer.body == wanted, f"the export is {answer.body!r}, not {wanted!r}")
    if case.ids is not None:
        expect(answer.ids() == case.ids, f"the records are {answer.ids()}, not {case.ids}")
    if case.count is not None:
        expect(document.get("meta") == {"count": case.count}, f"meta is {document.get('meta')}")
    if case.parameters:
        got = sorted(error["source"]["parameter"] for error in document["errors"])
        wrong = case.parameters != ["<any>"] and got != sorted(case.parameters)
        expect(not wrong, f"the faulty parameters are {got}, not {sorted(case.parameters)}")


def fill_in_tag(service, case, value):
    match = re.search(r"<etag(?: of (\S+))?>", value or "")
    if not match:
        return value
    plain = [header for header in case.request_headers if header[0] != "If-None-Match"]
    tag = service.send(case.method, match[1] or case.target, plain).header("ETag")
    expect(tag, f"{match[1] or case.target} has no ETag")
    return value.replace(match[0], tag)


def check_head(service, case, headers, answer):
    """HEAD answers the headers of GET."""
    variable = ("date", "x-request-id", "content-disposition")  # the file's name has a time in it
    of_get = service.send("GET", case.target, headers, version=case.version)
    of_head = {(name, value) for name, value in answer.headers if name.lower() not in variable}
    of_get = {(name, value) for name, value in of_get.headers if name.lower() not in variable}
    if ("Transfer-Encoding", "chunked") in of_get:
        of_get.remove(("Transfer-Encoding", "chunked"))  # says how the body was sent; HEAD has none
    expect(of_head == of_get, f"HEAD and GET differ in {sorted(of_head ^ of_get)}")


class CaseTest(unittest.TestCase):
    service = None

    def __init__(self, case):
        super().__init__()
        self.case = case

    def __str__(self):
        return f"{self.case.where} {self.case.title}"

    def runTest(self):
        case = self.case
        try:
            check_case(self.service, case)
            return
        except (Wrong, ValueError, KeyError, TypeError) as error:
            wrong = error if isinstance(error, Wrong) else repr(error)
        self.fail(f"\n{wrong}\n{curl_line(self.service, case.method, case.target, case.request_headers)}")


def main(arguments):
    cases = [case for path in sorted(CASES.glob("*.case")) for case in read_cases(path)]
    words = [word for word in arguments if not word.startswith("-")]
    if words:
        cases = [case for case in cases if any(word in f"{case.where} {case.title}" for word in words)]
    if "--help" in arguments:
        print(__doc__)
    elif "--list" in arguments:
        print(*(f"{case.where} {case.title}" for case in cases), sep="\n")
    else:
        with Service(workers=2) as service:
            clock = load_fixture(service)
            if "--webhooks-view" in arguments:
                shop.take_over(service)
            if "--odd-server" in arguments:
                for setting in ODD_SERVER:
                    service.sql("SET GLOBAL " + setting)
            service.freeze_clock(clock)
            CaseTest.service = service
            result = unittest.TextTestRunner().run(unittest.TestSuite(map(CaseTest, cases)))
        return 0 if result.wasSuccessful() and cases else 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
