#!/usr/bin/python3
"""README's quick start, as it is typed: the blocks of the context "run"."""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

from readme_commands import PROJECT, Shell, run_blocks

from service import MYSQLD, free_port, wait_until


def checkout(folder, state):
    """The project as a reader has it, with a `var` of the test's own."""
    for path in PROJECT.iterdir():
        if path.name not in ("var", ".git"):
            (folder / path.name).symlink_to(path)
    (folder / "var").symlink_to(state)


def pattern_of(shown):
    """Of a shown answer: numbers and dates may be others, and … is anything."""
    text = re.sub("Mon|Tue|Wed|Thu|Fri|Sat|Sun", "DAY", re.sub("Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec", "MONTH", shown))
    parts = [re.sub("[0-9]+", "[0-9]+", re.escape(part)) for part in text.split("…")]
    return ".*".join(parts).replace("DAY", "[A-Z][a-z]{2}").replace("MONTH", "[A-Z][a-z]{2}")


@unittest.skipIf(MYSQLD, "scripts/run is typed without a server's name")
class RunTest(unittest.TestCase):
    def test_run(self):
        folder = Path(tempfile.mkdtemp(prefix="webhook-calls-"))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        state, here = folder / "state", folder / "checkout"
        state.mkdir()
        here.mkdir()
        checkout(here, state)
        # A port that may be anybody's, which README does not name again: run.env tells it.
        self.environment = {"WEBHOOK_CALLS_STATE": str(state), "WEBHOOK_CALLS_PORT": str(free_port())}
        self.state = state
        with Shell(here, **self.environment) as self.shell:
            self.here = here
            run_blocks("run", self.run_block)

    def run_block(self, block):
        for command in block.commands:
            if command.text.startswith("scripts/run"):
                self.start(command)
                continue
            output = self.shell.run(command)
            if command.shown.startswith("{"):
                json.loads(output)
                # Wrapped: JSON:API's answers have no space between members.
                self.assertRegex(output, pattern_of("".join(command.shown.splitlines())))
            elif command.shown:
                self.assertRegex(output, pattern_of(command.shown))

    def start(self, command):
        """In the background, as in another window."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("WEBHOOK_CALLS_")}
        with open(self.state / "output", "wb") as output:
            process = subprocess.Popen(["bash", "-c", f"exec {command}"], cwd=self.here, stdin=subprocess.DEVNULL, stdout=output,
                                       stderr=subprocess.STDOUT, start_new_session=True, env={**environment, **self.environment})
        self.addCleanup(process.wait)
        self.addCleanup(process.send_signal, signal.SIGINT)
        # It builds the worker where there is none yet.
        wait_until(lambda: "Ctrl-C stops it." in (self.state / "output").read_text() or process.poll() is not None, "service", 600)
        self.assertIsNone(process.poll(), (self.state / "output").read_text())


if __name__ == "__main__":
    unittest.main()
