#!/usr/bin/python3
"""What README types on MySQL: the blocks of the context "mysql", and the restore by MySQL's client (scripts/test-mysql)."""

import os
import unittest
from pathlib import Path

from readme_commands import Shell, blocks, run_blocks
import restore
from run_test import checkout

from faults import seconds_of
from service import MYSQLD, Service


@unittest.skipUnless(MYSQLD, "for MySQL")
class MysqlTest(unittest.TestCase):
    def test_back_up_and_restore(self):
        self.service = Service(workers=1)
        self.addCleanup(self.service.stop)
        self.here = self.service.folder / "checkout"
        self.here.mkdir()
        checkout(self.here, self.service.state)
        restore.add_records(self.service)
        with self.shell(self.service.folder, self.service.env["DB_SOCKET"]) as shell:
            run_blocks("mysql", lambda block: self.back_up(shell, block))
        server = restore.EmptyServer(self.service.folder / "other")
        self.addCleanup(server.stop)
        (block,) = [block for block in blocks() if block.heading == "Back-up and restore" and "CREATE DATABASE" in block.text]
        with self.shell(server.folder, server.socket) as shell:
            for command in block.commands:
                output = shell.run(command.text.replace("mariadb ", "mysql "), timeout=300)
                if command.text.startswith("zcat webhook-calls"):
                    server.compare(self.activity)
        self.assertIn("All is well.", output)
        server.compare_counts(self.service.pool("restored", WEBHOOK_CALLS_DB_HOSTS=f"unix:{server.socket}"))

    def shell(self, home, socket):
        (home / ".my.cnf").write_text(f"[client]\nsocket={socket}\nuser=root\n")
        # The programs are where scripts/test-mysql has put the server; a state without secrets has none for the scripts.
        return Shell(self.here, HOME=str(home), WEBHOOK_CALLS_STATE=str(home),
                     PATH=f"{Path(MYSQLD).parent}:{os.environ['PATH']}:/usr/sbin:/sbin")

    def back_up(self, shell, block):
        with restore.Activity(self.service) as self.activity:
            for command in block.commands:
                seconds, output = seconds_of(lambda command=command: shell.run(command, timeout=300))
                if "mysqldump" in command.text:
                    dump_seconds = seconds
        self.assertRegex(output, "^-- Dump completed")
        self.activity.check(dump_seconds)


if __name__ == "__main__":
    unittest.main()
