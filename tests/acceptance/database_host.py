"""Database servers beside the one of the service, each with a copy of its data."""

import contextlib
import signal
import subprocess
import unittest
from pathlib import Path

import pymysql

from service import MYSQLD, die_with_parent, executable, process_state, send_signal, stop_session, wait_until


def stopped_database(service):
    """The command of the service's database, and a copy of its data, made while it is stopped."""
    database = service.database_server()
    words = Path(f"/proc/{database}/cmdline").read_text().rstrip("\0").split("\0")
    command = [MYSQLD or executable(database), *words[words.index("--no-defaults"):]]
    run = service._run.pid
    send_signal(run, signal.SIGSTOP)  # else it would start the database again
    try:
        service.sql("SHUTDOWN")
        wait_until(lambda: process_state(database) in ("", "Z"), "end of the database", 60)
        copy_data(service.state / "database", service.folder / "data")
    finally:
        send_signal(run, signal.SIGCONT)
    return command, service.folder / "data"


def copy_data(source, target):
    subprocess.run(["cp", "-a", "--sparse=always", source, target], check=True)
    (target / "auto.cnf").unlink(missing_ok=True)  # the identity of a MySQL server


class Host:
    """A database server of its own, with a copy of the data: on a unix socket for the test, and where it has a port also on that."""

    def __init__(self, folder, command, data, port=None, options=()):
        self.folder = folder
        self.folder.mkdir()
        self.socket, self.log, self.process = self.folder / "db.sock", self.folder / "log", None
        copy_data(data, self.folder / "data")
        own = {"--datadir": self.folder / "data", "--socket": self.socket, "--pid-file": self.folder / "pid", "--log-error": self.log,
               "--tmpdir": self.folder}
        self.command = [part for part in command if part.split("=")[0] not in own and (not port or part != "--skip-networking")]
        self.command += [f"{option}={value}" for option, value in own.items()] + ["--event-scheduler=OFF", *options]
        self.address = f"unix:{self.socket}"
        if port:
            self.command += ["--bind-address=127.0.0.1", f"--port={port}"]
            self.address = f"127.0.0.1:{port}"
        unittest.addModuleCleanup(self.stop)
        self.start()

    def start(self):
        with open(self.log, "ab") as output:
            self.process = subprocess.Popen(self.command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                            start_new_session=True, preexec_fn=die_with_parent)
        wait_until(self.answers, f"answer of {self.folder.name}", 60)

    def stop(self):
        if self.process.poll() is None:
            stop_session(self.process)

    def kill(self):
        self.process.kill()
        self.process.wait()

    @contextlib.contextmanager
    def killed(self):
        self.kill()
        try:
            yield
        finally:
            self.start()

    @contextlib.contextmanager
    def hung(self):
        send_signal(self.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            send_signal(self.process.pid, signal.SIGCONT)

    def connect(self):
        return pymysql.connect(unix_socket=str(self.socket), user="root", autocommit=True, charset="utf8mb4")

    def sql(self, statement):
        connection = self.connect()
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall()
        finally:
            connection.close()

    def answers(self):
        if self.process.poll() is not None:
            raise RuntimeError(self.log.read_text(errors="replace")[-4000:])
        try:
            return bool(self.sql("SELECT 1"))
        except pymysql.err.MySQLError:
            return False

    def readers(self):
        """How many workers are connected."""
        return self.sql("SELECT COUNT(*) FROM performance_schema.threads WHERE processlist_user = 'run_reader'" if MYSQLD else
                        "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'run_reader'")[0][0]
