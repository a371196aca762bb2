"""Load, for tests of what happens under it."""

import contextlib
import threading
import time

from service import expect, wait_until


@contextlib.contextmanager
def running(*loops):
    """Calls each function again and again, in a thread of its own, until the end of the block; then raises the first fault."""
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


class Load:
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
