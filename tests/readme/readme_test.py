#!/usr/bin/python3
"""README.md: each code block is run by a test or marked as shown, and what the documents name is there."""

import functools
import re
import subprocess
import unittest

from readme_commands import CONTEXTS, PROJECT, README, blocks, read_blocks, read_commands, run_blocks

from service import WORKER

DOCUMENTS = ("README.md", "SECURITY.md", "CONTRIBUTING.md")
# Options that README names alone, and that are of programs which are not the project's.
FOREIGN_OPTIONS = {"--signal=TERM", "--hex-blob", "--no-install-recommends"}
# Of tests, which are not an operator's.
TEST_VARIABLES = {"WEBHOOK_CALLS_WORKER", "WEBHOOK_CALLS_MYSQLD"}


@functools.cache
def help_of(program):
    """Of a script, or of the worker."""
    command = WORKER if program == "webhook-calls" else PROJECT / "scripts" / program
    return subprocess.run([command, "--help"], capture_output=True, text=True, check=True, timeout=60).stdout


def mentions(text, option):
    return re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", text)


def code_of(text):
    """The lines of code blocks, without comments, and code within lines."""
    for block in read_blocks(text):
        if not block.table:
            yield from ((block.line, line.split(" #")[0]) for line in block.text.replace("\\\n", " ").split("\n"))
    for match in re.finditer(r"(?<!`)`([^`]+)`(?!`)", text):
        yield text.count("\n", 0, match.start()) + 1, match[1].replace("\n", " ")


def anchors_of(text):
    """As GitHub makes them of headings."""
    found, seen = set(), {}
    for title in re.findall("(?m)^#{1,6} +(.+?) *#*$", text):
        slug = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title).lower()).replace(" ", "-")
        seen[slug] = seen.get(slug, -1) + 1
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
    return found


class ReadingTest(unittest.TestCase):
    """The reader of blocks and commands itself."""

    TEXT = """# Title

Text
    that goes on, and is no code.

<!-- run: one -->
    first   # a comment
    # another

    cat <<'END'
      a line
    END
    if true; then
      echo yes
    fi
    */5 * * * *  echo cron
    echo a \\
      b

<!-- shown -->
```conf
$ is no command
    here
```

1. **Item**:

   <!-- run: two -->
       $ curl "$URL
       > more"
       {"answer":
       1}
       $ true

   and on.

        unmarked

After the list:

    unmarked too

<!-- run: one -->
| Symptom | Look |
|---|---|
| it is `slow` | `grep a \\| wc -l`, in `log` |
| none | nothing |

<!-- shown -->
No block.
"""

    def test_blocks(self):
        found = [(block.line, block.marker, block.heading, block.lines[:1], block.table) for block in read_blocks(self.TEXT)]
        self.assertEqual([
            (7, "run: one", "Title", ["first   # a comment"], False),
            (21, "shown", "Title", ["$ is no command"], False),
            (29, "run: two", "Title", ['$ curl "$URL'], False),
            (37, None, "Title", [" unmarked"], False),
            (41, None, "Title", ["unmarked too"], False),
            (44, "run: one", "Title", ["| Symptom | Look |"], True),
            (49, "shown", "Title", [], False)], found)

    def test_commands(self):
        one, _, two, _, _, table, _ = read_blocks(self.TEXT)
        self.assertEqual(["first   # a comment", "cat <<'END'\n  a line\nEND", "if true; then\n  echo yes\nfi", "echo cron", "echo a \\\n  b"],
                         [command.text for command in read_commands(one)])
        self.assertEqual([('curl "$URL\nmore"', '{"answer":\n1}\n'), ("true", "")],
                         [(command.text, command.shown) for command in read_commands(two)])
        self.assertEqual([("it is `slow`", "grep a | wc -l"), ("it is `slow`", "log")],
                         [(command.cells[0], command.text) for command in read_commands(table)])

    def test_a_block_that_is_left_out(self):
        run_blocks("run", lambda block: block.script)
        with self.assertRaises(LookupError):
            run_blocks("run", lambda block: None)
        with self.assertRaises(LookupError):
            run_blocks("nonsense", lambda block: block.commands)


class ReadmeTest(unittest.TestCase):
    maxDiff = None

    def test_each_block_has_a_marker(self):
        self.assertEqual([], [f"line {block.line}: {block.lines[0]}" for block in blocks() if not block.marker])
        self.assertEqual([], [f"line {block.line}: no block follows" for block in blocks() if not block.lines])

    def test_no_command_is_only_shown(self):
        for block in blocks():
            if block.marker == "shown":
                for line in block.lines:
                    with self.subTest(line):
                        self.assertNotRegex(line, r"^(\$ |sudo |(?:scripts/)?[a-z-]+ +--?[a-z]|(?:scripts/|apt|cmake|curl|install|mariadb|"
                                                  r"mysql|systemctl|git|make|mkdir|cp|mv|rm|ln)\b)")

    def test_each_context_has_a_test(self):
        for context in sorted({block.context for block in blocks()} - {None}):
            with self.subTest(context):
                self.assertIn(context, CONTEXTS)
                test = PROJECT / CONTEXTS[context]
                self.assertRegex(test.read_text(), rf"""(run_blocks|blocks_of)\(\s*["']{context}["']""")

    def test_each_command_is_whole(self):
        for block in blocks():
            if block.context:
                self.assertTrue(block.commands, block)

    def test_scripts_and_their_options(self):
        for line, code in code_of(README.read_text()):
            for name in re.findall(r"(?<![\w/.])(?:scripts|tests|sql|nginx|fcgi)/[\w./-]*\w", code):
                with self.subTest(line=line, name=name):
                    self.assertTrue((PROJECT / name).exists() or list(PROJECT.glob(f"{name}.*")))
            for name, arguments in re.findall(r"(?<![\w/.])scripts/([a-z-]+)([^|;&<>]*)", code):
                for option in set(re.findall(r"(?<!\S)--[a-z][a-z-]*", arguments)) - {"--help"}:
                    with self.subTest(line=line, script=name, option=option):
                        self.assertTrue(mentions(help_of(name), option))
                if name == "token" and (command := re.match(" +([a-z]+)", arguments)):
                    with self.subTest(line=line, script=name, command=command[1]):
                        self.assertIn(f"scripts/token {command[1]} ", help_of(name))
            for option in re.findall(r"(?<![\w/-])webhook-calls +(--[a-z-]+)", code):
                with self.subTest(line=line, option=option):
                    self.assertTrue(mentions(help_of("webhook-calls"), option))

    def test_options_that_stand_alone(self):
        programs = [file.name for file in (PROJECT / "scripts").iterdir() if file.is_file() and file.stat().st_mode & 0o100]
        programs.append("webhook-calls")
        for line, code in code_of(README.read_text()):
            if (option := re.fullmatch("(--[a-z-]+)( [A-Z]+)?", code)) and option[1] not in FOREIGN_OPTIONS:
                with self.subTest(line=line, option=option[1]):
                    self.assertTrue(any(mentions(help_of(name), option[1]) for name in programs))

    def test_settings(self):
        known = "".join(map(help_of, ("webhook-calls", "run", "serve", "pool")))
        for name in sorted(set(re.findall(r"\bWEBHOOK_CALLS_[A-Z_]*[A-Z]", README.read_text())) - TEST_VARIABLES):
            with self.subTest(name):
                self.assertTrue(mentions(known, name))

    def test_links(self):
        for document in DOCUMENTS:
            text = (PROJECT / document).read_text()
            prose = re.sub(r"`[^`\n]*`", "", text)
            for target in re.findall(r"\]\(([^)\s]+)\)", prose):
                if re.match("[a-z]+:", target):
                    continue
                with self.subTest(document=document, target=target):
                    path, _, anchor = target.partition("#")
                    file = PROJECT / path if path else PROJECT / document
                    self.assertTrue(file.exists())
                    if anchor:
                        self.assertIn(anchor, anchors_of(file.read_text()))


if __name__ == "__main__":
    unittest.main()
