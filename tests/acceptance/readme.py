"""The commands of README.md, for the tests that run them: what stands behind a line <!-- run: CONTEXT -->."""

import re

from service import PROJECT


def blocks(context):
    """Those of a context, in order, each without its indentation."""
    text = (PROJECT / "README.md").read_text()
    found = re.findall(rf"^<!-- run: {re.escape(context)} -->\n\n?((?:    .*\n|\n(?=    ))+)", text, re.M)
    if not found:
        raise ValueError(f"README.md has no commands for {context}")
    return [re.sub("^    ", "", block, flags=re.M) for block in found]


def statements(block):
    """Of SQL without comments."""
    return [statement.strip() for statement in block.split(";\n") if statement.strip()]
