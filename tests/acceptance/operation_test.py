#!/usr/bin/python3
"""What an operator relies on: slow readers, one moment for one answer, the log, the worker's command line, CGI."""

import contextlib
import http.client
import re
import socket
import subprocess
import threading
import unittest
from pathlib import Path
from urllib.parse import quote

import pymysql

from service import LIST, SHOW, WORKER, Service, check_answer, numbers, wait_until

TOKEN = [("Authorization", "Bearer reader-1")]
service = None


def setUpModule():
    global service
    service = Service(workers=2)
    unittest.addModuleCleanup(service.stop)
    service.add_token("reader-1", 1)
    service.add_webhooks((1, 1, "one", "https://example.com/1"), (2, 2, "two", "https://example.com/2"))
    service.sql("INSERT INTO webhook_calls (id, webhook_id, http_code, headers, body) "
                f"SELECT seq, 1 + seq % 2, 200, 'a: 1', 'b' FROM {numbers(4)}")


def status_of(server, webhook, headers=()):
    answer = server.send("GET", LIST % webhook, headers)
    check_answer(answer)
    return answer.status


class SlowReadersTest(unittest.TestCase):
    def test_they_hold_no_worker(self):
        """One worker answers them all, and others, before any of them has read a byte."""
        service.add_webhooks((6, 1, "long", "https://example.com/6"))
        service.add_numbered_calls(6, 1000, "REPEAT(CHAR(97 + seq % 26), 4000)", above=60000)
        pool = service.pool("slow-readers")
        readers = [pool.open("GET", LIST % 6, TOKEN) for _ in range(20)]
        wait_until(lambda: [(line["rows"], line["outcome"]) for line in pool.log_lines()] == [(1000, "complete")] * 20,
                   "end of the answers")
        self.assertEqual(200, status_of(pool, 1, TOKEN))
        for reader in readers:
            answer = reader.finish()
            check_answer(answer)
            self.assertEqual(1000, len(answer.ids()))

    def test_kept_connections_hold_no_worker(self):
        """An upstream's keepalive pool would keep the one worker from all others."""
        direct = service.pool("kept")
        fcgi = f"{Path(service.env['FCGI_SOCKET']).parent}/kept.fcgi"
        kept = service.nginx_server("keeping", "keeping", http_lines=f'upstream keeping {{ server "unix:{fcgi}"; keepalive 4; }}')
        for _ in range(20):
            self.assertEqual((200, 200), (status_of(kept, 1, TOKEN), status_of(direct, 1, TOKEN)))


class ConsistencyTest(unittest.TestCase):
    def test_list_and_count_are_of_one_moment(self):
        """While a sender inserts as fast as it can."""
        service.add_webhooks((3, 1, "three", "https://example.com/3"))
        stop = threading.Event()

        def send():
            options = service.state / "secrets/sender.cnf"
            with contextlib.closing(pymysql.connect(read_default_file=str(options), autocommit=True,
                                                    database=service.env["DB_NAME"])) as sender:
                while not stop.is_set():
                    sender.cursor().execute("INSERT INTO webhook_calls (webhook_id, http_code, headers, body) VALUES "
                                            "(3, 200, 'a: 1', 'b'), (3, 404, 'a: 1', 'b'), (3, NULL, NULL, NULL)")

        sender, counts = threading.Thread(target=send, daemon=True), [0]
        sender.start()
        try:
            while counts[-1] < 900 and sender.is_alive():
                document = check_answer(service.send("GET", LIST % 3 + "?count=true", TOKEN))
                counts.append(document["meta"]["count"])
                if counts[-1] <= 1000:
                    self.assertEqual((counts[-1], False), (len(document["data"]), "next" in document["links"]))
        finally:
            stop.set()
            sender.join()
        self.assertEqual(sorted(counts), counts)
        self.assertGreaterEqual(counts[-1], 900)

    def test_many_requests_on_one_connection(self):
        client = http.client.HTTPConnection(*service.address)
        for method in ("GET", "HEAD", "GET", "HEAD", "HEAD", "DELETE", "GET"):
            client.request(method, LIST % 1, headers=dict(TOKEN))
            response = client.getresponse()
            body = response.read()
            self.assertEqual((405 if method == "DELETE" else 200, method == "HEAD"), (response.status, body == b""))
        client.close()


class LogTest(unittest.TestCase):
    KEYS = {"request_id", "account", "webhook", "route", "status", "rows", "bytes", "database_ms", "total_ms", "outcome"}

    def line_of(self, method, target, headers=()):
        answer = service.send(method, target, headers)
        line = service.log_line(answer.header("X-Request-Id"))
        self.assertLessEqual(self.KEYS, set(line))
        self.assertEqual((answer.status, "complete"), (line["status"], line["outcome"]))
        self.assertEqual(len(answer.body), line["bytes"])
        self.assertGreaterEqual(line["total_ms"], line["database_ms"])
        return line

    def test_one_line_a_request(self):
        line = self.line_of("GET", LIST % 1, TOKEN)
        self.assertEqual((1, 1, "list", 2), tuple(line[key] for key in ("account", "webhook", "route", "rows")))
        self.assertGreater(line["database_ms"], 0)
        line = self.line_of("GET", SHOW % (1, 2), TOKEN)
        self.assertEqual((1, 1, "show", 1), tuple(line[key] for key in ("account", "webhook", "route", "rows")))
        self.assertEqual(0, self.line_of("HEAD", LIST % 1, TOKEN)["bytes"])
        line = self.line_of("GET", LIST % 1)
        self.assertEqual((401, None, 0), tuple(line[key] for key in ("status", "account", "rows")))
        for target in (LIST % 99, LIST % 1 + "?page[size]=0", SHOW % (1, 77)):
            self.assertEqual(0, self.line_of("GET", target, TOKEN)["rows"])
        self.line_of("DELETE", LIST % 1, TOKEN)

    def test_no_secret_is_in_it(self):
        service.add_token("the-secret-token", 1)
        token = [("Authorization", "Bearer the-secret-token")]
        query = "filter[body]=the-secret-value&filter[headers]=the-secret-value"
        for target, headers in ((LIST % 1 + "?" + query, token), (LIST % 1 + "?sort=the-secret-value", token),
                                (LIST % 1 + "?the-secret-value=%zz", token), (LIST % 99 + "?" + query, token),
                                (LIST % 1, [("Authorization", "Bearer the-secret-value")]),
                                (LIST % 1, [("Authorization", "the-secret-value")])):
            self.line_of("GET", target, headers)
        text = service.log.read_text()
        self.assertNotIn("the-secret", text)
        self.assertNotIn("password", text.lower())
        self.assertNotIn(service.env["TOKEN"], text)


class RedactionTest(unittest.TestCase):
    """WEBHOOK_CALLS_REDACT_HEADERS; what it does to queries of all kinds is compared with a model in tests/generative."""

    PLAIN = b"Server: nginx\r\nSet-Cookie: id=4711; Secure\r\n and more\r\nX-Last: 1"
    SHOWN = "Server: nginx\r\nSet-Cookie: [redacted]\r\nX-Last: 1"

    @classmethod
    def setUpClass(cls):
        cls.pool = service.pool("redacting", WEBHOOK_CALLS_REDACT_HEADERS="Set-Cookie,Authorization")
        service.add_webhooks((8, 1, "secretive", "https://example.com/8"))
        service.add_calls((70001, 8, 200, cls.PLAIN, b"body", "2999-01-01 00:00:00.000"))

    def get(self, target, server=None):
        answer = (server or self.pool).send("GET", target, TOKEN)
        return answer, check_answer(answer)

    def test_output_filters_and_sorts(self):
        self.assertEqual(self.SHOWN, self.get(SHOW % (8, 70001))[1]["data"]["attributes"]["headers"])
        self.assertEqual(self.PLAIN.decode(), self.get(SHOW % (8, 70001), service)[1]["data"]["attributes"]["headers"])
        for text, found in ((self.PLAIN.decode(), []), (self.SHOWN, [70001])):
            self.assertEqual(found, self.get(LIST % 8 + "?filter[headers]=" + quote(text))[0].ids())
        for value in (b"a", b"z"):  # would come before and behind the other, if their values were compared
            service.add_calls((70100 + value[0], 8, 200, self.PLAIN.replace(b"4711", value), b"", "2999-01-01 00:00:00.000"))
        try:
            self.assertEqual([70001, 70197, 70222], self.get(LIST % 8 + "?sort=headers")[0].ids())
            self.assertEqual([70001, 70197, 70222], self.get(LIST % 8 + "?sort=headers", service)[0].ids())
            self.assertEqual([70222, 70197, 70001], self.get(LIST % 8 + "?sort=-headers")[0].ids())
            service.sql("UPDATE webhook_calls SET headers = REPLACE(headers, 'id=z', 'id=0') WHERE id = 70222")
            self.assertEqual([70001, 70197, 70222], self.get(LIST % 8 + "?sort=headers")[0].ids())
            self.assertEqual([70222, 70001, 70197], self.get(LIST % 8 + "?sort=headers", service)[0].ids())
        finally:
            service.sql("DELETE FROM webhook_calls WHERE webhook_id = 8 AND id <> 70001")

    def test_entity_tag_of_another_setting(self):
        tag = self.get(SHOW % (8, 70001), service)[0].header("ETag")
        headers = [*TOKEN, ("If-None-Match", tag)]
        self.assertEqual(304, service.send("GET", SHOW % (8, 70001), headers).status)
        self.assertEqual(200, self.pool.send("GET", SHOW % (8, 70001), headers).status)

    def test_long_headers(self):
        """Those that a regular expression would take too long for are redacted as a whole, with or without a secret."""
        self.addCleanup(service.sql, "DELETE FROM webhook_calls WHERE webhook_id = 8 AND id <> 70001")
        lines = b"Set-Cookie: a\r\n"
        for number, size in enumerate((65535, 65536, 65537, 3 << 20)):
            text = lines * (size // len(lines)) + b"x" * (size % len(lines))
            service.add_calls((70010 + number, 8, 200, text, b"", "2999-01-01 00:00:00.000"))
            wanted = text.replace(b" a\r", b" [redacted]\r").decode() if size <= 65536 else "[redacted]"
            for target in (SHOW % (8, 70010 + number), LIST % 8 + f"?filter[id]={70010 + number}", LIST % 8 + "?sort=-id&page[size]=1"):
                data = self.get(target)[1]["data"]
                shown = (data[0] if isinstance(data, list) else data)["attributes"]["headers"]
                self.assertTrue(wanted == shown, f"{size} bytes at {target}: {shown[:80]}… of {len(shown)}")


class WorkerTest(unittest.TestCase):
    def run_worker(self, *arguments, **environment):
        return subprocess.run([WORKER, *arguments], timeout=60, capture_output=True,
                              stdin=subprocess.DEVNULL, env=service.worker_environment(**environment))

    def test_help_and_version(self):
        self.assertIn(b"WEBHOOK_CALLS_ACCESS", self.run_worker("--help").stdout)
        self.assertRegex(self.run_worker("--version").stdout, rb"\d+\.\d+\.\d+")
        self.assertEqual(2, self.run_worker("--nonsense").returncode)

    def test_check_config(self):
        good = self.run_worker("--check-config")
        self.assertEqual(0, good.returncode, good)
        for bad in (dict(WEBHOOK_CALLS_DB_PASSWORD_FILE=None, WEBHOOK_CALLS_DB_PASSWORD="not-the-one"),
                    dict(WEBHOOK_CALLS_DB_HOSTS="unix:/nonexistent/db.sock"), dict(WEBHOOK_CALLS_DB_NAME="mysql")):
            result = self.run_worker("--check-config", **bad)
            self.assertEqual(1, result.returncode, result)
            self.assertTrue(result.stderr or result.stdout)
            self.assertNotIn(b"not-the-one", result.stderr + result.stdout)

    def test_check_config_looks_at_each_host(self):
        good = "unix:" + service.env["DB_SOCKET"]
        result = self.run_worker("--check-config", WEBHOOK_CALLS_DB_HOSTS=f"{good},unix:/nonexistent/db.sock")
        self.assertEqual(1, result.returncode, result)
        self.assertRegex(result.stderr, rb"^error: unix:/nonexistent/db\.sock: The database cannot be reached: .+\n$")

    def test_all_faults_of_the_settings_at_once(self):
        result = self.run_worker("--check-config", WEBHOOK_CALLS_ACCESS="nobody", WEBHOOK_CALLS_TYPO="1",
                                 WEBHOOK_CALLS_DB_CONNECT_TIMEOUT="0", WEBHOOK_CALLS_DB_HOSTS="unix:relative")
        self.assertEqual(1, result.returncode)
        for name in (b"ACCESS", b"TYPO", b"DB_CONNECT_TIMEOUT", b"DB_HOSTS"):
            self.assertIn(b"WEBHOOK_CALLS_" + name, result.stderr)

    def test_socket_that_cannot_be_waited_at(self):
        """What accept() says ends the worker with its words; only what concerns one connection is passed over."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            result = subprocess.run([WORKER], env=service.worker_environment(), stdin=listener, capture_output=True, timeout=60)
        self.assertEqual((1, b""), (result.returncode, result.stdout))
        self.assertRegex(result.stderr, rb"^webhook-calls: accept: .+\n$")

    def test_unknown_setting_stops_the_start(self):
        result = self.run_worker(WEBHOOK_CALLS_TYPO="1")
        self.assertNotEqual(0, result.returncode)
        self.assertIn(b"WEBHOOK_CALLS_TYPO", result.stderr)

    def test_plain_cgi(self):
        result = self.run_worker(GATEWAY_INTERFACE="CGI/1.1", REQUEST_METHOD="GET", DOCUMENT_URI=LIST % 1,
                                 QUERY_STRING="page[size]=1", HTTP_AUTHORIZATION="Bearer reader-1")
        self.assertEqual(0, result.returncode, result)
        head, _, body = result.stdout.partition(b"\r\n\r\n")
        self.assertRegex(head, rb"(?i)Content-Type: application/vnd\.api\+json")
        self.assertEqual(1, len(re.findall(rb'"type":"notification/webhook/calls"', body)))


if __name__ == "__main__":
    unittest.main()
