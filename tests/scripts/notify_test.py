#!/usr/bin/python3
"""scripts/notify against endpoints that answer well, badly or not at all."""

import gzip
import re
import socketserver
import threading
import unittest

from commands import ScriptTest, path_that_notes_arguments, start_service
from service import free_port

EVERY_BYTE = bytes(range(256))
service = None


def setUpModule():
    global service
    service = start_service()


class Endpoint(socketserver.ThreadingTCPServer):
    """Answers each request with the bytes that are set for its target, and then closes the connection, or hangs before that."""

    allow_reuse_address = daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Conversation)
        self.answers, self.hanging, self.requests, self.end = {}, set(), [], threading.Event()
        threading.Thread(target=self.serve_forever, args=[0.05], daemon=True).start()

    def close(self):
        self.end.set()
        self.shutdown()
        self.server_close()


class Conversation(socketserver.StreamRequestHandler):
    def handle(self):
        method, target, _ = self.rfile.readline().decode("latin-1").split(" ", 2)
        headers = {}
        while (line := self.rfile.readline().decode("latin-1").rstrip("\r\n")):
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        if "expect" in headers:
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = self.rfile.read(int(headers.get("content-length", 0)))
        self.server.requests.append((method, target, headers, body))
        self.wfile.write(self.server.answers.get(target, b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n"))
        if target in self.server.hanging:
            self.server.end.wait(60)


class NotifyTest(ScriptTest):
    NOTHING = (None, None, None)

    @classmethod
    def setUpClass(cls):
        cls.endpoint = Endpoint()
        cls.addClassCleanup(cls.endpoint.close)
        cls.url = f"http://127.0.0.1:{cls.endpoint.server_address[1]}"
        cls.payload = service.folder / "payload"
        cls.payload.write_bytes(b"{}")

    def notify(self, url, *arguments, **changes):
        """What is recorded: code, headers, body."""
        service.sql("INSERT INTO webhooks (account_id, name, url) VALUES (70, '', %s)", (url,))
        ((webhook,),) = service.sql("SELECT MAX(id) FROM webhooks")
        result = self.script("notify", str(webhook), *(arguments or [str(self.payload)]), **changes)
        self.assertEqual(0, result.returncode, result)
        number = re.match(rf"Webhook {webhook}: recorded call (\d+): ", result.stdout)[1]
        (row,) = service.sql(f"SELECT webhook_id, http_code, headers, body FROM webhook_calls WHERE id = {number}")
        self.assertEqual(webhook, row[0])
        return row[1:]

    def check(self, expected, answer, *arguments, hang=False):
        target = f"/hook/{len(self.endpoint.answers)}"
        self.endpoint.answers[target] = answer
        if hang:
            self.endpoint.hanging.add(target)
        with self.subTest(answer[:60]):
            self.assertEqual(expected, self.notify(self.url + target, *arguments))

    def test_answers(self):
        length = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
        for body in (EVERY_BYTE * 3, b"", b"\x00", b"\n", b"\r\n\r\n", b"'", b"\\", b"HTTP/1.1 500 No\r\nX: y\r\n\r\n", EVERY_BYTE * 12000):
            self.check((200, b"Content-Length: %d" % len(body), body), length % len(body) + body)
        self.check((204, b"", b""), b"HTTP/1.1 204 No Content\r\n\r\n")
        self.check((200, b"", b"to the end"), b"HTTP/1.0 200\r\n\r\nto the end")
        before = b"HTTP/1.1 102 Processing\r\nB: 1\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        self.check((201, b"A: 1\r\nContent-Length: 1", b"x"), before + b"HTTP/1.1 201 Created\r\nA: 1\r\nContent-Length: 1\r\n\r\nx")
        odd = b"Set-Cookie: a=1\r\nX-Odd: caf\xe9 '\"\\ \x80\r\nset-cookie: a=1\r\nX-Empty:\r\nX:y"
        self.check((500, odd, b""), b"HTTP/1.1 500 X\r\n" + odd + b"\r\n\r\n")
        self.check((599, b"A: 1", b""), b"HTTP/1.1 599 X\nA: 1\n\n")
        self.check((200, b"Transfer-Encoding: chunked", b"abcde"),
                   b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: 1\r\n\r\n")
        packed = gzip.compress(b"packed")
        self.check((200, b"Content-Encoding: gzip", packed), b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + packed)

    def test_redirect_is_not_followed(self):
        for code in (301, 302, 307, 308):
            answer = f"HTTP/1.1 {code} Moved\r\nLocation: {self.url}/elsewhere\r\nContent-Length: 4\r\n\r\nmove".encode()
            self.check((code, f"Location: {self.url}/elsewhere\r\nContent-Length: 4".encode(), b"move"), answer)
        self.assertNotIn("/elsewhere", [target for _, target, _, _ in self.endpoint.requests])

    def test_no_response(self):
        limit = ("--time-limit", "1", str(self.payload))
        self.check(self.NOTHING, b"")
        self.check(self.NOTHING, b"This is not HTTP\r\n")
        self.check(self.NOTHING, b"HTTP/1.1 100 Continue\r\n\r\n")
        self.check(self.NOTHING, b"", *limit, hang=True)
        self.check((200, b"Content-Length: 9", b"cut"), b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut")
        self.check((200, b"Content-Length: 9", b"late"), b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nlate", *limit, hang=True)
        for url in (f"http://127.0.0.1:{free_port()}/", "http://nowhere.invalid/", "file:///etc/passwd", "not a URL"):
            with self.subTest(url):
                self.assertEqual(self.NOTHING, self.notify(url, *limit))

    def test_payload_arrives_as_it_is(self):
        odd = service.folder / "-pay\"load' \\ $x; é,;type=x"
        for content, options in ((EVERY_BYTE * 2, []), (b"", ["--content-type", 'text/plain; charset="utf-8"']),
                                 (b"\r\n@x", ["--content-type", "a/\\b"]), (EVERY_BYTE * 5000, [])):
            odd.write_bytes(content)
            self.notify(self.url + "/payload", *options, f"./{odd.name}", cwd=service.folder)
            method, _, headers, body = self.endpoint.requests[-1]
            self.assertEqual(("POST", content, options[-1] if options else "application/json"), (method, body, headers["content-type"]))
        for target in ("/a?b=c&d=%20%00", "/{1,2}[1-3]", "/it's/\"quoted\"", "/a?token=s3cret"):
            self.notify(self.url + target)
            self.assertEqual(target, self.endpoint.requests[-1][1])

    def test_urls_secret_is_on_no_command_line(self):
        path = path_that_notes_arguments(service.folder / "programs-of-notify")
        self.notify(self.url + "/hook?key=s3cret", PATH=path)
        arguments = (service.folder / "programs-of-notify/arguments").read_text()
        self.assertIn("curl\n", arguments)
        self.assertNotIn("s3cret", arguments)

    def test_refused(self):
        before = service.sql("SELECT COUNT(*) FROM webhook_calls")
        payload = str(self.payload)
        self.fails(1, "There is no webhook 4711", "notify", "4711", payload)
        for webhook in ("0", "-1", "one", "1 OR 1", "1.5", ""):
            self.fails(2, "", "notify", webhook, payload)
        for file in ("/nonexistent", str(service.folder), ""):
            self.fails(2, "payload's file", "notify", "1", file)
        for arguments in ([], ["1"], ["1", payload, "extra"], ["1", payload, "--time-limit", "0"], ["1", payload, "--time-limit", "x"],
                          ["1", payload, "--content-type", "a/b\r\nX-Injected: 1"]):
            self.fails(2, "", "notify", *arguments)
        self.assertEqual(before, service.sql("SELECT COUNT(*) FROM webhook_calls"))
        service.add_webhooks((71, 70, "", f"http://127.0.0.1:{free_port()}/"))
        result = self.script("notify", "71", payload, "--defaults-file", str(service.state / "secrets/reader.cnf"))
        self.assertEqual((1, ""), (result.returncode, result.stdout))
        self.assertIn("The call could not be recorded", result.stderr)


if __name__ == "__main__":
    unittest.main()
