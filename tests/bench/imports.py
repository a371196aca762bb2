#!/usr/bin/python3
"""How fast import-calls is, beside what the database takes of the same rows at most; scripts/bench --help tells more."""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "acceptance"), str(Path(__file__).resolve().parents[2] / "scripts")]
import import_calls  # noqa: E402
from pools import cpu_ns  # noqa: E402
from service import PROJECT, Service  # noqa: E402

ROUNDS = 3
TABLES = ("webhook_calls", "webhook_call_chunks", "webhook_call_chunk_codes", "webhook_call_imports")
TIME = "DATE_FORMAT(created_at, '%Y-%m-%dT%H:%i:%s.%fZ')"
QUOTED = "CONCAT('\"', REPLACE(IFNULL(CONVERT({0} USING utf8mb4), ''), '\"', '\"\"'), '\"')"
EXPORTS = {
    "ndjson": f"SELECT JSON_OBJECT('webhook_id', webhook_id, 'http_code', http_code, 'headers', CONVERT(headers USING utf8mb4),"
              f" 'body', CONVERT(body USING utf8mb4), 'created_at', {TIME})",
    "csv": f"SELECT CONCAT_WS(',', webhook_id, IFNULL(http_code, ''), {QUOTED.format('headers')}, {QUOTED.format('body')}, {TIME})",
}


def say(*words):
    print(*words, flush=True)


class Bench:
    def __init__(self, service, rows):
        self.service, self.rows = service, rows
        self.files = {name: service.folder / f"calls.{name}" for name in ("ndjson", "csv", "sql", "data")}
        self.client = ["mariadb", f"--defaults-file={service.state}/secrets/migrator.cnf", "--default-character-set=utf8mb4",
                       "--max-allowed-packet=1G", "--batch", "--raw", "--skip-column-names", "--quick", "webhook_calls"]

    def make_files(self):
        service = self.service
        self.script("load-demo", str(self.rows), "--days", "50")
        for name, select in EXPORTS.items():
            with open(self.files[name], "wb") as file:
                if name == "csv":
                    file.write(b"webhook_id,http_code,headers,body,created_at\n")
                    file.flush()
                subprocess.run([*self.client, "-e", select + " FROM webhook_calls ORDER BY id"], stdout=file, check=True)
        service.sql(f"SELECT webhook_id, http_code, headers, body, created_at FROM webhook_calls ORDER BY id INTO OUTFILE '{self.files['data']}'")
        ((self.bytes,),) = service.sql("SELECT SUM(COALESCE(LENGTH(headers) + LENGTH(body), 0)) FROM webhook_calls")
        with open(self.files["ndjson"], "rb") as lines, open(self.files["sql"], "w", encoding="ascii") as file:
            source = import_calls.Ndjson(lines)
            webhooks = {number for number, in service.sql("SELECT id FROM webhooks")}
            ((now, packet),) = service.sql("SELECT CONCAT(UTC_TIMESTAMP(3)), @@max_allowed_packet")
            checks = import_calls.Checks(webhooks, import_calls.Clock(now), packet)
            for begin in range(0, self.rows, import_calls.BATCH_LINES):
                statements = import_calls.Statements(packet)
                for _ in range(min(import_calls.BATCH_LINES, self.rows - begin)):
                    statements.add(checks.row(source.read()))
                file.writelines(["START TRANSACTION;\n", *statements.end(), "COMMIT;\n"])

    def script(self, name, *arguments):
        subprocess.run([PROJECT / "scripts" / name, *arguments], env=self.environment(), stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, check=True)

    def environment(self):
        return {**os.environ, "WEBHOOK_CALLS_STATE": str(self.service.state)}

    # ---- The ways: each returns seconds, and nanoseconds of CPU by program

    def load_data(self):
        began = time.monotonic()
        self.service.sql(f"LOAD DATA INFILE '{self.files['data']}' INTO TABLE webhook_calls CHARACTER SET binary "
                         "(webhook_id, http_code, headers, body, created_at)")
        return time.monotonic() - began, {}

    def statements(self):
        with open(self.files["sql"], "rb") as file:
            began = time.monotonic()
            client = subprocess.Popen(self.client, stdin=file)
            os.waitid(os.P_PID, client.pid, os.WEXITED | os.WNOWAIT)
            seconds, cpu = time.monotonic() - began, cpu_ns([client.pid])
            if client.wait() != 0:
                raise RuntimeError("the statements failed")
        return seconds, {"client": cpu}

    def import_calls(self, name):
        began = time.monotonic()
        importer = subprocess.Popen([PROJECT / "scripts/import-calls", self.files[name]], env=self.environment(), cwd=self.service.folder,
                                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, encoding="utf-8")
        for line in importer.stdout:
            if line.startswith("Read "):  # and now it seals
                break
        seconds = time.monotonic() - began
        (client,) = map(int, Path(f"/proc/{importer.pid}/task/{importer.pid}/children").read_text().split()[:1])
        cpu = {"client": cpu_ns([client]), "import-calls": cpu_ns([importer.pid])}
        importer.stdout.read()
        if importer.wait() != 0:
            raise RuntimeError("import-calls failed")
        return seconds, cpu

    def measure(self, way):
        for table in TABLES:
            self.service.sql(f"TRUNCATE {table}")
        database = [self.service.database_server()]
        before = cpu_ns(database)
        seconds, cpu = way()
        cpu["database"] = cpu_ns(database) - before
        ((rows,),) = self.service.sql("SELECT COUNT(*) FROM webhook_calls")
        if rows != self.rows:
            raise RuntimeError(f"{rows} rows are there, not {self.rows}")
        return {"rows/s": self.rows / seconds, **{name: ns / 1000 / self.rows for name, ns in cpu.items()}}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, required=True)
    options = parser.parse_args()
    with Service(workers=1, WEBHOOK_CALLS_BUFFER_POOL=os.environ.get("WEBHOOK_CALLS_BUFFER_POOL", "2G")) as service:
        bench = Bench(service, options.rows)
        say(f"Making {options.rows} rows, as scripts/load-demo does")
        bench.make_files()
        ((version,),) = service.sql("SELECT VERSION()")
        say(f"{os.cpu_count()} cores, database {version}; headers and body of a row have {bench.bytes / options.rows:.0f} bytes; "
            f"median of {ROUNDS} rounds (lowest to highest)\n")
        ways = {"LOAD DATA INFILE": bench.load_data, "statements made beforehand": bench.statements,
                "import-calls, NDJSON": lambda: bench.import_calls("ndjson"), "import-calls, CSV": lambda: bench.import_calls("csv")}
        found = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, way in ways.items():
                found[name].append(bench.measure(way))
        parts = ("database", "client", "import-calls")
        say(f"  {'':28} {'rows/s':>22}   {'CPU a row, µs:':>14} " + " ".join(f"{part:>13}" for part in parts))
        for name, results in found.items():
            rates = sorted(result["rows/s"] for result in results)
            middle = {part: statistics.median(result.get(part, 0) for result in results) for part in parts}
            say(f"  {name:28} {statistics.median(rates):8.0f} ({rates[0]:.0f} to {rates[-1]:.0f})".ljust(56) + " " * 15 +
                " ".join(f"{middle[part]:13.1f}" if middle[part] else " " * 13 for part in parts))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"scripts/bench: {error}")
