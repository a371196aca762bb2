#!/usr/bin/python3
"""Measures the pool of workers beside the yardsticks, behind the same nginx; scripts/bench --help tells how."""

import argparse
import calendar
import concurrent.futures
import http.client
import itertools
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "acceptance"))
from clients import READER_BYTES, READERS, count_answers, ignore_interrupt, in_process, read_all, wrk  # noqa: E402
from dataset import HUGE, MIXED, PAGE, ROWS, WIDE, LoadedService, list_targets, say, show_targets  # noqa: E402
from pools import kernel_figure, make_pools, peak_mib, pss_mib, settle  # noqa: E402
from service import SHOW, wait_until  # noqa: E402

CONNECTIONS = (1, 8, 32)
CPU_AT = 8  # connections
ROUNDS = 2
MIB = 1 << 20


class Case:
    def __init__(self, name, targets, slices=1):
        self.name, self.targets, self.slices = name, targets, slices  # a slice is so many times as long


CASES = {case.name: case for case in (
    Case("show", show_targets(5000)),
    *(Case(f"page of {size}", list_targets(f"page[size]={size}")) for size in (1, 25, 1000)),
    Case("sparse page of 1000", list_targets("page[size]=1000&fields[notification/webhook/calls]=http_code,created_at")),
    Case("page of 1000 x 64 KiB", list_targets("page[size]=1000", [WIDE]), 3))}

# Requests/s at least, times those of climit and of php, then the workers' CPU at most.
LIMITS = {"show": (0.9, 1.9, 1.25, 0.4), "page of 1": (0.9, 1.9, 1.25, 0.4), "page of 25": (0.85, 1.7, 1.2, 0.45),
          "page of 1000": (0.85, 1.6, 1.2, 0.45)}
# Writes for each MB of body and MiB of PSS at a page of 1000, MiB at the peak of a page of 1000 x 64 KiB: at most.
MOST_WRITES, MOST_PSS, MOST_PEAK = 2, 8, 16


# ---- Part compare


class Figures:
    """Of a pool in a case."""

    def __init__(self):
        self.slices = {count: [] for count in CONNECTIONS}
        self.pss, self.peak, self.writes = [], 0, None

    def sum(self, connections, name):
        return sum(found[name] for found in self.slices[connections])

    def rate(self, connections):
        return self.sum(connections, "requests") / self.sum(connections, "seconds")

    def percentile(self, connections, name):
        return statistics.mean([found[name] for found in self.slices[connections] if found["requests"]] or [0])

    def cpu_us(self, part):
        return self.sum(CPU_AT, part) / max(1, self.sum(CPU_AT, "requests")) / 1000

    def text(self):
        words = [f"{self.rate(count):8.0f} {self.percentile(count, 'p50'):8.2f} {self.percentile(count, 'p99'):8.2f}"
                 if self.rate(count) >= 100 else
                 f"{self.rate(count):8.1f} {self.percentile(count, 'p50'):8.0f} {self.percentile(count, 'p99'):8.0f}"
                 for count in CONNECTIONS]
        words.append(" ".join(f"{self.cpu_us(part):8.0f}" for part in ("workers", "nginx", "database")))
        words.append(f"{statistics.mean(self.pss):6.1f} {max(self.pss):6.1f} {self.peak:6.1f}")
        words.append("" if self.writes is None else f"{self.writes:6.2f}")
        return " | ".join(words)


def check_same(pools):
    """Or the figures mean nothing."""
    for case, target in ((case, target) for case in CASES.values() for target in case.targets[:5]):
        wanted = None
        for pool in pools:
            answer = pool.get(target)
            if answer.status != 200 or not answer.complete:
                raise RuntimeError(f"{pool.name} answers {answer.status} to {target}; see {pool.log}")
            document = answer.json()
            parts = document["data"], document.get("links")
            wanted = wanted or parts
            if parts != wanted:
                file = pool.service.state / "differs.json"
                file.write_text(json.dumps([{"data": data, "links": links} for data, links in (wanted, parts)], indent=1))
                raise RuntimeError(f"{pool.name} and {pools[0].name} do not answer the same to {target}; see {file}")
        if case.name == "page of 1000" and len(wanted[0]) != PAGE:
            raise RuntimeError(f"{target} has {len(wanted[0])} records")


def writes_per_mb(pool, target):
    """The least of five requests; our worker's line in the log is not counted."""
    def written():
        return sum(kernel_figure(pid, "io", "syscw") for pid in pool.worker_pids())
    found = []
    for _ in range(5):
        before = written()
        body = pool.get(target).body
        settle(pool)
        found.append((written() - before - (pool.name == "ours")) / (len(body) / 1e6))
    return min(found)


def compare_case(case, pools, workers, seconds):
    figures = {pool.name: Figures() for pool in pools}
    body = pools[0].get(case.targets[0]).body
    for pool in pools:
        if pool.name == "constant":
            answer = pool.service.folder / "answer"
            answer.write_bytes(body)
            pool.start(workers, YARDSTICK_ANSWER=str(answer))
        wrk(pool, case, CPU_AT, 1)
        settle(pool)
        for pid in pool.worker_pids():
            Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak begins anew
    for connections, turn in itertools.product(CONNECTIONS, range(ROUNDS)):
        for pool in pools if turn % 2 == 0 else reversed(pools):
            figures[pool.name].slices[connections].append(wrk(pool, case, connections, seconds * case.slices))
    say(f"\n{case.name} ({len(body):,} bytes)")
    say(" | ".join((f"{'':8}", *(f"{f'{count}: req/s':>8} {'p50':>8} {'p99':>8}" for count in CONNECTIONS),
                    f"{'worker':>8} {'nginx':>8} {'database':>8}", f"{'PSS':>6} {'most':>6} {'peak':>6}", "writes")))
    for pool in pools:
        settle(pool)
        found = figures[pool.name]
        found.pss = [pss_mib(pid) for pid in pool.worker_pids()]
        found.peak = max(peak_mib(pid) for pid in pool.worker_pids())
        if len(body) > 100_000:
            found.writes = writes_per_mb(pool, case.targets[0])
        say(f"{pool.name:8} | {found.text()}")
    for other in ("climit", "cstore", "php") if len(pools) > 1 else ():
        mine, its = figures["ours"], figures[other]
        say(f"ours/{other}: req/s", *(f"{mine.rate(count) / its.rate(count):.2f} ({count})" for count in CONNECTIONS if its.rate(count)),
            f" worker CPU {mine.cpu_us('workers') / its.cpu_us('workers'):.2f}")
    return figures


def print_targets(results):
    """Returns how many are missed."""
    rows = []
    for name, (rate_c, rate_php, cpu_c, cpu_php) in LIMITS.items():
        mine = results[name]["ours"]
        for other, rate, cpu in (("climit", rate_c, cpu_c), ("php", rate_php, cpu_php)) if len(results[name]) > 1 else ():
            its = results[name][other]
            rows += [(f"{name}: req/s at {count} connections, times {other}", mine.rate(count) / its.rate(count), ">=", rate)
                     for count in CONNECTIONS[1:]]
            rows.append((f"{name}: CPU of a worker, times {other}", mine.cpu_us("workers") / its.cpu_us("workers"), "<=", cpu))
    rows += [("page of 1000: writes for each MB of body", results["page of 1000"]["ours"].writes, "<=", MOST_WRITES),
             ("page of 1000: PSS of a worker afterwards, MiB", max(results["page of 1000"]["ours"].pss), "<=", MOST_PSS),
             ("page of 1000 x 64 KiB: peak of a worker, MiB", results["page of 1000 x 64 KiB"]["ours"].peak, "<=", MOST_PEAK)]
    missed = 0
    say(f"\n{'target':55} {'measured':>8} {'':>9}")
    for name, value, relation, limit in rows:
        fine = value >= limit if relation == ">=" else value <= limit
        missed += not fine
        say(f"{name:55} {value:8.2f} {relation} {limit:<6}{'' if fine else 'missed'}")
    say(f"{missed} targets missed")
    return missed


def compare(pools, options):
    for pool in pools:
        if pool.name != "constant":
            pool.start(options.workers)
    say("\nThe same answers from all pools?")
    check_same([pool for pool in pools if pool.name != "constant"])
    say(f"Yes. Below: requests/s and milliseconds at so many connections, with {options.workers} workers in each pool; "
        f"microseconds of CPU for\neach request at {CPU_AT} connections; MiB of memory of a worker after each case, and at its peak; "
        "writes for each MB of body\n(of ours without that of the log's line)")
    results = {case.name: compare_case(case, pools, options.workers, options.seconds) for case in CASES.values()}
    for pool in pools:
        pool.stop()
    return print_targets(results)


# ---- Part workers


def measure_workers(pool, options):
    counts, cases = (1, 2, 4, 8, 16), (CASES["page of 25"], CASES["show"])
    slices, shares = {}, {}
    for turn in range(ROUNDS):
        for workers in counts if turn % 2 == 0 else reversed(counts):
            pool.start(workers)
            for case in cases:
                wrk(pool, case, 64, 1)
                slices.setdefault((workers, case.name), []).append(wrk(pool, case, 64, options.seconds))
                with concurrent.futures.ProcessPoolExecutor(1, initializer=ignore_interrupt) as process:
                    shares[workers, case.name] = process.submit(count_answers, pool.port, pool.service.env["TOKEN"], case.targets, 64,
                                                                options.seconds).result()
    say("\nworkers: so many of them at 64 connections; and the least and the most answers that one of 64 connections got in a slice")
    say(" | ".join((f"{'':8}", *(f"{case.name + ': req/s':>18} {'p50':>8} {'p99':>8} {'least':>6} {'most':>6}" for case in cases))))
    for workers in counts:
        words = []
        for name in (case.name for case in cases):
            found, share = slices[workers, name], shares[workers, name]
            rate = sum(part["requests"] for part in found) / sum(part["seconds"] for part in found)
            p50, p99 = (statistics.mean(part[key] for part in found) for key in ("p50", "p99"))
            words.append(f"{rate:18.0f} {p50:8.2f} {p99:8.2f} {min(share):6} {max(share):6}")
        say(" | ".join((f"{workers:8}", *words)))
    pool.stop()


# ---- Part slow


def measure_slow(pool, options):
    show, seconds = CASES["show"], 2 * options.seconds
    pool.start(4)

    def row(name, settled=True):
        found = wrk(pool, show, 8, seconds, settled)
        say(f"  {name:48} {found['requests'] / found['seconds']:8.0f} req/s, p50 {found['p50']:7.2f} ms, p99 {found['p99']:7.2f} ms")

    say(f"\nslow: {READERS} readers of a page of 1000 at {READER_BYTES // 1000} KB/s each; show at 8 connections, 4 workers")
    wrk(pool, show, 8, 1)
    row("without them")
    readers = multiprocessing.Process(target=in_process, daemon=True,
                                      args=(read_all, pool.port, pool.service.env["TOKEN"], CASES["page of 1000"].targets))

    def pages():
        return [line for line in pool.log_lines() if line["rows"] == PAGE]

    began = time.time()
    readers.start()
    try:
        wait_until(pages, "answer to a slow reader")
        row("from their first answer on", settled=False)
        lines = wait_until(lambda: len(pages()) >= READERS and pages(), "answers to all slow readers", 120)
        row("while all of them go on reading")
        reading = readers.is_alive()
    finally:
        readers.terminate()
        readers.join()
    last = max(calendar.timegm(time.strptime(line["time"][:19], "%Y-%m-%dT%H:%M:%S")) + float(line["time"][19:-1]) for line in lines)
    complete = sum(line["outcome"] == "complete" for line in lines)
    times = sorted(line["total_ms"] for line in lines)
    say(f"  {complete} of {len(lines)} answers complete, the last one {last - began:.2f} s after the start; each held its worker for "
        f"{statistics.median(times):.0f} ms (median), {times[-1]:.0f} ms (most){'' if reading else '; the readers ended too early'}")
    pool.stop()


# ---- Part memory


def fetch(pool, target):
    """Status and length; the body is not kept."""
    client = http.client.HTTPConnection("127.0.0.1", pool.port, timeout=120)
    client.request("GET", target, headers={"Authorization": "Bearer " + pool.service.env["TOKEN"]})
    answer, length = client.getresponse(), 0
    while part := answer.read(MIB):
        length += len(part)
    client.close()
    return answer.status, length


def measure_memory(pool, options):
    ((body,),) = pool.service.sql("SELECT body FROM webhook_calls FORCE INDEX (PRIMARY) "
                                  f"WHERE webhook_id = {MIXED[0]} AND LENGTH(body) BETWEEN 100 AND 300 LIMIT 1")
    wide, mixed = (lambda query: list_targets(query, [WIDE])[0]), (lambda query: list_targets(query, [MIXED[0]])[0])
    requests = [("show", CASES["show"].targets[0]), ("page of 1000", mixed("page[size]=1000")),
                ("page of 1000, sort=body", mixed("sort=body&page[size]=1000")),
                ("filter[body]", mixed(f"filter[body]={quote(body, safe='')}")),
                ("page of 1000 x 64 KiB", wide("page[size]=1000")),
                ("page of 1000 x 64 KiB, sort=-created_at", wide("sort=-created_at&page[size]=1000")),
                ("show of 1 MiB", SHOW % (HUGE, ROWS + PAGE + 1))]
    if options.large:
        huge = list_targets("page[size]=1000", [HUGE])[0]
        requests += [("page of 1000 x 1 MiB", huge), ("page of 1000 x 1 MiB, sort=body", huge + "&sort=body")]
    say("\nmemory: of a fresh worker after one request")
    say(f"  {'':42} {'status':>6} {'MB sent':>9} {'PSS':>8} {'peak MiB':>9}")
    for name, target in requests:
        pool.start(1)
        status, length = fetch(pool, target)
        (pid,) = pool.worker_pids()
        say(f"  {name:42} {status:6} {length / 1e6:9.2f} {pss_mib(pid):8.1f} {peak_mib(pid):9.1f}")
    pool.stop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--parts", required=True)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--seconds", type=int, required=True)
    parser.add_argument("--yardsticks", type=lambda folder: Path(folder).resolve())
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    say(f"Starting the service in {options.state}")
    missed = 0
    with LoadedService(options.state, options.large) as service:
        ((version,),) = service.sql("SELECT VERSION()")
        say(f"{os.cpu_count()} cores, database {version}")
        pools = make_pools(service, options.yardsticks)
        for part in options.parts.split(","):
            if part == "compare":
                missed = compare(pools, options)
            else:
                {"workers": measure_workers, "slow": measure_slow, "memory": measure_memory}[part](pools[0], options)
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"scripts/bench: {error}")
