"""The installation from source by README's own commands; scripts/test-package boots a Debian and calls this there."""

import json
import shutil
import unittest
from pathlib import Path

from machine import (PROJECT, SETTINGS, TOKEN, UNIT, UNITS, WORKERS, Load, call, get, properties, record_calls, run_tests, sql,
                     start, unattended, wait_until, workers)

from readme_commands import Shell, run_blocks

FOLDER = Path("/root/webhook-calls")


def install():
    unattended()
    shutil.copytree(PROJECT, FOLDER)
    with Shell(FOLDER) as shell:
        run_blocks("source", lambda block: [shell.run(command, timeout=1200) for command in block.commands])
        # As README says there: from the second step on, as with the package.
        shell.run("TOKEN=$(webhook-calls-token issue --account 1)")
        TOKEN.write_text(shell.run('printf %s "$TOKEN"'))
    site = Path("/etc/nginx/sites-available/default")
    line = "\tserver_name _;\n"
    site.write_text(site.read_text().replace(line, line + "include snippets/webhook-calls*.conf;\n", 1))
    call("nginx", "-t")
    call("systemctl", "reload", "nginx")
    sql("INSERT INTO webhooks (id, account_id, name, url) VALUES (1, 1, 'shop', 'http://shop.test/')")
    record_calls()
    wait_until(lambda: get()[0] == 200, "answer of 200")


class SourceTest(unittest.TestCase):
    def setUp(self):
        start()

    def test_answers(self):
        self.assertEqual(1000, json.loads(get()[1])["meta"]["count"])
        self.assertEqual(["active"] * len(UNITS), call("systemctl", "is-active", *UNITS).split())
        for worker in workers():
            self.assertEqual(Path("/usr/local/sbin/webhook-calls"), Path(f"/proc/{worker}/exe").readlink())

    def test_upkeep(self):
        call("systemctl", "start", "webhook-calls-upkeep.service")
        self.assertEqual("success", properties("Result", unit="webhook-calls-upkeep.service")["Result"])
        self.assertEqual({("expire",), ("seal",)}, set(sql("SELECT task FROM webhook_call_upkeep")))

    def test_manual_pages(self):
        commands = {file.name for file in Path("/usr/local/sbin").glob("webhook-calls*")}
        pages = {file.name.removesuffix(".8.gz") for file in Path("/usr/local/share/man/man8").iterdir()}
        self.assertEqual(commands, pages)

    def test_a_newer_version_keeps_the_settings(self):
        file, snippet = SETTINGS / "webhook-calls.conf", Path("/etc/nginx/snippets/webhook-calls.conf")
        for edited in (file, snippet):
            edited.write_text(edited.read_text() + "# edited\n")
        before = set(workers())
        with Load() as load:
            call("cmake", "--install", "var/build/install", "--prefix", "/usr/local", cwd=FOLDER)
            call("systemctl", "daemon-reload")
            call("systemctl", "restart", UNIT)
            wait_until(lambda: len(set(workers()) - before) == WORKERS, "new pool")
            load.await_more()
        self.assertEqual([], load.failed())
        for edited in (file, snippet):
            self.assertTrue(edited.read_text().endswith("# edited\n"))

    def test_the_pool_is_replaced_without_a_failure(self):
        before = set(workers())
        with Load() as load:
            call("webhook-calls-restart-workers")
            load.await_more()
        self.assertEqual([], load.failed())
        self.assertEqual((WORKERS, set()), (len(workers()), before & set(workers())))


if __name__ == "__main__":
    run_tests(install, SourceTest)
