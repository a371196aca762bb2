#!/usr/bin/python3
"""Twice the load that the service can bear, for minutes; scripts/bench --help tells how."""

import argparse
import collections
import contextlib
import json
import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "acceptance"))
from clients import disturb, in_process  # noqa: E402
from dataset import MIXED, LoadedService, list_targets, say, show_targets  # noqa: E402
from pools import NGINX_PROCESSES, kernel_figure, pss_mib  # noqa: E402
from service import LIST, PROJECT, SHOW, Wrong, check_answer, send_signal, wait_until  # noqa: E402

CONNECTIONS, CLOSED_CONNECTIONS = 256, 16  # of wrk, at a rate and without one
SLOW_READERS, LEAVERS, CHECKS = 20, 5, 5  # the latter two a second
TICK = 5  # seconds, after which logs are read and emptied
# Of memory, times what it was after the warm-up; and MiB for each process of nginx, which has so little that buffers show. A byte
# a request would be more.
MOST_GROWTH, NGINX_BUFFERS = 1.1, 1

# What the requests are, in hundredths, and the status that each expects.
FIELDS = "fields[notification/webhook/calls]=http_code,created_at"
MIX = ((50, 200, show_targets(5000)),
       (25, 200, list_targets("page[size]=25")),
       (5, 200, list_targets("page[size]=25&sort=-created_at&include=webhook")),
       (10, 200, list_targets("count=true") + list_targets("count=true&filter[http_code]=500")),
       (3, 200, list_targets("page[size]=1000&" + FIELDS)),
       (3, 404, [SHOW % (webhook, 1 << 40) for webhook in MIXED] + [LIST % 9]),
       (2, 401, list_targets("")),
       (2, 400, list_targets("page[size]=0&nothing=1")))


def mixed_requests(count):
    source = random.Random(count)
    kinds = source.choices(MIX, [share for share, _, _ in MIX], k=count)
    return [(str(status), source.choice(targets)) for _, status, targets in kinds]


# ---- What nginx answered


class Answers:
    """Counted from lines of the format LOG_FORMAT."""
    LOG_FORMAT = "$http_x_expected|$status|$request_time|$upstream_status"

    def __init__(self, lines=()):
        self.by_status, self.unexpected, self.cut_off = collections.Counter(), collections.Counter(), collections.Counter()
        self.accepted, self.refused = collections.Counter(), collections.Counter()  # by milliseconds
        for line, count in collections.Counter(lines).items():
            expected, status, seconds, upstream = line.split("|")
            self.by_status[status] += count
            # A 503 is a refusal where no worker has answered it.
            if status == "429" or (status == "503" and "503" not in upstream):
                self.refused[round(float(seconds) * 1000)] += count
            elif expected in ("slow", "gone"):
                if status not in ("200", "499"):
                    self.unexpected[f"{expected}: {status}"] += count
            elif status == expected:
                self.accepted[round(float(seconds) * 1000)] += count
            elif status == "499":
                self.cut_off[status] += count  # by wrk, at its end
            else:
                self.unexpected[f"{expected}: {status}"] += count

    def __iadd__(self, other):
        for name, counter in vars(self).items():
            counter.update(getattr(other, name))
        return self

def total(counter):
    return sum(counter.values())


def percentile(counter, share):
    """Of values with their counts."""
    left = total(counter) * share
    for value in sorted(counter):
        left -= counter[value]
        if left <= 0:
            return value
    return 0


def times(counter):
    return " ".join(f"{percentile(counter, share):5}" for share in (0.5, 0.99, 1))


class Soaked:
    """The service, with a log for the soak."""

    def __init__(self, service):
        self.service, self.log = service, service.state / "log/soak.log"
        self.complaints = []
        (service.state / "nginx.d/soak.conf").write_text(
            f'log_format soak "{Answers.LOG_FORMAT}";\naccess_log "{self.log}" soak;\n')
        service.reload_nginx(self.log.exists)
        wait_until(lambda: len(service.processes("nginx")) == NGINX_PROCESSES, "end of nginx's old processes")
        self.targets = service.folder / "targets"
        self.targets.write_text("".join(f"{expected} {target}\n" for expected, target in mixed_requests(20_000)))

    def read_log(self):
        """What was answered since the last time; all logs are emptied, or they would fill the disk."""
        old = self.log.with_suffix(".old")
        self.log.rename(old)
        send_signal(self.service.session("nginx"), signal.SIGUSR1)
        wait_until(self.reopened, "reopened log")
        answers = Answers(old.read_text().splitlines())
        old.unlink()
        errors = self.service.state / "log/nginx-error.log"
        self.complaints += [line for line in errors.read_text(errors="replace").splitlines()
                            if any(level in line for level in ("[crit]", "[alert]", "[emerg]"))]
        for log in self.service.state.glob("log/*.log"):
            if log != self.log:
                os.truncate(log, 0)
        return answers

    def reopened(self):
        """By all of nginx's processes; one that writes to the old file would be counted next time only in part."""
        for pid in self.service.processes("nginx"):
            try:
                names = {os.readlink(file) for file in open_files(pid)}
            except OSError:
                return False  # a file was closed meanwhile
            if str(self.log) not in names or str(self.log.with_suffix(".old")) in names:
                return False
        return True

    def start(self, seconds, rate, connections):
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "60s", "-s", PROJECT / "tests/bench/offer.lua",
                   "http://%s:%d" % self.service.address, "--", self.targets, self.service.env["TOKEN"], str(rate)]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8")

    def load(self, seconds, rate=0, connections=CONNECTIONS, each_minute=None):
        """All answers, and what wrk says."""
        answers, minute, began = Answers(), Answers(), time.monotonic()
        self.read_log()
        run, minutes = self.start(seconds, rate, connections), 0
        try:
            while run.poll() is None:
                try:
                    run.wait(TICK)
                except subprocess.TimeoutExpired:
                    pass
                minute += self.read_log()
                if each_minute and time.monotonic() - began >= 60 * (minutes + 1):
                    minutes += 1
                    each_minute(minutes, minute)
                    answers += minute
                    minute = Answers()
        finally:
            run.kill()
        output = run.communicate()[0]
        try:
            found = json.loads(output.splitlines()[-1])
        except (IndexError, ValueError) as error:
            raise RuntimeError(f"wrk failed: {output}") from error
        answers += minute
        return answers, found


# ---- A client that looks at what it gets


class Checker(threading.Thread):
    """Every other request comes from the address that asks too much, the rest from another, which must never be refused."""

    def __init__(self, service):
        super().__init__(daemon=True)
        self.service, self.over = service, threading.Event()
        self.checked, self.wrong = 0, []
        self.refused, self.other = collections.Counter(), collections.Counter()  # answers by milliseconds

    def run(self):
        for number, (expected, target) in enumerate(mixed_requests(100_000)):
            if self.over.wait(1 / CHECKS):
                return
            try:
                self.check(expected, target, crowded=number % 2 == 0)
            except (Wrong, OSError, ValueError) as error:
                self.wrong.append(f"{target}: {error!r}")

    def check(self, expected, target, crowded):
        token = [] if expected == "401" else [("Authorization", "Bearer " + self.service.env["TOKEN"])]
        began = time.monotonic()
        answer = self.service.send("GET", target, [*token, ("X-Expected", expected)], source="127.0.0.1" if crowded else "127.0.0.2")
        milliseconds = round((time.monotonic() - began) * 1000)
        check_answer(answer)
        self.checked += 1
        if crowded and answer.status in (429, 503):
            self.refused[milliseconds] += 1
        elif str(answer.status) != expected:
            raise Wrong(f"status {answer.status} in place of {expected}")
        elif not crowded:
            self.other[milliseconds] += 1


# ---- What the processes hold


def open_files(pid):
    return Path(f"/proc/{pid}/fd").iterdir()


def threads(pid):
    return kernel_figure(pid, "status", "Threads")


def held(service):
    """Figures by name; what must not grow, and by how much."""
    workers, nginx, database = service.worker_pids(), service.processes("nginx"), [service.database_server()]
    figures = {}
    for name, pids in (("workers", workers), ("nginx", nginx), ("database", database)):
        figures[f"{name}: processes"] = len(pids)
        figures[f"{name}: memory, MiB"] = sum(map(pss_mib, pids))
        figures[f"{name}: descriptors"] = sum(len(list(open_files(pid))) for pid in pids)
    for number, pid in enumerate(workers, 1):
        figures[f"worker {number}: memory, MiB"] = pss_mib(pid)
    figures["database: threads"] = threads(database[0])
    figures["database: connections of workers"] = len(service.reader_connections())
    return figures


def at_rest(service):
    """The figures when what clients have left behind is done: they stay the same for a second."""
    def same():
        first = held(service)
        time.sleep(1)
        second = held(service)
        counts = [name for name in first if "memory" not in name]
        return second if all(first[name] == second[name] for name in counts) else None
    return wait_until(same, "rest", 120)


def leaks(before, after):
    """Names of what has grown. Of the rest, which is shown only, a worker keeps up to 1 MiB of freed heap for its next answer, and
    the database has caches with bounds of their own."""
    most = {name: before[name] for name in before if re.match("(workers|nginx): (processes|descriptors)|database: connections", name)}
    for name, room in (("workers", 0), ("nginx", NGINX_BUFFERS * before["nginx: processes"])):
        most[f"{name}: memory, MiB"] = before[f"{name}: memory, MiB"] * MOST_GROWTH + room
    return [name for name in most if after[name] > most[name]]


# ---- The soak


@contextlib.contextmanager
def disturbed(service):
    """Meanwhile some read slowly and some leave."""
    clients = multiprocessing.Process(target=in_process, daemon=True, args=(
        disturb, service.address[1], service.env["TOKEN"], list_targets("page[size]=1000"), SLOW_READERS, LEAVERS))
    clients.start()
    try:
        yield
        if not clients.is_alive():
            raise RuntimeError("the slow readers and those that leave have ended; their error is above")
    finally:
        clients.terminate()
        clients.join()


def row(name, answers, words=""):
    say(f"{name:17} {total(answers.accepted):9} {times(answers.accepted)} | {total(answers.refused):9} {times(answers.refused)} | "
        f"{total(answers.unexpected):6} {words}")


def soak(service, options):
    soaked = Soaked(service)
    _, found = soaked.load(options.seconds, connections=CLOSED_CONNECTIONS)
    sustainable = found["requests"] / found["seconds"]
    say(f"\n{CLOSED_CONNECTIONS} connections that ask again as soon as they are answered get {sustainable:.0f} requests/s. Then at rates "
        "that wait for no answer;\nmilliseconds from nginx's log; PSS in MiB and descriptors of workers, nginx, database; connections of "
        "the workers to it\n")
    say(f"{'':17} {'accepted':>9} {'p50':>5} {'p99':>5} {'max':>5} | {'refused':>9} {'p50':>5} {'p99':>5} {'max':>5} | "
        f"{'others':>6} {'PSS':>20} {'descriptors':>14} {'conn.':>5}")

    def minute(number, answers):
        now = held(service)
        memory, files = (" ".join(f"{now[f'{part}: {what}']:{width}.0f}" for part in ("workers", "nginx", "database"))
                         for what, width in (("memory, MiB", 6), ("descriptors", 4)))
        row(f"minute {number}", answers, f"{memory} {files} {now['database: connections of workers']:5}")

    calm, _ = soaked.load(options.seconds, 0.8 * sustainable)
    row("0.8 times", calm)
    with disturbed(service):
        warm, _ = soaked.load(options.warm_up, 2 * sustainable)
    row("2 times, warm-up", warm)
    before, pids = at_rest(service), service.worker_pids()
    checker = Checker(service)
    with disturbed(service):
        checker.start()
        answers, found = soaked.load(60 * options.minutes, 2 * sustainable, each_minute=minute)
        checker.over.set()
        checker.join()
    after = at_rest(service)
    row("2 times, all", answers)

    grown = leaks(before, after)
    say(f"\n{'at rest':36} {'before':>9} {'after':>9}")
    for name, value in before.items():
        say(f"{name:36} {value:9.1f} {after[name]:9.1f}{'  grown' if name in grown else ''}")
    say(f"\n{found['requests'] / found['seconds']:.0f} requests/s asked of {2 * sustainable:.0f} meant;", "by status:",
        ", ".join(f"{count} x {status}" for status, count in sorted(answers.by_status.items())))
    say(f"{checker.checked} answers were looked at, each on a connection of its own; milliseconds as the client saw them:\n"
        f"refusals at the address that asks too much: {total(checker.refused)}, p50, p99, max {times(checker.refused)}\n"
        f"answers to another address: {total(checker.other)}, p50, p99, max {times(checker.other)}\n")

    problems = [f"grown: {name}" for name in grown]
    for part in (calm, warm, answers):
        problems += [f"unexpected answers: {count} x {name}" for name, count in part.unexpected.items()]
        if total(part.cut_off) > CONNECTIONS:
            problems.append(f"wrk left {total(part.cut_off)} times")
    problems += [f"checked answer: {text}" for text in checker.wrong[:20]]
    problems += [f"nginx's log: {line}" for line in soaked.complaints[:20]]
    if found["requests"] < 0.9 * found["seconds"] * 2 * sustainable:
        problems.append("fewer requests were asked than meant: all connections of wrk waited for answers")
    if found["socket_errors"]:
        problems.append(f"{found['socket_errors']} connections of wrk failed")
    if service.worker_pids() != pids:
        problems.append(f"workers have ended: {pids} before, {service.worker_pids()} after")
    if not answers.refused or not checker.refused:
        problems.append("nothing was refused: that was no overload")
    for problem in problems:
        say("wrong:", problem)
    say("All is well." if not problems else f"{len(problems)} problems")
    return 1 if problems else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--minutes", type=int, required=True)
    parser.add_argument("--seconds", type=int, default=20, help="of the loads before it")
    parser.add_argument("--warm-up", type=int, default=60, help="seconds at twice the rate before memory is looked at")
    options = parser.parse_args()
    say(f"Starting the service in {options.state}")
    with LoadedService(options.state, workers=options.workers) as service:
        return soak(service, options)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"scripts/bench: {error}")
