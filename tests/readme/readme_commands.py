"""The commands of README.md, for the tests that run them as they stand there.

Each code block (indented, or between ``` lines) has a comment on the line before it:

    <!-- run: CONTEXT -->   the test of that context (CONTEXTS) runs its commands, block by block, in the document's order
    <!-- shown -->          output, configuration, SQL or another language: nothing runs it

A table may have the first comment too: its commands are the code in the second column, one command for a row.

How a block is read:

- Where its first line begins with "$ ", it shows a session: a command is what follows "$ " (and "> " on the lines that continue
  it); the lines up to the next "$ " are what the command prints, and are given to the test as `shown`.
- Elsewhere each line begins a command. Comments and empty lines are bash's to pass over.
- A line of cron is a command behind its five fields.
- A command goes on until bash takes it for complete: here-documents, quotes over several lines, "\\" at a line's end.
- There are no placeholders: what README says is what is typed. Where a test has its files or its port in another place, it
  says so in one table of its own, (text of README → text of the test), which is given to `Shell`.

A test of a context calls

    run_blocks("source", lambda block: ...)

which calls its function for each block of the context, and raises where one has not been asked for its commands or its script;
or blocks_of("source"), where each block has a place of its own in the test.
"""

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "tests/acceptance"))  # for service.py
README = PROJECT / "README.md"

# The one list of contexts: the test that runs its blocks.
CONTEXTS = {
    "run": "tests/readme/run_test.py",
    "operate": "tests/readme/operate_test.py",
    "mysql": "tests/readme/mysql_test.py",
    "package": "tests/package/package_test.py",
    "source": "tests/package/source_test.py",
    "shared-host-build": "tests/scripts/install_user_test.py",
    "shared-host": "tests/scripts/install_user_test.py",
    "import": "tests/scripts/import_test.py",
    "view": "tests/acceptance/shop.py",
    "replicas-mariadb": "tests/acceptance/replicas_test.py",
    "replicas-mysql": "tests/acceptance/replicas_test.py",
    "replicas-both": "tests/acceptance/replicas_test.py",
    "cluster": "tests/acceptance/pool_hosts_test.py",
}
# Of these the commands are SQL statements.
SQL = {"view", "replicas-mariadb", "replicas-mysql", "replicas-both"}


@dataclass
class Command:
    text: str
    shown: str = ""  # what the document says that it prints, where it says so
    cells: tuple = ()  # of a table: the row

    def __str__(self):
        return self.text


@dataclass
class Block:
    """`marker`: "run: CONTEXT", "shown", or None."""

    line: int
    marker: str | None
    heading: str
    lines: list = field(default_factory=list)
    table: bool = False
    taken: bool = False

    def __str__(self):
        return f"the block at line {self.line} ({self.heading})"

    @property
    def context(self):
        return self.marker.removeprefix("run:").strip() if self.marker and self.marker.startswith("run:") else None

    @property
    def text(self):
        return "\n".join(self.lines) + "\n"

    @property
    def commands(self):
        self.taken = True
        return read_commands(self)

    @property
    def script(self):
        """All commands of the block, for a shell that is not this test's."""
        return "\n".join(command.text for command in self.commands) + "\n"


def blocks(document=README):
    return read_blocks(Path(document).read_text())


def read_blocks(text):
    """All blocks, in order, and what is taken for one: a marker without a block has no lines."""
    found, heading, marker, fence, code = [], "", None, None, None
    item, before = 0, ""  # the column where a list item's text begins; the line before: "", "text" or "code"
    blank_lines = []
    for number, line in enumerate(text.split("\n"), 1):
        indent = len(line) - len(line.lstrip(" "))
        words = line.strip()
        if fence:
            if words == fence[0]:
                fence = None
            else:
                code.lines.append(line[min(fence[1], indent):])
            before = ""
            continue
        if not words:
            blank_lines.append("")
            before = "code" if before == "code" else ""
            continue
        if before == "code" and indent >= item + 4:
            code.lines += blank_lines + [line[item + 4:]]
            blank_lines = []
            continue
        if indent < item and before != "text":
            item = 0
        blank_lines, opens = [], re.match("(```+|~~~+)", words)
        if marker and not (opens or indent >= item + 4 or words.startswith("|")):
            found.append(Block(marker[0], marker[1], heading))
            marker = None
        if comment := re.fullmatch(r"<!-- *(run: *\S+|shown) *-->", words):
            marker, before = (number, comment[1]), ""
        elif opens or (indent >= item + 4 and before != "text") or (words.startswith("|") and marker):
            code = Block(number, marker and marker[1], heading, table=words.startswith("|") and indent < item + 4)
            found.append(code)
            marker, before = None, "code"
            if opens:
                fence = (opens[1], indent)
            else:
                code.lines.append(words if code.table else line[item + 4:])
                before = "table" if code.table else "code"
        elif before == "table" and words.startswith("|"):
            code.lines.append(words)
        else:
            before = "text"
            if title := re.match("#+ +(.*)", words):
                heading, item, before = title[1], 0, ""
            elif begin := re.match(r" *([-*+]|\d+[.)]) +", line):
                item = len(begin[0])
    if marker:
        found.append(Block(marker[0], marker[1], heading))
    return found


def is_complete(command):
    """Whether bash would not ask for more."""
    if re.search(r"(^|[^\\])(\\\\)*\\$", command):
        return False
    # A here-document without its end is a warning.
    read = subprocess.run(["bash", "-n"], input=command + "\n", capture_output=True, text=True)
    return read.returncode == 0 and not read.stderr


def read_commands(block):
    if block.context in SQL:
        return [Command(statement.strip()) for statement in block.text.split(";\n") if statement.strip()]
    if block.table:
        found = []
        for line in block.lines[2:]:
            cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            found += [Command(text, cells=tuple(cells)) for text in re.findall("`([^`]+)`", cells[1])]
        return found
    session = block.lines[0].startswith("$ ")
    found, open_command = [], None
    for line in block.lines:
        if open_command is not None:
            open_command += "\n" + (line.removeprefix("> ") if session else line)
        elif session and not line.startswith("$ "):
            found[-1].shown += line + "\n"
            continue
        elif session or (line.strip() and not line.lstrip().startswith("#")):
            open_command = line.removeprefix("$ ") if session else line
        if open_command is not None and is_complete(open_command):
            found.append(Command(open_command))
            open_command = None
    if open_command is not None:
        raise ValueError(f"{block}: bash takes this for no whole command: {open_command}")
    for command in found:
        command.text = re.sub(r"^([0-9*/,-]+ +){5}", "", command.text)
    return found


def blocks_of(context, document=README):
    chosen = [block for block in blocks(document) if block.context == context]
    if not chosen:
        raise LookupError(f"{document} has no block of the context {context}")
    return chosen


def run_blocks(context, run, document=README):
    """Calls run(block) for each block of the context, and raises where one was left out."""
    for block in blocks_of(context, document):
        run(block)
        if not block.taken:
            raise LookupError(f"{block} was left out by the test of {context}")


class CommandFailed(AssertionError):
    pass


class Shell:
    """One bash for all blocks of a context, as a reader has one: variables and the folder stay. `places` are pairs of a text of
    README and what it is here."""

    def __init__(self, folder, places=(), **environment):
        self.places = list(places)
        self._folder = tempfile.TemporaryDirectory(prefix="webhook-calls-shell-")
        self._output = Path(self._folder.name, "output")
        self._errors = Path(self._folder.name, "errors")
        self._code = Path(self._folder.name, "code")
        os.mkfifo(self._code)
        variables = {name: value for name, value in os.environ.items() if not name.startswith("WEBHOOK_CALLS_")}
        variables.update({"no_proxy": "*", "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin", **environment})
        self._bash = subprocess.Popen(["bash", "--norc"], stdin=subprocess.PIPE, text=True, cwd=folder, env=variables)
        self._send("set -o pipefail\n")

    def _send(self, text):
        self._bash.stdin.write(text)
        self._bash.stdin.flush()

    def run(self, command, code=0, timeout=120):
        """Its standard output; `errors` has the other one. `code`: the exit code that is expected, None for any."""
        text = str(command)
        for here, there in self.places:
            text = text.replace(here, there)
        self._send(f"{{\n{text}\n}} >'{self._output}' 2>'{self._errors}' </dev/null; echo $? >'{self._code}'\n")
        reader = subprocess.run(["timeout", str(timeout), "cat", self._code], capture_output=True, text=True)
        output, self.errors = [file.read_text(errors="replace") for file in (self._output, self._errors)]
        if not reader.stdout:
            raise CommandFailed(f"after {timeout} s there was no end of:\n{text}\n{(output + self.errors)[-2000:]}")
        self.code = int(reader.stdout)
        if code is not None and self.code != code:
            raise CommandFailed(f"exit code {self.code}, not {code}:\n{text}\n{(output + self.errors)[-2000:]}")
        return output

    def close(self):
        self._bash.stdin.close()
        try:
            self._bash.wait(10)
        except subprocess.TimeoutExpired:
            self._bash.kill()
            self._bash.wait()
        self._folder.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
