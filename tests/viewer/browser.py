"""A headless Chromium, driven over WebDriver (W3C) by Debian's chromedriver.

    with Browser(folder) as browser:
        browser.open("http://127.0.0.1:8080/webhook-calls/")
        browser.wait("document.title === 'Webhook calls'")
"""

import base64
import http.client
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "acceptance"))
from service import PROJECT, die_with_parent, free_port, wait_until  # noqa: E402

PROJECT_ARTEFACTS = PROJECT / "var/viewer"
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # by which WebDriver's JSON tells an element
KEYS = {"Enter": "\ue007", "Escape": "\ue00c", "Tab": "\ue004", "ArrowUp": "\ue013", "ArrowDown": "\ue015",
        "ArrowLeft": "\ue012", "ArrowRight": "\ue014", "Home": "\ue011", "End": "\ue010"}
SECONDS = 30  # the machine may be busy with other tests


class Browser:
    def __init__(self, folder, width=1400, height=950):
        self.folder, self._driver, self._session = Path(folder), None, None
        port = free_port()
        with open(self.folder / "chromedriver.log", "wb") as log:
            self._driver = subprocess.Popen(
                [shutil.which("chromedriver"), f"--port={port}"], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                env=dict(os.environ, HOME=str(self.folder), TZ="America/New_York", LANG="C.UTF-8"), preexec_fn=die_with_parent)
        self._address = ("127.0.0.1", port)
        try:
            wait_until(self._is_ready, "chromedriver", SECONDS)
            options = {"binary": shutil.which("chromium"), "args": [
                "--headless=new", "--disable-dev-shm-usage", "--disable-background-networking", "--no-first-run",
                f"--user-data-dir={self.folder}/profile", f"--window-size={width},{height}",
                # Chromium's own sandbox refuses root, as which tests may run. It has no pages to show but ours.
                *(["--no-sandbox"] if os.geteuid() == 0 else [])],
                "prefs": {"download.default_directory": str(self.downloads())}}
            capabilities = {"browserName": "chrome", "goog:chromeOptions": options,
                            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
            answer = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": capabilities}})
            self._session = answer["sessionId"]
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self._session:
            self._ask("DELETE", f"/session/{self._session}")
            self._session = None
        if self._driver:
            self._driver.terminate()
            self._driver.wait()
            self._driver = None

    def downloads(self):
        folder = self.folder / "downloads"
        folder.mkdir(exist_ok=True)
        return folder

    # ---- The protocol

    def _ask(self, method, path, body=None):
        connection = http.client.HTTPConnection(*self._address, timeout=120)
        try:
            connection.request(method, path, None if method != "POST" else json.dumps(body or {}))
            value = json.loads(connection.getresponse().read())["value"]
        finally:
            connection.close()
        if isinstance(value, dict) and "error" in value:
            raise RuntimeError(f"{value['error']}: {value['message']}")
        return value

    def _is_ready(self):
        try:
            return self._ask("GET", "/status")["ready"]
        except OSError:
            return False

    def command(self, method, path, body=None):
        return self._ask(method, f"/session/{self._session}{path}", body)

    def devtools(self, name, **parameters):
        return self.command("POST", "/goog/cdp/execute", {"cmd": name, "params": parameters})

    # ---- What a person does, and sees

    def open(self, url):
        self.command("POST", "/url", {"url": "about:blank"})  # else another fragment is no new page
        self.command("POST", "/url", {"url": url})

    def run(self, script, *arguments):
        """A JavaScript function's body; its value."""
        return self.command("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def run_async(self, script, *arguments):
        """The same, which calls its last argument with the value."""
        return self.command("POST", "/execute/async", {"script": script, "args": list(arguments)})

    def wait(self, expression, seconds=SECONDS):
        """Until the JavaScript expression is true; what it gave."""
        try:
            return wait_until(lambda: self.run(f"return ({expression})"), expression, seconds)
        except TimeoutError as late:
            seen = {name: self.text(name)[:300] for name in ("#total", "#status", ".notice", ".detail", "#rows")}
            raise AssertionError(f"{late}; the page says: {seen}") from None

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def texts(self, selector):
        return self.run("return [...document.querySelectorAll(arguments[0])].map(e => e.innerText)", selector)

    def find(self, selector):
        element = self.command("POST", "/element", {"using": "css selector", "value": selector})
        return element[ELEMENT]

    def click(self, selector):
        self.command("POST", f"/element/{self.find(selector)}/click")

    def click_text(self, selector, text):
        """The one of these elements with that text."""
        script = "return [...document.querySelectorAll(arguments[0])].find(e => e.innerText.trim() === arguments[1])"
        element = self.wait_for(lambda: self.run(script, selector, text), f"{selector} {text}")
        self.command("POST", f"/element/{element[ELEMENT]}/click")

    def type(self, selector, text):
        element = self.find(selector)
        self.command("POST", f"/element/{element}/clear")
        self.command("POST", f"/element/{element}/value", {"text": text})

    def choose(self, selector, value):
        self.click(f"{selector} option[value={json.dumps(value)}]")

    def press(self, *names):
        """Keys, where the focus is."""
        actions = []
        for name in names:
            key = KEYS.get(name, name)
            actions += [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        self.command("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def focused(self, attribute="id"):
        return self.run("return document.activeElement.getAttribute(arguments[0])", attribute)

    @staticmethod
    def wait_for(condition, what):
        return wait_until(condition, what, SECONDS)

    def size(self, width, height):
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)

    def scheme(self, name):
        self.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def screenshot(self, file):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(base64.b64decode(self.command("GET", "/screenshot")))

    # ---- What went on

    def console(self):
        """The messages since the last call, as texts."""
        return [entry["message"] for entry in self.command("POST", "/se/log", {"type": "browser"})]

    def requests(self):
        """The addresses that were asked for since the last call."""
        entries = self.command("POST", "/se/log", {"type": "performance"})
        messages = [json.loads(entry["message"])["message"] for entry in entries]
        return [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]

    def downloaded(self, name):
        """A file's bytes, once it is there as a whole."""
        file = self.downloads() / name
        wait_until(file.exists, f"download {name}", SECONDS)
        data = file.read_bytes()
        file.unlink()
        return data


if __name__ == "__main__":
    sys.exit("This drives the browser for viewer_test.py.")
