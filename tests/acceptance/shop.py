"""A platform that has a table of its own for webhooks, in a database `shop`: README.md, "Webhooks that you have already"."""

import os
import subprocess
import sys

from service import MYSQLD, PROJECT, WORKER, expect

sys.path.insert(0, str(PROJECT / "tests/readme"))
from readme_commands import blocks_of  # noqa: E402

FIRST, FOR_MYSQL, LATER, WITH_UUIDS = range(4)  # the README's SQL


def create(service):
    service.sql("CREATE DATABASE shop")
    service.sql("CREATE TABLE shop.hooks (hook_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, customer_no INT UNSIGNED NOT NULL,"
                " label TEXT NULL, target TEXT NOT NULL, secret VARCHAR(64) NOT NULL DEFAULT 'of the platform', deleted BOOLEAN NOT NULL DEFAULT FALSE,"
                " KEY (customer_no)) CHARACTER SET utf8mb4")


def add_hooks(service, *rows):
    """Rows of (id, customer, label, target, deleted)."""
    service.sql("INSERT INTO shop.hooks (hook_id, customer_no, label, target, deleted) VALUES (%s, %s, %s, %s, %s)", *rows)


def run_block(service, number, database="webhook_calls"):
    """SQL of the README, by number, with what is for MySQL alone."""
    blocks = blocks_of("view")
    for statement in map(str, blocks[number].commands + (blocks[FOR_MYSQL].commands if MYSQLD else [])):
        service.sql(statement.replace("webhook_calls.", f"{database}."))


def migrate(service, database="webhook_calls", user="root", script="migrate", *arguments):
    file = service.folder / f"{user}.cnf"
    file.write_text(f"[client]\nsocket={service.env['DB_SOCKET']}\nuser={user}\n")
    variables = {name: value for name, value in os.environ.items() if not name.startswith("WEBHOOK_CALLS_")}
    return subprocess.run([PROJECT / "scripts" / script, "--defaults-file", file, *arguments], env={**variables, "WEBHOOK_CALLS_DB_NAME": database},
                          stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", timeout=120)


def check_config(service, database="webhook_calls"):
    return subprocess.run([WORKER, "--check-config"], env=service.worker_environment(WEBHOOK_CALLS_DB_NAME=database),
                          stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", timeout=60)


def take_over(service):
    """The service's webhooks move to the platform's table, and webhooks becomes a view."""
    create(service)
    service.sql("INSERT INTO shop.hooks (hook_id, customer_no, label, target) SELECT id, account_id, name, url FROM webhooks")
    run_block(service, LATER)
    for result in (migrate(service), check_config(service)):
        expect((result.returncode, result.stderr) == (0, ""), f"{result}")
    service.kill_reader_connections()
