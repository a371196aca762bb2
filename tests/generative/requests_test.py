#!/usr/bin/python3
"""Random requests, most of them nearly right: each gets a proper answer, and the workers stay as they were.

usage: requests_test.py [--seed N] [--requests N] [--first N]

Several clients send them through the real nginx, on connections that are kept and on which requests do not wait for answers;
those that are broken as HTTP have a connection of their own. An answer is never a fault of the server, and is a document of
JSON:API with the right length. Afterwards the workers are the same processes, with as many files, connections to the database
and, unless made with sanitizers, about as much memory; their log has each request that reached them, and what they leave at
their end is no leak. The seed, which is printed, decides the requests and the records; a failure tells how to repeat one.
"""

import argparse
import collections
import json
import multiprocessing
import os
import random
import signal
import socket
import sys
import time
from pathlib import Path

import model
from queries_test import ACCOUNT, Queries, load, make_dataset

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "acceptance"))
from service import LIST, SANITIZED, SHOW, Answer, Service, Wrong, check_answer, expect, process_state, wait_until  # noqa: E402

CLIENTS, WORKERS, PIPELINED, PART = 3, 2, 16, 500
TOKEN = b"reader-1"
ANSWERS = {200, 304, 400, 401, 404, 405, 406, 413, 414, 415, 494}
NONSENSE = ANSWERS | {501, 505}  # of HTTP, which nginx answers
MAY_GROW = 4 << 20  # bytes that a worker may hold more after all requests than after the first tenth
METHODS = (b"POST", b"PUT", b"DELETE", b"PATCH", b"OPTIONS", b"TRACE", b"CONNECT", b"FOO", b"get", b"G-T", b"PROPFIND",
           b"HEADER")
MEDIA = (b"application/vnd.api+json", b"application/json", b"text/html", b"application/*", b"*/*", b"text/plain", b"", b",",
         b"x")
MEDIA_ENDS = (b"", b"", b"", b";q=0", b"; q=0.5", b";charset=utf-8", b';profile="https://example.com/a,b"', b';ext="x"',
              b';ext=""', b';a="\\"', b";", b";;=", b" ; Q = 0.0")
PIECES = (b"%", b"%0", b"%00", b"%ff", b"%C3", b"%25", b"&", b"=", b"+", b"[", b"]", b"[]", b"#", b"?", b"/", b"\\", b"'", b'"',
          b";", b",", b"..", b"-", b"0", b"99999999999999999999", b"\xff", b"\xed\xa0\x80", "ž🐎".encode(), b"\x7f", b"\x01", b" ",
          b"\0")


class Request:
    """`alone`: on a connection of its own, because it may end it, or is no whole request of HTTP."""

    def __init__(self, raw, method=b"GET", reads=False, alone=False, answers=ANSWERS, may_be_dropped=False):
        self.raw, self.method, self.reads = raw, method.decode("latin-1"), reads
        self.alone, self.answers, self.may_be_dropped = alone or len(raw) > 8000, answers, may_be_dropped


class Requests:
    """Makes them: of one number always the same."""

    def __init__(self, seed):
        self.seed = seed
        calls, self.webhooks = make_dataset(f"requests {seed}")
        rng = random.Random(f"long {seed}")
        newest = max(call.created_at for call in calls)
        long = [model.Call(10**6 + n, 4, 200, rng.randbytes(70000), rng.randbytes(10000 * n), newest) for n in range(3)]
        self.short, self.calls = calls[:40], calls[:40] + long

    def make(self, number):
        self.rng = rng = random.Random(f"request {self.seed}.{number}")
        self.queries = Queries(rng, self.short)
        if rng.random() < 0.04:
            return self.broken()
        method = b"GET" if rng.random() < 0.84 else rng.choice((b"HEAD", b"HEAD", *METHODS))
        target = self.target()
        reads, headers = self.headers()
        body = b""
        if rng.random() < 0.06:
            body = rng.randbytes(rng.choice((0, 1, 2, 100, 3000, 65536, 65537)))
            if rng.random() < 0.2:
                headers.append((b"Transfer-Encoding", b"chunked"))
                body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
            else:
                headers.append((b"Content-Length", b"%d" % len(body)))
        rng.shuffle(headers)
        version = b"HTTP/1.1" if rng.random() < 0.97 else b"HTTP/1.0"
        return Request(self.head(method, target, version, headers) + body, method, reads)

    def head(self, method, target, version, headers):
        return b"%b %b %b\r\n" % (method, target, version) + b"".join(b"%b: %b\r\n" % header for header in headers) + b"\r\n"

    def garbage(self, longest):
        """Bytes that end no line."""
        return self.rng.randbytes(self.rng.randrange(1, longest)).translate(None, b"\r\n")

    def mutated(self, text):
        for _ in range(self.rng.choice((1, 1, 1, 2, 5))):
            at = self.rng.randrange(len(text) + 1)
            cut = at + self.rng.choice((0, 0, 1, 1, 2, 10))
            new = self.rng.choice((b"", self.rng.choice(PIECES), self.rng.choice(PIECES), self.garbage(5), text[at:at + 20]))
            text = text[:at] + new + text[cut:]
        return text

    def path(self):
        """And whether it is the list's."""
        call = self.rng.choice(self.calls)
        webhook = self.rng.choice((1,) * 20 + (2, 2, 3, 77, call.webhook_id))
        if self.rng.random() < 0.25:
            return (SHOW % (call.webhook_id, call.id)).encode(), False
        return (LIST % webhook).encode(), True

    def target(self):
        path, is_list = self.path()
        kind = self.rng.random()
        if kind < 0.04:
            path = self.mutated(path)
        elif kind < 0.05:
            path = self.rng.choice((b"/", b"", b"*", b"/" + self.garbage(200), b"/api" * 500, path + b"/", b"//" + path,
                                    path.upper()))
        elif kind < 0.08:  # other spellings that nginx makes plain
            path = self.rng.choice((b"http://webhook-calls.test" + path, path.replace(b"/v3/", b"/x/..//v3/./"),
                                    path.replace(b"/", b"%2F"),
                                    b"/" + b"".join(b"%%%02x" % byte for byte in path[1:]),
                                    path.replace(b"calls", b"c%61lls"), path + b"%00", path + b"/..%2f"))
        query = self.query(is_list)
        return path + (b"?" + query if query or self.rng.random() < 0.1 else b"")

    def query(self, is_list):
        kind = self.rng.random()
        if kind < 0.1:
            return b""
        query = self.queries.make(is_list).encode()
        if kind < 0.7:
            return query
        if kind < 0.92:
            return self.mutated(query)
        if kind < 0.95:
            return self.garbage(100)
        name = self.rng.choice((b"filter[id][]", b"filter[body][]", b"filter[created_at][]", b"x", b"filter[http_code]",
                                b"include"))
        if kind < 0.97:
            return b"&".join(b"%b=%d" % (name, n) for n in range(self.rng.choice((99, 100, 101, 300, 3000))))
        if kind < 0.98:
            return name + self.rng.choice((b"[", b"]", b"[]", b"[0][")) * self.rng.choice((2, 100, 5000)) + b"=1"
        piece = self.rng.choice((b"1", b"%41", b",", b"%", b"\xff", b"9"))
        return name + b"=" + piece * self.rng.choice((4000, 10000, 16000, 20000))

    def headers(self):
        """And whether they have what reading needs."""
        rng, headers = self.rng, []
        if rng.random() < 0.99:
            headers.append((b"Host", b"webhook-calls.test" if rng.random() < 0.98 else self.garbage(30)))
        reads = rng.random() < 0.92
        if reads:
            headers.append((b"Authorization", rng.choice((b"Bearer ", b"Bearer ", b"bEARER   ")) + TOKEN))
        elif rng.random() < 0.8:
            value = rng.choice((b"Bearer", b"Bearer x", b"Basic " + TOKEN, TOKEN, b"Bearer " + TOKEN + b"x",
                                b"Bearer " + self.garbage(90)))
            headers.append((b"Authorization", value))
        for name, probability, values in (
                (b"Accept", 0.3, None), (b"Content-Type", 0.05, None),
                (b"Accept-Encoding", 0.1, (b"gzip", b"gzip;q=0, *", b"br")),
                (b"If-None-Match", 0.2, (b"*", b'"a", W/"b"', b'"', b"W/*", b"," * 500)),
                (b"Range", 0.05, (b"bytes=0-1", b"bytes=-1", b"x")),
                (b"If-Modified-Since", 0.03, (b"Mon, 30 Nov 2026 12:00:00 GMT", b"x")), (b"If-Match", 0.03, (b'"a"', b"*")),
                (b"TE", 0.03, (b"trailers", b"chunked;q=0.5")), (b"Expect", 0.02, (b"100-continue", b"x")),
                (b"Cookie", 0.05, (b"a=b", b"=;" * 300)), (b"Upgrade", 0.02, (b"h2c", b"websocket")),
                (b"Proxy", 0.02, (b"http://a/",)),
                (b"X-Request-Id", 0.03, (b"mine", b"\xff")), (b"Account-Id", 0.03, (b"2",)), (b"Request_Id", 0.02, (b"mine",)),
                (b"X-Long", 0.01, (b"a" * 8000, b"b" * 16300, b"c" * 20000)),
                (b"Connection", 0.02, (b"close", b"upgrade", b"keep-alive"))):
            if rng.random() > probability:
                continue
            value = self.media() if values is None else rng.choice(values)
            headers.append((name, value if rng.random() < 0.9 else self.mutated(value).translate(None, b"\r\n")))
            if rng.random() < 0.05:
                headers.append((name.lower(), self.garbage(40)))
        if rng.random() < 0.03:
            headers += [(self.garbage(10), self.garbage(100)) for _ in range(rng.choice((1, 3, 100)))]
        if rng.random() < 0.001:
            headers += [(b"a", b"")] * 900  # each is more bytes in FastCGI than here
        return reads, headers

    def media(self):
        return b", ".join(self.rng.choice(MEDIA) + self.rng.choice(MEDIA_ENDS) for _ in range(self.rng.choice((1, 1, 2, 5))))

    def broken(self):
        rng = self.rng
        path, _ = self.path()
        host, token = (b"Host", b"a"), (b"Authorization", b"Bearer " + TOKEN)
        good = self.head(b"GET", path, b"HTTP/1.1", [host, token, (b"Connection", b"close")])
        kind = rng.randrange(8)
        if kind == 0:  # less of a body than was said, and then nothing more
            raw = self.head(b"GET", path, b"HTTP/1.1", [host, token, (b"Content-Length", b"%d" % rng.choice((1, 9, 60000)))])
        elif kind == 1:
            lengths = (b"-1", b"x", b"9" * 30, b"1, 1", b"0x10", b"", b"99999999", b"+1")
            raw = self.head(b"POST", path, b"HTTP/1.1", [host, token, (b"Content-Length", rng.choice(lengths))]) + b"body"
        elif kind == 2:
            codings = (b"gzip", b"chunked, gzip", b"chunked", b"identity", b"\xff", b"chunked, chunked")
            raw = self.head(b"GET", path, b"HTTP/1.1", [host, token, (b"Transfer-Encoding", rng.choice(codings))])
            raw += rng.choice((b"", b"0\r\n\r\n", b"zz\r\n", b"fffffffffffffffff\r\n", b"-1\r\n", b"5\r\nab"))
        elif kind == 3:
            versions = (b"HTTP/2.0", b"HTTP/9.9", b"HTTP/1.x", b"HTTP", b"http/1.1", b"HTTP/1.1 x", b"HTTP/0.9",
                        b"HTTP/1.12345", b"")
            raw = self.head(b"GET", path, rng.choice(versions), [host, token])
        elif kind == 4:
            raw = good[: rng.randrange(1, len(good))]
        elif kind == 5:
            raw = good.replace(b"\r\n", rng.choice((b"\n", b"\r", b"\r\r\n", b"\n\r")))
        elif kind == 6:
            raw = rng.randbytes(rng.choice((1, 10, 500, 70000)))
        else:
            raw = self.mutated(self.mutated(good).replace(b" ", rng.choice((b" ", b"  ", b"\t", b"\n")), 1))
        return Request(raw, raw.split(b" ")[0], reads=True, alone=True, answers=NONSENSE, may_be_dropped=True)


# ---- Sending


class Connection:
    def __init__(self, address):
        self.socket = socket.create_connection(address, timeout=90)
        self.received = bytearray()

    def send(self, raw, all_there_is):
        try:
            self.socket.sendall(raw)
            if all_there_is:
                self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # refused before it was read to its end: the answer tells

    def receive(self):
        try:
            data = self.socket.recv(1 << 18)
        except ConnectionResetError:
            data = b""
        self.received += data
        return bool(data)

    def answer(self, method):
        """The next one, without its interim ones; None where the connection ends before it begins."""
        while True:
            head_end = self.received.find(b"\r\n\r\n")
            if head_end < 0:
                if not self.receive():
                    break
            elif self.received.startswith(b"HTTP/1.1 1"):
                del self.received[: head_end + 4]
            else:
                end = self.end_of_answer(head_end + 4, method)
                if end is not None and end <= len(self.received):
                    return self.take(end, method)
                if not self.receive():
                    break
        return self.take(len(self.received), method) if self.received else None

    def end_of_answer(self, begin, method):
        """None where more of it is needed to tell."""
        head = self.received[:begin].lower()
        if method == "HEAD" or b" 304 " in head[:13]:
            return begin
        if b"\r\ntransfer-encoding: chunked\r\n" in head:
            ends = self.received.endswith(b"0\r\n\r\n") or b"\r\n0\r\n\r\n" in self.received[begin:]
            return chunked_end(self.received, begin) if ends else None
        length = head.partition(b"\r\ncontent-length: ")[2]
        return begin + int(length.partition(b"\r\n")[0]) if length else None

    def take(self, end, method):
        raw = bytes(self.received[:end])
        del self.received[:end]
        return Answer(raw, method) if raw.startswith(b"HTTP/") else raw


def chunked_end(received, position):
    while True:
        line_end = received.find(b"\r\n", position)
        if line_end < 0:
            return None
        length = int(received[position:line_end], 16)
        position = line_end + 2 + length + 2
        if length == 0:
            return position


def check(request, answer, seen):
    """`seen`: counts of statuses, and ids."""
    if answer is None:
        expect(request.may_be_dropped, "there is no answer")
        seen["none"] += 1
        return
    if isinstance(answer, bytes):  # of HTTP/0.9 there is only a body
        expect(request.may_be_dropped and json.loads(answer).get("jsonapi"), f"the answer is {answer[:200]}")
        seen["0.9"] += 1
        return
    expect(answer.status in request.answers, f"the status is {answer.status}")
    check_answer(answer, request.method)
    if answer.status in (200, 304):
        expect(request.reads and request.method in ("GET", "HEAD"), f"a {answer.status} for such a request")
    seen[answer.status] += 1
    seen[answer.header("X-Request-Id")] += 1


def send_part(address, requests, first, last):
    """What was seen, and the failure that ended it, if any."""
    seen, connection = collections.Counter(), None
    waiting = collections.deque(range(first, last))
    failures = 0  # of connections that ended before their first answer
    while waiting:
        batch = []
        while waiting and len(batch) < PIPELINED:
            request = requests.make(waiting[0])
            if request.alone and batch:
                break
            batch.append((waiting.popleft(), request))
            if request.alone:
                break
        alone = batch[0][1].alone
        if connection is None or alone:
            connection = Connection(address)
        # Not where the body is whole: a client that has gone wants no answer.
        connection.send(b"".join(request.raw for _, request in batch), alone and batch[0][1].may_be_dropped)
        while batch:
            number, request = batch[0]
            answer = connection.answer(request.method)
            if answer is None and not request.may_be_dropped and failures < 2:
                failures, connection = failures + 1, None  # a kept connection may end at any time
                break
            failures = 0
            batch.pop(0)
            try:
                check(request, answer, seen)
            except (Wrong, ValueError, KeyError, AttributeError, IndexError) as wrong:
                raw = answer if isinstance(answer, bytes) else answer and (answer.status, answer.headers, answer.body[:2000])
                return seen, (f"WRONG: {wrong!r}\nrequest {number} {request.raw[:3000]}\nanswer {raw}\n"
                              f"again: {sys.argv[0]} --seed {requests.seed} --first {number} --requests 1")
            if isinstance(answer, Answer) and (answer.header("Connection") or "").lower() == "close":
                connection = None
            if connection is None or alone:
                connection = None
                break
        waiting.extendleft(number for number, _ in reversed(batch))
    return seen, None


def send_all(pool, address, requests, first, last):
    parts = [pool.apply_async(send_part, (address, requests, begin, min(begin + PART, last)))
             for begin in range(first, last, PART)]
    seen = collections.Counter()
    for part in parts:
        some, failure = part.get()
        seen.update(some)
        if failure:
            raise Wrong(failure)
    return seen


# ---- The workers


def resident_bytes(pid):
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def state_of(service):
    """Of each worker: memory, and open files by what they are."""
    return {pid: (resident_bytes(pid), sorted(os.readlink(f"/proc/{pid}/fd/{fd}").partition(":")[0]
                                              for fd in os.listdir(f"/proc/{pid}/fd"))) for pid in service.worker_pids()}


def idle_state(service):
    """Once no request is being answered."""
    wait_until(lambda: not service.reader_connections(busy=True), "end of the statements")
    return state_of(service)


def check_logs(service, seen):
    """Each answer is in nginx' log, and each that came from a worker in the workers', with its status."""
    def of_nginx():
        lines = (service.state / "log/upstream.log").read_text().splitlines()
        return {line.split(" ")[0]: line.split(" ")[1:] for line in lines}

    def of_workers():
        return {line["request_id"]: line["status"] for line in service.log_lines()}

    answered = {key for key in seen if isinstance(key, str) and len(key) == 32}
    wait_until(lambda: answered <= of_nginx().keys(), "lines in nginx' log")
    passed = {request_id: int(status) for request_id, (_, status) in of_nginx().items() if status != "-"}
    wait_until(lambda: passed.items() <= of_workers().items(), "lines in the workers' log")
    expect(len(service.log_lines()) == len(of_workers()), "a request has two lines in the workers' log")
    # nginx tells no status where its client has gone; whether a worker had taken the request then is open.
    tried = {request_id for request_id, (address, _) in of_nginx().items() if address != "-"}
    expect(of_workers().keys() <= tried, f"nginx does not know {sorted(of_workers().keys() - tried)[:6]}")
    return len(passed)


def check_workers(before, after):
    expect(before.keys() == after.keys(), f"the workers were {sorted(before)} and are {sorted(after)}")
    for pid, (memory, files) in after.items():
        old_memory, old_files = before[pid]
        print(f"worker {pid}: {old_memory / 2**20:.1f} MiB, then {memory / 2**20:.1f} MiB; {len(files)} open files")
        expect(files == old_files, f"worker {pid} had open {old_files} and has {files}")
        expect(SANITIZED or memory - old_memory < MAY_GROW, f"worker {pid} has grown by {memory - old_memory} bytes")


def check_end(service, pids):
    """A worker that is told to end says nothing of leaks."""
    for pid in pids:
        os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not any(process_state(pid) not in ("", "Z") for pid in pids), "end of the workers", 60)
    log = service.log.read_bytes()
    at = log.find(b"Sanitizer")
    expect(at < 0, f"a sanitizer found something: {log[max(at - 200, 0):at + 4000].decode(errors='replace')}")


def run(service, arguments):
    requests = Requests(arguments.seed)
    load(service, requests.calls, requests.webhooks)
    upstream_log = service.state / "log/upstream.log"
    (service.state / "nginx.d/upstream.conf").write_text(
        f"log_format upstream '$request_id $upstream_addr $upstream_status';\naccess_log \"{upstream_log}\" upstream;\n")
    old = set(service.processes("nginx")) - {service.session("nginx")}
    service.reload_nginx(lambda: upstream_log.exists() and not old & set(service.processes("nginx")))
    last = arguments.first + arguments.requests
    warm = min(arguments.first + max(arguments.requests // 10, 200), last)
    service.log_lines().clear()
    with multiprocessing.get_context("fork").Pool(CLIENTS, signal.signal, (signal.SIGTERM, signal.SIG_DFL)) as pool:
        begin = time.monotonic()
        seen = send_all(pool, service.address, requests, arguments.first, warm)
        before = idle_state(service)
        seen += send_all(pool, service.address, requests, warm, last)
        seconds = time.monotonic() - begin
    after = idle_state(service)
    statuses = {key: count for key, count in seen.items() if isinstance(key, int) or len(key) < 5}
    print(f"{sum(statuses.values())} requests in {seconds:.0f} s ({sum(statuses.values()) / seconds:.0f} a second): " +
          ", ".join(f"{count} times {status}" for status, count in sorted(statuses.items(), key=str)), flush=True)
    expect(sum(statuses.values()) == arguments.requests, "as many answers as requests")
    expect(arguments.requests < 10000 or NONSENSE <= set(statuses), f"statuses that never came: {NONSENSE - set(statuses)}")
    check_workers(before, after)
    expect(len(service.reader_connections()) == WORKERS, f"the workers' connections are {service.reader_connections()}")
    print(f"{check_logs(service, seen)} of them reached a worker, and are in its log")
    check_end(service, list(after))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    parser.add_argument("--requests", type=int, default=100000 if SANITIZED else 20000)
    parser.add_argument("--first", type=int, default=0, help="the number of the first one")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    with Service(workers=WORKERS) as service:
        service.add_token(TOKEN.decode(), ACCOUNT)
        service.freeze_clock("2026-11-30 12:00:00.000")
        try:
            run(service, arguments)
        except Wrong as wrong:
            print(wrong)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
