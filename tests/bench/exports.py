#!/usr/bin/python3
"""How fast exports are, beside the database's own programs for the same rows; scripts/bench --help tells more."""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "acceptance"))
from pools import cpu_ns, kernel_figure  # noqa: E402
from scale import Loaded, say  # noqa: E402
from service import LIST, WORKER, executable, expect  # noqa: E402

PARTS = ("database", "worker", "nginx", "client")
COLUMNS = "id, webhook_id, http_code, headers, body, created_at"


class Bench:
    def __init__(self, service):
        self.service, self.rows = service, service.big_rows
        self.token = (service.state / "secrets/token").read_text().strip()
        self.options = ["--no-defaults", f"--socket={service.env['DB_SOCKET']}", "--user=root"]

    def export(self, accept):
        host, port = self.service.address
        return ["curl", "--silent", "--show-error", "--fail", "--noproxy", "*", "-H", f"Authorization: Bearer {self.token}",
                "-H", f"Accept: {accept}", f"http://{host}:{port}{LIST % self.service.big}"]

    def dump(self):
        return ["mariadb-dump", *self.options, "--single-transaction", "--quick", "--no-create-info", "--skip-triggers",
                f"--where=webhook_id = {self.service.big}", "webhook_calls", "webhook_calls"]

    def client(self):
        select = f"SELECT {COLUMNS} FROM webhook_calls FORCE INDEX (PRIMARY) WHERE webhook_id = {self.service.big} ORDER BY id"
        return ["mariadb", *self.options, "--quick", "--batch", f"--execute={select}", "webhook_calls"]

    def processes(self):
        service = self.service
        return {"database": [service.database_server()], "nginx": service.processes("nginx"), "worker": self.workers()}

    def workers(self):
        return [pid for pid in self.service.processes("exports") if executable(pid) == WORKER]

    def measure(self, command):
        before = {name: cpu_ns(pids) for name, pids in self.processes().items()}
        began, size = time.monotonic(), 0
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, bufsize=0) as client:
            while piece := client.stdout.read(1 << 20):
                size += len(piece)
            seconds = time.monotonic() - began
            os.waitid(os.P_PID, client.pid, os.WEXITED | os.WNOWAIT)
            cpu = {"client": cpu_ns([client.pid])}
        expect(client.returncode == 0, f"{command[0]} ended with {client.returncode}")
        cpu |= {name: cpu_ns(pids) - before[name] for name, pids in self.processes().items()}
        return {"rows/s": self.rows / seconds, "MB/s": size / seconds / 1e6, **{name: ns / 1000 / self.rows for name, ns in cpu.items()}}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    folder = options.state / str(options.rows)
    folder.mkdir(parents=True, exist_ok=True)
    say(f"Starting the service in {folder}")
    with Loaded(folder, options.rows) as service:
        bench = Bench(service)
        ((version, size),) = service.sql("SELECT VERSION(), AVG(COALESCE(LENGTH(headers) + LENGTH(body), 0)) FROM (SELECT headers, body "
                                         f"FROM webhook_calls WHERE webhook_id = {service.big} LIMIT 100000) some")
        say(f"{os.cpu_count()} cores, database {version}; {bench.rows:,} rows of one webhook, headers and body of a row have {size:.0f} bytes; "
            f"median of {options.rounds} rounds (lowest to highest)\n")
        ways = {"export, CSV": bench.export("text/csv"), "export, NDJSON": bench.export("application/x-ndjson"),
                "mariadb-dump": bench.dump(), "mariadb --quick --batch": bench.client()}
        bench.measure(ways["mariadb-dump"])  # what fits in the buffer pool is there for all
        found = {name: [] for name in ways}
        for _ in range(options.rounds):
            for name, command in ways.items():
                found[name].append(bench.measure(command))
        say(f"  {'':24} {'rows/s':>28} {'MB/s':>7}   {'CPU a row, µs:':>14} " + " ".join(f"{part:>9}" for part in PARTS))
        for name, results in found.items():
            rates = sorted(result["rows/s"] for result in results)
            middle = {part: statistics.median(result.get(part, 0) for result in results) for part in (*PARTS, "MB/s")}
            rate = f"{statistics.median(rates):,.0f} ({rates[0]:,.0f} to {rates[-1]:,.0f})"
            say(f"  {name:24} {rate:>28} {middle['MB/s']:7.0f} " + " " * 17 + " ".join(f"{middle[part]:9.2f}" for part in PARTS))
        peaks = [kernel_figure(pid, "status", "VmHWM") / 1024 for pid in bench.workers()]
        say("\n  peak of the workers for exports: " + ", ".join(f"{peak:.1f} MiB" for peak in peaks))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
