"""The fixed data set of scripts/bench: made by a seeded generator, the same bytes each time, and loaded into a kept state folder."""

import itertools
import json
import os
import random
import subprocess
import time

from service import LIST, PROJECT, SHOW, Service, die_with_parent, stop_session

VERSION = 1  # of what is loaded: another one is loaded anew
ROWS = 200_000
MIXED = range(101, 111)  # webhooks that have the rows in turn
WIDE, WIDE_BYTES = 111, 64 << 10
HUGE, HUGE_BYTES = 112, 1 << 20
PAGE = 1000  # rows that WIDE and HUGE have
DAYS = 50  # over which the calls are spread
DAYS_KEPT = 7  # then the first of them are near their end
BUFFER_POOL = "2G"  # holds all of it
INSERT = "INSERT INTO webhook_calls (id, webhook_id, http_code, headers, body, created_at) VALUES (%s, %s, %s, %s, %s, %s)"

WORDS = ("order customer article warehouse delivered naïve café Müller Łódź Ελλάδα 北京 配達済み 🚚 the a of accepted invoice pending "
         "retry because timeout C:\\orders\\new \"quoted\" it's 50% R&D <b>bold</b> {x} null 0 12.50 2026-11-24 key=value #7").split()


def say(*words):
    print(" ".join(words).rstrip(), flush=True)


# ---- What is loaded


def phrase(source):
    return " ".join(source.choices(WORDS, k=source.randint(2, 9)))


def percent_encoded(text):
    return "".join(c if c.isalnum() and c.isascii() else "".join(f"%{byte:02X}" for byte in c.encode()) for c in text)


class Texts:
    """Makes headers and bodies, all from one seed."""

    def __init__(self, seed):
        self.source = random.Random(seed)
        phrases = [phrase(self.source) for _ in range(512)]
        names = [f"field_{number}" for number in range(512)]
        # What a text begins with, what it is made of, what joins that. None of it is ever shorter than 10 bytes.
        self.kinds = [
            ("{\n", [json.dumps(name) + ": " + json.dumps(text, ensure_ascii=len(text) % 2 == 0)
                     for name, text in zip(names, phrases)], ",\n\t"),
            ('{"data":[', [json.dumps({"id": len(text), "name": text}, separators=(",", ":")) for text in phrases], ","),
            ("", [f"{name}={percent_encoded(text).replace('%20', '+')}" for name, text in zip(names, phrases)], "&"),
            ("OK\r\n", [f"{name}\t{text}" for name, text in zip(names, phrases)], "\n"),
        ]

    def body(self, size):
        """So many bytes, or up to three less where a character would be cut."""
        begin, parts, joint = self.source.choice(self.kinds)
        text = begin + joint.join(self.source.choices(parts, k=size // 10 + 1))
        return text.encode()[:size].decode(errors="ignore")

    def headers(self, length):
        day = self.source.randint(1, 28)
        return "\r\n".join((
            "Server: nginx/1.22.1", f"Date: Mon, {day:02} Nov 2026 10:{day + 30}:{day + 10} GMT",
            f"Content-Type: {self.source.choice(('application/json; charset=utf-8', 'text/plain; charset=utf-8'))}",
            f"Content-Length: {length}", "Connection: keep-alive",
            f"X-Request-Id: {self.source.getrandbits(128):032x}", "Cache-Control: no-store, no-cache, must-revalidate",
            f"Set-Cookie: session={self.source.getrandbits(160):040x}; Path=/; HttpOnly; SameSite=Lax",
            "Strict-Transport-Security: max-age=31536000; includeSubDomains", f"ETag: W/\"{length:x}-{day:x}\"", "X-Powered-By: PHP"))


def mixed_rows(texts, now):
    """1 of 50 has no response, 1 of 256 a long body."""
    source = texts.source
    for number in range(1, ROWS + 1):
        answered = source.randrange(50) > 0
        size = source.randint(16 << 10, 128 << 10) if source.randrange(256) == 0 else source.randint(50, 2048)
        yield response_row(texts, number, MIXED[number % len(MIXED)], size if answered else None, now, number / ROWS)


def equal_rows(texts, now, webhook, first_id, size):
    """As many as are taken of a page."""
    for number in range(PAGE):
        yield response_row(texts, first_id + number, webhook, size, now, number / PAGE)


def response_row(texts, number, webhook, size, now, share):
    created_at = now - DAYS * 86400 * (1 - share)
    time_text = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(created_at)) + f".{number % 1000:03}"
    if size is None:
        return number, webhook, None, None, None, time_text
    code = texts.source.choices((200, 201, 204, 302, 404, 500, 503), (80, 6, 2, 1, 5, 4, 2))[0]
    return number, webhook, code, texts.headers(size), texts.body(size), time_text


def show_targets(count):
    source = random.Random(count)
    numbers = source.sample(range(1, ROWS + 1), count)
    return [SHOW % (MIXED[number % len(MIXED)], number) for number in numbers]


def list_targets(query, webhooks=MIXED):
    return [LIST % webhook + "?" + query for webhook in webhooks]


# ---- The service that has it


class LoadedService(Service):
    """With the data set, in a state folder that stays. But for the soak, its own pool is not measured; it only has to be there."""

    def __init__(self, folder, huge=False, workers=1):
        self.kept, self.huge = folder.resolve(), huge
        self.kept.mkdir(parents=True, exist_ok=True)
        super().__init__(workers)

    def _start(self, workers, environment):
        self.state = self.kept
        # Of an earlier run: servers at ports that others may have by now, and logs.
        for old in (*self.state.glob("nginx.d/*"), *self.state.glob("log/*.log")):
            old.unlink()
        super()._start(workers, {"WEBHOOK_CALLS_BUFFER_POOL": os.environ.get("WEBHOOK_CALLS_BUFFER_POOL", BUFFER_POOL), **environment})
        self.load()
        self.warm_up()

    def load(self):
        marker = self.state / "loaded.json"
        try:
            loaded = json.loads(marker.read_text())
        except (OSError, ValueError):
            loaded = {}
        if loaded.get("version") != VERSION or time.time() - loaded["at"] > DAYS_KEPT * 86400:
            loaded = {"version": VERSION, "at": time.time(), "huge": False}
            marker.unlink(missing_ok=True)
            for table in ("webhook_call_chunk_codes", "webhook_call_chunks", "webhook_calls"):
                self.sql(f"TRUNCATE {table}")
            self.sql("DELETE FROM webhooks")
            self.add_webhooks(*((webhook, 1, f"Bench {webhook}", f"https://shop.example/hooks/{webhook}")
                                for webhook in (*MIXED, WIDE, HUGE)))
            self.insert(f"{ROWS} calls", ROWS, mixed_rows(Texts("mixed"), loaded["at"]))
            self.insert(f"{PAGE} calls of 64 KiB", PAGE, equal_rows(Texts("wide"), loaded["at"], WIDE, ROWS + 1, WIDE_BYTES))
            self.insert_huge(1, loaded)
            self.finish_load(marker, loaded)
        if self.huge and not loaded["huge"]:
            self.sql(f"DELETE FROM webhook_calls WHERE webhook_id = {HUGE}")
            self.insert_huge(PAGE, loaded)
            self.finish_load(marker, {**loaded, "huge": True})

    def insert_huge(self, count, loaded):
        self.insert(f"{count} calls of 1 MiB", count, equal_rows(Texts("huge"), loaded["at"], HUGE, ROWS + PAGE + 1, HUGE_BYTES))

    def insert(self, what, count, rows):
        """In transactions of a hundredth, within which the driver makes statements of up to 1 MB."""
        part, shown = max(1, count // 100), 0
        with self.connect() as connection, connection.cursor() as cursor:
            for done in range(0, count, part):
                connection.begin()
                cursor.executemany(INSERT, list(itertools.islice(rows, part)))
                connection.commit()
                if (done + part) * 10 // count > shown:
                    shown = (done + part) * 10 // count
                    say(f"  loading {what}: {shown * 10} %")

    def finish_load(self, marker, loaded):
        subprocess.run([PROJECT / "scripts/seal-calls", "--quiet", "--all", "--time-limit", "600"], check=True, stdin=subprocess.DEVNULL,
                       env={**os.environ, "WEBHOOK_CALLS_STATE": str(self.state)})
        self.sql("ANALYZE TABLE webhook_calls")
        marker.write_text(json.dumps(loaded))

    def warm_up(self):
        """Every page of every index into the database's memory."""
        say("  reading all of it once")
        for webhook in (*MIXED, WIDE, HUGE):
            self.sql("SELECT SUM(CRC32(headers)), SUM(CRC32(body)) FROM webhook_calls FORCE INDEX (PRIMARY) "
                     f"WHERE webhook_id = {webhook}")
        for index in ("by_id", "by_created", "by_code", "by_expiry"):
            self.sql(f"SELECT COUNT(*) FROM webhook_calls FORCE INDEX ({index}) WHERE id > 0 AND created_at > '2000-01-01'")

    # Further pools; those that still run end with the service.

    def launch(self, command, log, variables):
        with open(log, "wb") as output:
            process = subprocess.Popen(command, env=variables, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                       start_new_session=True, preexec_fn=die_with_parent)
        self._pools.append(process)
        return process

    def end(self, process):
        stop_session(process)
        self._pools.remove(process)
