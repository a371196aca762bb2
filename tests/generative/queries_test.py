#!/usr/bin/python3
"""Random records and random queries, compared with a plain model in memory (model.py).

usage: queries_test.py [--seed N] [--queries N] [--seconds N] | --dataset DATASET WEBHOOK CALL QUERY SERVER

The seed is printed; the same seed gives the same requests. On a mismatch, what was sent, expected and
got is printed, with a curl line for the running service and the command that repeats that one query.
"""

import argparse
import itertools
import json
import random
import shlex
import sys
import time
from pathlib import Path
from urllib.parse import quote

import export_model
import model

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "acceptance"))
from service import LIST, SANITIZED, SHOW, Service, Wrong, check_answer, curl_line, expect  # noqa: E402

NOW = model.instant("2026-11-30T12:00:00Z") // 10**6
ACCOUNT, TOKEN = 1, [("Authorization", "Bearer reader-1")]
CODES = (None, None, 100, 200, 200, 200, 204, 301, 404, 404, 500, 503, 599, 0, 65535)
TEXTS = (b"", b"a", b"A", b"a ", b" a", b"a,b", b"b", b"ok", b"%", b"a&b=c", b"\xc5\xbe", b"z\xcc\x8c", b"\xff", b"a\x00b",
         b"\xe2\x82", b"\xed\xa0\x80x", b'"\\', b"line\r\nline", b"\x1f\x7f", b"+", b"0", b"null", "🐎".encode())


# ---- Records


def make_dataset(seed):
    rng = random.Random(f"dataset {seed}")
    webhooks = [model.Webhook(number, account, f"webhook {number} ž\"", f"https://example.com/{number}?a=1&b=2")
                for number, account in ((1, 1), (2, 1), (3, 2), (4, 1))]
    edge = NOW - model.LIFETIME_MS
    instants = [rng.randrange(edge, NOW) for _ in range(12)] + [edge - 1000, edge - 1, edge, edge + 1, edge + 1000, NOW]
    instants += [instant // 1000 * 1000 for instant in instants] + [instants[0] + 1, instants[0] - 1]
    calls, number = [], 0
    for _ in range(rng.choice((5, 40, 150))):
        number += rng.choice((1, 1, 1, 2, 50))
        code = rng.choice(CODES)
        headers, body = (None, None) if code is None else (random_headers(rng), random_body(rng))
        calls.append(model.Call(number, rng.choice((1, 1, 1, 2, 3)), code, headers, body, rng.choice(instants)))
    return calls, webhooks


def random_headers(rng):
    """Texts, or fields of which some are redacted, as well or badly made as can be."""
    if rng.random() < 0.4:
        return rng.choice(TEXTS)
    names = (b"Set-Cookie", b"set-cookie", b" X-Api-Key", b"X-API-KEY\t", b"X-Set-Cookie", b"Set-Cookie2", b"Date", b"", b"\xff")
    values = (b"", b" a", b" b", b" a=1; b=2", b"\xff\x00", b" a\r\n b", b"\r\n\tSet-Cookie: c", b" \r\n\r\n d", b"Set-Cookie: e")
    ends = (b"\r\n",) * 6 + (b"\n", b"\r", b"\n\n", b" ")
    return b"".join(part for _ in range(rng.randrange(4)) for part in
                    (rng.choice(names), rng.choice((b":", b":", b":", b" :", b"")), rng.choice(values), rng.choice(ends)))


def random_body(rng):
    if rng.random() < 0.6:
        return rng.choice(TEXTS)
    return bytes(rng.randrange(256) for _ in range(rng.randrange(30)))


def load(service, calls, webhooks):
    for table in ("webhook_calls", "webhooks"):
        service.sql(f"TRUNCATE TABLE {table}")
    service.add_webhooks(*((webhook.id, webhook.account, webhook.name, webhook.url) for webhook in webhooks))
    service.add_calls(*((call.id, call.webhook_id, call.http_code, call.headers, call.body,
                         model.rfc3339(call.created_at)[:-1].replace("T", " ")) for call in calls))


# ---- Queries


class Queries:
    """Makes query strings, most of them without a fault."""

    def __init__(self, rng, calls):
        self.rng, self.calls = rng, calls

    def chance(self, probability):
        return self.rng.random() < probability

    def make(self, is_list):
        makers = [self.fields, self.include]
        if is_list:
            makers += [self.page if self.chance(0.7) else self.end, self.sort, self.count, self.count_by, self.number_filter, self.text_filter, self.created_at_filter,
                       self.range_filter, self.search, self.exists]
        parts = []
        for maker in self.rng.sample(makers, min(len(makers), self.pick(0, 1, 1, 2, 2, 3, 4, 5))):
            parts += maker()
        if self.chance(0.08):
            parts.append(self.fault(is_list))
        self.rng.shuffle(parts)
        query = "&".join(self.write(*part) for part in parts)
        return query.replace("&", "&&", 1) if self.chance(0.05) else query

    def write(self, name, value):
        name = quote(name, safe="[]/,") if self.chance(0.6) else quote(name, safe="")
        if value is None:
            return name
        if isinstance(value, tuple):
            return f"{name}={value[0]}"  # already encoded
        encoded = quote(value, safe=self.rng.choice(("", ",:/", ",:/=?@'()")))
        return f"{name}={encoded.replace('%20', '+') if self.chance(0.5) else encoded}"

    def pick(self, *choices):
        return self.rng.choice(choices)

    def call(self):
        return self.rng.choice(self.calls)

    def end(self):
        return [(self.pick("page[after]", "page[before]"), ""), ("page[size]", str(self.pick(1, 2, 3, 7, 20, 1000)))]

    def page(self):
        size = str(self.pick(1, 2, 3, 7, 20, 999, 1000))
        number = str(self.pick(1, 1, 2, 2, 3, 5, 10, 2**40))
        if self.chance(0.2):
            return [("page[size]", "0"), self.pick(("count", "true"), *self.count_by())]
        return self.rng.sample([("page[size]", size), ("page[number]", number)], self.pick(1, 2))

    def sort(self):
        columns = self.rng.sample(model.COLUMNS, self.pick(0, 1, 1, 1, 2, 3, 6))
        return [("sort", ",".join(self.pick("", "-") + column for column in columns))]

    def count(self):
        word = self.pick(*model.TRUE, *model.TRUE, *model.FALSE)
        return [("count", self.pick(word, word.upper(), word.capitalize()))]

    def count_by(self):
        times = ["created_at.minute", "created_at.hour", "created_at.day"]
        codes = ["http_code", "http_code.class"]
        return [("count_by", ",".join(self.rng.sample([self.pick(*times), self.pick(*codes)], self.pick(1, 2))))]

    def fields(self):
        kind = self.pick(model.CALLS, model.CALLS, model.WEBHOOKS, "unknown")
        names = [*model.ATTRIBUTES, "webhook", "name", "url", "id", "type", "nonsense", ""]
        return [(f"fields[{kind}]" + self.pick("", "", "[]"), ",".join(self.rng.sample(names, self.pick(0, 1, 2, 4))))
                for _ in range(self.pick(1, 1, 2))]

    def include(self):
        names = ("include", "included", "include[]", "included[]")
        return [(self.pick(*names), self.pick("webhook", "webhook", "", None)) for _ in range(self.pick(1, 1, 2))]

    def listed(self, name, values, commas):
        """The values under the name in one of the ways to write a list, or in a mixture."""
        parts = []
        while values:
            some = self.pick(1, 1, 2, 5) if commas else 1
            together, values = values[:some], values[some:]
            written = ",".join(together) if commas and None not in together else together[0]
            parts.append((name + self.pick("", "", "[]", "[0]", "[17]"), written))
            if commas and None in together:
                parts += [(name, value) for value in together[1:]]
        return parts

    def number_filter(self):
        column = self.pick("id", "id", "webhook_id", "http_code", "http_code", "http_code")
        values = [self.number(column) for _ in range(self.pick(1, 1, 2, 3, 8))]
        if self.chance(0.03):
            values = [self.number(column) for _ in range(self.pick(99, 100, 101))]
        if column == "http_code" and self.chance(0.3):
            values.append(None)
        if column == "http_code" and self.chance(0.3):
            values.insert(0, self.pick("1xx", "2xx", "4xx", "5xx", "9xx"))
        return self.listed(f"filter[{column}{self.list_operator()}]", values, commas=True)

    def list_operator(self):
        return self.pick("", "", "", "", "__eq", "__in", "__neq", "__neq")

    def number(self, column):
        value = getattr(self.call(), column) or 0
        value = self.pick(value, value, value, value, value + 1, 2**16 + value, 2**64 + value, 2**63, 2**64 - 1)
        return self.pick("", "", "", "0", "000") + str(value)

    def text_filter(self):
        column = self.pick("headers", "body", "body")
        values = [self.text(column) for _ in range(self.pick(1, 1, 2, 4))]
        return self.listed(f"filter[{column}{self.list_operator()}]", values, commas=False)

    def search(self):
        """For a part of a record's text, in whatever case."""
        column, operator = self.pick("headers", "body"), self.pick("match", "match", "prefix", "suffix")
        text = self.text(column) or ""
        begin, end = sorted(self.rng.choices(range(len(text) + 1), k=2))
        part = {"match": text[begin:end], "prefix": text[:end], "suffix": text[begin:]}[operator]
        return [(f"filter[{column}__{operator}]", self.pick(part, part, part.lower(), part.upper(), part + self.pick("%", "_", "x")))]

    def exists(self):
        return [(f"filter[{self.pick('http_code', 'headers', 'body')}__exists]", self.pick(*model.TRUE, *model.FALSE))]

    def text(self, column):
        value = getattr(self.call(), column) if self.chance(0.8) else self.pick(b"nothing", b"", None)
        if value is None:
            return None
        try:
            return value.decode("utf-8").replace("\0", "")
        except UnicodeDecodeError:
            return self.pick("ok", "", "\ufffd")

    def created_at_filter(self):
        values = [self.date_time() for _ in range(self.pick(1, 1, 2, 3))]
        return self.listed("filter[created_at" + self.pick("", "", "", "__eq", "__in") + "]", values, commas=False)

    def range_filter(self):
        operators = self.rng.sample(("lt", "lte", "gt", "gte"), self.pick(1, 1, 2))
        if self.chance(0.5):
            return [(f"filter[http_code__{operator}]" + self.pick("", "", "[]", "[0]"), self.number("http_code"))
                    for operator in operators]
        return [(f"filter[created_at__{operator}]", self.date_time()) for operator in operators]

    def date_time(self):
        """An instant at or next to that of a record, in one of the ways to write it."""
        ns = (self.call().created_at + self.pick(0, 0, 0, 0, 1, -1, 86400000)) * 10**6
        ns += self.pick(0, 0, 0, 1, -1, 499_999, 500_000, 999_999)
        offset = self.pick(None, None, 0, 60, -90, 23 * 60 + 59, -23 * 60 - 59)
        ns += (offset or 0) * 60 * 10**9
        text, fraction = model.rfc3339(ns // 10**6)[:-5], f"{ns % 10**9:09}"
        if self.chance(0.1):
            return text[:10]
        if self.chance(0.1) and text.endswith(":00"):
            text = text[:-3]
        elif fraction.strip("0") or self.chance(0.5):
            text += "." + self.pick(fraction, fraction.rstrip("0") or "0")
        if offset is None:
            zone = self.pick("", "Z")
        else:
            sign = "-" if offset < 0 else self.pick("+", "+", " ")
            zone = sign + f"{abs(offset) // 60:02}" + self.pick(":", "") + f"{abs(offset) % 60:02}"
        return text.replace("T", self.pick("T", " ")) + zone

    def fault(self, is_list):
        faults = [("typo", "1"), ("filter[typo]", "1"), ("filter[id][x]", "1"), ("fields", "body"), ("fields[]", "body"),
                  ("include", "account"), ("included[]", "webhook,x"), ("page", "1"), ("page[limit]", "1"), ("sort[]", "id"),
                  ("filter[id", "1"), ("Sort", "id"), ("fields[x]", ("%zz",)), ("include", ("%FF",)), ("x", ("%00",))]
        if not is_list:
            faults += [("sort", "id"), ("count", "1"), ("page[size]", "1"), ("filter[http_code]", "200")]
        else:
            faults += [("sort", "name"), ("sort", "id,id"), ("sort", "id,"), ("count", ""), ("count", "2"), ("count", None),
                       ("count_by", ""), ("count_by", "created_at"), ("count_by", "http_code,http_code.class"),
                       ("count_by", "created_at.day,created_at.hour"), ("count_by", "id"), ("count_by", None),
                       ("page[size]", "0"), ("page[size]", "1001"), ("page[size]", "01"), ("page[size]", ""),
                       ("page[after]", "x"), ("page[before]", "NDRhMWYyMTg"), ("page[after]", None),
                       ("page[number]", "0"), ("page[number]", "-1"), ("page[number]", str(2**64)),
                       ("page[number]", "99999999999999999999999"), ("filter[id]", ""), ("filter[id]", None),
                       ("filter[id]", "1,"), ("filter[id]", "12abc"), ("filter[id]", " 1"), ("filter[http_code]", ""),
                       ("filter[http_code]", "200,x"), ("filter[http_code__lt]", "1,2"), ("filter[http_code__gt]", None),
                       ("filter[http_code__ne]", "1"), ("filter[http_code__gt]", "5xx"), ("filter[http_code]", "0xx"),
                       ("filter[http_code__neq]", "5XX"), ("filter[id]", "1xx"), ("filter[created_at__neq]", "2026-11-01"),
                       ("filter[id__exists]", "true"), ("filter[body__exists]", "maybe"), ("filter[body__exists]", None),
                       ("filter[id__match]", "1"), ("filter[body__match]", None), ("filter[body__contains]", "1"),
                       ("filter[headers__]", "1"), ("filter[body__lt]", "1"), ("filter[created_at]", ""),
                       ("filter[created_at]", None), ("filter[created_at]", "2026-02-29"),
                       ("filter[created_at]", "2026-11-01T24:00"), ("filter[created_at__lt]", "2026-11-01t10:00"),
                       ("filter[created_at__gte]", "2026-11-01Z"), ("filter[created_at__gte]", "0000-01-01"),
                       ("filter[body]", ("%C3",)), ("filter[body]", ("a%0",)), ("filter[headers]", ("%00",))]
        return self.pick(*faults)


# ---- Comparing


def plain_document(document, path):
    """The service's document with its links as the model writes them: the query string's pairs, in any order."""
    links = {}
    for name, link in document["links"].items():
        where, _, query = link.partition("?")
        expect(where == path and "[" not in link and "]" not in link, f"links.{name} is {link}")
        pairs = model.split_query(query)
        if name in ("next", "prev"):
            pairs = [(key, "CURSOR") if key in ("page[after]", "page[before]") else (key, value) for key, value in pairs]
        links[name] = sorted(pairs, key=repr)
    return {**document, "links": links}


def compare(service, dataset, webhook_id, call_id, query):
    calls, webhooks = dataset
    path = LIST % webhook_id if call_id is None else SHOW % (webhook_id, call_id)
    target = f"{path}?{query}" if query else path
    status, faults, expected = model.answer(calls, webhooks, NOW, ACCOUNT, webhook_id, call_id, query)
    if expected:
        expected["links"] = {name: sorted(pairs, key=repr) for name, pairs in expected["links"].items()}
    answer = service.send("GET", target, TOKEN)
    got = None
    try:
        got = check_answer(answer)
        expect(answer.status == status, f"status {answer.status} should be {status} {sorted(faults)}")
        if status == 400:
            named = [error["source"]["parameter"] for error in got["errors"]]
            expect({model.key_of(name) for name in named} == faults, f"faults {named} should be {sorted(faults)}")
        elif status == 200:
            got = plain_document(got, path)
            expect(got == expected, "the documents differ")
    except (Wrong, ValueError, KeyError) as wrong:
        raise Wrong(f"{wrong!r}\n{explain(expected, got)}\n{curl_line(service, 'GET', target, TOKEN)}") from None
    return answer


def compare_export(service, dataset, webhook_id, kind, query):
    calls, webhooks = dataset
    target = LIST % webhook_id + (f"?{query}" if query else "")
    status, faults, columns, expected = export_model.answer(calls, webhooks, NOW, ACCOUNT, webhook_id, query)
    headers = [*TOKEN, ("Accept", export_model.ACCEPTED[kind])]
    answer = service.send("GET", target, headers)
    got = None
    try:
        document = check_answer(answer, export=kind)
        expect(answer.status == status, f"status {answer.status} should be {status} {sorted(faults)}")
        if status == 400:
            named = {model.key_of(error["source"]["parameter"]) for error in document["errors"]}
            expect(named == faults, f"faults {sorted(named)} should be {sorted(faults)}")
        elif status == 200:
            header, got = export_model.read(answer.body, kind)
            if kind == "csv":
                expect(header == columns, f"the columns are {header} and not {columns}")
                expected = [export_model.row_of(resource) for resource in expected]
            expect(got == expected, "the records differ")
    except (Wrong, ValueError, KeyError) as wrong:
        raise Wrong(f"{wrong!r}\nexpected {expected!r:.3000}\ngot      {got!r:.3000}\n"
                    f"{curl_line(service, 'GET', target, headers)}") from None
    return answer


def shrink(service, dataset, webhook_id, call_id, query, wrong, compare=compare):
    """Leaves out parameters as long as the answer stays wrong."""
    parts = query.split("&")
    for part in list(parts):
        fewer = list(parts)
        fewer.remove(part)
        try:
            compare(service, dataset, webhook_id, call_id, "&".join(fewer))
        except Wrong as still:
            parts, wrong = fewer, still
    return "&".join(parts), wrong


def explain(expected, got):
    if not expected or not got or "data" not in got:
        return f"expected {json.dumps(expected)}\ngot      {json.dumps(got)}"[:6000]
    lines = []
    for name in sorted({*expected, *got}):
        if expected.get(name) != got.get(name):
            if name == "data" and isinstance(got["data"], list):
                lines.append("expected ids " + " ".join(resource["id"] for resource in expected["data"]))
                lines.append("got ids      " + " ".join(resource["id"] for resource in got["data"]))
            lines += [f"expected {name} {json.dumps(expected.get(name))[:3000]}",
                      f"got      {name} {json.dumps(got.get(name))[:3000]}"]
    return "\n".join(lines)


def walk(service, dataset, query, size):
    """The pages that `next` leads to, one after the other, are the whole list: by their numbers, and by cursors, with which
    `prev` leads back."""
    calls, webhooks = dataset
    _, _, whole = model.answer(calls, webhooks, NOW, ACCOUNT, 1, None, query)
    expected = [resource["id"] for resource in whole["data"]]

    def follow(link, name):
        pages = []
        while link:
            document = check_answer(service.send("GET", link, TOKEN))
            expect(document["data"], f"{name} led to an empty page: {link}")
            pages.append([resource["id"] for resource in document["data"]])
            last, link = link, document["links"].get(name)
        return pages, last

    begin = f"{LIST % 1}?{query}&page[size]={size}".replace("?&", "?")
    forwards = [expected[at:at + size] for at in range(0, len(expected), size)]
    backwards = [expected[max(end - size, 0):end] for end in range(len(expected), 0, -size)]
    for way, (start, name, pages) in {"numbers": (begin, "next", forwards),
                                      "after": (begin + "&page[after]=", "next", forwards),
                                      "before": (begin + "&page[before]=", "prev", backwards)}.items():
        got, last = follow(start, name)
        expect(got == pages, f"walking {query!r} by {size} and {way} gave {got} and not {pages}")
        if way == "numbers":
            continue
        back, _ = follow(last, "prev" if name == "next" else "next")
        # From the last page on, all before it: in pages of the size, as far as there are so many.
        flat = [id for page in (back[::-1] if name == "next" else back) for id in page]
        expect(flat == expected, f"walking {query!r} by {size} and {way}, and back, gave {back}")


def redacted(dataset):
    calls, webhooks = dataset
    return [model.Call(call.id, call.webhook_id, call.http_code, model.redacted(call.headers), call.body, call.created_at)
            for call in calls], webhooks


# Whether one of these is a fault depends on the others.
DEPENDENT = ("page[size]=0", "page[size]=5", "page[size]=x", "page[size]", "page[number]=0", f"page[number]={2**63}", "page[number]=" + 31 * "9",
             "count=true", "count=false", "count=2", "count_by=http_code", "count_by=x", "page[after]=", "page[after]=x", "page[before]=", "page[before]")


def compare_dependent(service):
    """All queries of up to three of these."""
    dataset = make_dataset("dependent")
    load(service, *dataset)
    queries = ["&".join(chosen) for number in (1, 2, 3) for chosen in itertools.product(DEPENDENT, repeat=number)]
    for query in queries:
        try:
            compare(service, dataset, 1, None, query)
        except Wrong as wrong:
            print(f"MISMATCH\nquery    {query}\n{wrong}")
            return False
    print(f"{len(queries)} queries of parameters that depend on each other agree with the model", flush=True)
    return True


def run(service, redacting, seed, queries, seconds, single):
    """`redacting`: a server of the same records that does not show some headers. Each third query goes there."""
    per_dataset, statuses, walks, exports = 250, {}, 0, 0
    deadline = time.monotonic() + seconds
    for number in range(queries):
        if time.monotonic() > deadline:
            break
        if number % per_dataset == 0:
            dataset_seed = single[0] if single else f"{seed}.{number // per_dataset}"
            dataset = make_dataset(dataset_seed)
            load(service, *dataset)
            shown = redacted(dataset)
        rng = random.Random(f"query {seed}.{number}")
        webhook_id = rng.choice((1,) * 20 + (2, 2, 3, 4, 77))
        call_id = None
        if rng.random() < 0.15:
            call = rng.choice(dataset[0])
            call_id = call.id if rng.random() < 0.9 else 999999
            webhook_id = call.webhook_id if rng.random() < 0.9 else webhook_id
        known = rng.choice((dataset, shown))  # to somebody who guesses what is hidden, too
        query = Queries(rng, known[0]).make(call_id is None)
        server, expected = (redacting, shown) if number % 3 == 2 else (service, dataset)
        kind = rng.choice(("csv", "ndjson")) if call_id is None and rng.random() < 0.2 else None
        if single:
            webhook_id, call_id, query = int(single[1]), int(single[2]) or None, single[3]
            server, expected = (redacting, shown) if single[4].startswith("redacted") else (service, dataset)
            kind = single[4].partition("-")[2] or None
        try:
            if kind:
                answer = compare_export(server, expected, webhook_id, kind, query)
                exports += answer.status == 200
                statuses[answer.status] = statuses.get(answer.status, 0) + 1
                continue
            answer = compare(server, expected, webhook_id, call_id, query)
            statuses[answer.status] = statuses.get(answer.status, 0) + 1
            walkable = answer.status == 200 and webhook_id == 1 and call_id is None and "page" not in query
            if walkable and number % 5 == 0 and answer.ids():
                size = max(len(answer.ids()) // 4, 1)
                walk(server, expected, query, size)
                walks += 1
        except Wrong as wrong:
            if kind:
                query, wrong = shrink(server, expected, webhook_id, kind, query, wrong, compare_export)
            else:
                query, wrong = shrink(server, expected, webhook_id, call_id, query, wrong)
            name = ("redacted" if server is redacting else "plain") + (f"-{kind}" if kind else "")
            repeat = f"--dataset {dataset_seed} {webhook_id} {call_id or 0} {shlex.quote(query)} {name}"
            print(f"MISMATCH in query {number} of seed {seed}, here without what does not matter\n"
                  f"query    {query}\n{wrong}\nagain: {sys.argv[0]} {repeat}")
            return False
    counts = ", ".join(f"{count} times {status}" for status, count in sorted(statuses.items()))
    print(f"{sum(statuses.values())} queries agree with the model ({counts}; {walks} walks along next, {exports} exports)")
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    parser.add_argument("--queries", type=int, default=2500 if SANITIZED else 20000)
    parser.add_argument("--seconds", type=int, default=60, help="the end, even where some of the queries are left")
    parser.add_argument("--dataset", nargs=5, metavar=("DATASET", "WEBHOOK", "CALL", "QUERY", "SERVER"),
                        help="one query, on the records of that dataset; CALL is 0 for the list, SERVER plain or redacted, "
                        "and of an export plain-csv and so on")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    with Service(workers=2) as service:
        service.add_token("reader-1", ACCOUNT)
        service.freeze_clock("2026-11-30 12:00:00.000")
        own = Path(service.env["FCGI_SOCKET"]).parent / "redacting.fcgi"
        redacting = service.pool("redacting", server_lines=f'set $webhook_calls_export_pool "unix:{own}";',
                                 WEBHOOK_CALLS_REDACT_HEADERS="Set-Cookie, X-Api-Key")
        queries = 1 if arguments.dataset else arguments.queries
        if not arguments.dataset and not compare_dependent(service):
            return 1
        return 0 if run(service, redacting, arguments.seed, queries, arguments.seconds, arguments.dataset) else 1


if __name__ == "__main__":
    sys.exit(main())
