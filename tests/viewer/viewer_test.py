#!/usr/bin/python3
"""The viewer page in headless Chromium, before the real nginx, workers and database: each feature once.

Screenshots are kept in var/viewer.
"""

import csv
import datetime
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
from stage import ATTACKS, BODY_OF_20_MB, EMPTY, FOREIGN, HOSTILE, KINDS, LARGE, LATE, LIVE, ORDERS, TOKEN, Stage, code_of

LOADED = "!document.querySelector('.loading') && document.querySelector('#rows tr, #empty:not([hidden])') !== null"
# Of each request that is answered with a failure Chromium says so; the tests make some.
FAILED = "Failed to load resource"
# The page's kinds of requests, by what is in their addresses.
LIST, COUNTS, BODIES = "=http_code,created_at", "count_by=", "]=body"
# Answers in the API's place. answer(RULE): the next `times` requests with `part` in their address (and `accept` as their type) get
# `status` with `headers` and `document`; where `held`, once release() was called. forgive() ends all rules. `asked` has all addresses.
ANSWERS = """
    if (window.answer) return;
    const real = fetch, rules = [];
    window.asked = [];
    window.answer = (rule) => rules.push(rule);
    window.release = () => rules.forEach((rule) => rule.open?.());
    window.forgive = () => rules.splice(0);
    window.fetch = async (url, options) => {
        const plain = decodeURIComponent(url);
        asked.push(plain);
        const rule = rules.find(({ part, accept, times }) => times > 0 && plain.includes(part) && options.headers.Accept.includes(accept));
        if (!rule) return real(url, options);
        rule.times -= 1;
        if (rule.held) await new Promise((resolve, reject) => {
            rule.open = resolve;
            options.signal?.addEventListener('abort', () => reject(options.signal.reason));
        });
        if (rule.status === 0) return real(url, options);
        return new Response(JSON.stringify(rule.document), { status: rule.status, headers: rule.headers });
    };
"""
SEEN = [*ATTACKS[:-1], "⟨U+202E⟩gpj.exe⟨U+2066⟩ ⟨U+200B⟩⟨U+0085⟩"]  # what cannot be seen is written out
REFUSAL = {"errors": [{"title": "Refused", "detail": "As the test wants it."}]}
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

    def answer(self, part, status, times=1000, accept="", held=False, document=REFUSAL, **headers):
        """As at ANSWERS, whose status is 0 for the real answer; `headers` have _ for -."""
        browser.run(ANSWERS)
        browser.run("answer(arguments[0])", {
            "part": part, "status": status, "times": times, "accept": accept, "held": held, "document": document,
            "headers": {name.replace("_", "-"): value for name, value in headers.items()}})

    def wait_for_requests(self, part, count):
        browser.wait(f"asked.filter((url) => url.includes({json.dumps(part)})).length >= {count}")

    @staticmethod
    def let_time_pass(milliseconds):
        """For what the page compares with the clock since its start."""
        browser.run("const now = performance.now.bind(performance); performance.now = () => now() + arguments[0]", milliseconds)

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
        self.assertRegex(title, stage.before(minutes=20).strftime("^%Y-%m-%d %H:%M:00.000 UTC; shown is UTC-[45]$"))
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
        self.assertEqual([], browser.run(
            "return [...document.querySelectorAll('#rows .size')].filter(e => e.scrollWidth > e.clientWidth).map(e => e.innerText)"), "cut off")
        self.assertEqual("about 51 kB", sizes[1], "each of its bytes that are not UTF-8 is shown as three")
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
                input.focus();
                input.value = new Date(date - date.getTimezoneOffset() * 60e3).toISOString().slice(0, 19);
                input.blur()""", name, time.isoformat() + "Z")
        self.wait_for_total("5 calls")
        self.assertEqual(begin.strftime("%Y-%m-%dT%H:%M:00.000Z"), self.state()["from"])

    def test_a_time_of_its_own_starts_from_the_range_shown(self):
        self.show(range="1h")
        browser.choose("#range", "custom")
        browser.wait("location.hash.includes('from=')")
        self.assertAlmostEqual(60, browser.run("return (Date.now() - Date.parse(arguments[0])) / 60e3", self.state()["from"]), delta=10)
        self.show(**{"from": "2026-01-02T00:00:00.000Z", "to": "2026-01-01T00:00:00.000Z"})
        self.assertIn("“From” is not before “To”", browser.text("#empty"))

    def test_a_date_is_typed_part_by_part(self):
        begin, other, year = browser.run("""const noon = new Date(Date.now() - 2 * 86400e3), before = new Date(noon);
            for (const date of [noon, before]) date.setHours(12, 0, 0, 0);
            before.setFullYear(2020);
            return [noon.toISOString(), before.toISOString(), String(noon.getFullYear())]""")
        self.show(**{"from": other})
        self.wait_for_total("300 calls")
        browser.run("document.getElementById('from').focus()")
        browser.press("ArrowRight", "ArrowRight", *year)
        self.assertEqual(year, browser.run("return document.getElementById('from').value.slice(0, 4)"))
        self.assertEqual(other, self.state()["from"], "nothing before Enter")
        browser.press("Enter")
        browser.wait(f"location.hash.includes({json.dumps('from=' + begin)})")

    def test_back_changes_the_field_that_has_the_focus(self):
        self.show()
        browser.type("#body", '"order":299')
        browser.press("Enter")
        self.wait_for_total("1 call")
        self.assertEqual("body", browser.focused())
        browser.run("history.back()")
        self.wait_for_total("300 calls")
        self.assertEqual("", browser.run("return document.getElementById('body').value"))

    def test_what_is_no_code_is_told(self):
        self.show()
        browser.type("#exact", "404;500 abc")
        browser.press("Enter")
        self.wait_for_total("32 calls")
        self.assertEqual({"404", "500"}, set(self.codes()))
        self.assertIn("abc", browser.text("#exact-error"))
        browser.type("#exact", "404")
        browser.press("Enter")
        self.wait_for_total("16 calls")
        self.assertEqual("", browser.text("#exact-error"))

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


    def test_a_bar_at_the_edge_does_not_widen_the_time(self):
        begin = stage.before(minutes=310).replace(minute=17).isoformat() + ".000Z"
        self.show(**{"from": begin, "to": stage.before(minutes=10).isoformat() + ".000Z"})
        browser.wait("document.querySelector('#chart [role=button]')")
        browser.run("document.querySelector('#chart [role=button]').dispatchEvent(new MouseEvent('click'))")
        browser.wait(f"{LOADED} && document.querySelectorAll('#chart [role=button]').length > 40")
        self.assertEqual(begin, self.state()["from"])

    def test_chart_of_another_webhook_goes(self):
        self.show()
        browser.wait("document.querySelector('#chart [role=button]')")
        self.answer(COUNTS, 0, times=1, held=True)
        browser.type("#webhook", str(KINDS))
        browser.press("Enter")
        browser.wait("document.querySelector('#rows tr')?.dataset.id === '5006'")
        self.assertEqual(["", None], browser.run("return [legend.innerText, document.querySelector('#chart svg')]"))
        browser.run("release()")
        self.wait_for_total("6 calls")


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
        self.assertEqual("binary, about 51 kB", browser.text(".detail h3 .quiet"))
        self.assertIn("not UTF-8", browser.text(".detail"))

    def test_body_of_nulls_does_not_freeze_the_page(self):
        self.open_call(LARGE, 3004)
        browser.run("""window.longest = 0; let last = performance.now();
            setInterval(() => { const now = performance.now(); longest = Math.max(longest, now - last); last = now; }, 5)""")
        browser.click_text(".detail button", "Load all of it")
        browser.wait("document.querySelector('.detail h3 .quiet').innerText === 'binary, 5.0 MB'")
        longest = browser.run("return longest")
        print(f"\nlongest time in which the page did nothing else, with 5 MB of NULs: {longest:.0f} ms", flush=True)
        self.assertLess(longest, 2000)

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


    def test_from_call_to_call(self):
        self.open_call(KINDS, 5005)
        browser.wait("document.querySelectorAll('#rows tr').length === 6")
        self.assertEqual(f"Hook no. {KINDS} ({KINDS}) – calls", browser.run("return document.title"))
        for press, call in (("j", 5004), ("j", 5003), ("k", 5004), ("k", 5005), ("k", 5006)):
            browser.press(press)
            browser.wait(f"document.activeElement.id === 'detail-heading' && document.activeElement.innerText.startsWith('Call {call}')")
        browser.press("k")
        browser.wait("document.querySelector('#status').innerText.includes('no further call')")
        self.assertEqual(["Previous call"], browser.texts(".detail button:disabled"))
        browser.click_text(".detail button", "Next call")
        browser.wait("location.hash.includes('call=5005')")
        self.assertEqual([], browser.texts(".detail button:disabled"))


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


    def test_chart_is_that_of_the_selection(self):
        self.show(live=1)
        self.wait_for_total("300 calls")
        self.answer(COUNTS, 200, times=1, held=True, document={"meta": {"counts": []}})
        self.let_time_pass(20_000)
        self.wait_for_requests(COUNTS, 1)
        browser.click("input[value='5xx']")
        self.wait_for_total("32 calls")
        browser.run_async("release(); setTimeout(arguments[0])")
        self.assertEqual("32 calls", browser.text("#total"))

    def test_rows_of_two_selections_are_never_mixed(self):
        self.show(live=1)
        self.wait_for_total("300 calls")
        self.answer(LIST, 503, times=1, Retry_After="60")
        self.answer(COUNTS, 503, times=1, Retry_After="60")
        browser.click("input[value='5xx']")
        browser.wait("document.querySelector('#calls-notice .countdown')?.innerText.includes('Trying again in')")
        browser.click_text("#calls-notice button", "Cancel")
        # Live mode goes on, and what it gets mends the page: list and chart.
        browser.wait("[...document.querySelectorAll('#rows .status')].every(e => e.innerText[0] === '5')")
        self.wait_for_total("32 calls")
        self.assertEqual(["", ""], [browser.text("#calls-notice"), browser.text("#chart-notice")])

    def test_a_refreshed_chart_is_whole_again(self):
        self.show(live=1)
        self.wait_for_total("300 calls")
        self.answer(COUNTS, 500, times=1)
        browser.click("input[value='5xx']")
        browser.wait("document.querySelector('#chart-notice').innerText.includes('Refused')")
        self.let_time_pass(20_000)
        self.wait_for_total("32 calls")
        self.assertEqual("", browser.text("#chart-notice"))

    def test_failures_are_told(self):
        self.show(live=1)
        self.answer(LIST, 503)
        self.assertRegex(browser.wait("document.querySelector('#live-problem').innerText"),
                         r"^No new calls since \d\d:\d\d:\d\d: Refused. As the test wants it.$")
        browser.run("forgive()")
        browser.wait("document.querySelector('#live-problem').innerText === '' && document.querySelector('.live-mark.on')")
        self.answer(LIST, 500)
        browser.wait("document.querySelector('.live-mark.failing')")
        browser.click("#live")
        browser.run("forgive()")
        self.assertEqual(["", "live-mark"], [browser.text("#live-problem"), browser.run(
            "return document.querySelector('.live-mark').className")])
        browser.click("#live")
        browser.run("document.getElementById('body').focus()")
        self.answer(LIST, 401, times=1)
        browser.wait("document.querySelector('#token-error').innerText === 'As the test wants it.'")
        self.assertEqual("body", browser.focused())
        browser.wait("document.querySelector('.live-mark.failing')")
        browser.click(".open button")
        browser.wait("document.querySelector('.live-mark.on')")

    def test_a_request_that_hangs_is_not_waited_for(self):
        self.show(live=1)
        browser.run("AbortSignal.timeout = () => { const c = new AbortController(); window.expire = () => "
                    "c.abort(new DOMException('', 'TimeoutError')); return c.signal; }")
        self.answer(LIST, 0, times=2, held=True)
        self.wait_for_requests(LIST, 1)
        browser.run("expire()")
        browser.wait("document.querySelector('#live-problem').innerText.includes('No connection. ')")
        self.wait_for_requests(LIST, 2)
        browser.run("release()")
        browser.wait("document.querySelector('#live-problem').innerText === ''")
        self.answer(LIST, 0, times=1, held=True)
        asked = browser.run("return asked.length")
        browser.wait(f"asked.length > {asked}")
        browser.click("#live")
        browser.click("#live")
        browser.wait(f"asked.length > {asked + 1}")

    def test_late_calls_are_not_lost_nor_is_the_log_searched_again(self):
        self.show(LATE, body="l")
        self.wait_for_total("1 call")
        self.answer(COUNTS, 0, held=True)
        self.let_time_pass(20_000)
        browser.click("#live")
        self.wait_for_requests(COUNTS, 1)
        # The chart takes its time; the rows do not.
        stage.add_live_call("newest, live", webhook=LATE)
        browser.wait("document.querySelector('#rows .line').innerText === 'newest, live'")
        stage.add_calls((6100, LATE, 200, "", "late", datetime.datetime.utcnow() - datetime.timedelta(seconds=100)))
        browser.wait("document.querySelectorAll('#rows tr').length === 3")
        browser.wait("[...document.querySelectorAll('#rows .line')].map(e => e.innerText).join() === 'newest, live,late,old'")
        since = browser.run("return /created_at__gte]=([^&]*)/.exec(asked.find((url) => url.includes(arguments[0])))[1]", LIST)
        self.assertLess(browser.run("return Date.now() - Date.parse(arguments[0])", since), 3600e3, "not all 60 days")

    def test_new_calls_are_told_together(self):
        self.show(LATE)
        browser.run("window.later = []; const real = setTimeout; "
                    "window.setTimeout = (f, ms, ...rest) => (ms === 15000 ? later.push(f) : real(f, ms, ...rest))")
        browser.click("#live")
        for number, heard in ((1, "1 new call."), (2, "1 new call."), (3, "1 new call.")):
            rows = browser.run("return document.querySelectorAll('#rows tr').length")
            stage.add_live_call(f"heard {number}", webhook=LATE)
            browser.wait(f"document.querySelectorAll('#rows tr').length === {rows + 1}")
            self.assertEqual(heard, browser.text("#status"))
        browser.run("later.shift()()")
        self.assertEqual("2 new calls.", browser.text("#status"))


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


    def test_another_export_can_be_cancelled(self):
        self.show()
        self.wait_for_total("300 calls")
        self.answer("", 0, accept="text/csv", held=True)
        self.answer("", 0, accept="ndjson", held=True)
        browser.click("[data-export=csv]")
        self.wait_for_requests("", 1)
        browser.click("[data-export=ndjson]")
        self.wait_for_requests("", 2)
        self.assertIsNone(browser.run("return document.querySelector('#export-status .progress').closest('[role=status], [aria-live]')"))
        browser.click_text("#export-status button", "Cancel export")
        browser.wait("document.querySelector('#export-status').innerText.includes('Export cancelled.')")
        self.assertEqual("Export cancelled. Nothing was saved.", browser.text("#status"))

    def test_an_export_without_a_token(self):
        self.show()
        self.wait_for_total("300 calls")
        self.answer("", 401, accept="text/csv")
        browser.click("[data-export=csv]")
        browser.wait("document.querySelector('#token-error').innerText === 'As the test wants it.'")
        self.assertEqual("", browser.text("#export-status"))

    def test_a_file_is_chosen_where_it_may_be_large(self):
        self.show()
        self.wait_for_total("300 calls")
        browser.run("window.chosen = 0; window.showSaveFilePicker = () => { chosen += 1; throw new DOMException('', 'AbortError'); }")
        self.answer("", 0, accept="csv", held=True)
        self.answer(COUNTS, 0, times=1, held=True)
        browser.click("input[value='5xx']")
        browser.wait("document.querySelector('#total').innerText === 'Calls'")
        browser.click("[data-export=csv]")
        browser.wait("chosen === 1")
        browser.run("release()")
        self.wait_for_total("32 calls")
        # None was chosen, so the export that goes on is not ended.
        browser.click("[data-export=csv]")
        browser.wait("document.querySelector('#export-status').innerText.includes('Exporting')")
        browser.run("""const before = fetch, piece = new Uint8Array(16e6);
            window.fetch = (url, options) => options.headers.Accept.includes('ndjson')
                ? Promise.resolve(new Response(new ReadableStream({ pull: (controller) => controller.enqueue(piece) })))
                : before(url, options)""")
        browser.click("[data-export=ndjson]")
        browser.wait("document.querySelector('#export-status').innerText.includes('choose a file')")
        browser.click("[data-export=ndjson]")
        browser.wait("chosen === 2")


class FailureTest(PageTest):
    def test_errors_in_the_apis_words(self):
        for webhook in (FOREIGN, 99999):
            self.show(webhook, "document.querySelector('#calls-notice').innerText !== ''")
            self.assertIn("Not found. ", browser.text("#calls-notice"))
            self.assertRegex(browser.text("#calls-notice"), "Request [0-9a-f]{32}")
            # The chart fails alike, which is said once; and there are neither axes nor heads of nothing.
            browser.wait("document.querySelectorAll('.loading').length === 2")
            self.assertEqual(["", None, "none"], browser.run("return [document.querySelector('#chart-notice').innerText, "
                             "document.querySelector('#chart svg'), getComputedStyle(document.querySelector('.table-scroll')).display]"))
        self.show(KINDS, "document.querySelector('.detail .notice')?.innerText", call=1)
        self.assertIn("Not found. ", browser.text(".detail .notice"))

    def test_empty(self):
        self.show(EMPTY)
        self.assertEqual("No calls in the last 60 days.", browser.text("#empty"))
        self.assertEqual(f"Webhook {EMPTY}", browser.text("#webhook-name").strip())
        self.assertEqual(str(EMPTY), browser.run("return document.querySelector('#recent option').value"))
        self.show(EMPTY, codes="5xx")
        self.assertEqual("No calls were recorded that are like this.", browser.text("#empty"))

    def test_bodies_are_tried_again(self):
        self.show(bodies=0)
        self.answer(BODIES, 503, times=1, Retry_After="1")
        self.answer(BODIES, 0, times=1, held=True)
        browser.click("#bodies")
        browser.wait("[...document.querySelectorAll('#rows .line')].every(e => e.innerText === 'not loaded')")
        self.assertEqual({"?"}, set(browser.texts("#rows .size")))
        self.wait_for_requests(BODIES, 2)
        browser.run("release()")
        browser.wait("document.querySelector('#rows .line').innerText === '{\"order\":1}'")
        self.assertEqual("11 B", browser.text("#rows .size"))

    def test_the_focus_survives_tries(self):
        self.show()
        self.answer(LIST, 503, times=2, Retry_After="60")
        browser.click("input[value='3xx']")
        browser.wait("document.querySelector('#calls-notice .countdown')?.innerText.includes('Trying again in')")
        browser.run("[...document.querySelectorAll('#calls-notice button')].find(e => e.innerText === 'Try again').focus()")
        browser.press("Enter")
        self.wait_for_requests(LIST, 2)
        browser.wait("document.querySelector('#calls-notice .countdown')?.innerText.includes('Trying again in')")
        self.assertEqual("Try again", browser.run("return document.activeElement.innerText"))
        browser.press("Enter")
        browser.wait("document.querySelector('#calls-notice').innerText === ''")
        self.assertEqual("calls-heading", browser.focused())

    def test_a_token_with_an_invisible_character(self):
        self.show(loaded="document.querySelector('#token-error').innerText.includes('U+200B')", token="abc\u200b")
        self.assertEqual("", browser.text("#calls-notice"))
        self.assertEqual([], self.api_requests())

    def test_a_browser_that_remembers_nothing(self):
        source = "Object.defineProperty(window, 'sessionStorage', { get() { throw new DOMException('', 'SecurityError'); } })"
        added = browser.devtools("Page.addScriptToEvaluateOnNewDocument", source=source)
        try:
            browser.open(f"{stage.page}#webhook={ORDERS}")
            browser.wait("document.querySelector('#token-error').innerText !== ''")
            browser.type("#token", TOKEN)
            browser.press("Enter")
            self.wait_for_total("300 calls")
        finally:
            browser.devtools("Page.removeScriptToEvaluateOnNewDocument", identifier=added["identifier"])

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
            browser.wait("!document.querySelector('#calls-notice .countdown:not([hidden])')")
        finally:
            browser.devtools("Network.emulateNetworkConditions", offline=False, **offline)
        browser.click_text("#calls-notice button", "Try again")
        browser.wait(f"{LOADED} && document.querySelector('#calls-notice').innerText === ''")
        self.wait_for_total("16 calls")
        self.assertEqual({"302"}, set(self.codes()))


class HostileTest(PageTest):
    def test_markup_stays_text(self):
        self.show(HOSTILE)
        browser.wait(f"document.querySelectorAll('#rows .line').length === {len(ATTACKS)} && document.querySelector('#rows .line').innerText")
        self.assertEqual(SEEN, browser.texts("#rows .line"))
        self.assertIn("".join(SEEN[:2]) + SEEN[-1], browser.text("#webhook-name"))
        for number in range(len(ATTACKS)):
            browser.click(f"#rows tr:nth-child({number + 1}) a")
            browser.wait(f"document.querySelector('#detail-heading')?.innerText.startsWith('Call {2000 + number}') && "
                         "document.querySelector('.body-text')?.textContent")
            self.assertEqual(ATTACKS[number], browser.run("return document.querySelector('.body-text').textContent.replace(/\\n */g, '')"))
            self.assertIn(SEEN[number], browser.text(".headers"))
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

    def test_the_slash_may_be_left_out(self):
        answer = stage.send("GET", "/webhook-calls")
        self.assertEqual((301, "/webhook-calls/"), (answer.status, answer.header("Location")))

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
        self.assertEqual("Filters", browser.text("#filters-fold summary").strip())
        browser.click("#filters-fold summary")
        browser.click("input[value='3xx']")
        self.wait_for_total("16 calls")
        self.assertEqual("Filters (1)", browser.text("#filters-fold summary").strip())
        browser.click("input[value='3xx']")
        self.wait_for_total("300 calls")
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
