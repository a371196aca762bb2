#!/usr/bin/python3
"""Times reads, writers and the purge on a big table and on a small one; scripts/bench-scale --help tells how."""

import argparse
import concurrent.futures
import contextlib
import http.client
import json
import math
import multiprocessing
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import pymysql

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "acceptance"))
from reads import READS  # noqa: E402
from service import PROJECT, Service  # noqa: E402

SMALL = 200_000
CHUNK = 4096  # records
REPEATS = 15  # of a request, after two that are not counted
SLOW_MS = 1000  # a request that takes longer is not repeated
DAYS = 61  # over which the calls are spread, so that on every table the oldest chunk is partly expired
DAYS_KEPT = 7  # then a load has lost so many rows to the purge that it is made again
# How many times longer a read may take on the big table than on the small one (a millisecond more is noise), and how many times
# more rows than a list's first page, and a chunk, a page deep in it may examine.
GROWTH = 2
WRITERS_WEBHOOK = 4_000_000_000
SENDERS = 4
PURGED_ROWS = 200_000
SINGLE_INSERT = "INSERT INTO webhook_calls (webhook_id, http_code, headers, body) VALUES (%s, %s, %s, %s)"


def say(*words):
    print(" ".join(words).rstrip(), flush=True)


# ---- The service, with a state folder that stays


class Loaded(Service):
    """A service whose table has so many made-up calls; loads them where it has not."""

    def __init__(self, folder, rows):
        self.kept, self.rows = folder.resolve(), rows
        super().__init__(workers=1)  # that has answered before when it counts

    def _start(self, workers, environment):
        self.state = self.kept
        super()._start(workers, {"WEBHOOK_CALLS_BUFFER_POOL": os.environ.get("WEBHOOK_CALLS_BUFFER_POOL", "4G"), **environment})
        self.load()
        self.bring_up_to_date()
        self.find_webhooks()

    def load(self):
        marker = self.state / "loaded.json"
        try:
            loaded = json.loads(marker.read_text())
        except (OSError, ValueError):
            loaded = {"rows": 0, "at": 0}
        if loaded["rows"] == self.rows and time.time() - loaded["at"] < DAYS_KEPT * 86400:
            return
        marker.unlink(missing_ok=True)
        say(f"Loading {self.rows} rows into {self.state}")
        self.delete_chunks()
        self.sql("TRUNCATE webhook_calls")
        began = time.time()
        self.script("load-demo", str(self.rows), "--rare-failures", "--days", str(DAYS), output=None)
        marker.write_text(json.dumps({"rows": self.rows, "at": began}))

    def bring_up_to_date(self):
        """What cron would have done since, and what an interrupted run of this program left behind."""
        self.delete_written()
        while self.script("expire-calls", "--time-limit", "600", codes=(0, 3)) == 3:
            pass
        self.seal()

    # The rollup.

    def chunk_tables(self):
        """The parts before the whole."""
        return sorted((name for name, in self.sql("SHOW TABLES LIKE 'webhook_call_chunk%'")), key=len, reverse=True)

    def delete_chunks(self):
        for table in self.chunk_tables():
            self.sql(f"DELETE FROM {table}")

    def seal_two_again(self):
        """The two newest chunks of a webhook, by a run as cron has it."""
        newest = f"FROM webhook_call_chunks WHERE webhook_id = {self.failing} ORDER BY first_id DESC LIMIT 1, 1"
        ((first,),) = self.sql(f"SELECT first_id {newest}")
        for table in self.chunk_tables():
            self.sql(f"DELETE FROM {table} WHERE webhook_id = {self.failing} AND first_id >= {first}")
        self.sql("UPDATE webhook_call_upkeep SET caught_up_at = caught_up_at - INTERVAL 1 DAY WHERE task = 'seal'")
        self.script("seal-calls", codes=(0, 3))

    def seal(self):
        self.sql("DO GET_LOCK(CONCAT(DATABASE(), '.seal_webhook_calls'), 120)")  # until the event's run is over
        self.script("seal-calls", "--all", "--time-limit", "86400")

    def delete_written(self):
        while self.sql_count(f"DELETE FROM webhook_calls WHERE webhook_id = {WRITERS_WEBHOOK} LIMIT 10000"):
            pass

    def sql_count(self, statement):
        with self.connect() as connection:
            return connection.cursor().execute(statement)

    def find_webhooks(self):
        webhooks = self.sql("SELECT id FROM webhooks WHERE name IN ('Load demo 1', 'Load demo 2') ORDER BY name")
        (self.big,), (self.failing,) = webhooks
        ((self.big_rows,),) = self.sql(f"SELECT COUNT(*) FROM webhook_calls FORCE INDEX (by_created) WHERE webhook_id = {self.big}")
        ((self.middle_id,),) = self.sql("SELECT MIN(id) FROM webhook_calls FORCE INDEX (PRIMARY) "
                                        f"WHERE webhook_id = {self.big} AND id >= {self.rows // 2}")

    def script(self, name, *arguments, codes=(0,), output=subprocess.DEVNULL):
        variables = {key: value for key, value in os.environ.items() if not key.startswith("WEBHOOK_CALLS_")}
        variables["WEBHOOK_CALLS_STATE"] = str(self.state)
        code = subprocess.run([PROJECT / "scripts" / name, *arguments], env=variables, stdin=subprocess.DEVNULL, stdout=output,
                              check=False).returncode
        if code not in codes:
            raise RuntimeError(f"scripts/{name} ended with {code}")
        return code

    def move_clock(self, days):
        """The readers' sessions, and no others, see a later time: what a purge that is late leaves behind. 0 sets it right."""
        later = f"SET timestamp = UNIX_TIMESTAMP() + {days * 86400}" if days else ""
        self.sql("SET GLOBAL init_connect = %s", [later])
        self.kill_reader_connections()


# ---- Reads


class Result:
    def __init__(self, status, seconds, rows):
        self.status, self.rows = status, rows
        self.median = 1000 * statistics.median(seconds)
        self.p95 = 1000 * sorted(seconds)[math.ceil(0.95 * len(seconds)) - 1]

    def text(self):
        if self.status != 200:
            return f"{self.status} after {self.median:.0f} ms"
        return f"{self.median:9.1f} {self.p95:9.1f} {self.rows:10d}"


class Client:
    """Of one service: requests over one connection, and what the database did for them."""

    def __init__(self, service):
        self.service = service
        self.http = http.client.HTTPConnection(*service.address, timeout=60)
        self.status = service.connect().cursor()
        before = self.examined()
        self.own = self.examined() - before  # looking at the counters counts, too

    def examined(self):
        """Rows and index entries that the database has looked at since its start."""
        self.status.execute("SHOW GLOBAL STATUS LIKE 'Handler%'")
        counts = {name: int(value) for name, value in self.status.fetchall()}
        read = sum(counts["Handler_read_" + kind] for kind in ("first", "key", "last", "next", "prev", "rnd", "rnd_next"))
        return read + counts["Handler_icp_attempts"] - counts["Handler_icp_match"]

    def get(self, target):
        """Status and body."""
        self.http.request("GET", target, headers={"Authorization": "Bearer " + self.service.env["TOKEN"]})
        answer = self.http.getresponse()
        return answer.status, answer.read()

    def document(self, target):
        status, body = self.get(target)
        if status != 200:
            raise RuntimeError(f"{status} for {target}: {body.decode()}")
        return json.loads(body)

    def request(self, target):
        """Status and seconds, to the last byte of the answer."""
        began = time.perf_counter()
        status, _ = self.get(target)
        return status, time.perf_counter() - began

    def first_result(self, target):
        """Of one request, after one that is not counted."""
        self.request(target)
        before = self.examined()
        status, seconds = self.request(target)
        return Result(status, [seconds], self.examined() - before - self.own)


def measure_reads(services):
    """For each read its results, one for each service: in turn, so that what else the machine does is the same for all."""
    results, late_days, clients = {}, 0, [Client(service) for service in services]
    for read in READS:
        if read.late_days != late_days:
            late_days = read.late_days
            for service in services:
                service.move_clock(late_days)
        targets = [read.target_on(client) for client in clients]
        found = [client.first_result(target) for client, target in zip(clients, targets)]
        answers = [[client.request(target) if result.median < SLOW_MS else (result.status, result.median / 1000)
                    for client, target, result in zip(clients, targets, found)]
                   for _ in range(REPEATS if min(result.median for result in found) < SLOW_MS else 1)]
        results[read.name] = [Result(max(status for status, _ in column), [seconds for _, seconds in column], result.rows)
                              for column, result in zip(zip(*answers), found)]
        say(f"  {read.name:52}", *(f"{result.text():>30}" for result in results[read.name]))
    for service in services:
        service.move_clock(0)
    return results


# ---- Writers and the purge


def send(option_file, stop, sent):
    """A sender, in a process of its own: single INSERTs until told to stop. Gives the seconds that each took."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    headers = "Content-Type: application/json\r\nX-Request-Id: 7f3a\r\n" + "X-Padding: " + "x" * 350
    body, seconds = json.dumps({"ok": True, "text": "x" * 570}), []
    connection = pymysql.connect(read_default_file=option_file, database="webhook_calls", autocommit=True)
    with connection.cursor() as cursor:
        while not stop.is_set():
            began = time.perf_counter()
            cursor.execute(SINGLE_INSERT, (WRITERS_WEBHOOK, 200, headers, body))
            seconds.append(time.perf_counter() - began)
    sent.put(seconds)


class Senders:
    """So many at once, as long as the with statement lasts; then `rate` and `p99` (milliseconds)."""

    def __init__(self, service, count):
        self.stop, self.sent = multiprocessing.Event(), multiprocessing.Queue()
        file = str(service.state / "secrets/sender.cnf")
        self.processes = [multiprocessing.Process(target=send, args=(file, self.stop, self.sent), daemon=True)
                          for _ in range(count)]

    def __enter__(self):
        self.began = time.perf_counter()
        for process in self.processes:
            process.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        seconds = sorted(value for _ in self.processes for value in self.sent.get(timeout=60))
        self.rate = len(seconds) / (time.perf_counter() - self.began)
        self.p99 = 1000 * seconds[math.ceil(0.99 * len(seconds)) - 1]
        for process in self.processes:
            process.join()


def senders_for(service, count, seconds):
    with Senders(service, count) as senders:
        time.sleep(seconds)
    return senders


@contextlib.contextmanager
def sealing(service):
    """Two chunks are sealed each second, that is more than the senders send, as long as the with statement lasts."""
    over = threading.Event()

    def seal_again():
        while not over.wait(1):
            service.seal_two_again()

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        sealed = pool.submit(seal_again)
        try:
            yield
        finally:
            over.set()
        sealed.result()  # or what went wrong


def measure_writers(service, span):
    """(name, figures, kept its limit) of senders with and without sealing beside them."""
    alone, beside = [], []
    for _ in range(2):
        alone.append(senders_for(service, SENDERS, span / 2).rate)
        with sealing(service):
            beside.append(senders_for(service, SENDERS, span / 2).rate)
    without, with_it = statistics.mean(alone), statistics.mean(beside)
    figures = f"{without:.0f} rows/s, {with_it:.0f} while two chunks a second are sealed: {with_it / without:.2f} of it (at least 0.85)"
    return "4 senders", figures, with_it >= 0.85 * without


def measure_purge(service, span):
    """(name, figures, kept its limit) of two senders with and without a purge beside them."""
    service.sql("INSERT INTO webhook_calls (webhook_id, http_code, headers, body, created_at) "
                f"SELECT {WRITERS_WEBHOOK}, http_code, headers, body, "
                "UTC_TIMESTAMP(3) - INTERVAL 61 DAY - INTERVAL id % 86400 SECOND "
                f"FROM webhook_calls WHERE webhook_id = {service.big} ORDER BY id LIMIT {PURGED_ROWS}")
    expired = "SELECT COUNT(*) FROM webhook_calls FORCE INDEX (by_expiry) WHERE created_at <= UTC_TIMESTAMP(3) - INTERVAL 60 DAY"
    before = senders_for(service, 2, span)
    ((rows,),) = service.sql(expired)
    with Senders(service, 2) as during:
        began = time.perf_counter()
        service.script("expire-calls", "--time-limit", "300")
        seconds = time.perf_counter() - began
    ((left,),) = service.sql(expired)
    rate, ratio = (rows - left) / seconds, during.p99 / before.p99
    figures = (f"{rows - left} rows, {rate:.0f} rows/s (limit 5000); p99 of 2 senders {before.p99:.1f} ms without it, "
               f"{during.p99:.1f} ms with it: {ratio:.2f} times (limit 2)")
    return "purge", figures, rate >= 5000 and ratio <= 2


# ---- The tables


def verdict(read, big, small, first):
    """What is wrong with the results, or nothing. `first`: those of the list's first page, where the read is another one."""
    if read.refused:
        fine = all(result.status == 200 or result.status == 503 and result.median < 7000 for result in (big, small) if result)
        return "" if fine else "no end in time"
    if any(result.status != 200 for result in (big, small) if result):
        return "no answer"
    found = [] if big.median <= read.limit else ["too slow"]
    if small and not read.grows and big.median > max(GROWTH * small.median, small.median + 1):
        found.append("grows")
    if first and big.rows > GROWTH * first.rows + CHUNK:
        found.append("examines more than the first page")
    return ", ".join(found)


def print_reads(sizes, results):
    """Returns the number of limits that were missed."""
    missed = 0
    head = f"{'median':>9} {'p95':>9} {'examined':>10}"
    say(f"\n{'':52} {'':>6}", *(f"{f'{size:,} rows':>30}" for size in sizes))
    say(f"{'milliseconds, and rows that were examined':52} {'limit':>6}", *[head] * len(sizes), " ratio" if len(sizes) > 1 else "")
    for read in READS:
        columns = results[read.name]
        wrong = verdict(read, columns[0], columns[1] if len(sizes) > 1 else None, results[read.first][0] if read.first else None)
        missed += wrong != ""
        answered = len(sizes) > 1 and all(result.status == 200 for result in columns)
        ratio = f"{columns[0].median / columns[1].median:6.2f}" if answered else ""
        say(f"{read.name:52} {read.limit or '':>6}", *(f"{result.text():>30}" for result in columns), ratio, wrong)
    return missed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    sizes = [options.rows] if options.rows <= SMALL else [options.rows, SMALL]
    with contextlib.ExitStack() as stack:
        services = []
        for size in sizes:
            folder = options.state / str(size)
            folder.mkdir(parents=True, exist_ok=True)
            say(f"Starting the service in {folder}")
            services.append(stack.enter_context(Loaded(folder, size)))
        say("Reads: milliseconds (median, p95) and rows that were examined, at", " and ".join(f"{size:,}" for size in sizes), "rows")
        results = measure_reads(services)
        others = []
        for measure in (measure_writers, measure_purge):
            others.append(measure(services[0], options.seconds))
            services[0].delete_written()
            say("  %s: %s" % others[-1][:2])
    missed = print_reads(sizes, results)
    for name, figures, fine in others:
        missed += not fine
        say(f"{name}: {figures}{'' if fine else '  MISSED'}")
    say(f"{missed} limits missed")
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
