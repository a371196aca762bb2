"""The units of scripts/systemd as systemd reads them; scripts/test-package runs them."""

import re
import subprocess
import tempfile
import unittest
from pathlib import Path

UNITS = Path(__file__).resolve().parents[2] / "scripts/systemd"


def analyze(*arguments):
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True)


class UnitsTest(unittest.TestCase):
    def test_systemd_understands_all(self):
        with tempfile.TemporaryDirectory() as folder:
            copies = []
            for unit in sorted(UNITS.iterdir()):
                copy = Path(folder) / unit.name
                # The programs need not be installed here.
                copy.write_text(re.sub(r"(?m)^(ExecStart=)\S+", r"\1/bin/true", unit.read_text()))
                copies.append(str(copy))
            self.assertEqual(4, len(copies))
            result = analyze("verify", "--man=no", *copies)
        said = [line for line in result.stderr.splitlines() if "webhook-calls" in line]
        self.assertEqual((0, []), (result.returncode, said), result.stderr)

    def test_exposure(self):
        for unit in sorted(UNITS.glob("*.service")):
            with self.subTest(unit=unit.name):
                result = analyze("security", "--offline=true", "--threshold=13", str(unit))
                self.assertEqual(0, result.returncode, result.stdout[-300:])


if __name__ == "__main__":
    unittest.main()
