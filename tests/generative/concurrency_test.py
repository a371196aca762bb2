#!/usr/bin/python3
"""Counts and pages stay exact while writers, the sealing, the purge and the readers' clock all go on at once.

usage: concurrency_test.py [--seed N] [--seconds N]

Every answer is compared with all the ids that its filters select, read with plain SQL in one snapshot: to the letter where
nothing can have been committed meanwhile, else within the bounds that a snapshot before it and one after it leave. The chunks
themselves are compared with their records in a snapshot, again and again. The seed, which is printed, decides what each part
does, but not how they meet: a mismatch need not come again.
"""

import argparse
import collections
import contextlib
import random
import re
import sys
import threading
import time
import traceback
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pymysql

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "acceptance"))
from service import LIST, SANITIZED, Service, Wrong, check_answer, curl_line, expect, wait_until  # noqa: E402

ACCOUNT, TOKEN = 1, [("Authorization", "Bearer reader-1")]
FIELDS = "fields[notification/webhook/calls]"
LIFETIME, RIPE_AGE = timedelta(days=60), timedelta(minutes=15)
MS = timedelta(milliseconds=1)

# The webhooks. A record of now stops the sealing of its webhook for 15 minutes: so none comes to those that are to be sealed
# on and on, FAILING and EDGE, and BIG is sealed again from its beginning after its chunks were deleted.
BIG, FAILING, SMALL, EDGE = 1, 2, 3, 4  # EDGE: its records expire while the test runs, or have expired
DENSE = 5  # several chunks a day
RECORDS = {BIG: 40000, FAILING: 10000, SMALL: 2500, EDGE: 9000, DENSE: 20000}
CODES = {BIG: (200,) * 60 + (204,) * 30 + (404, 404, 500, 503, None), EDGE: (200, 200, 204, 500, None),
         FAILING: (200, 200, 204, 404, 500, 500, 500, 502, 503, None), SMALL: (200, 204, 404, 500, None), DENSE: (200, 204, 500, None)}
GROUPS = {"created_at.day": "DATE_FORMAT(created_at, '%%Y-%%m-%%dT00:00:00.000Z')", "http_code": "http_code",
          "created_at.hour": "DATE_FORMAT(created_at, '%%Y-%%m-%%dT%%H:00:00.000Z')", "http_code.class": "CONCAT(http_code DIV 100, 'xx')"}
BODIES = (b"", b"ok", b"OK", b"no", b"\xff", b'{"ok":true}', b"z" * 100)

# What a run must have seen, so that it cannot pass by doing nothing.
LEAST = {"gated requests": 40, "ungated requests": 40, "real-clock requests": 20, "of them while a record expired": 2,
         "requests with count": 60, "requests with filters": 60, "requests with counts by group": 60, "requests behind 10000 records": 10, "audited chunks": 200,
         "records sealed": 60000, "records purged": 3000, "records written": 10000, "late commits": 10, "late rollbacks": 5,
         "sealings killed": 3, "chunk deletions": 3, "clock steps": 6}


# ---- Records


def initial_records(rng, now, seconds):
    """Rows in the order of their ids, which is nearly, not exactly, that of their created_at."""
    rows = []
    for webhook, number in RECORDS.items():
        begin, end = now - timedelta(days=67), now - timedelta(minutes=14)
        if webhook == DENSE:
            begin, end = now - timedelta(days=12), now - timedelta(days=9)
        while number > 0:
            when, off, together = begin + (end - begin) * rng.random(), timedelta(), rng.choice((1, 1, 1, 2, 5, 60))
            if webhook == BIG and number <= 9000:  # whole chunks that a step of the clock ends, long before the purge
                when = now - LIFETIME + clock_ahead(seconds) + timedelta(minutes=rng.uniform(5, 30))
            elif webhook == EDGE:  # the first chunk is all past its time
                together = 1
                when = edge_instant(rng, now, seconds) if number < 4500 else now - timedelta(days=61 + 6 * rng.random())
            elif rng.random() < 0.3:  # as senders at several nodes
                off = timedelta(milliseconds=rng.uniform(-1500, 1500))
            elif rng.random() < 0.003:
                off = timedelta(hours=rng.uniform(-9, 9))
            rows += [(when, new_row(rng, webhook, to_ms(min(when + off, now)))) for _ in range(min(number, together))]
            number -= together
    return [row for _, row in sorted(rows, key=lambda row: row[0])]


def clock_ahead(seconds):
    """How far the readers' clock is ahead at least while it is frozen. It must never fall behind the server's, by which the
    purge deletes."""
    return timedelta(seconds=10 * seconds + 300)


def edge_instant(rng, now, seconds):
    """Just before or after the end of its 60 days, or to come up to it in the readers' clock."""
    return now - LIFETIME + rng.choice((timedelta(seconds=rng.uniform(0, 2 * seconds)), timedelta(seconds=rng.uniform(-9, 9)),
                                        timedelta(days=rng.uniform(0, 12)), timedelta(days=rng.uniform(-2, 0))))


def ripe_instant(rng, webhook, now, seconds):
    if webhook == EDGE:
        return edge_instant(rng, now, seconds)
    chance = rng.random()
    if chance < 0.01:  # few, because a chunk counts as a whole only as long as none of it has expired
        return edge_instant(rng, now, seconds)
    if chance < 0.05:
        return now - RIPE_AGE + timedelta(seconds=rng.uniform(0, 8))  # will be ripe soon
    return now - RIPE_AGE - timedelta(days=rng.choice((0, 0, 0, 3, 40)) * rng.random(), seconds=1)


def to_ms(when):
    return when.replace(microsecond=when.microsecond // 1000 * 1000)


def new_row(rng, webhook, created_at):
    """(webhook_id, http_code, headers, body, created_at); created_at None: as the database gives it."""
    code = rng.choice(CODES[webhook])
    return [webhook, code, None if code is None else b"A: b", None if code is None else rng.choice(BODIES), created_at]


def insert(cursor, rows):
    """One statement; ids are always the database's."""
    given = rows[0][-1] is not None
    columns = "webhook_id, http_code, headers, body" + (", created_at" if given else "")
    values = [value for row in rows for value in (row if given else row[:-1])]
    mark = "(" + ", ".join(["%s"] * (5 if given else 4)) + ")"
    cursor.execute(f"INSERT INTO webhook_calls ({columns}) VALUES " + ", ".join([mark] * len(rows)), values)


# ---- Snapshots


class Snapshot:
    """The database as it was when this was made."""

    def __init__(self, service):
        self._connection = service.connect()
        self.ask("SET SESSION group_concat_max_len = 33554432")
        self.ask("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        self.ask("START TRANSACTION WITH CONSISTENT SNAPSHOT")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._connection.close()

    def ask(self, statement, *values):
        with self._connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall()

    def now(self):
        """The time it is, by the server's clock."""
        return self.ask("SELECT UTC_TIMESTAMP(3)")[0][0]

    def ids(self, query, cutoff):
        """All the ids that a query selects, in its order: whatever page of them it asks for."""
        conditions = "".join(f" AND {text}" for text, _ in query.conditions)
        values = [value for _, values in query.conditions for value in values]
        found = self.ask(f"SELECT GROUP_CONCAT(id ORDER BY {query.order}) FROM webhook_calls"
                         f" WHERE webhook_id = %s AND created_at > %s{conditions}", query.webhook, cutoff, *values)[0][0]
        return [int(number) for number in found.split(",")] if found else []

    def groups(self, query, cutoff):
        """How many records the query selects of each group that it counts by: {(created_at, http_code): number}."""
        if not query.by:
            return {}
        conditions = "".join(f" AND {text}" for text, _ in query.conditions)
        values = [value for _, values in query.conditions for value in values]
        groups = ", ".join(GROUPS[key] for key in query.by.split(","))
        return {row[:-1]: row[-1] for row in self.ask(
            f"SELECT {groups}, COUNT(*) FROM webhook_calls WHERE webhook_id = %s AND created_at > %s{conditions} GROUP BY {groups}",
            query.webhook, cutoff, *values)}

    def chunks(self, webhook):
        return self.ask("SELECT first_id, last_id, n, min_at, max_at FROM webhook_call_chunks WHERE webhook_id = %s"
                        " ORDER BY first_id", webhook)


def audit(snapshot, webhook):
    """Compares the chunks with the records they stand for; returns how many could be compared."""
    chunks, compared = snapshot.chunks(webhook), 0
    codes = collections.defaultdict(dict)
    for first, last, code, n, min_at, max_at in snapshot.ask(
            "SELECT first_id, last_id, http_code, n, min_at, max_at FROM webhook_call_chunk_codes WHERE webhook_id = %s",
            webhook):
        expect(code not in codes[first, last], f"webhook {webhook}, chunk {first} to {last} has code {code} twice")
        codes[first, last][code] = (n, min_at, max_at)
    now = snapshot.now()
    end = 0
    for first, last, n, min_at, max_at in chunks:
        where = f"webhook {webhook}, chunk {first} to {last} (n {n}, {min_at} to {max_at})"
        expect(end < first <= last, f"{where} begins in the chunk that ends at {end}, or behind its own end")
        expect(max_at <= now - RIPE_AGE, f"{where} was sealed before all of it was ripe")
        # A chunk goes when all its records are purged. So there may be a hole, but nothing in it.
        if first != end + 1:
            outside = snapshot.ask("SELECT MIN(id), COUNT(*) FROM webhook_calls WHERE webhook_id = %s AND id > %s AND id < %s",
                                   webhook, end, first)[0]
            expect(outside[1] == 0, f"{where}: before it are {outside[1]} records, the first {outside[0]}, in no chunk")
        end = last
        if min_at <= now - LIFETIME:  # some of it may be purged
            continue
        live = {code: (number, earliest, latest) for code, number, earliest, latest in snapshot.ask(
            "SELECT http_code, COUNT(*), MIN(created_at), MAX(created_at) FROM webhook_calls"
            " WHERE webhook_id = %s AND id BETWEEN %s AND %s GROUP BY http_code", webhook, first, last)}
        whole = (sum(row[0] for row in live.values()), min((row[1] for row in live.values()), default=None),
                 max((row[2] for row in live.values()), default=None))
        expect(whole == (n, min_at, max_at), f"{where} has really {whole[0]} records, {whole[1]} to {whole[2]}")
        numbers = {code: (row[0], min_at, max_at) for code, row in live.items()}
        expect(codes[first, last] == numbers, f"{where}: its codes are {codes[first, last]}, really {numbers}")
        compared += 1
    return compared


# ---- Queries


class Query:
    """A random list request, and the same in SQL."""

    def __init__(self, rng, webhook, instants, boundaries):
        self.rng, self.webhook = rng, webhook
        self.conditions, self.parameters = [], []
        self._instants, self._boundaries = instants, boundaries
        for maker, probability in ((self._code, 0.45), (self._created_at, 0.3), (self._ids, 0.03)):
            if rng.random() < probability:
                maker()
        self.sort = rng.choice(("", "", "", "id", "-id", "-id", "created_at", "-created_at", "-created_at",
                                "http_code", "-http_code", "body", "-body", "http_code,-created_at"))
        self._finish()

    def _finish(self):
        rng, keys = self.rng, self.sort.split(",") if self.sort else []
        keys = keys if "id" in self.sort else [*keys, "-id" if keys and keys[-1][0] == "-" else "id"]
        # GROUP_CONCAT's order takes a text's NULL for "".
        terms = [(term, key[0] == "-") for key in keys
                 for term in (("body IS NOT NULL", "HEX(body)") if "body" in key else (key.lstrip("-"),))]
        self.order = ", ".join(term + (" DESC" if descends else "") for term, descends in terms)
        if self.sort:
            self.parameters.append(("sort", self.sort))
        self.counted = rng.random() < 0.7
        if self.counted:
            self.parameters.append(("count", "true"))
        self.by = rng.choice(("", "", "created_at.day", "created_at.day,http_code", "created_at.hour,http_code.class",
                              "created_at.hour", "http_code.class,created_at.day", "http_code"))
        if self.by:
            self.parameters.append(("count_by", self.by))
        self.size = rng.choice((1, 25, 25, 1000))
        fields = rng.choice(("", "", "http_code,created_at", None))
        if fields is not None or self.size == 1000:
            self.parameters.append((FIELDS, fields or ""))

    def sort_by_id(self):
        """Instead of what was chosen."""
        self.sort = self.rng.choice(("", "id", "-id"))
        self.parameters = [(name, value) for name, value in self.parameters if name.startswith("filter")]
        self._finish()

    def _add(self, name, value, condition, *values):
        self.parameters.append((f"filter[{name}]", value))
        self.conditions.append((condition, values))

    def _code(self):
        codes = self.rng.sample((200, 204, 404, 500, 502, 503, 999), self.rng.choice((1, 1, 2, 3)))
        written, among = ",".join(map(str, codes)), f"http_code IN ({', '.join(['%s'] * len(codes))})"
        kind = self.rng.randrange(6)
        if kind <= 1:
            self._add("http_code", written, among, *codes)
        elif kind == 2:
            self._add("http_code", None, "http_code IS NULL")
        elif kind == 3:
            self._add("http_code", written, f"({among} OR http_code IS NULL)", *codes)
            self.parameters.append(("filter[http_code]", None))
        else:
            for operator, sign in self.rng.choice(((("gte", ">="),), (("lt", "<"),), (("gt", ">"), ("lte", "<=")))):
                bound = self.rng.choice((200, 204, 300, 400, 500, 502))
                self._add(f"http_code__{operator}", str(bound), f"http_code {sign} %s", bound)

    def _created_at(self):
        kinds = ((("gte", ">="),), (("lt", "<"),), (("gt", ">"), ("lte", "<=")), (("gte", ">="), ("lt", "<")), (("", "="),))
        for operator, sign in self.rng.choice(kinds):
            bound = self.rng.choice(self._instants) + self.rng.choice((0, 0, 1, -1)) * MS
            self._add("created_at" + ("__" + operator if operator else ""), bound.isoformat(timespec="milliseconds") + "Z",
                      f"created_at {sign} %s", bound)

    def _ids(self):
        some = [max(boundary + self.rng.choice((-1, 0, 1)), 1) for boundary in self.rng.choices(self._boundaries, k=3)]
        self._add("id", ",".join(map(str, some)), "id IN (%s, %s, %s)", *some)

    def target(self, ids):
        """With a page near the beginning, the end, or a chunk's boundary of the ids that will be selected."""
        boundary = self.rng.choice(self._boundaries)
        near = min(range(len(ids)), key=lambda place: abs(ids[place] - boundary), default=0)
        place = self.rng.choice((0, near, near, self.rng.randrange(len(ids) + 1), len(ids), len(ids) + 3000))
        self.number = max(1, place // self.size + 1 + self.rng.choice((-1, 0, 0, 1)))
        parameters = [*self.parameters, ("page[size]", str(self.size)), ("page[number]", str(self.number))]
        return LIST % self.webhook + "?" + "&".join(
            quote(name, safe="[]/") + ("" if value is None else "=" + quote(value, safe=",:")) for name, value in parameters)

    @property
    def offset(self):
        return (self.number - 1) * self.size


def check_counts(query, document, certain, possible, groups):
    """As check_list(). `groups`: how many records each group must have at least, and may have at most, where that is known."""
    counts = document.get("meta", {}).get("counts")
    expect((counts is not None) == bool(query.by), "counts: only where asked for")
    if not query.by:
        return
    numbers = {tuple(list(group.values())[:-1]): group["count"] for group in counts}
    total = sum(numbers.values())
    expect(len(numbers) == len(counts) and 0 not in numbers.values(), f"a group twice, or empty: {counts}")
    expect(len(certain) <= total <= len(possible), f"counts of {total} should be {bounds(len(certain), len(possible))}")
    if query.counted:
        expect(total == document["meta"]["count"], f"counts of {total}, but count is {document['meta']['count']}")
    if groups:
        low, high = groups
        wrong = {group: (low.get(group, 0), numbers.get(group, 0), high.get(group, 0)) for group in {*high, *numbers}
                 if not low.get(group, 0) <= numbers.get(group, 0) <= high.get(group, 0)}
        expect(not wrong, f"groups, with the least, the answered and the greatest number: {wrong}")


def check_list(query, document, certain, possible, one_instant=True):
    """`certain` are ids that the answer must have counted, `possible` those that it may: both in the query's order. They
    are the same where nothing was committed meanwhile. one_instant: the clock stood still."""
    ids = [int(resource["id"]) for resource in document["data"]]
    count = document.get("meta", {}).get("count")
    end = query.offset + query.size
    more = "next" in document["links"]
    last = document["links"].get("last")
    expect((count is not None) == query.counted and (last is not None) == query.counted, "count, last: only where asked for")
    if query.counted:
        expect(len(certain) <= count <= len(possible), f"count {count} should be {bounds(len(certain), len(possible))}")
        last = int(re.search(r"page%5Bnumber%5D=(\d+)", last)[1])
        expect(last == max(1, -(-count // query.size)), f"links.last is page {last} of {count} records")
    if certain == possible:
        page = certain[query.offset : end]
        expect(ids == page, differences(page, ids))
        expect(more == (len(certain) > end), f"links.next is there: {more}; of {len(certain)} records {end} are listed")
        return
    places = {number: place for place, number in enumerate(possible)}
    strange = [number for number in ids if number not in places]
    expect(not strange, f"ids {strange[:10]} are not selected")
    mine = [places[number] for number in ids]
    sure = sorted(places[number] for number in certain)
    expect(mine == sorted(set(mine)), "the ids are not in their order")
    expect(len(ids) <= query.size, f"{len(ids)} records")
    if not ids:
        expect(len(certain) <= query.offset, f"nothing, behind {query.offset} of at least {len(certain)} records")
    else:
        before = sum(place < mine[0] for place in sure)
        expect(before <= query.offset <= mine[0],
               f"before the first id {ids[0]} are {bounds(before, mine[0])} and not {query.offset}")
        lost = {place for place in sure if mine[0] <= place <= mine[-1]} - set(mine)
        expect(not lost, f"ids {[possible[place] for place in sorted(lost)[:10]]} are missing between {ids[0]} and {ids[-1]}")
        if not more:
            behind = [possible[place] for place in sure if place > mine[-1]]
            expect(not behind, f"no links.next, and behind {ids[-1]} is {behind[:1]}")
    if more:
        expect(len(ids) == query.size and mine[-1] + 1 < len(possible),
               f"links.next behind {len(ids)} records leads to nothing")
    if query.counted and one_instant:
        expect(more == (count > end), f"count {count}, but links.next is there: {more}")
        expect(len(ids) == max(0, min(query.size, count - query.offset)),
               f"count {count}, but {len(ids)} records behind {query.offset}")


def bounds(low, high):
    return str(low) if low == high else f"{low} to {high}"


def differences(expected, got):
    place = next((place for place, pair in enumerate(zip(expected, got)) if pair[0] != pair[1]), min(len(expected), len(got)))
    return (f"{len(got)} ids should be {len(expected)}; from place {place} on they are {got[place:place + 8]}"
            f" and should be {expected[place:place + 8]}")


# ---- The parts that go on at once


class Gate:
    """Many may pass at once, and none while it is closed."""

    def __init__(self):
        self._changed = threading.Condition()
        self._passing, self._closed = 0, 0

    @contextlib.contextmanager
    def passing(self):
        with self._changed:
            self._changed.wait_for(lambda: self._closed == 0)
            self._passing += 1
        try:
            yield
        finally:
            with self._changed:
                self._passing -= 1
                self._changed.notify_all()

    @contextlib.contextmanager
    def closed(self):
        with self._changed:
            self._closed += 1
            self._changed.wait_for(lambda: self._passing == 0)
        try:
            yield
        finally:
            with self._changed:
                self._closed -= 1
                self._changed.notify_all()


class Run:
    def __init__(self, service, seed, seconds):
        self.service, self.seed, self.seconds = service, seed, seconds
        self.began = time.monotonic()
        self.stop, self.failures = threading.Event(), []
        self.commits = Gate()  # closed: no record becomes visible
        self.requests = Gate()  # closed: the readers' clock is being set
        self.ids = threading.Lock()
        self.purging = threading.Event()
        self.done, self._done_lock = collections.Counter(), threading.Lock()
        self.sealers = {}  # thread: the connection it calls on
        self.frozen_at = None  # None: the real clock
        self.phase = "loading"
        with Snapshot(service) as snapshot:
            self.loaded_at = snapshot.now()
        self.base = self.loaded_at + clock_ahead(seconds)

    def rng(self, part):
        return random.Random(f"{self.seed} {part}")

    def add(self, what, number=1):
        with self._done_lock:
            self.done[what] += number

    def missing(self):
        return {what: least for what, least in LEAST.items() if self.done[what] < least}

    def now(self):
        return self.loaded_at + timedelta(seconds=time.monotonic() - self.began)

    def part(self, function, number):
        """A thread that calls the function again and again, with a connection and random numbers of its own."""

        def body():
            rng, connection = self.rng(f"{function.__name__} {number}"), None
            try:
                while not self.stop.is_set():
                    if connection is None or not connection.open:
                        connection = self.service.connect()
                    function(rng, connection)
            except Exception:  # the test has failed, whatever it is
                self.failures.append(traceback.format_exc())
                self.stop.set()
            finally:
                if connection is not None and connection.open:
                    connection.close()

        return threading.Thread(target=body, name=f"{function.__name__} {number}")

    def load(self):
        rng = self.rng("records")
        self.service.add_token("reader-1", ACCOUNT)
        self.service.add_webhooks(*((webhook, ACCOUNT, f"webhook {webhook}", "https://example.com/") for webhook in RECORDS))
        rows = initial_records(rng, self.loaded_at, self.seconds)
        self.instants = [row[-1] for row in rng.sample(rows, 500)]
        connection = self.service.connect()
        with connection.cursor() as cursor:
            for begin in range(0, len(rows), 1000):
                insert(cursor, rows[begin : begin + 1000])
        connection.close()

    # ---- Writers

    def write(self, rng, connection):
        self.stop.wait(rng.uniform(0, 0.25))
        with connection.cursor() as cursor:
            try:
                if rng.random() < 0.3:
                    self._write_slowly(rng, connection, cursor)
                else:
                    with self.commits.passing():
                        self._insert_some(rng, cursor)
            except pymysql.err.OperationalError as error:
                if error.args[0] not in (1205, 1213):  # a purge had the rows
                    raise
                connection.rollback()
                self.add("writes refused")

    def _write_slowly(self, rng, connection, cursor):
        """A transaction that is in flight for a while."""
        connection.begin()
        for _ in range(rng.choice((1, 1, 2, 3))):
            self._insert_some(rng, cursor)
            self.stop.wait(rng.choice((0.1, 1, 3)) * rng.random())
        with self.commits.passing():
            if rng.random() < 0.3:
                connection.rollback()
                self.add("late rollbacks")
            else:
                connection.commit()
                self.add("late commits")

    def _insert_some(self, rng, cursor):
        number = rng.choice((1, 2, 10, 50, 100))
        if rng.random() < 0.4:
            rows = [new_row(rng, rng.choice((BIG, BIG, SMALL)), None) for _ in range(number)]
            insert(cursor, rows)
        else:
            # The sealing waits for records that are in flight, but sees nothing of an INSERT that has been given ids and has
            # not come to put its rows there. Of age, such a one is 15 minutes late; these are of age when they are made. So
            # only one is made at a time.
            number *= 10
            webhook = rng.choice((FAILING, FAILING, FAILING, EDGE))
            when = ripe_instant(rng, webhook, self.now(), self.seconds)
            jitter = rng.choice((0, 1500))
            rows = [new_row(rng, webhook, to_ms(when - rng.randrange(jitter + 1) * MS)) for _ in range(number)]
            with self.ids:
                insert(cursor, rows)
        self.add("records written", len(rows))

    # ---- Sealing and purge

    def seal(self, rng, connection):
        self.sealers[threading.current_thread()] = connection.thread_id()
        try:
            with connection.cursor() as cursor:
                cursor.execute("CALL seal_webhook_calls(%s, %s)", (rng.choice((0, 1, 5)), rng.random() < 0.6))
                self.add("records sealed", cursor.fetchone()[0])
                self.add("sealings")
        except (pymysql.err.OperationalError, pymysql.err.InterfaceError) as error:
            if error.args[0] not in (0, 1053, 1317, 1927, 2006, 2013, 3169):
                raise
            self.add("sealings killed")
            with contextlib.suppress(pymysql.err.Error):
                connection.close()
        self.stop.wait(rng.uniform(0, 0.2))

    def purge(self, rng, connection):
        if self.purging.wait(0.2):
            with connection.cursor() as cursor:
                cursor.execute("CALL expire_webhook_calls(1)")
                self.add("records purged", cursor.fetchone()[0])
            self.stop.wait(rng.uniform(0, 0.5))

    def administer(self, rng, connection):
        """Deletes all chunks of a webhook, so that they are sealed again, and kills a sealing."""
        self.stop.wait(rng.uniform(0, 4))
        with connection.cursor() as cursor:
            try:  # as the README says it
                if cursor.execute("DELETE k, c FROM webhook_call_chunks k LEFT JOIN webhook_call_chunk_codes c"
                                  " USING (webhook_id, first_id) WHERE k.webhook_id = %s", rng.choice((BIG, BIG, FAILING))):
                    self.add("chunk deletions")
            except pymysql.err.OperationalError as error:
                if error.args[0] not in (1205, 1213):  # a sealing has them
                    raise
            self.stop.wait(rng.uniform(0, 0.5))
            try:
                if self.sealers:
                    cursor.execute(f"KILL {rng.choice(list(self.sealers.values()))}")
            except pymysql.err.OperationalError as error:
                if error.args[0] != 1094:  # it is gone
                    raise

    # ---- Readers

    def read(self, rng, _):
        with self.requests.passing():
            if self.frozen_at is None:
                for _ in range(4):
                    self._ask_by_the_real_clock(rng)
            elif rng.random() < 0.5:
                # What goes on: sealing, purge, and transactions in flight.
                with self.commits.closed(), Snapshot(self.service) as snapshot:
                    for _ in range(rng.choice((3, 6, 12))):
                        self._ask(rng, snapshot)
            else:
                for _ in range(4):
                    with Snapshot(self.service) as before:
                        self._ask(rng, before, gated=False)
        with Snapshot(self.service) as snapshot:
            self.add("audited chunks", audit(snapshot, rng.choice(list(RECORDS))))

    def _query(self, rng, snapshot, *webhooks):
        webhook = rng.choice(webhooks)
        chunks = snapshot.chunks(webhook)
        instants = [*rng.sample(self.instants, 5), (self.frozen_at or self.loaded_at) - LIFETIME]
        if chunks:
            instants += [at for chunk in rng.choices(chunks, k=3) for at in chunk[3:]]
        return Query(rng, webhook, instants, [chunk[0] for chunk in chunks] or [1])

    def _ask(self, rng, before, gated=True):
        query = self._query(rng, before, BIG, BIG, BIG, FAILING, FAILING, FAILING, SMALL, EDGE, DENSE, DENSE)
        cutoff = self.frozen_at - LIFETIME
        certain = possible = before.ids(query, cutoff)
        low = high = before.groups(query, cutoff)
        target = query.target(certain)
        answer = self.service.send("GET", target, TOKEN)
        if not gated:
            with Snapshot(self.service) as after:
                possible, high = after.ids(query, cutoff), after.groups(query, cutoff)
        self._check(before, query, target, answer, certain, possible, groups=(low, high))
        self.add("gated requests" if gated else "ungated requests")

    def _ask_by_the_real_clock(self, rng):
        with Snapshot(self.service) as before:
            query, early = self._query(rng, before, BIG, FAILING, EDGE, EDGE, EDGE, EDGE), before.now() - LIFETIME
            query.sort_by_id()
            at_first = before.ids(query, early)
            target = query.target(at_first)
            answer = self.service.send("GET", target, TOKEN)
            with Snapshot(self.service) as after:
                late = after.now() - LIFETIME
                at_last = after.ids(query, early)
            certain = before.ids(query, late)
            possible = sorted({*at_first, *at_last}, reverse=query.sort == "-id")
            self._check(before, query, target, answer, certain, possible, one_instant=False)
        self.add("real-clock requests")
        self.add("of them while a record expired", certain != at_first)

    def _check(self, before, query, target, answer, certain, possible, one_instant=True, groups=None):
        try:
            document = check_answer(answer)
            expect(answer.status == 200, f"status {answer.status}: {answer.body[:500]!r}")
            check_list(query, document, certain, possible, one_instant)
            check_counts(query, document, certain, possible, groups)
        except (Wrong, ValueError, KeyError) as wrong:
            chunks = "\n".join(f"  {first} to {last}, n {n}, {min_at} to {max_at}"
                               for first, last, n, min_at, max_at in before.chunks(query.webhook))
            curl = curl_line(self.service, "GET", target, TOKEN)
            raise Wrong(f"{wrong}\nafter {time.monotonic() - self.began:.1f} s, clock {self.frozen_at or 'real'}\n{curl}\n"
                        f"chunks of webhook {query.webhook} before:\n{chunks}") from None
        self.add("requests with count", query.counted)
        self.add("requests with counts by group", bool(query.by))
        self.add("requests with filters", bool(query.conditions))
        self.add("requests behind 10000 records", query.offset > 10000)

    # ---- The readers' clock

    def set_clock(self, at):
        with self.requests.closed():
            if at is None:
                self.service.sql("SET GLOBAL init_connect = ''")
                self.service.kill_reader_connections()
            else:
                self.service.freeze_clock(at.isoformat(" ", "milliseconds"))
            self.frozen_at = at
            self.phase = f"clock {at or 'real'}, purge {'on' if self.purging.is_set() else 'paused'}"
        self.add("clock steps")

    def next_clock(self, rng, step):
        if step % 4 == 2:
            return None
        at = self.frozen_at or self.base
        kind = rng.randrange(7)
        if kind == 0 or at > self.base + timedelta(days=15):
            return self.base
        if kind <= 3:  # to the millisecond at which a chunk begins to expire
            with Snapshot(self.service) as snapshot:
                moments = [row[0] + LIFETIME for row in snapshot.ask("SELECT min_at FROM webhook_call_chunks")]
            moments = [moment for moment in moments if self.base < moment < self.base + timedelta(days=15)]
            if moments:
                return rng.choice(moments) + rng.choice((-1, 0, 0, 1)) * MS
        return at + rng.choice((timedelta(hours=7), timedelta(days=1), timedelta(days=3)))

    def go(self):
        rng = self.rng("steps")
        self.load()
        self.set_clock(self.base)
        parts = [self.part(function, number) for function, copies in (
            (self.write, 3), (self.seal, 2), (self.purge, 2), (self.administer, 1), (self.read, 2)) for number in range(copies)]
        for thread in parts:
            thread.start()
        # Longer, on a machine so slow that less than the least was done.
        started, step = time.monotonic(), 0
        while time.monotonic() < started + (4 if self.missing() else 1) * self.seconds:
            if self.stop.wait(self.seconds / 14):
                break
            step += 1
            if step > 2 and rng.random() < 0.7:  # at first the purge is days late
                self.purging.set()
            else:
                self.purging.clear()
            self.set_clock(self.next_clock(rng, step))
        self.stop.set()
        self.purging.set()
        for thread in parts:
            thread.join()
        if not self.failures:
            self.settle()
        return self.report()

    def settle(self):
        """All is written, and all that can be sealed is sealed."""
        self.set_clock(self.base)
        wait_until(lambda: self.service.sql("CALL seal_webhook_calls(60, TRUE)")[0][1], "end of the sealing", 60)
        rng = self.rng("at the end")
        try:
            with Snapshot(self.service) as snapshot:
                for webhook in RECORDS:
                    self.add("chunks at the end", len(snapshot.chunks(webhook)))
                    self.add("audited chunks", audit(snapshot, webhook))
                expect(len(snapshot.chunks(BIG)) >= RECORDS[BIG] * 53 // 67 // 4096, "the big webhook is not all sealed")
                for _ in range(30):
                    self._ask(rng, snapshot)
        except Wrong:
            self.failures.append(traceback.format_exc())

    def report(self):
        for failure in self.failures:
            print(f"MISMATCH with seed {self.seed}, at last {self.phase}\n{failure}")
        if not self.failures and self.missing():
            print(f"Too little was done to prove anything. It should have been at least: {self.missing()}")
        passed = not self.failures and not self.missing()
        figures = ", ".join(f"{what} {number}" for what, number in sorted(self.done.items()))
        print(f"{'All agree' if passed else 'Failed'} after {time.monotonic() - self.began:.0f} s: {figures}")
        return passed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    parser.add_argument("--seconds", type=int, default=35 if SANITIZED else 70, help="about so long (default %(default)s)")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    with Service(workers=2) as service:
        return 0 if Run(service, arguments.seed, arguments.seconds).go() else 1


if __name__ == "__main__":
    sys.exit(main())
