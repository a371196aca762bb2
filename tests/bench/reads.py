"""The reads that scale.py times."""

import datetime
import re
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "acceptance"))
from cursors import make_cursor  # noqa: E402
from service import LIST, SHOW  # noqa: E402

PAGE = 25  # records of a page by cursor


class Read:
    """A request, and how many milliseconds it may take; {…} are the table's own figures. `first`: the name of an earlier read,
    the first page of the same list. `grows`: it may take longer on a larger table, within its limit."""

    def __init__(self, name, target, limit, late_days=0, refused=False, first=None, grows=False):
        self.name, self.target, self.limit = name, target, limit
        self.late_days, self.refused, self.first, self.grows = late_days, refused, first, grows

    def target_on(self, client):
        service = client.service
        deep = service.big_rows * 9 // 10
        figures = {"deep_1000": max(1, deep // 1000), "deep_25": max(1, deep // 25), "week_begin": date(30), "day_end": date(29),
                   "week_end": date(23), "day_ago": date(1, "%Y-%m-%dT%H:%M:%SZ"),
                   "middle": service.middle_id, "big": service.big, "failing": service.failing}
        return re.sub(r"\{(\w+)\}", lambda match: str(figures[match[1]]), self.target)


def date(days_ago, form="%Y-%m-%d"):
    return time.strftime(form, time.gmtime(time.time() - days_ago * 86400))


def on(webhook, query):
    return LIST.replace("%d", "{%s}" % webhook) + "?" + query


# ---- Cursors


class CursorRead(Read):
    """A page by a cursor, which `place` finds: a function of a client and a list gives the page's link."""

    def __init__(self, name, target, limit, place, **options):
        super().__init__(name, target, limit, **options)
        self.place = place

    def target_on(self, client):
        return self.place(client, super().target_on(client))


def beginning(_, target):
    return f"{target}&page[size]={PAGE}&page[after]="


def end(_, target):
    return f"{target}&page[size]={PAGE}&page[before]="


def last_page(client, target):
    """As it is reached from the beginning."""
    links = client.document(end(client, target))["links"]
    return client.document(links["prev"])["links"]["next"] if "prev" in links else beginning(client, target)


def beside_90_percent(name):
    """After or before the record at 90 % of the list, where that is by code of the records with code 200."""

    def place(client, target):
        # Far pages by number are slow in the order of codes. Within one it is that of the ids.
        listed = re.sub("sort=(-?)http_code", r"sort=\1id&filter[http_code]=200", target)
        deep = f"{listed}&page[size]=1&fields[notification/webhook/calls]=http_code,created_at"
        count = client.document(deep + "&count=true")["meta"]["count"]
        data = client.document(f"{deep}&page[number]={max(1, count * 9 // 10)}")["data"]
        return f"{target}&page[size]={PAGE}&page[{name}]={cursor_of(data[0], target) if data else ''}"

    return place


def cursor_of(record, target):
    field = re.search(r"sort=(-?\w+)", target)[1]
    direction = " DESC" if field.startswith("-") else ""
    names = list(dict.fromkeys((field.lstrip("-"), "id")))
    at = datetime.datetime.strptime(record["attributes"]["created_at"], "%Y-%m-%dT%H:%M:%S.%fZ")
    values = {**record["attributes"], "id": int(record["id"]), "created_at": at}
    return make_cursor(", ".join(name + direction for name in names), [values[name] for name in names])


def cursor_reads(webhook, sort, limit, query="", words=""):
    target = on(webhook, f"{query}&sort={sort}")
    first = f"cursor: first page{words}, by {sort}"
    yield CursorRead(first, target, limit, beginning)
    for name, place in (("after 90 %", beside_90_percent("after")), ("before 90 %", beside_90_percent("before")),
                        ("last page", last_page), ("end", end)):
        yield CursorRead(f"cursor: {name}{words}, by {sort}", target, limit, place, first=first)


# ---- All


ORDERS = ("id", "-id", "created_at", "-created_at")
FAILURES = (("from 400", "filter[http_code__gte]=400&sort=-created_at&page[size]=25"),
            ("from 400, counted", "filter[http_code__gte]=400&sort=-created_at&page[size]=25&count=true"),
            ("from 400, by -id", "filter[http_code__gte]=400&sort=-id&page[size]=25"),
            ("500, 502, 503 or 504", "&".join(f"filter[http_code][]={code}" for code in (500, 502, 503, 504))
             + "&sort=-created_at&page[size]=25"),
            ("without a response", "filter[http_code]&sort=-created_at&page[size]=25"))
SPARSE = "page[size]=1000&fields[notification/webhook/calls]=http_code,created_at"
WEEK = "filter[created_at__gte]={week_begin}&filter[created_at__lt]={week_end}"
DAY = "filter[created_at__gte]={week_begin}&filter[created_at__lt]={day_end}"
LATEST_DAY = "filter[created_at__gte]={day_ago}"
COUNTS = (("a day by hour", "big", f"created_at.hour&{DAY}", 20),
          ("a day by hour and class", "big", f"created_at.hour,http_code.class&{DAY}", 20),
          ("the latest 24 hours by hour and class", "big", f"created_at.hour,http_code.class&{LATEST_DAY}", 20),
          ("60 days by hour", "big", "created_at.hour", 1000),
          ("60 days by day", "big", "created_at.day", 50),
          ("60 days by day and class", "big", "created_at.day,http_code.class", 50),
          ("60 days by day and code, 5xx of 2 %", "failing", "created_at.day,http_code&filter[http_code]=5xx", 50),
          ("60 days by code", "big", "http_code", 50))

READS = [
    Read("one call", SHOW.replace("%d", "{big}", 1).replace("%d", "{middle}"), 2),
    *(Read(f"first page of 25, by {order}", on("big", f"page[size]=25&sort={order}"), 10) for order in ORDERS),
    *(Read(f"first page of 1000, by {order}", on("big", f"page[size]=1000&sort={order}"), 20) for order in ORDERS),
    Read("first page of 1000, two fields", on("big", SPARSE), 20),
    Read("count", on("big", "page[size]=1&count=true"), 10),
    Read("count, code 200", on("big", "page[size]=1&count=true&filter[http_code]=200"), 10),
    Read("count, codes from 400", on("big", "page[size]=1&count=true&filter[http_code__gte]=400"), 10),
    Read("count, a week", on("big", f"page[size]=1&count=true&{WEEK}"), 20),
    *(Read(f"page of 1000 at 90 %, by {order}", on("big", f"page[size]=1000&page[number]={{deep_1000}}&sort={order}"), 20)
      for order in ORDERS),
    *(Read(f"page of 25 at 90 %, by {order}", on("big", f"page[size]=25&page[number]={{deep_25}}&sort={order}"), 20)
      for order in ORDERS),
    *(Read(f"latest of 1 in 10^6, {name}", on("big", query), 20) for name, query in FAILURES),
    *(Read(f"latest of 2 %, {name}", on("failing", query), 20) for name, query in FAILURES),
    *(read for sort in (*ORDERS, "http_code", "-http_code") for read in cursor_reads("big", sort, 10)),
    *(read for sort in ORDERS for read in cursor_reads("failing", sort, 20, "filter[http_code]=5xx", ", 5xx of 2 %")),
    *(read for sort in ORDERS for read in cursor_reads("big", sort, 20, WEEK, ", a week")),
    # At each boundary of hours or days up to half a chunk is counted: on a small table there are fewer records between them.
    *(Read(f"counts: {name}", on(webhook, f"page[size]=0&count_by={query}"), limit, grows=True)
      for name, webhook, query, limit in COUNTS),
    *(Read(f"purge 7 days late, first page of 25, by {order}", on("big", f"page[size]=25&sort={order}"), 10, late_days=7)
      for order in ORDERS),
    *(CursorRead(f"purge 7 days late, cursor: end, by {order}", on("big", f"sort={order}"), 10, end, late_days=7,
                 first=f"purge 7 days late, first page of 25, by {order}") for order in ORDERS),
    Read("purge 7 days late, count", on("big", "page[size]=1&count=true"), 10, late_days=7),
    # Nothing helps these; what matters is that they end.
    Read("sort=body", on("big", "sort=body"), None, refused=True),
    Read("filter[body]=x", on("big", "filter[body]=x"), None, refused=True),
]
