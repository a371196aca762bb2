#!/usr/bin/python3
"""scripts/fuzz on real targets, for seconds."""

import os
import re
import signal
import subprocess
import unittest

from commands import PROJECT, call, environment

FOUND = PROJECT / "var/fuzz"


class FuzzTest(unittest.TestCase):
    def test_faults_in_how_it_is_called(self):
        for arguments, words in ((["--minutes"], "--minutes needs a value"), (["--minutes", "0"], "must be a number above 0"),
                                 (["--minutes", "1e9"], "must be a number above 0"),
                                 (["rout"], "Unknown target rout. There are: bearer "),
                                 (["route_fuzz.cc"], "Unknown target")):
            result = call("fuzz", *arguments)
            self.assertEqual((2, ""), (result.returncode, result.stdout), arguments)
            self.assertIn(words, result.stderr)

    def test_a_short_run(self):
        result = call("fuzz", "--minutes", "0.05", "bearer", "route", timeout=600)
        self.assertEqual((0, ""), (result.returncode, result.stderr), result.stdout)
        for target in ("bearer", "route"):
            ended = re.findall(rf"^{target}: ([0-9]+) executions, ([0-9]+) branches covered, ([0-9]+) inputs kept; ended$",
                               result.stdout, re.M)
            self.assertTrue(ended, result.stdout)
            self.assertTrue(all(int(figure) > 10 for run in ended for figure in run), ended)
            self.assertTrue(list((FOUND / "corpus" / target).iterdir()))
        self.assertRegex(result.stdout, r"\n[1-9][0-9]* runs, 0 failed\n$")

    def test_interrupted(self):
        with subprocess.Popen([PROJECT / "scripts/fuzz", "--minutes", "60", "date_time"], env=environment(), encoding="utf-8",
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True) as running:
            output = ""
            for line in running.stdout:
                output += line
                if "executions" in line:  # the first report
                    os.killpg(running.pid, signal.SIGINT)  # as a terminal does
                    break
            output += running.stdout.read()
            self.assertEqual(0, running.wait(60), output)
        self.assertRegex(output, r"date_time: .*; ended\n(?s:.*)\n[1-9][0-9]* runs, 0 failed\n$")
        with self.assertRaises(ProcessLookupError):
            os.killpg(running.pid, 0)


if __name__ == "__main__":
    unittest.main()
