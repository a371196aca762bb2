#!/usr/bin/python3
"""Walks by cursors miss no record and repeat none while records are written, expire, are purged and sealed into chunks.

usage: cursor_walks_test.py [--seed N] [--walks N]

Each sort is walked in both directions, with and without filters, in small pages. Many walks take turns in each of a few
threads, and after each page of a walk its thread changes something: so changes lie between any two pages, and those of other
threads meet the requests themselves. What a walk must have seen is what was there from before its first page until after its
last one; it may have seen what came or went meanwhile. Each walk must also have gone on from a record that was purged while
it stood there. The seed, which is printed, decides what is walked and what each thread does, but not how they meet: a mismatch
need not come again.
"""

import argparse
import collections
import contextlib
import itertools
import math
import random
import re
import sys
import threading
import time
import traceback
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import quote

import pymysql

import model
from concurrency_test import ACCOUNT, FIELDS, LIFETIME, MS, TOKEN, insert, to_ms

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "acceptance"))
from service import LIST, SANITIZED, Service, Wrong, check_answer, curl_line, expect  # noqa: E402

WEBHOOK = 1
THREADS, AT_ONCE = 3, 8  # so many walks take turns in each thread

SORTS = [sign + column for column in model.COLUMNS for sign in ("", "-")]
SORTS += ["", "created_at,-id", "-created_at,id", "http_code,-created_at", "-http_code,created_at", "body,-http_code",
          "-headers,body", "created_at,-body,http_code", "-webhook_id,http_code,-headers,body,-created_at"]

# The records, in the order of their ids. Of the burst all were recorded at one instant, and it has all of a chunk. The last one
# is too young to be sealed, and so all behind it are: a chunk is exact only where no record comes later that belongs in it.
EXPIRING, EARLY, BURST, LATE = 600, 3000, 5000, 400
DOOMED_FOR = timedelta(seconds=6)  # a record that expires so soon can be waited for

CODES = (200,) * 10 + (204, 404, 404, 500, 502, 503, 503, None, None)
LONG = b"x" * 1023  # texts are compared by their first 1024 bytes
TEXTS = (b"", b"a", b"A", b"ok", b"OK", b"\xff", b"\xc5\xbe", b'{"ok":true}', b"a\x00b", LONG, LONG + b"x", LONG + b"xy",
         LONG + b"y", LONG + b"x" * 4000)

# What a run of all walks must have seen, so that it cannot pass by doing nothing.
LEAST = {"pages": 1500, "pages made during a change": 500, "records inserted": 10000, "records purged": 10000,
         "chunks sealed": 80, "chunk deletions": 20, "late commits": 20, "late rollbacks": 5, "walks past a purged record": 50,
         "pages behind an expired record": 80, "seen of what came": 100, "not seen of what came": 100,
         "seen of what expired": 1000, "not seen of what expired": 100}


def utc_now():
    """By the machine's clock, which is the database's too."""
    return to_ms(datetime.now(timezone.utc).replace(tzinfo=None))


def model_time(when):
    return (when - datetime.min) // MS + 24 * 3600 * 1000


# ---- Records and their changes


class Log:
    """The records that were ever committed, each as soon as that is certain, and all that changes them."""

    def __init__(self, service, rng):
        self.service = service
        self.calls, self.by_id = [], {}
        self.done, self._lock = collections.Counter(), threading.Lock()
        self.burst_at = utc_now() - timedelta(days=20)
        self._load(rng)

    def add(self, what, number=1):
        with self._lock:
            self.done[what] += number

    def changes(self):
        """How many there were until now, of each kind."""
        with self._lock:
            return {kind: self.done[kind] for kind in ("records inserted", "records purged", "chunks sealed")}

    def _load(self, rng):
        self.service.add_token("reader-1", ACCOUNT)
        self.service.add_webhooks((WEBHOOK, ACCOUNT, "walked", "https://example.com/"))
        now = utc_now()
        times = [now - LIFETIME + timedelta(seconds=rng.uniform(0, 40)) for _ in range(EXPIRING)]
        times += sorted(self.burst_at - timedelta(days=35 * rng.random()) for _ in range(EARLY))
        times += [self.burst_at] * BURST
        times += [self.burst_at + timedelta(days=19 * rng.random()) for _ in range(LATE)]
        times.append(now + timedelta(hours=1))
        with self.service.connect() as connection, connection.cursor() as cursor:
            for begin in range(0, len(times), 500):
                self._commit(self._insert(cursor, [self._row(rng, when) for when in times[begin:begin + 500]]))

    @staticmethod
    def _row(rng, when):
        code = rng.choice(CODES)
        headers, body = (None, None) if code is None else (rng.choice(TEXTS), rng.choice(TEXTS))
        return [WEBHOOK, code, headers, body, to_ms(when)]

    @staticmethod
    def _insert(cursor, rows):
        insert(cursor, rows)
        # One statement of so many rows has ids that follow each other.
        return [model.Call(cursor.lastrowid + place, *row[:4], model_time(row[4])) for place, row in enumerate(rows)]

    def _commit(self, calls):
        self.by_id.update((call.id, call) for call in calls)
        self.calls.extend(calls)
        self.add("records inserted", len(calls))

    def _lasting(self, rng):
        return rng.choice((self.burst_at, self.burst_at, utc_now() - timedelta(days=59.9 * rng.random())))

    def insert(self, rng, connection):
        """Most of them expire within seconds, so that as many go as come."""
        soon = utc_now() - LIFETIME
        rows = [self._row(rng, soon + timedelta(seconds=rng.uniform(0, 8)) if rng.random() < 0.9 else self._lasting(rng))
                for _ in range(rng.randrange(4, 20))]
        while True:
            try:
                with connection.cursor() as cursor:
                    return self._commit(self._insert(cursor, rows))
            except pymysql.err.OperationalError as error:
                if error.args[0] not in (1205, 1213):  # a purge had the rows
                    raise
                self.add("writes refused")

    def insert_late(self, rng, connection):
        """A transaction, whose records have their ids before others that are committed first. Returns what ends it."""
        connection.begin()
        with connection.cursor() as cursor:
            calls = self._insert(cursor, [self._row(rng, self._lasting(rng)) for _ in range(3)])

        def end():
            if rng.random() < 0.3:
                connection.rollback()
                self.add("late rollbacks")
            else:
                connection.commit()
                self._commit(calls)
                self.add("late commits")

        return end

    def try_to_purge(self, connection):
        """False where nothing was due."""
        with connection.cursor() as cursor:
            cursor.execute("CALL expire_webhook_calls(1)")
            purged, _, busy = cursor.fetchone()
        self.add("records purged", purged)
        return purged or busy

    def purge(self, rng, connection):
        """Until some records have gone, by this purge or another thread's."""
        before = self.changes()["records purged"]
        while self.changes()["records purged"] == before:
            if not self.try_to_purge(connection):
                self.insert(rng, connection)

    def seal(self, _, connection):
        """Until a chunk was sealed. Where all are, an administrator deletes them, as the README says, so that they are sealed
        again: from where the records now begin."""
        before = self.changes()["chunks sealed"]
        while self.changes()["chunks sealed"] == before:
            with connection.cursor() as cursor:
                cursor.execute("CALL seal_webhook_calls(0, TRUE)")
                sealed, _, busy = cursor.fetchone()
                self.add("chunks sealed", sealed > 0)
                if sealed or busy:
                    continue
                with contextlib.suppress(pymysql.err.OperationalError):  # a sealing, or a purge, has them
                    cursor.execute("DELETE k, c FROM webhook_call_chunks k LEFT JOIN webhook_call_chunk_codes c"
                                   " USING (webhook_id, first_id) WHERE k.webhook_id = %s", (WEBHOOK,))
                    self.add("chunk deletions")

    def is_stored(self, number, connection):
        with connection.cursor() as cursor:
            return bool(cursor.execute("SELECT id FROM webhook_calls WHERE webhook_id = %s AND id = %s", (WEBHOOK, number)))


# ---- Walks


def filters(rng):
    """Some that select more than a few records."""
    codes = rng.choice((("", "5xx"), ("", "5xx"), ("", "4xx,5xx"), ("", "404,503"), ("", None), ("__neq", "200"),
                        ("__gte", "400"), ("__exists", "true")))
    since, until = (utc_now() - timedelta(days=days) for days in (rng.choice((21, 25, 50, 61)), rng.choice((5, 18))))
    times = [("created_at__gte", since.isoformat() + "Z"), ("created_at__lt", until.isoformat() + "Z")]
    code = [("http_code" + codes[0], codes[1])]
    return rng.choice((code, code, code, times, times[:1], times[1:], code + times, code + times[:1],
                       [("body__match", "OK")], [("headers__prefix", "xx"), ("body__neq", "a")]))


Page = collections.namedtuple("Page", "asked_at target size ids count before after")


class Walk:
    def __init__(self, seed, number, sort, backwards, filtered):
        self.rng = random.Random(f"{seed} walk {number}")
        self.backwards = backwards
        self.parameters = [(f"filter[{name}]", value) for name, value in filters(self.rng)] if filtered else []
        if sort:
            self.parameters.append(("sort", sort))
        if self.rng.random() < 0.15:
            self.parameters.append(("count", "true"))
        fields = self.rng.choice(("", "", "", "http_code,created_at", None))
        if fields is not None:
            self.parameters.append((FIELDS, fields))
        # A record that is purged before its contents are read is left out.
        self.reads_contents = fields is None or "headers" in sort or "body" in sort
        self.parameters += [("page[size]", "1"), ("page[before]" if backwards else "page[after]", "")]
        query = "&".join(quote(name) + ("" if value is None else "=" + quote(value, safe="")) for name, value in self.parameters)
        self.request = model.Request(query, is_list=True)
        expect(not self.request.faults, f"{query} has faults")
        self.next_target = LIST % WEBHOOK + "?" + query
        self.pages, self.seen = [], set()
        self.stands_on = None  # the id of a record that is to be purged before the walk goes on
        self.passed_purged = False
        # What must happen between its first pages, beside what does by chance.
        self.must_come = {self.rng.randrange(1, 5): "seal", self.rng.randrange(5, 8): "purge"}

    def __str__(self):
        query = "&".join(name + ("" if value is None else f"={value}") for name, value in self.parameters)
        return f"{query} ({len(self.pages)} pages, {len(self.seen)} records)"

    def selects(self, call):
        return all(model.selects(call, *key, values) for key, values in self.request.filters.items())

    def begin(self, log):
        self.began_at, self.known = utc_now(), len(log.calls)
        alive = model_time(self.began_at - LIFETIME)
        self.at_first = [call for call in log.calls[:self.known] if call.created_at > alive and self.selects(call)]
        # A walk to the oldest may come to them when all have just expired.
        to_oldest = (self.request.sort[:1] or [""])[0] == ("created_at" if self.backwards else "-created_at")
        soon = model_time(self.began_at - LIFETIME + DOOMED_FOR)
        self.must_pass_purged = not to_oldest and any(call.created_at < soon for call in self.at_first)
        expect(len(self.at_first) > 300, f"{self} selects {len(self.at_first)} records only")

    def take_page(self, log):
        """True where another one follows."""
        size = self._size()
        page, link = self._ask(log, size)
        while not self.passed_purged and (to_doomed := self._size_to_doomed(log, page.ids)):
            if to_doomed == len(page.ids):
                self.stands_on = page.ids[0 if self.backwards else -1]
                break
            page, link = self._ask(log, to_doomed)
        self.pages.append(page)
        twice = self.seen.intersection(page.ids)
        expect(len({*page.ids}) == len(page.ids) and not twice, f"records {sorted(twice)[:10]} came again")
        self.seen.update(page.ids)
        expect(len(page.ids) <= page.size, f"{len(page.ids)} records on a page of {page.size}")
        if link and not self.reads_contents:
            expect(len(page.ids) == page.size, f"{len(page.ids)} of {page.size} records, and a link")
        self.next_target = link
        return link is not None

    def _size(self):
        """As many pages as there are small ones come together, until most of the records have come on the others."""
        number = len(self.at_first)
        if len(self.pages) < 8 or self.rng.random() < 0.5:
            return round(math.exp(self.rng.uniform(0, math.log(max(number // 25, 10)))))
        return min(self.rng.randrange(number // 20, number // 8), 1000)

    def _ask(self, log, size):
        target = re.sub(r"(page%5Bsize%5D=)\d+", rf"\g<1>{size}", self.next_target)
        self.asked, before, asked_at = target, log.changes(), utc_now()
        answer = log.service.send("GET", target, TOKEN)
        after = log.changes()
        document = check_answer(answer)
        expect(answer.status == 200, f"status {answer.status}: {answer.body[:500]!r}")
        ids = [int(resource["id"]) for resource in document["data"]]
        links = document["links"]
        expect(not {"first", "last"} & {*links}, f"links {[*links]}")
        return Page(asked_at, target, size, ids, document.get("meta", {}).get("count"), before, after), \
            links.get("prev" if self.backwards else "next")

    def _size_to_doomed(self, log, ids):
        """How long the page would be if the walk's next cursor stood on a record that soon expires; None where there is none."""
        now = utc_now() - LIFETIME
        begin, end = model_time(now + timedelta(seconds=0.3)), model_time(now + DOOMED_FOR)
        in_turn = ids[::-1] if self.backwards else ids
        times = [(log.by_id[number].created_at, place) for place, number in enumerate(in_turn, 1) if number in log.by_id]
        return min((pair for pair in times if begin < pair[0] < end), default=(None, None))[1]

    def go_on(self, log, connection):
        """False as long as the record on which the walk waits to be purged is there."""
        if self.stands_on is None:
            return True
        if log.is_stored(self.stands_on, connection):
            return False
        self.passed_purged = True
        log.add("walks past a purged record")
        self.stands_on = None
        return True

    def check(self, log):
        """When all is written and known."""
        last = self.pages[-1]
        self._check_changes(log)
        strange = [number for number in self.seen if number not in log.by_id or not self.selects(log.by_id[number])]
        expect(not strange, f"records {strange[:10]} are not selected")
        for page in self.pages:
            dead = [number for number in page.ids if log.by_id[number].created_at <= model_time(page.asked_at - LIFETIME)]
            expect(not dead, f"records {dead[:10]} had expired before they were asked for\n{page.target}")
        in_turn = [number for page in (self.pages[::-1] if self.backwards else self.pages) for number in page.ids]
        ended_at = model_time(self.ended_at - LIFETIME)
        certain = {call.id for call in self.at_first if call.created_at > ended_at}
        order = model.ordered([self._compared(log.by_id[number]) for number in certain | self.seen], self.request.sort)
        place_of = {call.id: place for place, call in enumerate(order)}
        for one, other in itertools.pairwise(in_turn):
            expect(place_of[one] < place_of[other], f"record {other} comes behind {one}")
        missing = sorted(certain - self.seen, key=place_of.get)
        if missing:
            raise Wrong(f"{len(missing)} records are missing, such as {missing[:10]}\n{self._page_of(missing[0], place_of)}")
        for page in self.pages:
            expect(page.count is None or page.count >= len(certain), f"count {page.count}, of at least {len(certain)}")
        expect(self.passed_purged or not self.must_pass_purged, "the walk never stood on a record that was purged")
        first_known = {call.id for call in self.at_first}
        came = {call.id for call in log.calls[self.known:] if call.created_at > ended_at and self.selects(call)}
        log.add("seen of what came", len(came & self.seen))
        log.add("not seen of what came", len(came - self.seen))
        log.add("seen of what expired", len((first_known & self.seen) - certain))
        log.add("not seen of what expired", len(first_known - self.seen))
        for one, other in itertools.pairwise(self.pages):
            cursor_of = one.ids[0 if self.backwards else -1]
            log.add("pages behind an expired record", log.by_id[cursor_of].created_at <= model_time(other.asked_at - LIFETIME))
        log.add("pages", len(self.pages))
        log.add("pages made during a change", sum(page.before != page.after for page in self.pages))
        expect(last.ids or len(self.pages) > 1, "there was nothing to walk")

    def _check_changes(self, log):
        """That there were some between any two pages, and some of each kind during the walk."""
        for one, other in itertools.pairwise(self.pages):
            expect(sum(one.after.values()) < sum(other.before.values()), "nothing was changed between two pages")
        for kind, number in self.pages[0].after.items():
            expect(number < self.pages[-1].before[kind], f"the walk saw no change of {kind}")

    @staticmethod
    def _compared(call):
        """The record as far as sorts compare it."""
        return model.Call(call.id, call.webhook_id, call.http_code, call.headers and call.headers[:1024],
                          call.body and call.body[:1024], call.created_at)

    def _page_of(self, missing, place_of):
        for page in self.pages:
            places = [place_of[number] for number in page.ids]
            if places and (min(places) < place_of[missing] if self.backwards else max(places) > place_of[missing]):
                return f"It should be on or before the page with {page.ids[:3]} to {page.ids[-3:]}: {page.target}"
        return f"It should be behind the last page: {self.pages[-1].target}"


# ---- All of them


class Run:
    def __init__(self, service, seed, walks):
        self.service, self.seed = service, seed
        self.log = Log(service, random.Random(f"{seed} records"))
        choices = itertools.product(SORTS, (False, True), (False, True))
        made = [Walk(seed, number, *choice) for number, choice in enumerate(choices)]
        random.Random(f"{seed} order").shuffle(made)
        self.whole = walks is None or walks >= len(made)
        self.walks = made[:walks]
        self.failed, self.failures = threading.Event(), []

    def take_turns(self, number):
        """A thread: its walks go a page each in turn, with changes after each page."""
        rng = random.Random(f"{self.seed} thread {number}")
        waiting, under_way, late = self.walks[number::THREADS], collections.deque(), None
        with self.service.connect() as connection, self.service.connect() as slow:
            while not self.failed.is_set():
                while len(under_way) < AT_ONCE and waiting:
                    under_way.append(waiting.pop())
                    under_way[-1].begin(self.log)
                if not under_way:
                    break
                walk = under_way.popleft()
                if not walk.go_on(self.log, connection):
                    under_way.append(walk)
                    self.log.try_to_purge(connection)
                    continue
                self._take_page(walk, under_way)
                changes = [self.log.insert, *([self.log.purge] if rng.random() < 0.5 else []),
                           *([self.log.seal] if rng.random() < 0.03 else [])]
                if due := walk.must_come.get(len(walk.pages)):
                    changes.append(getattr(self.log, due))
                for change in changes:
                    change(rng, connection)
                if late and rng.random() < 0.2:
                    late = late()
                elif not late and rng.random() < 0.1:
                    late = self.log.insert_late(rng, slow)
            if late:
                late()

    def _take_page(self, walk, under_way):
        try:
            if walk.take_page(self.log):
                under_way.append(walk)
            else:
                walk.ended_at = utc_now()
        except (Wrong, ValueError, KeyError) as wrong:
            raise Wrong(self._explained(walk, wrong)) from None

    def _explained(self, walk, wrong):
        return f"{wrong}\nin the walk {walk}, last asked for:\n{curl_line(self.service, 'GET', walk.asked, TOKEN)}"

    def thread(self, number):
        try:
            self.take_turns(number)
        except Exception:  # the test has failed, whatever it is
            self.failures.append(traceback.format_exc())
            self.failed.set()

    def go(self):
        began = time.monotonic()
        threads = [threading.Thread(target=self.thread, args=(number,)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if not self.failures:
            for walk in self.walks:
                try:
                    walk.check(self.log)
                except Wrong as wrong:
                    self.failures.append(self._explained(walk, wrong))
        for failure in self.failures:
            print(f"MISMATCH with seed {self.seed}\n{failure}")
        done = self.log.done
        missing = {what: least for what, least in LEAST.items() if done[what] < least} if self.whole else {}
        if not self.failures and missing:
            print(f"Too little was done to prove anything. It should have been at least: {missing}")
        passed = not self.failures and not missing
        figures = ", ".join(f"{what} {number}" for what, number in sorted(done.items()))
        print(f"{len(self.walks)} walks {'agree' if passed else 'failed'} after {time.monotonic() - began:.0f} s: {figures}")
        return passed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    parser.add_argument("--walks", type=int, default=30 if SANITIZED else None, help="only so many, whichever (default: all)")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    with Service(workers=2) as service:
        return 0 if Run(service, arguments.seed, arguments.walks).go() else 1


if __name__ == "__main__":
    sys.exit(main())
