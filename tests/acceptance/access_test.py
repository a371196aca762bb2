#!/usr/bin/python3
"""Nobody reads what is another account's: the three access modes behind nginx as its include tells to set it up, what requests
of any shape can do against them, and what an answer tells of webhooks that are not the reader's."""

import base64
import contextlib
import http.server
import os
import re
import socket
import statistics
import threading
import time
import unittest
from pathlib import Path

from service import LIST, PROJECT, SHOW, Service, can_connect, check_answer, free_port, numbers, wait_until

TOKEN, OTHER = [("Authorization", "Bearer reader-1")], [("Authorization", "Bearer reader-2")]
NAMING_AN_ACCOUNT = [(name, "2") for name in ("ACCOUNT_ID", "Account-Id", "Account_Id", "HTTP_ACCOUNT_ID", "X-Account-Id")]
ACCEPTING_ALL = ("underscores_in_headers on; ignore_invalid_headers off; large_client_header_buffers 4 32k; "
                 "error_page 400 405 414 501 505 /.webhook-calls-error; error_page 494 =494 /.webhook-calls-error;")
INCLUDE = PROJECT / "nginx/webhook-calls.conf"
service = None


def setUpModule():
    global service
    service = Service(workers=2)
    unittest.addModuleCleanup(service.stop)
    for account in (1, 2):
        service.add_token(f"reader-{account}", account)
        service.add_webhooks((account, account, f"secret-of-{account}", f"https://example.com/secret-of-{account}"))
    service.sql("INSERT INTO webhook_calls (id, webhook_id, http_code, headers, body) SELECT seq, 1 + seq % 2, 200, 'a: 1', "
                f"CONCAT('secret-of-', 1 + seq % 2) FROM {numbers(4)}")


def status_of(server, webhook, headers=(), **rules):
    answer = server.send("GET", LIST % webhook, headers)
    check_answer(answer, **rules)
    return answer.status


def basic(user, password="secret"):
    return [("Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())]


def commented(first_word):
    """Lines of the include that are commented out, from the one that begins with that word to the next empty one."""
    lines = INCLUDE.read_text().split("\n")
    begin = next(number for number, line in enumerate(lines) if line.startswith(f"  #   {first_word} "))
    end = next(number for number in range(begin, len(lines)) if not lines[number].startswith("  #   "))
    return "\n".join(lines[begin:end])


def uncommented(text):
    return re.sub("(?m)^  #", "", text)


def passwords(*users):
    file = service.folder / "htpasswd"
    file.write_text("".join(f"{user}:{{PLAIN}}secret\n" for user in users))
    return file


def gateway_by_password(name, account, users=("shop",), **options):
    """A pool behind auth_basic, as the include's comment says."""
    block = commented("auth_basic")
    lines = uncommented(block).replace("/etc/nginx/webhook-calls.htpasswd", f'"{passwords(*users)}"')
    lines = lines.replace("ACCOUNT_ID 1", f"ACCOUNT_ID {account}")
    return service.pool(name, WEBHOOK_CALLS_ACCESS="gateway", changes=[(block, lines)], **options)


class AccessTest(unittest.TestCase):
    def test_gateway_that_names_no_account(self):
        pool = service.pool("gateway-without", WEBHOOK_CALLS_ACCESS="gateway")
        for headers in ([], TOKEN, NAMING_AN_ACCOUNT):
            self.assertEqual(401, status_of(pool, 1, headers))
        for account in ('""', "0", "x", "1x", "-1"):
            pool = service.pool(f"gateway-{abs(hash(account))}", WEBHOOK_CALLS_ACCESS="gateway", changes=[
                ("#   fastcgi_param        ACCOUNT_ID 1;", f"fastcgi_param ACCOUNT_ID {account};")])
            self.assertIn(status_of(pool, 1), (401, 404))

    def test_open(self):
        pool = service.pool("open", WEBHOOK_CALLS_ACCESS="open")
        for headers in ([], TOKEN, [("Authorization", "Bearer nobodys")], NAMING_AN_ACCOUNT):
            self.assertEqual(200, status_of(pool, 1, headers))
            self.assertEqual(200, status_of(pool, 2, headers))
        self.assertEqual(404, status_of(pool, 3))
        self.assertEqual(200, pool.send("GET", SHOW % (2, 1)).status)

    def test_token_mode_is_the_default_and_trusts_nothing_else(self):
        changes = [("#   fastcgi_param        ACCOUNT_ID 1;", "fastcgi_param ACCOUNT_ID 1;")]
        pool = service.pool("default", changes=changes)
        self.assertEqual(401, status_of(pool, 1))
        self.assertEqual(401, status_of(pool, 1, NAMING_AN_ACCOUNT))
        self.assertEqual(200, status_of(pool, 1, TOKEN + NAMING_AN_ACCOUNT))
        self.assertEqual(404, status_of(pool, 2, TOKEN + NAMING_AN_ACCOUNT))

    def test_token_of_scripts_run(self):
        self.assertEqual(200, status_of(service, 1, [("Authorization", "Bearer " + service.env["TOKEN"])]))

    def test_revoked_token(self):
        service.add_token("to-be-revoked", 1)
        headers = [("Authorization", "Bearer to-be-revoked")]
        self.assertEqual({200}, {status_of(service, 1, headers) for _ in range(8)})
        service.remove_token("to-be-revoked")
        wait_until(lambda: {status_of(service, 1, headers) for _ in range(8)} == {401}, "refusal of a revoked token", 5)

    def test_token_expires_at_its_instant(self):
        ((expires_at,),) = service.sql("SELECT UTC_TIMESTAMP(3) + INTERVAL 1 SECOND")
        service.add_token("expiring", 1, expires_at)
        headers = [("Authorization", "Bearer expiring")]

        def expired():
            return service.sql(f"SELECT UTC_TIMESTAMP(3) >= '{expires_at}'")[0][0]

        statuses = []
        while not expired():
            statuses.append(status_of(service, 1, headers))
        self.assertEqual({401}, {status_of(service, 1, headers) for _ in range(8)})
        self.assertEqual(200, statuses[0])


class PasswordTest(unittest.TestCase):
    """nginx's auth_basic names the account."""

    CHALLENGE = 'Basic realm="Webhook calls"'

    def test_one_account(self):
        pool = gateway_by_password("gateway", "1")
        for headers in (basic("shop"), basic("shop") + NAMING_AN_ACCOUNT,
                        basic("shop") + [("X-Authorization", "Bearer reader-2")]):
            self.assertEqual((200, 404, 404), tuple(status_of(pool, webhook, headers) for webhook in (1, 2, 3)))
        for headers in ([], NAMING_AN_ACCOUNT, TOKEN, OTHER, basic("shop", "Secret"), basic("shop", ""), basic("Shop"),
                        basic(""), basic("nobody"), [("Authorization", "Basic")], [("Authorization", "Basic !!!")]):
            for webhook in (1, 2, 3):
                self.assertEqual(401, status_of(pool, webhook, headers, challenge=self.CHALLENGE))

    def test_several_users(self):
        users = commented("map")
        pool = gateway_by_password("gateway-users", "$webhook_calls_account", ("shop", "till", "guest", "SHOP"),
                                   http_lines=uncommented(users))
        for user, webhook, status in (("shop", 1, 200), ("shop", 2, 404), ("till", 2, 200), ("till", 1, 404), ("guest", 1, 401),
                                      ("guest", 2, 401), ("SHOP", 1, 401)) * 3:  # by one worker
            self.assertEqual(status, status_of(pool, webhook, basic(user)), (user, webhook))
        self.assertEqual(401, status_of(pool, 1, basic("shop", "wrong"), challenge=self.CHALLENGE))

    def test_password_on_the_whole_server(self):
        """The errors' own location is reached, and nothing else is."""
        pool = service.pool("gateway-server", WEBHOOK_CALLS_ACCESS="gateway",
                            changes=[("#   fastcgi_param        ACCOUNT_ID 1;", "fastcgi_param ACCOUNT_ID 1;")],
                            server_lines=f'auth_basic "Webhook calls"; auth_basic_user_file "{passwords("shop")}";')
        self.assertEqual(200, status_of(pool, 1, basic("shop")))
        self.assertEqual(401, status_of(pool, 1, TOKEN, challenge=self.CHALLENGE))
        self.assertEqual(404, pool.send("GET", "/.webhook-calls-error", basic("shop")).status)


    def test_exports(self):
        """The location that is theirs has the rules of the one around it."""
        own = Path(service.env["FCGI_SOCKET"]).parent / "gateway-exports.fcgi"
        pool = gateway_by_password("gateway-exports", "1", server_lines=f'set $webhook_calls_export_pool "unix:{own}";')
        csv = [("Accept", "text/csv")]
        answers = [pool.send("GET", LIST % webhook, basic("shop") + csv) for webhook in (1, 2, 3)]
        self.assertEqual([(200, "csv"), (404, None), (404, None)], [(answer.status, answer.export()) for answer in answers])
        for headers in ([], NAMING_AN_ACCOUNT, TOKEN, OTHER, basic("shop", "Secret"), basic("nobody")):
            self.assertEqual(401, pool.send("GET", LIST % 1, headers + csv).status)


class Authenticator(http.server.BaseHTTPRequestHandler):
    """The user's application, which knows its sessions: it answers what the test has put under the cookie's value."""

    protocol_version = "HTTP/1.1"
    decisions = {}

    def do_GET(self):
        decision = self.decisions.get(self.headers["Cookie"], (401, ["1"]))
        if decision == "hang up":
            self.close_connection = True
            return
        status, accounts = decision
        self.send_response(status)
        for account in accounts:
            self.send_header("X-Account-Id", account)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class AuthRequestTest(unittest.TestCase):
    """nginx asks another server, as the include's comment says."""

    def setUp(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Authenticator)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(lambda: (server.shutdown(), thread.join(), server.server_close()))
        self.port = server.server_address[1]

    def pool(self, name, port, lines="", exports=False):
        own = Path(service.env["FCGI_SOCKET"]).parent / f"{name}.fcgi"
        for_exports = f'set $webhook_calls_export_pool "unix:{own}";' if exports else ""
        block = commented("auth_request")
        location = uncommented(commented("location"))
        self.assertIn("127.0.0.1:8000;", location)
        return service.pool(name, WEBHOOK_CALLS_ACCESS="gateway", changes=[(block, uncommented(block))],
                            server_lines=for_exports + location.replace("127.0.0.1:8000;", f"127.0.0.1:{port}; {lines}"))

    def test_accounts(self):
        Authenticator.decisions = {"one": (200, ["1"]), "two": (204, ["2"])}
        pool = self.pool("asking", self.port)
        for cookie, webhook, status in (("one", 1, 200), ("one", 2, 404), ("two", 1, 404),
                                        ("two", 2, 200)) * 3:  # by one worker
            for headers in ([], NAMING_AN_ACCOUNT, TOKEN, OTHER):
                self.assertEqual(status, status_of(pool, webhook, [("Cookie", cookie), *headers]), (cookie, webhook, headers))
        for headers in ([], NAMING_AN_ACCOUNT, TOKEN, OTHER, [("Cookie", "three")]):
            self.assertEqual(401, status_of(pool, 2, headers, challenge=None))
        self.assertEqual(404, pool.send("GET", "/authenticate", [("Cookie", "one")]).status)

    def test_exports(self):
        Authenticator.decisions = {"one": (200, ["1"]), "two": (204, ["2"])}
        pool = self.pool("asking-for-exports", self.port, exports=True)
        for cookie, status, export in (("one", 200, "csv"), ("two", 404, None), ("three", 401, None)):
            answer = pool.send("GET", LIST % 1, [("Cookie", cookie), ("Accept", "text/csv")])
            self.assertEqual((status, export), (answer.status, answer.export()), cookie)

    def test_refusals_and_failures(self):
        """What the header says counts only beside a yes."""
        statuses = {401: 401, 403: 403, 301: 500, 400: 500, 404: 500, 429: 500, 500: 500, 502: 500, 503: 500}
        Authenticator.decisions = {str(status): (status, ["1"]) for status in statuses} | {"hang-up": "hang up"}
        pool = self.pool("refusing", self.port)
        for status, answered in statuses.items():
            self.assertEqual(answered, status_of(pool, 1, [("Cookie", str(status))], challenge=None), status)
        self.assertEqual(500, status_of(pool, 1, [("Cookie", "hang-up")]))

    def test_no_account_or_nonsense(self):
        nonsense = ("", "x", "1x", "x1", "-1", "+1", "01", "1.0", "1e0", "0x1", "1,1", "1, 2", "1 2", "\t", "*", "null", "%31",
                    "18446744073709551616", "9" * 1000, "1\x7f", "\xb9", "' OR ''='")
        Authenticator.decisions = {f"n{number}": (200, [value]) for number, value in enumerate(nonsense)}
        Authenticator.decisions.update(none=(200, []))
        pool = self.pool("mumbling", self.port)
        for cookie, (_, value) in Authenticator.decisions.items():
            for webhook in (1, 2):
                self.assertEqual(401, status_of(pool, webhook, [("Cookie", cookie)]), value)
        Authenticator.decisions = {"zero": (200, ["0"]), "twice": (200, ["1", "2"])}
        self.assertEqual({404}, {status_of(pool, webhook, [("Cookie", "zero")]) for webhook in (1, 2)})
        # nginx takes the first; from 1.23 on it joins them, and then there is no number
        self.assertIn([status_of(pool, webhook, [("Cookie", "twice")]) for webhook in (1, 2)], ([200, 404], [401, 401]))

    def test_authenticator_that_is_not_there(self):
        pool = self.pool("alone", free_port())
        self.assertEqual({500}, {status_of(pool, 1, headers) for headers in ([], TOKEN, NAMING_AN_ACCOUNT)})

    def test_authenticator_that_hangs(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            pool = self.pool("waiting", silent.getsockname()[1], "proxy_read_timeout 1s;")
            self.assertEqual(500, status_of(pool, 1, TOKEN))


class Modes:
    """A server for each mode that guards something, both for account 1, and nginx as generous with headers as it can be."""

    def __init__(self, name):
        self.servers = {"token": (service.pool(name, server_lines=ACCEPTING_ALL), TOKEN),
                        "gateway": (gateway_by_password(f"{name}-gateway", "1", server_lines=ACCEPTING_ALL), basic("shop"))}

    def __iter__(self):
        return ((mode, *server) for mode, server in self.servers.items())


def send_raw(server, data):
    """All that comes back until the server closes."""
    with socket.socket(socket.AF_UNIX if isinstance(server.address, str) else socket.AF_INET) as client:
        client.settimeout(30)
        client.connect(server.address)
        received = b""
        with contextlib.suppress(ConnectionError):
            client.sendall(data)
        with contextlib.suppress(ConnectionError):
            while part := client.recv(1 << 20):
                received += part
        return received


def normal(answer):
    """What a client can tell answers apart by, without what is different each time."""
    headers = [(name, value) for name, value in answer.headers if name not in ("Date", "X-Request-Id")]
    return answer.status, headers, answer.body.decode().replace(answer.header("X-Request-Id"), "<request-id>")


class HostileHeadersTest(unittest.TestCase):
    """No header but Authorization, as it stands in the request, has a say."""

    @classmethod
    def setUpClass(cls):
        cls.modes = Modes("headers")

    def test_headers_without_effect(self):
        other, path = LIST % 2, SHOW % (2, 1)
        headers = [*NAMING_AN_ACCOUNT, ("Proxy", "http://127.0.0.1:9"), ("REMOTE_USER", "2"), ("Remote-User", "2"),
                   ("X-Remote-User", "2"), ("HTTP_REMOTE_USER", "2"), ("X-Forwarded-User", "2"),
                   ("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-Host", "localhost"), ("X-Forwarded-Proto", "https"),
                   ("X-Forwarded-Prefix", other), ("X-Real-IP", "127.0.0.1"), ("Forwarded", "for=127.0.0.1"),
                   ("X-Original-URI", other), ("X-Original-URL", other),
                   ("X-Rewrite-URL", other), ("X-HTTP-Method-Override", "DELETE"), ("X-HTTP-Method", "DELETE"),
                   ("X-Method-Override", "PUT"), ("Request-Id", "chosen-by-client"), ("X-Request-Id", "chosen-by-client"),
                   ("REQUEST_ID", "chosen-by-client"), ("HTTP_REQUEST_ID", "chosen-by-client"), ("DOCUMENT_URI", other),
                   ("REQUEST_URI", path), ("REQUEST_METHOD", "DELETE"), ("QUERY_STRING", "page[size]=0"), ("SCRIPT_NAME", path),
                   ("PATH_INFO", other), ("WEBHOOK_CALLS_ACCESS", "open"), ("FCGI_ROLE", "AUTHORIZER"),
                   ("X-Accel-Redirect", other), ("HTTP_AUTHORIZATION", "Bearer reader-2"),
                   ("Proxy-Authorization", "Bearer reader-2"), ("X-Authorization", "Bearer reader-2"),
                   ("Authorization_", "Bearer reader-2"), ("_Authorization", "Bearer reader-2"),
                   ("Cookie", "ACCOUNT_ID=2; token=reader-2"), ("Referer", other), ("Host", "account-2.example.com"),
                   ("Content_Length", "5"), ("Content-Type_", "x"), ("X-Large", "2" * 20000), ("X-Latin", "\xfc\xff")]
        everything = service.pool("headers-open", WEBHOOK_CALLS_ACCESS="open", server_lines=ACCEPTING_ALL)
        for mode, server, credentials in [*self.modes, ("open", everything, [])]:
            for webhook, status in ((1, 200), (2, 200 if mode == "open" else 404)):
                for target in (LIST % webhook, SHOW % (webhook, 3 - webhook)):
                    plain = normal(server.send("GET", target, credentials))
                    self.assertEqual(status, plain[0])
                    for header in headers:
                        answer = server.send("GET", target, [*credentials, header])
                        self.assertEqual(plain, normal(answer), (mode, target, header))
                        self.assertRegex(answer.header("X-Request-Id"), "^[0-9a-f]{32}$")
            for header in headers if credentials else []:
                self.assertEqual(401, server.send("GET", LIST % 2, [header]).status, (mode, header))

    def test_two_credentials(self):
        """None of two is taken, whether nginx refuses them or the service."""
        _, server, _ = next(iter(self.modes))
        for first, second in ((TOKEN, OTHER), (OTHER, TOKEN), (TOKEN, TOKEN), (TOKEN, basic("shop")), (basic("shop"), TOKEN)):
            for webhook in (1, 2):
                self.assertIn(status_of(server, webhook, first + second), (400, 401))
        gateway = self.modes.servers["gateway"][0]  # where a version of nginx may go by the first
        self.assertIn(status_of(gateway, 2, basic("shop") + OTHER), (400, 404))
        self.assertIn(status_of(gateway, 1, OTHER + basic("shop"), challenge=PasswordTest.CHALLENGE), (400, 401))


class HostileRequestsTest(unittest.TestCase):
    """Requests that no client library sends, byte by byte."""

    @classmethod
    def setUpClass(cls):
        cls.modes = Modes("requests")

    def answers_without_secret(self, server, data, secret=b"secret-of-2"):
        received = send_raw(server, data)
        self.assertNotIn(secret, received, data[:500])
        return received

    @staticmethod
    def request(credentials, target, *lines, method="GET", version="HTTP/1.1", body=b"", close=True):
        fields = [f"{name}: {value}".encode("latin-1") for name, value in credentials]
        head = [f"{method} {target} {version}".encode("latin-1"), b"Host: a", *fields, *lines,
                *([b"Connection: close"] if close else [])]
        return b"\r\n".join(head) + b"\r\n\r\n" + body

    def test_lines(self):
        lines = [b"ACCOUNT_ID : 2", b"ACCOUNT_ID\t: 2", b" ACCOUNT_ID: 2", b"X: 1\r\n ACCOUNT_ID: 2",
                 b"X: 1\r\n\tAuthorization: Bearer reader-2", b"X: a\x00ACCOUNT_ID\x002", b"X: a\x00", b"X: a\rACCOUNT_ID: 2",
                 b"X: a\nACCOUNT_ID: 2", b"X: a\n\rACCOUNT_ID: 2",
                 b"X: a\r\r\nACCOUNT_ID: 2", b"Authorization : Bearer reader-2", b"Authorization\x0b: Bearer reader-2",
                 b"Authorization", b": 2", b"ACCOUNT_ID=2", b"ACCOUNT_ID=2: 2", b"\xff\xfe: 2", b"X: " + b"a" * 40000,
                 b"X: 1\r\n" * 5000, b"Content-Length: 0\r\nContent-Length: 0", b"Content-Length: 1\r\nContent-Length: 2",
                 b"Content-Length: -1", b"Content-Length: +0", b"Content-Length: 0x0", b"Content-Length: 0, 0",
                 b"Content-Length: 99999999999999999999", b"Transfer-Encoding: chunked, identity", b"Transfer-Encoding: x",
                 b"Transfer-Encoding:\x0bchunked", b"Host: b", b"Host: a\r\nHost: b"]
        for mode, server, credentials in self.modes:
            for line in lines:
                for target in (LIST % 2, SHOW % (2, 1)):
                    received = self.answers_without_secret(server, self.request(credentials, target, line, body=b"0\r\n\r\n"))
                    self.assertNotRegex(received, rb"^HTTP/1.1 200", (mode, line))
                    received = self.answers_without_secret(server, self.request([], target, line, body=b"0\r\n\r\n"))
                    self.assertNotRegex(received, rb"^HTTP/1.1 200", (mode, line))

    def test_request_lines(self):
        forms = [f"GET {LIST % 2}", f"GET {LIST % 2} HTTP/0.9", f"GET  {LIST % 2} HTTP/1.1", f"GET {LIST % 2} HTTP/1.0",
                 f"GET {LIST % 2} HTTP/9.9", f"GET http://a{LIST % 2} HTTP/1.1", f"GET HTTP://user:pw@a{LIST % 2} HTTP/1.1",
                 f"GET a{LIST % 2} HTTP/1.1", f"get {LIST % 2} HTTP/1.1",
                 f"GET {LIST % 2}\x00 HTTP/1.1", f"GET {LIST % 2}\t HTTP/1.1", f"GET {LIST % 2} HTTP/1.1 HTTP/1.1",
                 f"CONNECT {LIST % 2} HTTP/1.1", f"TRACE {LIST % 2} HTTP/1.1", f"OPTIONS {LIST % 2} HTTP/1.1",
                 f"PRI {LIST % 2} HTTP/2.0", f"\r\nGET {LIST % 2} HTTP/1.1",
                 f"GET {LIST % 1}?\r\nAuthorization: Bearer reader-2\r\nX: HTTP/1.1"]
        for mode, server, credentials in self.modes:
            for form in forms:
                fields = "".join(f"{name}: {value}\r\n" for name, value in credentials)
                data = f"{form}\r\nHost: a\r\n{fields}Connection: close\r\n\r\n".encode("latin-1")
                received = self.answers_without_secret(server, data)
                self.assertNotRegex(received, rb"^HTTP/1.1 200", (mode, form))

    def test_paths(self):
        """Whatever nginx makes of a path, what it shows is the reader's own."""
        prefix = "/api/v3/notification/webhook/"
        spellings = ["2%2fcalls", "2%2Fcalls", "%32/calls", "2/calls%2f1", "2/calls/%31", "2//calls", "2/./calls",
                     "1/../2/calls", "1/..;/2/calls", "1/%2e%2e/2/calls", "1/calls/../../2/calls", "1/..%2f2/calls",
                     "1%2f..%2f2/calls", "1\\..\\2/calls", "02/calls", "+2/calls",
                     "2%00/calls", "2;/calls", "2;a=1/calls", "2.0/calls", "2%20/calls", "2/calls;", "2/calls/", "2/Calls",
                     "2/CALLS", "1,2/calls", "%c0%b2/calls", "%e0%80%b2/calls", "%ef%bc%92/calls", "%u0032/calls",
                     "%252/calls", "%2532/calls", "1%0d%0aX:2/calls", "1%3f/../2/calls",
                     "1/calls#/../../2/calls", "1/calls%23", "1/calls%3fwebhook=2", "1/calls?/../../2/calls",
                     "1/calls?webhook_id=2", "18446744073709551618/calls", "4294967298/calls", "1/calls/1", "1/calls/3",
                     "2/calls/1", "2/calls/2", "1/calls/%31", "1/calls/1%00", "1/calls/2%2f..%2f1"]
        whole = ["/API/v3/notification/webhook/2/calls", "/api//v3/notification//webhook/2/calls",
                 "/x/../api/v3/notification/webhook/2/calls", "/api/v3;/notification/webhook/2/calls",
                 "//a/api/v3/notification/webhook/2/calls", "/.webhook-calls-error", "/api%2fv3/notification/webhook/2/calls",
                 "*", "/", "/api/v3/notification/webhook/2", "?", "/?" + LIST % 2]
        for mode, server, credentials in self.modes:
            for target in [prefix + spelling for spelling in spellings] + whole:
                received = self.answers_without_secret(server, self.request(credentials, target))
                if received.startswith(b"HTTP/1.1 200"):
                    self.assertIn(b'"notification/webhooks","id":"1"', received, (mode, target))
                self.assertRegex(received, rb"^HTTP/1.1 (200|400|404|405)", (mode, target))
                received = self.answers_without_secret(server, self.request([], target))
                self.assertNotRegex(received, rb"^HTTP/1.1 (200|304)", (mode, target))

    SMUGGLED = [  # the framing, and what is sent as content: a request of its own, which shall take what follows as its own
        ([b"Content-Length: %d", b"Transfer-Encoding: chunked"], b"0\r\n\r\n"),  # CL.TE
        ([b"Transfer-Encoding: chunked", b"Content-Length: 3"], b"0\r\n\r\n"),  # TE.CL
        ([b"Transfer-Encoding: xchunked", b"Content-Length: %d"], b""),
        ([b"Transfer-Encoding : chunked", b"Content-Length: %d"], b"0\r\n\r\n"),
        ([b"Transfer-Encoding: chunked", b"Transfer-Encoding: x"], b"0\r\n\r\n"),
        ([b"X: x\nTransfer-Encoding: chunked", b"Content-Length: %d"], b"0\r\n\r\n"),
        ([b"Transfer_Encoding: chunked", b"Content-Length: %d"], b"0\r\n\r\n"),
        ([b"Content-Length: 0", b"Content-Length: %d"], b""),
        ([b"Content-Length: 0"], b""), ([b"Content-Length: %d"], b""), ([b"Transfer-Encoding: chunked"], b"0\r\n\r\n"),
        ([b"Transfer-Encoding: chunked"], b"00000000000000000000\r\n\r\n"),
        ([b"Transfer-Encoding: chunked"], b"0;a\nb\r\n\r\n")]

    def test_smuggled_requests(self):
        """On a kept connection: a request hidden in another one is no more than its own credentials allow."""
        for mode, server, credentials in self.modes:
            for framing, begin in self.SMUGGLED:
                for method in ("GET", "POST"):
                    hidden = begin + f"GET {LIST % 2} HTTP/1.1\r\nHost: a\r\nX-Ignore: ".encode()
                    lines = [line.replace(b"%d", str(len(hidden)).encode()) for line in framing]
                    attack = self.request(credentials, LIST % 1, *lines, method=method, body=hidden, close=False)
                    after = self.request(credentials, LIST % 2, close=False) + self.request(credentials, LIST % 2)
                    self.answers_without_secret(server, attack + after)

    def test_behind_another_nginx(self):
        """Which keeps its connections to ours, for all of its clients: who comes next gets the answer to what was asked."""
        back = self.modes.servers["token"][0]
        front = Path(service.env["FCGI_SOCKET"]).parent / "front.http"
        (service.state / "nginx.d/front.conf").write_text(
            f'upstream back {{ server "unix:{back.address}"; keepalive 1; }}\n'
            f'server {{ listen "unix:{front}"; {ACCEPTING_ALL}\n'
            "location / { proxy_pass http://back; proxy_http_version 1.1; proxy_set_header Connection ''; "
            "proxy_request_buffering off; } }\n")
        service.reload_nginx(lambda: can_connect(str(front)))
        server = type(back)(str(front), os.devnull, lambda: -1)
        wait_until(lambda: server.send("GET", LIST % 1, TOKEN).status == 200, "front server")
        for framing, begin in self.SMUGGLED:
            for method in ("GET", "POST"):
                hidden = begin + f"GET {LIST % 2} HTTP/1.1\r\nHost: a\r\nX-Ignore: ".encode()
                lines = [line.replace(b"%d", str(len(hidden)).encode()) for line in framing]
                self.answers_without_secret(server, self.request(TOKEN, LIST % 1, *lines, method=method, body=hidden))
                for account, credentials in ((2, OTHER), (1, TOKEN)):
                    answer = server.send("GET", LIST % account, credentials)
                    check_answer(answer)
                    self.assertEqual({f"secret-of-{account}"},
                                     {resource["attributes"]["body"] for resource in answer.json()["data"]})

    def test_one_connection_of_two_readers(self):
        """nginx hands each request on with its own credentials."""
        server = self.modes.servers["token"][0]
        wanted = [(OTHER, 2, 200), (TOKEN, 2, 404), ([], 2, 401), (TOKEN, 1, 200), (OTHER, 1, 404), ([], 1, 401)] * 5
        requests = [self.request(credentials, LIST % webhook, close=number == len(wanted))
                    for number, (credentials, webhook, _) in enumerate(wanted, 1)]
        statuses = re.findall(rb"HTTP/1.1 (\d+) ", send_raw(server, b"".join(requests)))
        self.assertEqual([status for *_, status in wanted], [int(status) for status in statuses])


class NothingToldTest(unittest.TestCase):
    """A webhook of another account is like one that does not exist."""

    @classmethod
    def setUpClass(cls):
        cls.modes = {"token": (service.pool("telling"), TOKEN), "gateway": (gateway_by_password("telling-gateway", "1"),
                                                                            basic("shop"))}
        service.add_numbered_calls(2, 9000, "'b'", above=1000)
        service.sql("UPDATE webhook_calls SET created_at = created_at - INTERVAL 1 DAY WHERE webhook_id = 2")
        service.sql("CALL seal_webhook_calls(60, TRUE)")
        ((chunks,),) = service.sql("SELECT COUNT(*) FROM webhook_call_chunks WHERE webhook_id = 2")
        assert chunks == 2, chunks

    def work_of(self, server, target, headers, times):
        """Statements, and the storage engine's reads, of the readers' requests."""
        def counters():
            names = ["Com_stmt_execute", "Com_stmt_prepare", "Com_select",
                     *(f"Handler_read_{how}" for how in ("key", "first", "last", "next", "prev", "rnd"))]
            rows = service.sql(f"SHOW GLOBAL STATUS WHERE variable_name IN {*names,}")
            return {name: int(value) for name, value in rows}
        before = counters()
        for _ in range(times):
            server.send("GET", target, headers)
        return {name: value - before[name] for name, value in counters().items()}

    def test_as_much_work(self):
        queries = ("", "?count=true", "?sort=-created_at&page[number]=5&filter[http_code]=200", "?include=webhook",
                   "?page[size]=0")
        for mode, (server, credentials) in self.modes.items():
            for target in [LIST + query for query in queries] + [SHOW.replace("calls/%d", "calls/1001")]:
                foreign, unknown = target % 2, target % 3
                for path in (foreign, unknown):
                    server.send("GET", path, credentials)  # so that statements are prepared
                works = [self.work_of(server, path, credentials, 20) for path in (foreign, unknown, foreign, unknown)]
                self.assertEqual(20, works[0]["Com_stmt_execute"], (mode, target))
                self.assertEqual(works[1], works[0], (mode, target))
                self.assertEqual(works[3], works[2], (mode, target))

    def test_time(self):
        """Told, not judged: other programs of the machine have a say in it."""
        for mode, (server, credentials) in self.modes.items():
            times = {2: [], 3: []}
            for number in range(600):
                webhook = 2 + number % 2
                begin = time.perf_counter()
                answer = server.send("GET", LIST % webhook, credentials)
                times[webhook].append(time.perf_counter() - begin)
                self.assertEqual(404, answer.status)
            median = {webhook: statistics.median(values) * 1e6 for webhook, values in times.items()}
            print(f"{mode}: another account's webhook {median[2]:.0f} us, an unknown one {median[3]:.0f} us (medians of 300)",
                  flush=True)


class CacheTest(unittest.TestCase):
    """What a worker remembers of readers and webhooks."""

    @classmethod
    def setUpClass(cls):
        cls.pool = service.pool("remembering")  # one worker

    def statements_of(self, target, headers=TOKEN):
        def executed():
            return int(service.sql("SHOW GLOBAL STATUS LIKE 'Com_stmt_execute'")[0][1])
        before = executed()
        self.assertEqual(200, self.pool.send("GET", target, headers).status)
        return executed() - before

    def test_known_reader_costs_one_statement(self):
        service.add_token("new-reader", 1)
        new_reader = [("Authorization", "Bearer new-reader")]
        self.assertEqual(2, self.statements_of(LIST % 1, new_reader))
        for target in (LIST % 1, LIST % 1 + "?sort=-created_at", SHOW % (1, 2)):
            self.assertEqual(1, self.statements_of(target, new_reader), target)
        self.assertEqual(404, status_of(self.pool, 2, new_reader))

    def test_webhook_given_away(self):
        service.add_webhooks((7, 1, "seven", "https://example.com/7"))
        self.assertEqual(200, status_of(self.pool, 7, TOKEN))
        service.sql("UPDATE webhooks SET account_id = 2 WHERE id = 7")
        wait_until(lambda: status_of(self.pool, 7, TOKEN) == 404, "refusal of a webhook that was given away", 5)

    def test_refusals_are_not_remembered(self):
        headers = [("Authorization", "Bearer issued-later")]
        self.assertEqual(401, status_of(self.pool, 1, headers))
        service.add_token("issued-later", 1)
        self.assertEqual(200, status_of(self.pool, 1, headers))
        self.assertEqual(404, status_of(self.pool, 5, headers))
        service.add_webhooks((5, 1, "five", "https://example.com/5"))
        self.assertEqual(200, status_of(self.pool, 5, headers))

    def test_forgotten_with_the_connection(self):
        """Another server may answer next, or the same one after it was restored."""
        service.add_token("lost", 1)
        headers = [("Authorization", "Bearer lost")]
        self.assertEqual(200, status_of(self.pool, 1, headers))
        service.remove_token("lost")
        service.kill_reader_connections()
        self.assertEqual(401, status_of(self.pool, 1, headers))

    def test_readers_are_not_mixed(self):
        """One worker, who remembers both readers and both webhooks."""
        for round_ in range(50):
            for credentials, webhook, status in ((TOKEN, 1, 200), (OTHER, 1, 404), (OTHER, 2, 200), (TOKEN, 2, 404),
                                                 ([], 1, 401)):
                answer = self.pool.send("GET", LIST % webhook + "?include=webhook", credentials)
                self.assertEqual(status, answer.status, (round_, credentials, webhook))
                self.assertEqual(status == 200, f"secret-of-{webhook}".encode() in answer.body)
                self.assertNotIn(f"secret-of-{3 - webhook}".encode(), answer.body)


if __name__ == "__main__":
    unittest.main()
