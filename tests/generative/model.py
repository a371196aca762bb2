"""What the README says the service must answer, on records in memory. Written from the README, not from the service, and
as plainly as possible: no index, no SQL, no streaming."""

import collections
import re
from datetime import date
from urllib.parse import unquote_to_bytes

CALLS, WEBHOOKS = "notification/webhook/calls", "notification/webhooks"
ATTRIBUTES = ("http_code", "headers", "body", "created_at")
COLUMNS = ("id", "webhook_id", *ATTRIBUTES)
TEXTS, NULLABLE = ("headers", "body"), ("http_code", "headers", "body")
RANGES = ("http_code", "created_at")
OPERATORS = {"": COLUMNS, "eq": COLUMNS, "in": COLUMNS, "neq": tuple(set(COLUMNS) - {"created_at"}), "exists": NULLABLE,
             "match": TEXTS, "prefix": TEXTS, "suffix": TEXTS, "lt": RANGES, "lte": RANGES, "gt": RANGES, "gte": RANGES}
LISTS = ("", "eq", "in", "neq")
TRUE, FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")
LIFETIME_MS = 60 * 24 * 3600 * 1000
# How many of a column's values, from a multiple on, count_by takes together.
GROUPS = {"created_at.minute": 60_000, "created_at.hour": 3_600_000, "created_at.day": 86_400_000, "http_code": 1, "http_code.class": 100}


class Call:
    def __init__(self, id, webhook_id, http_code, headers, body, created_at):
        self.id, self.webhook_id, self.http_code = id, webhook_id, http_code
        self.headers, self.body = headers, body  # bytes, None without a response
        self.created_at = created_at  # milliseconds since year 1


class Webhook:
    def __init__(self, id, account, name, url):
        self.id, self.account, self.name, self.url = id, account, name, url


# ---- The query string


def decode(text):
    """None for what no parameter may hold."""
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        return None
    try:
        decoded = unquote_to_bytes(text.replace("+", " ")).decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if "\0" in decoded else decoded


def split_query(query):
    """Pairs of (name, value); the value is None without =, and False where it is malformed."""
    pairs = []
    for part in query.split("&"):
        if part:
            name, equals, value = part.partition("=")
            value = decode(value) if equals else ""
            pairs.append((decode(name), (value if equals else None) if value is not None else False))
    return pairs


def split_name(name):
    """filter[id][] is ("filter", ["id", ""]); None where the brackets are in disorder."""
    match = re.fullmatch(r"([^\[\]]*)((?:\[[^\[\]]*\])*)", name or "")
    return match and (match[1], re.findall(r"\[([^\[\]]*)\]", match[2]))


def key_of(name):
    """One name for all the ways to write a parameter: filter[id], filter[id][] and filter[id][3] are the same."""
    return re.sub(r"(?<=\])\[[0-9]*\]$|^(include|included)\[\]$", r"\1", name)


def whole_number(text):
    return int(text) if re.fullmatch("[0-9]+", text) else None


DATE_TIME = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
                       r"(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?"
                       r"(?:Z|([-+ ])([0-9]{2}):?([0-9]{2}))?)?")


def instant(text):
    """Nanoseconds since year 1; None for what is no date-time."""
    match = DATE_TIME.fullmatch(text)
    if not match:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    fraction = int((match[7] or "0").ljust(9, "0"))
    offset_hour, offset_minute = int(match[9] or 0), int(match[10] or 0)
    try:
        days = date(year, month, day).toordinal()
    except ValueError:
        return None
    if hour > 23 or minute > 59 or second > 59 or offset_hour > 23 or offset_minute > 59:
        return None
    offset = (offset_hour * 60 + offset_minute) * (-1 if match[8] == "-" else 1)
    return (((days * 24 + hour) * 60 + minute - offset) * 60 + second) * 10**9 + fraction


class Request:
    """A decoded query string: `faults` has the key of each faulty parameter."""

    def __init__(self, query, is_list):
        self.pairs = split_query(query)
        self.faults = set()
        self.number, self.size, self.sort, self.count, self.count_by = 1, 1000, [], False, []
        self.filters = {}  # (as written, column, operator): values, of which None is "without a response"
        self.fields, self.included = {}, None
        self.end = None  # page[after] or page[before], of which the model only knows the empty ones
        seen = set()
        for name, value in self.pairs:
            key = key_of(name or "")
            if value is False or not self.read(name, key, value, is_list):
                self.faults.add(key)
            if key in ("page[number]", "page[size]", "page[after]", "page[before]", "sort", "count", "count_by") and key in seen:
                self.faults.add(key)
            seen.add(key)
        for (member, _, operator), values in self.filters.items():
            given = [value for value in values if value is not None]
            if len(given) > (100 if operator in LISTS else 1):
                self.faults.add(f"filter[{member}]")
        ends = seen & {"page[after]", "page[before]"}
        if len(ends) > 1:
            self.faults.update([name for name, _ in self.pairs if name in ends][1:])
        if ends and "page[number]" in seen:
            self.faults.add("page[number]")
        if self.size == 0 and not self.count and not self.count_by:
            self.faults.add("page[size]")
        if (self.number - 1) * max(self.size, 1) > 2**63:
            self.faults.add("page[number]")

    def read(self, name, key, value, is_list):
        """Whether the parameter has no fault of its own."""
        split = split_name(name)
        if not split:
            return False
        base, members = split
        text = value or ""
        if base == "fields" and members and members[0] and members[1:] in ([], [""]):
            self.fields.setdefault(members[0], set()).update(text.split(","))
            return True
        if base in ("include", "included") and members in ([], [""]):
            self.included = (self.included or set()) | ({*text.split(",")} if text else set())
            return text == "" or set(text.split(",")) == {"webhook"}
        if not is_list:
            return False
        if name in ("page[number]", "page[size]"):
            is_size = name == "page[size]"
            if not re.fullmatch("[1-9][0-9]*|0" if is_size else "[1-9][0-9]*", text) or (is_size and int(text) > 1000):
                return False
            setattr(self, name[5:-1], int(text))
            return True
        if name in ("page[after]", "page[before]"):
            self.end = name
            return value == ""
        if name == "sort":
            self.sort = text.split(",") if text else []
            columns = [column.removeprefix("-") for column in self.sort]
            return len(set(columns)) == len(columns) and set(columns) <= set(COLUMNS)
        if name == "count":
            self.count = text.lower() in TRUE
            return text.lower() in TRUE + FALSE
        if name == "count_by":
            self.count_by = text.split(",")
            attributes = [key.partition(".")[0] for key in self.count_by]
            return set(self.count_by) <= set(GROUPS) and len(set(attributes)) == len(attributes)
        if base == "filter" and 1 <= len(members) <= 2 and re.fullmatch("[0-9]*", "".join(members[1:])):
            return self.read_filter(members[0], value)
        return False

    def read_filter(self, member, value):
        column, mark, operator = member.partition("__")
        if column not in OPERATORS.get(operator, ()) or (mark and not operator):
            return False
        values = self.filters.setdefault((member, column, operator), [])
        if value is None:
            values.append(None)
            return column in NULLABLE and operator in LISTS
        if operator == "exists":
            values.append(value.lower() in TRUE)
            return value.lower() in TRUE + FALSE
        if column in TEXTS:
            values.append(value.encode())
        elif column == "created_at":
            values.append(instant(value))
            return values[-1] is not None
        else:
            classes = column == "http_code" and operator in LISTS
            numbers = [element if classes and re.fullmatch("[1-9]xx", element) else whole_number(element)
                       for element in value.split(",")]
            values += [number if isinstance(number, (str, type(None))) or number < 2**64 else "no such number"
                       for number in numbers]
            return None not in numbers
        return True


# ---- Selecting


REDACTED = (b"set-cookie", b"x-api-key")


def redacted(headers):
    """What a service with WEBHOOK_CALLS_REDACT_HEADERS=Set-Cookie,X-Api-Key shows of recorded headers."""
    if headers is None or len(headers) > 65536:
        return headers and b"[redacted]"
    pieces, hides = [], False
    for end, line in re.findall(rb"([\r\n]*)([^\r\n]*)", headers):
        if hides and end and line[:1] in (b" ", b"\t"):
            continue  # goes on with the value
        name, colon, _ = line.partition(b":")
        hides = bool(colon) and name.strip(b" \t").lower() in REDACTED
        pieces += [end, name + b": [redacted]" if hides else line]
    return b"".join(pieces)


def selects(call, _, column, operator, values):
    value = getattr(call, column)
    if column == "created_at":
        value *= 10**6
    if operator in LISTS:
        listed = value in values or (column == "http_code" and f"{(value or 0) // 100}xx" in values)
        return listed != (operator == "neq")
    bound = values[0]
    if operator == "exists":
        return (value is not None) == bound
    if column in TEXTS:  # bytes.lower() knows the ASCII letters only
        value, bound = value is not None and value.lower(), bound.lower()
        return value is not False and {"match": bound in value, "prefix": value.startswith(bound),
                                       "suffix": value.endswith(bound)}[operator]
    if value is None or isinstance(bound, str):
        return False
    return {"lt": value < bound, "lte": value <= bound, "gt": value > bound, "gte": value >= bound}[operator]


def ordered(calls, sort):
    last_descends = bool(sort) and sort[-1].startswith("-")
    calls = sorted(calls, key=lambda call: call.id, reverse=last_descends)
    for key in reversed(sort):
        column = key.removeprefix("-")

        def value(call, column=column):
            value = getattr(call, column)
            return (value is not None, value)  # NULL first

        calls = sorted(calls, key=value, reverse=key.startswith("-"))
    return calls


# ---- Answering


def answer(calls, webhooks, now, account, webhook_id, call_id, query):
    """(status, set of faulty parameters, document); links are those of links_of()."""
    request = Request(query, is_list=call_id is None)
    if request.faults:
        return 400, request.faults, None
    webhook = next((webhook for webhook in webhooks if (webhook.id, webhook.account) == (webhook_id, account)), None)
    if webhook is None:
        return 404, set(), None
    calls = [call for call in calls if call.webhook_id == webhook_id and call.created_at > now - LIFETIME_MS]
    if call_id is not None:
        calls = [call for call in calls if call.id == call_id]
        if not calls:
            return 404, set(), None
        document = {"data": resource(calls[0], request), "links": {"self": request.pairs}}
        page = calls
    else:
        calls = [call for call in calls if all(selects(call, *key, values) for key, values in request.filters.items())]
        begin = max(len(calls) - request.size, 0) if request.end == "page[before]" else (request.number - 1) * request.size
        page = ordered(calls, request.sort)[begin : begin + request.size]
        document = {"data": [resource(call, request) for call in page],
                    "links": list_links(request, len(calls), begin + request.size)}
        meta = {"count": len(calls)} if request.count else {}
        if request.count_by:
            meta["counts"] = counts(calls, request.count_by)
        if meta:
            document["meta"] = meta
    if request.included is not None:
        document["included"] = [included(webhook, request)] if page and request.included else []
    document["jsonapi"] = {"version": "1.1"}
    return 200, set(), document


def counts(calls, count_by):
    keys = [(key.partition(".")[0], GROUPS[key]) for key in count_by]

    def group_of(call):
        values = [getattr(call, column) for column, _ in keys]
        return tuple(value if value is None else value // width for value, (_, width) in zip(values, keys))

    def shown(number, column, width):
        if number is None or width == 1:
            return number
        return f"{number}xx" if column == "http_code" else rfc3339(number * width)

    numbers = collections.Counter(map(group_of, calls))
    return [{column: shown(number, column, width) for number, (column, width) in zip(group, keys)} | {"count": numbers[group]}
            for group in sorted(numbers, key=lambda group: [(number is not None, number) for number in group])]


def list_links(request, count, end):
    if request.size == 0:
        return {"self": sorted(request.pairs, key=repr)}

    def page(number):
        others = [pair for pair in request.pairs if pair[0] != "page[number]"]
        return sorted([*others, ("page[number]", str(number))], key=repr)

    if request.end:  # with CURSOR for each cursor
        begins = request.end == "page[after]"
        others = [pair for pair in request.pairs if pair[0] != request.end]
        beside = {"next": ("page[after]", "CURSOR")} if begins else {"prev": ("page[before]", "CURSOR")}
        return {name: sorted([*others, *pair], key=repr) for name, pair in
                [("self", [(request.end, "")]), *[(name, [pair]) for name, pair in beside.items() if count > request.size]]}
    links = {"self": request.pairs, "first": page(1)}
    if request.number > 1:
        links["prev"] = page(request.number - 1)
    if count > end:
        links["next"] = page(request.number + 1)
    if request.count:
        links["last"] = page(max(1, -(-count // request.size)))
    return {name: sorted(pairs, key=repr) for name, pairs in links.items()}


def resource(call, request):
    fields = request.fields.get(CALLS, {*ATTRIBUTES, "webhook"})
    made = {"type": CALLS, "id": str(call.id)}
    attributes = {name: attribute(call, name) for name in ATTRIBUTES if name in fields}
    if attributes:
        made["attributes"] = attributes
    if "webhook" in fields:
        made["relationships"] = {"webhook": {"data": {"type": WEBHOOKS, "id": str(call.webhook_id)}}}
    return made


def attribute(call, name):
    value = getattr(call, name)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return rfc3339(value) if name == "created_at" else value


def rfc3339(ms):
    days, ms = divmod(ms, 24 * 3600 * 1000)
    return f"{date.fromordinal(days)}T{ms // 3600000:02}:{ms // 60000 % 60:02}:{ms // 1000 % 60:02}.{ms % 1000:03}Z"


def included(webhook, request):
    fields = request.fields.get(WEBHOOKS, {"name", "url"})
    made = {"type": WEBHOOKS, "id": str(webhook.id)}
    attributes = {name: getattr(webhook, name) for name in ("name", "url") if name in fields}
    if attributes:
        made["attributes"] = attributes
    return made
