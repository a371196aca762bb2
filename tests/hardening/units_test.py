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
            self.assertEqual(6, len(copies))
            result = analyze("verify", "--man=no", *copies)
        said = [line for line in result.stderr.splitlines() if "webhook-calls" in line]
        self.assertEqual((0, []), (result.returncode, said), result.stderr)

    def test_both_pools_run_alike(self):
        def settings(name):
            lines = (UNITS / name).read_text().replace("webhook-calls-exports.socket", "webhook-calls.socket")
            lines = lines.replace("WEBHOOK_CALLS_EXPORT_WORKERS", "WEBHOOK_CALLS_WORKERS").splitlines()
            return [line for line in lines if line and not re.match(r"#|\[Install|WantedBy|Description|Environment=WEBHOOK_CALLS_WORKERS", line)]
        self.assertEqual(settings("webhook-calls.service"), settings("webhook-calls-exports.service"))

    def test_exposure(self):
        for unit in sorted(UNITS.glob("*.service")):
            with self.subTest(unit=unit.name):
                result = analyze("security", "--offline=true", "--threshold=13", str(unit))
                self.assertEqual(0, result.returncode, result.stdout[-300:])


if __name__ == "__main__":
    unittest.main()
