"""Load, for tests of what happens under it."""

import collections
import contextlib
import http.client
import socket
import threading
import time

from service import Answer, check_answer, expect, wait_until


@contextlib.contextmanager
def running(*loops):
    """Calls each function again and again, in a thread of its own, until the end of the block; then raises the first fault,
    which is why the block itself may have failed."""
    over, faults = threading.Event(), []

    def repeat(loop):
        try:
            while not over.is_set():
                loop()
        except BaseException as fault:
            faults.append(fault)
            over.set()

    threads = [threading.Thread(target=repeat, args=(loop,)) for loop in loops]
    for thread in threads:
        thread.start()
    try:
        yield over
    finally:
        over.set()
        for thread in threads:
            thread.join()
        if faults:
            raise faults[0]


class TimedLoad:
    """Asks a server for things that do not change, and notes of each answer: when it came, its seconds, and what was wrong with it."""

    def __init__(self, server, targets, headers):
        self.server, self.headers, self.expected, self.answers = server, headers, {}, []
        for target in targets:
            answer = server.send("GET", target, headers)
            expect(answer.status == 200 and answer.complete, f"{answer.status} for {target}: {answer.body[:400]}")
            self.expected[target] = answer.body

    def loop(self):
        for target in self.expected:
            self.ask(target)

    def ask(self, target):
        begin = time.monotonic()
        answer = self.server.send("GET", target, self.headers)
        end = time.monotonic()
        fault = None
        if answer.status != 200:
            fault = f"{answer.status} for {target} after {end - begin:.1f} s: {answer.body[:400]}"
        elif not answer.complete:
            fault = f"cut short: {target}"
        elif answer.body != self.expected[target]:
            fault = f"wrong answer for {target}: {answer.body[:400]}"
        self.answers.append((end, end - begin, fault))

    def since(self, moment):
        return [answer for answer in self.answers if answer[0] >= moment]

    def wait_for_more(self, count, seconds=30):
        begin = time.monotonic()
        wait_until(lambda: len(self.since(begin)) >= count, f"{count} answers", seconds)

    def faults(self, begin=0):
        return [fault for _, _, fault in self.since(begin) if fault]

    def slowest(self, begin=0):
        return max((seconds for _, seconds, _ in self.since(begin)), default=0)

    def report(self, event, begin=0):
        """For whoever reads the test's output: the README has such figures."""
        print(f"\n{event}: {len(self.faults(begin))} of {len(self.since(begin))} failed, the slowest took {self.slowest(begin):.1f} s",
              end="", flush=True)


class Connection(http.client.HTTPConnection):
    """To a port or to a unix socket."""

    def __init__(self, address):
        super().__init__("webhook-calls.test", timeout=90)
        self.address = address

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX if isinstance(self.address, str) else socket.AF_INET)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.address)


class SteadyLoad:
    """Threads that ask for one page all the time, half of them on a connection of their own for each request, and the others on one that is
    kept. Each answer must be the right one, or have one of the other statuses and be right in its form."""

    def __init__(self, server, target, headers, ids, threads=4, others=()):
        self.server, self.target, self.headers, self.ids, self.others = server, target, dict(headers), ids, others
        self.statuses, self.faults, self.closed = collections.Counter(), [], 0
        self.last_other = None  # when the latest request began that had another status
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._threads = [threading.Thread(target=self._ask, args=(number % 2 == 1,), daemon=True) for number in range(threads)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        self.wait_for(20)
        return self

    def __exit__(self, *failure):
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if not any(failure):
            expect(not self.faults, f"{len(self.faults)} of {self.total()} answers are wrong: {self.faults[:5]}")

    def total(self):
        return sum(self.statuses.values()) + len(self.faults)

    def wait_for(self, more):
        """Until so many more answers have arrived."""
        begin = self.total()
        wait_until(lambda: self.total() >= begin + more or self.faults, f"{more} answers", 60)

    def _ask(self, kept):
        connection = Connection(self.server.address)
        while not self._stop.is_set():
            begin = time.monotonic()
            try:
                status = self._exchange(connection) if kept else self._check(self.server.send("GET", self.target,
                                                                                               self.headers.items()))
                with self._lock:
                    self.statuses[status] += 1
                    if status != 200:
                        self.last_other = max(begin, self.last_other or begin)
            except Exception as fault:  # pylint: disable=broad-except
                connection.close()
                with self._lock:
                    self.faults.append(repr(fault))
        connection.close()

    def _exchange(self, connection):
        """On a connection that is kept. A server may close that between two requests: then, as all clients do, once more on another."""
        fresh = connection.sock is None
        try:
            connection.request("GET", self.target, headers=self.headers)
            response = connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            connection.close()
            if fresh:
                raise
            with self._lock:
                self.closed += 1
            return self._exchange(connection)
        body = response.read()
        head = "\r\n".join([f"HTTP/1.1 {response.status} -", *(f"{name}: {value}" for name, value in response.getheaders()
                                                             if name != "Transfer-Encoding")])
        return self._check(Answer(head.encode() + b"\r\n\r\n" + body, "GET"))

    def _check(self, answer):
        document = check_answer(answer)
        if answer.status not in self.others:
            expect(answer.status == 200, f"status {answer.status}: {answer.body[:300]!r}")
            expect([int(call["id"]) for call in document["data"]] == self.ids, f"other calls: {answer.body[:300]!r}")
        return answer.status
