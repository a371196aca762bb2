"""What an export must be, by the model of a list, and a reader of CSV that tells an empty cell from an empty text."""

import csv
import io
import json
import re

import model

ACCEPTED = {"csv": "text/csv", "ndjson": "application/x-ndjson"}
NOT_IN_EXPORTS = ("page", "count", "count_by", "include", "included")


def answer(calls, webhooks, now, account, webhook_id, query):
    """(status, set of faulty parameters, columns, resources)."""
    rest, faults = [], set()
    for part in query.split("&"):
        name = model.decode(part.partition("=")[0]) or ""
        split = model.split_name(name)
        if split and len(split[1]) <= 2 and split[0] in NOT_IN_EXPORTS:
            faults.add(model.key_of(name))
        else:
            rest.append(part)
    rest = "&".join(rest)
    status, others, document = model.answer(calls, webhooks, now, account, webhook_id, None, rest)
    if faults or others:
        return 400, faults | others, None, None
    fields = model.Request(rest, True).fields.get(model.CALLS, {*model.ATTRIBUTES, "webhook"})
    columns = ["id", *(["webhook_id"] if "webhook" in fields else []), *(name for name in model.ATTRIBUTES if name in fields)]
    return status, set(), columns, document and document["data"]


def row_of(resource):
    attributes = resource.get("attributes", {})
    row = {"id": resource["id"], **{name: value if value is None else str(value) for name, value in attributes.items()}}
    if "relationships" in resource:
        row["webhook_id"] = resource["relationships"]["webhook"]["data"]["id"]
    return {name: value.replace("\0", "\ufffd") if value else value for name, value in row.items()}


def read_csv(text):
    """Lines of cells: None where one is empty, without the apostrophe before a text that could be a formula."""
    lines, at = [[]], 0
    for cell in re.finditer(r'(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)', text):
        if cell.start() != at:
            break
        at = cell.end()
        quoted, plain, end = cell.groups()
        if quoted is not None:
            quoted = quoted.replace('""', '"')
            if quoted[:1] in ("=", "+", "-", "@", "\t", "\r", "\n"):
                raise ValueError(f"a cell could be a formula: {quoted[:80]!r}")
            lines[-1].append(quoted.removeprefix("'"))
        else:
            lines[-1].append(plain or None)
        if end != ",":
            lines.append([])
    if at != len(text) or lines.pop():
        raise ValueError(f"this is no CSV: {text[at:at + 80]!r}")
    simple = list(csv.reader(io.StringIO(text, newline="")))
    if [len(line) for line in simple] != [len(line) for line in lines]:
        raise ValueError("Python's csv sees other cells")
    return lines


def read(body, kind):
    """(columns or None, resources as row_of() has them)."""
    text = body.decode("utf-8")
    if kind == "ndjson":
        lines = text.split("\n")
        if lines.pop():
            raise ValueError("the last line has no end")
        return None, [json.loads(line) for line in lines]
    header, *lines = read_csv(text)
    return header, [dict(zip(header, line, strict=True)) for line in lines]
