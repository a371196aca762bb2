"""What the viewer's tests look at: webhooks with calls of every kind, in a service of its own."""

import datetime
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "acceptance"))
from service import PROJECT, Service, free_port  # noqa: E402

TOKEN = "viewer-test-token"
ORDERS, HOSTILE, LARGE, LIVE, KINDS, FOREIGN, LATE, EMPTY = range(1, 9)
# Each would say so in the page, if it ran.
ATTACKS = ["<script>window.attacked = 1</script>", "<img src=x onerror='window.attacked = 2'>",
           "<svg onload='window.attacked = 3'><a href='javascript:window.attacked = 4'>x</a></svg>",
           "\"><iframe srcdoc='<script>parent.attacked = 5</script>'></iframe>", "</pre></td></table><h1>taken over</h1>",
           "\u202egpj.exe\u2066 \u200b\u0085"]  # the last is read as something else
BODY_OF_20_MB = b"0123456789abcdef" * 64 * 20_000  # 20.48 MB, in one line
CODES = [200] * 12 + [204, 302, 404, 500, 503, None]


def code_of(number):
    return CODES[number % len(CODES)]


class Stage(Service):
    """`now` is an instant on a full minute, shortly before the start; orders lie 20 minutes apart before it, the newest first by number."""

    def __init__(self):
        super().__init__(workers=4)
        try:
            self.now = datetime.datetime.utcnow().replace(second=0, microsecond=0)
            self.page = self.env["URL"] + "/webhook-calls/"
            self.add_token(TOKEN, 1)
            self.add_webhooks(*[(number, 2 if number == FOREIGN else 1, self.name_of(number), "https://shop.example/hooks")
                                for number in range(ORDERS, EMPTY + 1)])
            self._fill()
        except BaseException:
            self.stop()
            raise

    def name_of(self, number):
        return "".join(ATTACKS[:2]) + ATTACKS[-1] if number == HOSTILE else f"Hook no. {number}"

    def before(self, **amount):
        return self.now - datetime.timedelta(**amount)

    def _fill(self):
        headers = "Content-Type: application/json\r\nX-Request-Id: %d"
        self.add_calls(*[
            (1000 - n, ORDERS, code_of(n), headers % n if code_of(n) else None, f'{{"order":{n}}}' if code_of(n) else None,
             self.before(minutes=20 * n)) for n in range(1, 301)])
        self.add_calls(*[(2000 + n, HOSTILE, 200, f"Content-Type: text/html\r\nX-{attack}: {attack}", attack,
                          self.before(minutes=n + 1)) for n, attack in enumerate(ATTACKS)])
        self.add_calls((3001, LARGE, 200, "Content-Type: text/plain", BODY_OF_20_MB, self.before(minutes=5)),
                       (3002, LARGE, 200, "Content-Type: image/png", bytes(range(256)) * 200, self.before(minutes=4)),
                       (3003, LARGE, 200, "Content-Type: text/plain", b"small", self.before(minutes=3)),
                       (3004, LARGE, 200, "Content-Type: image/png", bytes(5_000_000), self.before(minutes=6)))
        self.add_calls((6001, LATE, 200, "", "old", self.before(minutes=60)))
        self.add_calls(*[(4000 + n, LIVE, 200, "", f"old {n}", self.before(minutes=60 - n)) for n in range(1, 4)])
        self.add_calls(
            (5001, KINDS, 200, "Content-Type: application/json", '{"number":12345678901234567890,"list":[1,2]}', self.before(minutes=9)),
            (5002, KINDS, 200, "Content-Type: text/xml", "<a><b>one</b><c/></a>", self.before(minutes=8)),
            (5003, KINDS, 200, "Content-Type: application/x-www-form-urlencoded", "a=Gr%C3%BC%C3%9Fe&bb=2", self.before(minutes=7)),
            (5004, KINDS, 500, "Content-Type: text/plain\r\nX-Empty:", "Traceback\n  KeyError: 'x'\n", self.before(minutes=6)),
            (5005, KINDS, None, None, None, self.before(minutes=5)),
            (5006, KINDS, 204, "Server: x", "", self.before(minutes=4)))

    def add_live_call(self, body, code=200, webhook=LIVE):
        self.sql("INSERT INTO webhook_calls (webhook_id, http_code, headers, body) VALUES (%s, %s, '', %s)", (webhook, code, body))

    def open_server(self):
        """A server with open access, which has the page as Debian's snippet says, and below a path of its operator's. The page's address."""
        pool, port = self.pool("open", WEBHOOK_CALLS_ACCESS="open"), free_port()
        fcgi = pool.address.removesuffix(".http") + ".fcgi"
        shared = self.folder / "shared"  # as an installation has it
        shared.mkdir()
        (shared / "html").symlink_to(PROJECT / "nginx/html")
        (shared / "nginx").symlink_to(PROJECT / "nginx")
        snippet = (PROJECT / "scripts/debian/nginx-snippet-viewer.conf").read_text().replace("@shared@", str(shared))
        self.nginx_server("viewer", f"unix:{fcgi}", server_lines=f"""listen 127.0.0.1:{port};
            {snippet}
            location /tools/log/ {{ alias "{PROJECT}/nginx/html/"; include "{PROJECT}/nginx/viewer.conf"; }}""")
        return f"http://127.0.0.1:{port}/tools/log/"


if __name__ == "__main__":
    sys.exit("This is the stage of viewer_test.py.")
