#!/usr/bin/python3
"""Several accounts, each with texts, codes and times of its own, and random requests of random readers, aimed at what is
others': each answer is that of the model for the reader's account and has nothing of another account in it; and a webhook
of another account cannot be told from one that does not exist.

usage: isolation_test.py [--seed N] [--requests N] [--seconds N]

The seed is printed; the same seed gives the same requests. One worker serves each access mode, so that what it remembers of
one reader would show in the next one's answer.
"""

import argparse
import base64
import json
import random
import sys
import time

import model
from queries_test import Queries, load, plain_document

from service import LIST, SANITIZED, SHOW, Service, Wrong, check_answer, curl_line, expect

NOW = model.instant("2026-11-30T12:00:00Z") // 10**6
DAY = 24 * 3600 * 1000
ACCOUNTS = (1, 2, 3, 4)
NO_WEBHOOK = 19
NO_CALL = 7000


# ---- Records: an account's marker is a word of its texts, its codes, and the days of its times


def marker(account):
    return f"mark{account * 1111}mark"


def make_dataset(rng):
    ids = rng.sample(range(10, 19), 8)
    webhooks = [model.Webhook(id, ACCOUNTS[number % 4], f"name {marker(ACCOUNTS[number % 4])} {id}",
                              f"https://example.com/{marker(ACCOUNTS[number % 4])}/{id}") for number, id in enumerate(ids)]
    calls = []
    for id in rng.sample(range(1000, 2000), 240):  # the accounts' ids among one another
        webhook = rng.choice(webhooks)
        at = NOW - (webhook.account * 10 + rng.randrange(3)) * DAY - rng.randrange(DAY)
        if rng.random() < 0.05:
            at -= 60 * DAY  # expired
        code = rng.choice((None, *(webhook.account * 10000 + n for n in range(1, 5))))
        headers, body = (None if code is None else f"{part}: {marker(webhook.account)} {rng.randrange(4)}".encode()
                         for part in "hb")
        calls.append(model.Call(id, webhook.id, code, headers, body, at))
    return sorted(calls, key=lambda call: call.id), webhooks


# ---- Readers: pairs of a header list and the account that it stands for, None where it is to be refused


def bearer(token):
    return "Authorization", f"Bearer {token}"


def token_reader(rng):
    account, other = rng.sample(ACCOUNTS, 2)
    if rng.random() < 0.7:
        scheme = rng.choice(("Bearer", "bearer", "BEARER"))
        disguise = rng.choice(([], [], [("ACCOUNT_ID", other)], [("X-Account-Id", other)],
                               [("Cookie", f"token=reader-{other}")]))
        return [("Authorization", f"{scheme} reader-{account}"), *disguise], account
    refused = ([], [bearer(f"expired-{account}")], [bearer(f"revoked-{account}")], [bearer("nobodys")], [bearer("")],
               [bearer(f"reader-{account} reader-{other}")], [bearer(f"reader-{account},reader-{other}")],
               [bearer(f"reader-{account}"), bearer(f"reader-{other}")], [("Authorization", f"reader-{account}")],
               [("Authorization", f"Basic reader-{account}")], [bearer(f"\"reader-{account}\"")], [bearer(f"Reader-{account}")],
               [bearer(f"reader-{account}%00")], [("X-Authorization", f"Bearer reader-{account}")], [("ACCOUNT_ID", account)])
    return rng.choice(refused), None


def password(user, secret="secret"):
    return "Authorization", "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()


def gateway_reader(rng):
    account, other = rng.sample(ACCOUNTS, 2)
    if rng.random() < 0.7:
        disguise = rng.choice(([], [], [("ACCOUNT_ID", other)], [("Account-Id", other)], [("Remote-User", f"user{other}")]))
        return [password(f"user{account}"), *disguise], account
    refused = ([], [password(f"user{account}", "wrong")], [password("nobody")], [password("guest")],
               [bearer(f"reader-{account}")], [("ACCOUNT_ID", account)], [password(f"user{account}:secret", "")])
    return rng.choice(refused), None


def open_reader(rng):
    return rng.choice(([], [bearer("nobodys")], [bearer(f"reader-{rng.choice(ACCOUNTS)}")])), "anyone"


READERS = {"token": token_reader, "gateway": gateway_reader, "open": open_reader}


def start_pools(service):
    users = service.folder / "htpasswd"
    users.write_text("guest:{PLAIN}secret\n" + "".join(f"user{account}:{{PLAIN}}secret\n" for account in ACCOUNTS))
    accounts = " ".join(f"user{account} {account};" for account in ACCOUNTS)
    return {
        "token": service.pool("token"),
        "open": service.pool("open", WEBHOOK_CALLS_ACCESS="open"),
        "gateway": service.pool(
            "gateway", WEBHOOK_CALLS_ACCESS="gateway",
            http_lines=f'map $remote_user $webhook_calls_account {{ default ""; {accounts} }}', changes=[
                ('#   auth_basic           "Webhook calls";', 'auth_basic "Webhook calls";'),
                ("#   auth_basic_user_file /etc/nginx/webhook-calls.htpasswd;", f'auth_basic_user_file "{users}";'),
                ("#   fastcgi_param        ACCOUNT_ID 1;", "fastcgi_param ACCOUNT_ID $webhook_calls_account;")])}


# ---- Requests


class Aimed(Queries):
    """Queries whose filters name what any account has, and now and then webhooks and instants that only others have."""

    def aim(self, webhooks, is_list):
        query = self.make(is_list)
        if not is_list or not self.chance(0.4):
            return query
        call = self.call()
        aims = [("filter[webhook_id]", ",".join(str(webhook.id) for webhook in webhooks)),
                ("filter[webhook_id]", str(call.webhook_id)), ("filter[id]", str(call.id)),
                ("filter[body]", (call.body or b"").decode()), ("count", "true"),
                ("filter[headers]", (call.headers or b"").decode()), ("filter[http_code__gte]", "0"),
                ("filter[created_at]", model.rfc3339(call.created_at)), ("include", "webhook"),
                ("filter[body]", "' OR webhook_id <> 0 -- "), ("filter[id]", "1) OR (1=1"), ("sort", "-webhook_id,id"),
                ("fields[notification/webhooks]", "name,url,account_id"),
                ("fields[notification/webhook/calls]", "webhook,account_id"), ("include", "webhook.account"),
                ("filter[account_id]", "1"), ("webhook_id", str(call.webhook_id))]
        some = self.rng.sample(aims, self.pick(1, 1, 2, 3))
        return "&".join([*query.split("&"), *(self.write(*aim) for aim in some)]).strip("&")


class Check:
    def __init__(self, pools, dataset):
        self.pools, (self.calls, self.webhooks) = pools, dataset
        self.owner = {webhook.id: webhook.account for webhook in self.webhooks}
        self.tagged = []  # (webhook, call, query, ETag) of all accounts' calls, as the service gave them
        self.values = {account: {str(webhook.id) for webhook in self.webhooks if webhook.account == account}
                       for account in ACCOUNTS}
        for call in self.calls:
            self.values[self.owner[call.webhook_id]] |= {str(call.id), str(call.http_code), model.rfc3339(call.created_at)}
        for values in self.values.values():
            values.discard("None")
        self.statuses, self.twins = {}, 0

    def random_request(self, rng):
        mode = rng.choice(("token", "token", "gateway", "open"))
        headers, account = READERS[mode](rng)
        webhook = rng.choice([*self.owner, *self.owner, NO_WEBHOOK])
        own = [id for id, owner in self.owner.items() if owner == account]
        if own and rng.random() < 0.5:
            webhook = rng.choice(own)
        call = rng.choice((None, None, rng.choice(self.calls).id, NO_CALL))
        if call and rng.random() < 0.4:
            call = rng.choice([c.id for c in self.calls if c.webhook_id == webhook] or [call])
        query = Aimed(rng, self.calls).aim(self.webhooks, call is None)
        if self.tagged and rng.random() < 0.2:  # what another reader may have got
            webhook, call, query, tag = rng.choice(self.tagged)
            headers = [*headers, ("If-None-Match", rng.choice((tag, tag, f'"x", W/{tag}', "*")))]
        method = rng.choice(("GET",) * 6 + ("HEAD",))
        self.one(mode, account, webhook, call, query, method, headers)

    def one(self, mode, account, webhook, call, query, method, headers):
        server, target = self.pools[mode], self.target(webhook, call, query)
        answer = server.send(method, target, headers)
        try:
            account = self.owner.get(webhook, 0) if account == "anyone" else account
            if account is None:
                two = sum(name == "Authorization" for name, _ in headers) > 1
                expect(answer.status in ((400, 401) if two else (401,)), "not refused")  # nginx takes no two credentials
            else:
                self.compare(answer, account, webhook, call, query, method)
            if self.owner.get(webhook) != account:
                self.like_unknown(server, answer, webhook, call, query, method, headers)
            self.no_marker(answer, account, query)
        except (Wrong, ValueError, KeyError) as wrong:
            raise Wrong(f"{wrong!r}\n{mode} mode, account {account}\n{curl_line(server, method, target, headers)}\n"
                        f"{answer.status} {answer.headers}\n{answer.body[:3000]!r}") from None
        self.statuses[answer.status] = self.statuses.get(answer.status, 0) + 1
        if answer.header("ETag"):
            self.tagged.append((webhook, call, query, answer.header("ETag")))

    @staticmethod
    def target(webhook, call, query):
        return (LIST % webhook if call is None else SHOW % (webhook, call)) + (f"?{query}" if query else "")

    def compare(self, answer, account, webhook, call, query, method):
        """With the model, which knows no records but the account's."""
        calls = [c for c in self.calls if self.owner[c.webhook_id] == account]
        webhooks = [w for w in self.webhooks if w.account == account]
        status, _, expected = model.answer(calls, webhooks, NOW, account, webhook, call, query)
        got = check_answer(answer, method)
        if answer.status == 304:
            expect(status == 200, f"304 where {status} was due")
            return
        expect(answer.status == status, f"status {answer.status} should be {status}")
        if got and status == 200:
            expected["links"] = {name: sorted(pairs, key=repr) for name, pairs in expected["links"].items()}
            got = plain_document(got, LIST % webhook if call is None else SHOW % (webhook, call))
            expect(got == expected, f"should be {json.dumps(expected)[:3000]}")

    def like_unknown(self, server, answer, webhook, call, query, method, headers):
        """The answer is that for a webhook that does not exist, byte by byte but for what is always different."""
        unknown = server.send(method, self.target(NO_WEBHOOK, call, query), headers)
        expect(self.plain(answer) == self.plain(unknown), f"for no webhook it is {self.plain(unknown)}")
        if call is not None:
            unknown = server.send(method, self.target(webhook, NO_CALL, query), headers)
            expect(self.plain(answer) == self.plain(unknown), f"for no call it is {self.plain(unknown)}")
        self.twins += 1

    @staticmethod
    def plain(answer):
        request_id = answer.header("X-Request-Id") or "no request id"
        headers = [(name, value) for name, value in answer.headers if name not in ("Date", "X-Request-Id")]
        return answer.status, headers, answer.body.replace(request_id.encode(), b"<request-id>")

    def no_marker(self, answer, account, query):
        """By the bytes alone, whatever the model says: other accounts' words, codes, times, webhooks and calls are in the
        answer only where it repeats the query."""
        if not answer.body or answer.header("Content-Type") != "application/vnd.api+json":
            return
        document = answer.json()
        document.pop("links", None)
        text = json.dumps(document)
        data = document.get("data", [])
        resources = data if isinstance(data, list) else [data]
        values = {str(value) for resource in resources for value in (resource["id"], *resource.get("attributes", {}).values())}
        values |= {resource["id"] for resource in document.get("included", [])}
        for other in {*ACCOUNTS} - {account}:
            expect(marker(other) not in text or (answer.status == 400 and marker(other) in query), f"account {other}'s marker")
            expect(not values & self.values[other], f"account {other}'s values {values & self.values[other]}")
        if answer.status >= 400:
            expect(set(document) == {"jsonapi", "errors"}, "a refusal with data")
        own = sum(self.owner[call.webhook_id] == account for call in self.calls)
        expect(document.get("meta", {}).get("count", 0) <= own, "more than the account has")


def run(service, seed, requests, seconds):
    pools, deadline = start_pools(service), time.monotonic() + seconds
    total, twins, statuses = 0, 0, {}
    for account in ACCOUNTS:
        service.add_token(f"reader-{account}", account)
        service.add_token(f"expired-{account}", account, "2026-11-30 11:59:59.999")
        service.add_token(f"revoked-{account}", account)
        service.remove_token(f"revoked-{account}")
    while total < requests and time.monotonic() < deadline:
        dataset = make_dataset(random.Random(f"dataset {seed}.{total}"))
        load(service, *dataset)
        service.kill_reader_connections()  # and with them what the workers remember of the webhooks before
        check = Check(pools, dataset)
        for _ in range(min(1000, requests - total)):
            if time.monotonic() > deadline:
                break
            check.random_request(random.Random(f"request {seed}.{total}"))
            total += 1
        twins += check.twins
        for status, count in check.statuses.items():
            statuses[status] = statuses.get(status, 0) + count
    counts = ", ".join(f"{count} times {status}" for status, count in sorted(statuses.items()))
    print(f"{total} requests told nothing of another account ({counts}); {twins} of them were for what is not the reader's, "
          "and the same as for what does not exist")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    parser.add_argument("--requests", type=int, default=1500 if SANITIZED else 10000)
    parser.add_argument("--seconds", type=int, default=25, help="the end, even where some of the requests are left")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    with Service(workers=1) as service:
        service.freeze_clock("2026-11-30 12:00:00.000")
        try:
            run(service, arguments.seed, arguments.requests, arguments.seconds)
        except Wrong as wrong:
            print(f"TOLD: {wrong}\nagain: {sys.argv[0]} --seed {arguments.seed}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
