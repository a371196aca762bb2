#!/usr/bin/python3
"""The viewer page in headless Chromium, before the real nginx, workers and database: each feature once.

Screenshots are kept in var/viewer.
"""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import unittest
import urllib.parse
import urllib.request

from browser import PROJECT_ARTEFACTS, Browser
from service import check_answer
from stage import ATTACKS, BODY_OF_20_MB, EMPTY, FOREIGN, HOSTILE, KINDS, LARGE, LIVE, ORDERS, TOKEN, Stage, code_of

LOADED = "!document.querySelector('.loading') && document.querySelector('#rows tr, #empty:not([hidden])') !== null"
# Of each request that is answered with a failure Chromium says so; the tests make some.
FAILED = "Failed to load resource"
stage = browser = folder = None


def setUpModule():
    global stage, browser, folder
    stage = Stage()
    unittest.addModuleCleanup(stage.stop)
    folder = tempfile.TemporaryDirectory(prefix="webhook-calls-viewer-")
    unittest.addModuleCleanup(folder.cleanup)
    browser = Browser(folder.name)
    unittest.addModuleCleanup(browser.close)
    browser.devtools("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])


class PageTest(unittest.TestCase):
    def setUp(self):
        browser.size(1400, 950)
        browser.scheme("light")
        browser.console()
        browser.requests()

    def tearDown(self):
        complaints = [message for message in browser.console() if FAILED not in message]
        self.assertEqual([], complaints, "the console has messages")
        hosts = {urllib.parse.urlsplit(url).netloc for url in browser.requests() if not url.startswith(("about:", "blob:", "data:"))}
        self.assertLessEqual(len(hosts), 1, hosts)

    def show(self, webhook=ORDERS, loaded=LOADED, page=None, token=TOKEN, **state):
        """The page with that state in its address, and the token in the tab."""
        page = page or stage.page
        browser.open(page + "icon.svg")
        browser.run("sessionStorage.clear(); if (arguments[0]) sessionStorage.setItem('webhook-calls.token', arguments[0])", token)
        browser.requests()
        browser.console()
        browser.open(page + "#" + urllib.parse.urlencode({"webhook": webhook, **state}, safe=":,"))
        browser.wait(loaded)

    def codes(self):
        return browser.texts("#rows .status")

    def state(self):
        return dict(urllib.parse.parse_qsl(browser.run("return location.hash.slice(1)")))

    def wait_for_total(self, text):
        browser.wait(f"document.querySelector('#total').innerText === {json.dumps(text)}")
        browser.wait(LOADED)

    def api_requests(self):
        return [urllib.parse.unquote(url) for url in browser.requests() if "/api/" in url]

    def clipboard(self):
        return browser.run_async("navigator.clipboard.readText().then(arguments[0], (e) => arguments[0](String(e)))")


class ListTest(PageTest):
    def test_token_and_webhook_are_asked_for(self):
        browser.open(stage.page + "icon.svg")
        browser.run("sessionStorage.clear(); localStorage.clear()")
        browser.open(stage.page)
        browser.wait("document.querySelector('#welcome:not([hidden])') && document.activeElement.id === 'webhook'")
        browser.type("#webhook", str(ORDERS))
        browser.press("Enter")
        browser.wait("document.querySelector('#token-error').innerText.includes('TOKEN')")
        self.assertEqual("token", browser.focused(), "the focus is where the token goes")
        browser.type("#token", "wrong")
        browser.press("Enter")
        browser.wait("document.querySelector('#token-error').innerText !== ''")
        browser.type("#token", TOKEN)
        browser.press("Enter")
        self.wait_for_total("300 calls")
        self.assertIn("Hook no. 1", browser.text("#webhook-name"))
        self.assertEqual("", browser.text("#token-error"))
        self.assertNotIn(TOKEN, browser.run("return location.href + JSON.stringify(localStorage) + document.cookie"))
        self.assertEqual(TOKEN, browser.run("return sessionStorage.getItem('webhook-calls.token')"))

    def test_table_newest_first(self):
        self.show()
        self.wait_for_total("300 calls")
        self.assertEqual(25, len(self.codes()))
        self.assertEqual([str(code_of(n)) if code_of(n) else "no response" for n in range(1, 26)], self.codes())
        title = browser.run("return document.querySelector('#rows time').title")
        self.assertEqual(stage.before(minutes=20).strftime("%Y-%m-%d %H:%M:00.000 UTC"), title)
        self.assertNotEqual(title[:19], browser.text("#rows time")[:19], "the browser is in New York")
        browser.wait("document.querySelector('#rows .line').innerText === '{\"order\":1}'")
        self.assertEqual("11 B", browser.text("#rows .size"))
        self.assertEqual("code c2xx", browser.run("return document.querySelector('#rows .code').className"))
        browser.wait("![...document.querySelectorAll('#rows .size')].some(e => e.innerText === '…')")
        browser.screenshot(PROJECT_ARTEFACTS / "list-light.png")
        browser.scheme("dark")
        browser.screenshot(PROJECT_ARTEFACTS / "list-dark.png")

    def test_no_body_is_read_that_is_not_shown(self):
        self.show(bodies=0)
        self.wait_for_total("300 calls")
        self.assertTrue(all("http_code,created_at" in url or "count_by" in url for url in self.api_requests()))
        self.assertEqual("", browser.text("#rows .line"))
        browser.click("#bodies")
        browser.wait("document.querySelector('#rows .line').innerText === '{\"order\":1}'")
        (request,) = [url for url in self.api_requests() if "]=body" in url]
        self.assertIn("filter[id]=999,998,", request)

    def test_large_bodies_are_not_read_to_their_end(self):
        self.show(LARGE)
        browser.wait("![...document.querySelectorAll('#rows .size')].some(e => e.innerText === '…')")
        sizes = browser.texts("#rows .size")
        self.assertEqual("5 B", sizes[0])
        self.assertRegex(sizes[2], r"^> ([1-9]\d\d k|[1-4]\.\d M)B$")
        self.assertEqual("small", browser.text("#rows .line"))

    def test_filters(self):
        self.show()
        browser.click("input[value='5xx']")
        self.wait_for_total("32 calls")
        self.assertEqual({"500", "503"}, set(self.codes()))
        browser.click("input[value='none']")
        self.wait_for_total("48 calls")
        self.assertEqual({"500", "503", "no response"}, set(self.codes()))
        browser.click("input[value='5xx']")
        browser.type("#exact", "404, 204")
        browser.press("Enter")
        self.wait_for_total("49 calls")
        self.assertEqual({"404", "204", "no response"}, set(self.codes()))
        self.assertEqual({"webhook": "1", "codes": "none,404,204"}, self.state())
        browser.click("#reset")
        self.wait_for_total("300 calls")
        browser.type("#body", '"ORDER":29')
        browser.press("Enter")
        self.wait_for_total("11 calls")
        browser.type("#headers", "x-request-id: 299")
        browser.press("Enter")
        self.wait_for_total("1 call")
        self.assertEqual(['{"order":299}'], [browser.wait("document.querySelector('#rows .line').innerText")])

    def test_range(self):
        self.show(range="1h")
        self.wait_for_total("2 calls")
        browser.choose("#range", "7d")
        self.wait_for_total("300 calls")
        browser.choose("#range", "custom")
        browser.wait("!document.querySelector('.custom').hidden")
        begin, end = stage.before(minutes=200), stage.before(minutes=100)
        for name, time in (("from", begin), ("to", end)):
            browser.run("""const input = document.getElementById(arguments[0]), date = new Date(arguments[1]);
                input.value = new Date(date - date.getTimezoneOffset() * 60e3).toISOString().slice(0, 19);
                input.dispatchEvent(new Event('change', { bubbles: true }))""", name, time.isoformat() + "Z")
        self.wait_for_total("5 calls")
        self.assertEqual(begin.strftime("%Y-%m-%dT%H:%M:00.000Z"), self.state()["from"])

    def test_sort_and_size(self):
        self.show()
        browser.choose("#sort", "created_at")
        browser.wait("document.querySelector('#rows .line').innerText === '{\"order\":300}'")
        browser.choose("#sort", "-http_code")
        browser.wait("document.querySelector('#rows .status').innerText === '503'")
        browser.choose("#size", "100")
        browser.wait("document.querySelectorAll('#rows tr').length === 100")
        self.assertEqual({"webhook": "1", "sort": "-http_code", "size": "100"}, self.state())

    def test_pages_by_links_and_back(self):
        self.show(KINDS)
        self.assertTrue(browser.run("return next.disabled && previous.disabled && newest.disabled"))
        self.show(codes="2xx")
        self.wait_for_total("220 calls")
        seen = [browser.run("return [...document.querySelectorAll('#rows tr')].map(row => row.dataset.id)")]
        for _ in range(2):
            browser.click("#next")
            browser.wait(f"{LOADED} && document.querySelector('#rows tr').dataset.id !== '{seen[-1][0]}'")
            seen.append(browser.run("return [...document.querySelectorAll('#rows tr')].map(row => row.dataset.id)"))
            self.assertEqual("calls", browser.focused())
        ids = [int(number) for page in seen for number in page]
        self.assertEqual(sorted(set(ids), reverse=True), ids)
        self.assertEqual([1000 - n for n in range(1, 301) if code_of(n) in (200, 204)][:75], ids)
        self.assertTrue(any("page[after]=" + self.state()["after"] in url for url in self.api_requests()))
        browser.click("#previous")
        browser.wait(f"{LOADED} && document.querySelector('#rows tr').dataset.id === '{seen[1][0]}'")
        browser.run("history.back()")
        browser.wait(f"{LOADED} && document.querySelector('#rows tr').dataset.id === '{seen[2][0]}'")
        browser.click("#newest")
        browser.wait(f"{LOADED} && document.querySelector('#rows tr').dataset.id === '{seen[0][0]}'")

    def test_address_holds_the_view(self):
        self.show(codes="5xx,none", range="7d", sort="created_at", size=50, body="order", call=str(1000 - 16))
        browser.wait("document.querySelector('#detail-heading')")
        self.wait_for_total("32 calls")  # what has no body does not contain the text
        self.assertEqual({"5xx", "none"}, set(browser.run(
            "return [...document.querySelectorAll('#filters :checked[name=code]')].map(box => box.value)")))
        values = browser.run("return ['range', 'sort', 'size', 'body'].map(id => document.getElementById(id).value)")
        self.assertEqual(["7d", "created_at", "50", "order"], values)


class ChartTest(PageTest):
    def bars(self):
        return browser.run("return [...document.querySelectorAll('#chart [role=button]')].map(e => e.getAttribute('aria-label'))")

    def test_bars_narrow_the_time(self):
        self.show()
        browser.wait("document.querySelector('#chart [role=button]')")
        day = max(self.bars(), key=lambda label: int(label.split(": ")[1].split(" ")[0]))
        self.assertIn(": 72 calls · 2xx ", day)
        self.assertIn(len(self.bars()), (60, 61))
        self.assertIn("no response 16", browser.text("#legend").replace("\n", " "))
        browser.run("""[...document.querySelectorAll('#chart [role=button]')]
            .find(e => e.getAttribute('aria-label') === arguments[0]).dispatchEvent(new MouseEvent('click'))""", day)
        self.wait_for_total("72 calls")
        self.assertEqual(24, len(self.bars()))
        self.assertEqual("T00:00:00.000Z", self.state()["from"][10:])
        browser.screenshot(PROJECT_ARTEFACTS / "chart-hours-light.png")

    def test_keys_and_table(self):
        self.show(range="1d")
        browser.wait("document.querySelector('#chart [tabindex=\"0\"]')")
        browser.run("document.querySelector('#chart [tabindex=\"0\"]').focus()")
        browser.press("Home", "ArrowRight")
        label = browser.focused("aria-label")
        self.assertEqual(self.bars()[1], label)
        self.assertEqual(label, browser.text("#readout"))
        browser.press("Enter")
        self.wait_for_total("3 calls")
        self.assertEqual(60, len(self.bars()))
        browser.click("#chart-table summary")
        browser.wait("document.querySelectorAll('#chart-table tbody tr').length === 3")
        browser.click("#zoom-out")
        browser.wait("document.querySelector('#total').innerText === '18 calls'")


class DetailTest(PageTest):
    def open_call(self, webhook, call):
        self.show(webhook, call=call)
        browser.wait("document.querySelector('.detail .body-text')?.textContent || document.querySelector('.detail h3 .quiet')?.innerText")

    def test_bodies_are_readable(self):
        for call, kind, readable, raw in (
                (5001, "JSON, 44 B", '{\n  "number": 12345678901234567890,\n  "list": [\n    1,\n    2\n  ]\n}',
                 '{"number":12345678901234567890,"list":[1,2]}'),
                (5002, "XML, 21 B", "<a>\n  <b>one</b>\n  <c/>\n</a>", "<a><b>one</b><c/></a>"),
                (5003, "form, 22 B", "a  = Grüße\nbb = 2", "a=Gr%C3%BC%C3%9Fe&bb=2"),
                (5004, "text, 26 B", "Traceback\n  KeyError: 'x'\n", None),
                (5005, "none: nothing answered", "", None),
                (5006, "empty", "", None)):
            with self.subTest(call):
                self.open_call(KINDS, call)
                text = "document.querySelector('.body-text').textContent"
                self.assertEqual((kind, readable), (browser.text(".detail h3 .quiet"), browser.run("return " + text)))
                if raw:
                    browser.click_text(".detail button", "Raw")
                    browser.wait(f"{text} === {json.dumps(raw)}")

    def test_facts_headers_and_copies(self):
        self.open_call(KINDS, 5004)
        facts = browser.text(".facts")
        self.assertIn(stage.before(minutes=6).strftime("%Y-%m-%d %H:%M:00.000 UTC"), facts)
        self.assertRegex(facts, "Request id\\s+[0-9a-f]{32}")
        self.assertEqual("500", browser.text(".detail h2 .code"))
        self.assertEqual([["Content-Type", "text/plain"], ["X-Empty", ""]], browser.run(
            "return [...document.querySelectorAll('.headers tr')].map(row => [...row.cells].map(cell => cell.textContent))"))
        browser.click_text(".detail .bar:last-of-type button, .detail .group button", "Copy")
        browser.wait("document.querySelector('#status').innerText === 'Copied.'")
        browser.wait("![...document.querySelectorAll('button')].some(e => e.innerText === 'Copied')")
        browser.click_text(".detail button", "Copy as curl")
        browser.wait("[...document.querySelectorAll('button')].some(e => e.innerText === 'Copied')")
        command = self.clipboard()
        self.assertNotIn(TOKEN, command)
        answer = subprocess.run(["bash", "-c", command.replace("curl", "curl -sS --noproxy '*'", 1)], env=dict(os.environ, TOKEN=TOKEN),
                                capture_output=True, text=True, check=True).stdout
        self.assertEqual("Traceback\n  KeyError: 'x'\n", json.loads(answer)["data"]["attributes"]["body"])
        browser.screenshot(PROJECT_ARTEFACTS / "detail-light.png")
        browser.scheme("dark")
        browser.screenshot(PROJECT_ARTEFACTS / "detail-dark.png")

    def test_large_body_does_not_freeze_the_page(self):
        self.show(LARGE)
        browser.run("""window.longest = 0; let last = performance.now();
            setInterval(() => { const now = performance.now(); longest = Math.max(longest, now - last); last = now; }, 5)""")
        browser.click("#rows tr:nth-child(3) a")
        browser.wait("document.querySelector('.detail .body-text')?.textContent")
        self.assertIn("beginning, more than ", browser.text(".detail h3 .quiet"))
        self.assertEqual(65536, browser.run("return document.querySelector('.body-text').textContent.length"))
        browser.click_text(".detail button", "Show more")
        browser.wait("document.querySelector('.body-text').textContent.length === 262144")
        browser.click_text(".detail button", "Load all of it")
        browser.wait("document.querySelector('.detail h3 .quiet').innerText === 'text, 20 MB'")
        longest = browser.run("return longest")
        print(f"\nlongest time in which the page did nothing else, with a body of 20 MB: {longest:.0f} ms", flush=True)
        self.assertLess(longest, 2000)
        browser.click_text(".detail button", "Download")
        self.assertEqual(BODY_OF_20_MB, browser.downloaded("webhook-3-call-3001.txt"))

    def test_binary_body(self):
        self.open_call(LARGE, 3002)
        self.assertIn("binary, ", browser.text(".detail h3 .quiet"))
        self.assertIn("not UTF-8", browser.text(".detail"))

    def test_keys(self):
        self.show(KINDS)
        browser.run("document.querySelector('#rows a').focus()")
        browser.press("ArrowDown", "ArrowDown", "ArrowUp", "Enter")
        browser.wait("document.activeElement.id === 'detail-heading'")
        self.assertEqual("5005", self.state()["call"])
        self.assertEqual("true", browser.run("return document.querySelector('#rows tr:nth-child(2) a').getAttribute('aria-current')"))
        browser.press("Escape")
        browser.wait("document.activeElement.closest?.('tr')?.dataset.id === '5005'")
        self.assertNotIn("call", self.state())


class LiveTest(PageTest):
    def test_new_calls_come_by_themselves(self):
        self.show(LIVE)
        self.wait_for_total("3 calls")
        browser.run("document.querySelector('#rows a').focus()")
        browser.click("#live")
        browser.run("document.querySelector('#rows a').focus()")
        stage.add_live_call("just arrived", 500)
        browser.wait("document.querySelector('#rows .line').innerText === 'just arrived'")
        self.assertEqual(["500", "200", "200", "200"], self.codes())
        self.wait_for_total("4 calls")
        self.assertEqual("1 new call.", browser.text("#status"))
        self.assertEqual("4003", browser.run("return document.activeElement.closest('tr').dataset.id"), "the focus stays on its row")
        self.assertEqual("1", self.state()["live"])
        browser.click("#live")
        browser.requests()
        stage.add_live_call("not seen")
        browser.run_async("setTimeout(arguments[0], 2500)")
        self.assertEqual([], self.api_requests())


class ExportTest(PageTest):
    def test_selection_as_a_file(self):
        self.show(codes="5xx,none", sort="created_at")
        self.wait_for_total("48 calls")
        expected = sorted(1000 - n for n in range(1, 301) if code_of(n) in (500, 503, None))
        browser.click("[data-export=csv]")
        rows = list(csv.DictReader(io.StringIO(browser.downloaded("webhook-1-calls.csv").decode())))
        self.assertEqual(expected, [int(row["id"]) for row in rows])
        browser.wait("document.querySelector('#export-status').innerText.startsWith('Saved webhook-1-calls.csv')")
        browser.click("[data-export=ndjson]")
        lines = browser.downloaded("webhook-1-calls.ndjson").decode().splitlines()
        self.assertEqual(expected, [int(json.loads(line)["id"]) for line in lines])

    def test_cancel(self):
        self.show(LARGE, bodies=0)
        browser.devtools("Network.enable")
        browser.devtools("Network.emulateNetworkConditions", offline=False, latency=0, downloadThroughput=50_000, uploadThroughput=-1)
        try:
            browser.click("[data-export=csv]")
            browser.wait("document.querySelector('#export-status').innerText.includes('B')")
            browser.click_text("#export-status button", "Cancel export")
            browser.wait("document.querySelector('#export-status').innerText.includes('Nothing was saved')")
        finally:
            browser.devtools("Network.emulateNetworkConditions", offline=False, latency=0, downloadThroughput=-1, uploadThroughput=-1)
        self.assertEqual([], list(browser.downloads().iterdir()))


class FailureTest(PageTest):
    def test_errors_in_the_apis_words(self):
        for webhook in (FOREIGN, 99999):
            self.show(webhook, "document.querySelector('#calls-notice').innerText !== ''")
            self.assertIn("Not found. ", browser.text("#calls-notice"))
            self.assertRegex(browser.text("#calls-notice"), "Request [0-9a-f]{32}")
        self.show(KINDS, "document.querySelector('.detail .notice')?.innerText", call=1)
        self.assertIn("Not found. ", browser.text(".detail .notice"))

    def test_empty(self):
        self.show(EMPTY)
        self.assertIn("No calls", browser.text("#empty"))

    def test_unavailable_is_tried_again(self):
        self.show()
        database = stage.database_server()
        os.kill(database, signal.SIGSTOP)
        try:
            browser.click("input[value='3xx']")
            browser.wait("document.querySelector('#calls-notice').innerText.includes('Service unavailable. ')", 60)
            browser.wait("document.querySelector('#calls-notice .countdown')?.innerText.includes('Trying again in')", 60)
            browser.screenshot(PROJECT_ARTEFACTS / "unavailable-light.png")
        finally:
            os.kill(database, signal.SIGCONT)
        self.wait_for_total("16 calls")
        self.assertEqual({"302"}, set(self.codes()))
        self.assertEqual("", browser.text("#calls-notice"))

    def test_no_connection(self):
        self.show()
        offline = dict(latency=0, downloadThroughput=-1, uploadThroughput=-1)
        browser.devtools("Network.enable")
        browser.devtools("Network.emulateNetworkConditions", offline=True, **offline)
        try:
            browser.click("input[value='3xx']")
            browser.wait("document.querySelector('#calls-notice').innerText.includes('No connection. ')")
            browser.click_text("#calls-notice button", "Cancel")
            browser.wait("!document.querySelector('#calls-notice .countdown')")
        finally:
            browser.devtools("Network.emulateNetworkConditions", offline=False, **offline)
        browser.click_text("#calls-notice button", "Try again")
        browser.wait(f"{LOADED} && document.querySelector('#calls-notice').innerText === ''")
        self.wait_for_total("16 calls")
        self.assertEqual({"302"}, set(self.codes()))


class HostileTest(PageTest):
    def test_markup_stays_text(self):
        self.show(HOSTILE)
        browser.wait("document.querySelectorAll('#rows .line').length === 5 && document.querySelector('#rows .line').innerText")
        self.assertEqual([attack.split("\n")[0] for attack in ATTACKS], browser.texts("#rows .line"))
        self.assertIn("".join(ATTACKS[:2]), browser.text("#webhook-name"))
        for number in range(len(ATTACKS)):
            browser.click(f"#rows tr:nth-child({number + 1}) a")
            browser.wait(f"document.querySelector('#detail-heading')?.innerText.startsWith('Call {2000 + number}') && "
                         "document.querySelector('.body-text')?.textContent")
            self.assertEqual(ATTACKS[number], browser.run("return document.querySelector('.body-text').textContent.replace(/\\n */g, '')"))
            self.assertIn(ATTACKS[number], browser.text(".headers"))
        self.assertEqual(0, browser.run("return document.querySelectorAll('main script, main img, main iframe, svg[onload], h1 ~ h1').length"))
        self.assertIsNone(browser.run("return window.attacked ?? null"))
        browser.screenshot(PROJECT_ARTEFACTS / "hostile-light.png")

    def test_fragment_is_data(self):
        self.show(ORDERS, codes=ATTACKS[0], sort=ATTACKS[1], body=ATTACKS[1], headers=ATTACKS[2])
        self.assertEqual(ATTACKS[1], browser.run("return document.getElementById('body').value"))
        self.assertIsNone(browser.run("return window.attacked ?? null"))

    def test_policy_forbids_what_the_page_does_not_do(self):
        self.show()
        refused = browser.run("try { document.body.innerHTML = '<b>x</b>'; return false } catch { return true }")
        self.assertTrue(refused, "markup from text")
        browser.run("const s = document.createElement('style'); s.textContent = 'body{display:none}'; document.head.append(s)")
        self.assertNotEqual("none", browser.run("return getComputedStyle(document.body).display"))
        self.assertTrue(browser.console(), "the policy says so")


class OperatorTest(PageTest):
    def test_open_access_below_another_path(self):
        page = stage.open_server()
        self.show(page=page, token="")
        self.wait_for_total("300 calls")
        self.assertTrue(all(url.startswith(page.replace("/tools/log/", "/api/v3/")) for url in self.api_requests()))
        browser.click("#copy-list button")
        browser.wait("document.querySelector('#copy-list').innerText === 'Copied'")
        self.assertNotIn("Authorization", self.clipboard())
        host = page.replace("/tools/log/", "")
        with urllib.request.urlopen(host + "/webhook-calls") as answer:
            self.assertEqual(host + "/webhook-calls/", answer.url)
            self.assertIn(b"<title>Webhook calls</title>", answer.read())

    def test_files_are_kept_and_asked_for_again(self):
        for name, kind in (("", "text/html; charset=utf-8"), ("js/main.mjs", "text/javascript; charset=utf-8"),
                           ("css/theme.css", "text/css; charset=utf-8"), ("icon.svg", "image/svg+xml")):
            with self.subTest(name):
                path = urllib.parse.urlsplit(stage.page).path + name
                answer = stage.send("GET", path)
                self.assertEqual((200, kind, "no-cache", "nosniff", "no-referrer"), (answer.status, *(
                    answer.header(header) for header in ("Content-Type", "Cache-Control", "X-Content-Type-Options", "Referrer-Policy"))))
                for part in ("default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'", "script-src 'self'"):
                    self.assertIn(part, answer.header("Content-Security-Policy"))
                self.assertEqual(304, stage.send("GET", path, [("If-None-Match", answer.header("ETag"))]).status)
        check_answer(stage.send("GET", "/webhook-calls/nothing"))


class AccessibilityTest(PageTest):
    """By axe-core: roles, names, contrast and the like. What a machine cannot see, the tests of keys and focus do."""

    AXE = (PROJECT_ARTEFACTS.parent / "npm/node_modules/axe-core/axe.min.js").read_text()

    def check(self, name):
        browser.devtools("Runtime.evaluate", expression=self.AXE)
        found = browser.run_async("""axe.run(document, { resultTypes: ['violations'] }).then(
            (result) => arguments[0](result.violations.map(v => `${v.id}: ${v.nodes.map(n => n.html.slice(0, 120)).slice(0, 3).join(' | ')}`)),
            (error) => arguments[0]([String(error)]))""")
        self.assertEqual([], found, name)

    def test_axe(self):
        for scheme in ("light", "dark"):
            browser.scheme(scheme)
            with self.subTest(scheme):
                self.show("", "!document.querySelector('#welcome').hidden")
                self.check("welcome")
                self.show(call=999, range="7d", codes="5xx,none,2xx")
                browser.wait("document.querySelector('.body-text')?.textContent && document.querySelector('#chart svg')")
                browser.click("#chart-table summary")
                self.check("list, chart and detail")
                self.show(FOREIGN, "document.querySelector('#calls-notice').innerText !== ''", range="custom")
                self.check("a failure")
                browser.size(320, 640)
                self.show()
                self.check("a phone")
                self.show(call=999)
                browser.wait("document.querySelector('.body-text')?.textContent")
                self.check("a call on a phone")
                browser.size(1400, 950)

    def test_phone(self):
        browser.size(320, 640)
        self.show()
        self.wait_for_total("300 calls")
        self.assertEqual(320, browser.run("return document.documentElement.scrollWidth"))
        browser.screenshot(PROJECT_ARTEFACTS / "phone-list-light.png")
        browser.run("document.querySelector('#calls-heading').scrollIntoView()")
        browser.screenshot(PROJECT_ARTEFACTS / "phone-table-light.png")
        browser.click("#rows tr:nth-child(2) a")
        browser.wait("document.querySelector('.body-text')?.textContent")
        self.assertEqual("none", browser.run("return getComputedStyle(document.querySelector('.calls-area')).display"))
        self.assertEqual(320, browser.run("return document.documentElement.scrollWidth"))
        browser.scheme("dark")
        browser.screenshot(PROJECT_ARTEFACTS / "phone-detail-dark.png")
        browser.run("history.back()")
        browser.wait("document.activeElement.closest?.('tr')?.dataset.id === '998'")


if __name__ == "__main__":
    sys.exit(unittest.main())
