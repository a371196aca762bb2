"""How these tests call scripts, and what they look for on the machine afterwards."""

import os
import re
import shutil
import subprocess
import sys
import threading
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "acceptance"))
from service import PROJECT, Service, process_state  # noqa: E402

# All that could carry a secret on its command line.
PROGRAMS = ("awk base64 bash cat curl cut env flock head mariadb mariadb-install-db mariadbd multiwatch mysql nginx od sed setsid "
            "sha256sum spawn-fcgi tr xargs").split()


def environment(**changes):
    """The test's own without settings of the project, and without a proxy."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("WEBHOOK_CALLS_")}
    variables.update(no_proxy="*", PATH=os.environ["PATH"] + ":/usr/sbin:/sbin")
    return {**variables, **changes}


def call(name, *arguments, cwd=None, timeout=60, **changes):
    """A script, to its end; its output is text."""
    return subprocess.run([PROJECT / "scripts" / name, *arguments], env=environment(**changes), cwd=cwd, timeout=timeout,
                          stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", errors="surrogateescape")


def path_that_notes_arguments(folder):
    """A PATH by which each program that a script calls first adds its command line to the file folder/arguments."""
    folder.mkdir()
    for name in PROGRAMS:
        program = shutil.which(name, path=environment()["PATH"])
        if program:
            note = folder / name
            note.write_text(f"#!/bin/sh\nprintf '%s\\n' {name} \"$@\" >>'{folder}/arguments'\nexec {program} \"$@\"\n")
            note.chmod(0o755)
    return f"{folder}:{environment()['PATH']}"


def secrets_of(state):
    """The token and the accounts' passwords."""
    secrets = [re.search(r"^password=(.+)$", file.read_text(), re.M)[1] for file in (state / "secrets").glob("*.cnf")]
    return [*secrets, (state / "secrets/token").read_text().strip()]


def processes_in(folder):
    """Processes that work in the folder, by id: what scripts/run starts does."""
    found = {}
    for process in Path("/proc").glob("[1-9]*"):
        try:
            working = Path(os.readlink(process / "cwd"))
            if (working == folder or folder in working.parents) and process_state(process.name) != "Z":
                found[int(process.name)] = process.joinpath("cmdline").read_bytes().decode(errors="replace")
        except OSError:
            pass  # gone meanwhile
    return found


def start_service():
    """For all tests of a module."""
    ScriptTest.service = Service(workers=1)
    unittest.addModuleCleanup(ScriptTest.service.stop)
    return ScriptTest.service


def option_file(user):
    """Of a database account without a password."""
    file = ScriptTest.service.folder / f"{user}.cnf"
    # In one go: another thread's script may be reading it.
    new = file.with_suffix(f".{threading.get_ident()}")
    new.write_text(f"[client]\nsocket={ScriptTest.service.env['DB_SOCKET']}\nuser={user}\n")
    new.rename(file)
    return str(file)


class ScriptTest(unittest.TestCase):
    service = None

    def script(self, name, *arguments, **changes):
        return call(name, *arguments, **{"WEBHOOK_CALLS_STATE": str(self.service.state), **changes})

    def succeeds(self, name, *arguments, **changes):
        """Returns the output."""
        result = self.script(name, *arguments, **changes)
        self.assertEqual((0, ""), (result.returncode, result.stderr), result)
        return result.stdout

    def fails(self, code, words, name, *arguments, **changes):
        with self.subTest(name=name, arguments=arguments):
            result = self.script(name, *arguments, **changes)
            self.assertEqual((code, ""), (result.returncode, result.stdout), result)
            self.assertIn(words, result.stderr)
