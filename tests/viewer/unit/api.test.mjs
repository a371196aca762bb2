import assert from "node:assert/strict";
import test from "node:test";
import { Api, ApiError } from "../../../nginx/html/js/api.mjs";

const NOW = Date.parse("2026-11-24T12:34:56.000Z");
const [URL, SIGNAL] = ["http://api.invalid/", new AbortController().signal];

// An API whose answers are these, one for each request; a function is one that decides itself.
function apiOf(answers, token = "") {
  const asked = [];
  globalThis.fetch = async (url, options) => {
    asked.push(options);
    const answer = answers.shift();
    return typeof answer === "function" ? answer(options) : answer;
  };
  return { api: new Api("/", () => token), asked };
}

const json = (value, headers = {}, status = 200) => new Response(JSON.stringify(value), { status, headers });
const at = (time) => ({ Date: new Date(time).toUTCString() });

test("the server's clock counts where it differs, as long as it does", async (context) => {
  context.mock.timers.enable({ apis: ["Date"], now: NOW });
  const late = () => {
    context.mock.timers.setTime(NOW + 6000);
    return json({}, at(NOW));
  };
  const { api } = apiOf([json({}, at(NOW + 60e3)), json({}), json({}, at(NOW + 1000)), late]);
  for (const skew of [60e3, 60e3, 0, 0]) {
    await api.get(URL, SIGNAL);
    assert.equal(api.skew, skew);
  }
});

test("Retry-After is in seconds, or a date by the server's clock", async () => {
  for (const [text, seconds] of [
    ["7", 7],
    [new Date(NOW + 30e3).toUTCString(), 30],
    [new Date(NOW - 30e3).toUTCString(), null],
    ["soon", null],
    [null, null],
  ]) {
    const { api } = apiOf([json({}, { ...at(NOW), ...(text && { "Retry-After": text }) }, 503)]);
    await assert.rejects(api.get(URL, SIGNAL), (error) => error instanceof ApiError && error.retryAfter === seconds);
  }
});

test("a token that no header can carry is not sent", async () => {
  const { api, asked } = apiOf([], "abc\u200bdef");
  await assert.rejects(api.get(URL, SIGNAL), ({ status, message }) => status === 401 && message.includes("U+200B"));
  assert.equal(asked.length, 0);
  const sent = apiOf([json({})], "abc~!");
  await sent.api.get(URL, SIGNAL);
  assert.equal(sent.asked[0].headers.Authorization, "Bearer abc~!");
});

test("a request that hangs is given up as no connection, one that is cancelled is not a failure", async (context) => {
  const expiry = new AbortController();
  context.mock.method(AbortSignal, "timeout", () => expiry.signal);
  const hang = ({ signal }) =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
  const { api } = apiOf([hang, hang]);
  const cancelled = new AbortController();
  const [one, other] = [api.get(URL, cancelled.signal), api.get(URL, SIGNAL)];
  cancelled.abort();
  await assert.rejects(one, { name: "AbortError" });
  expiry.abort(new DOMException("", "TimeoutError"));
  await assert.rejects(other, (error) => error instanceof ApiError && error.status === 0);
});

test("the page has a turn while much is read", async () => {
  const busy = () => {
    for (const until = performance.now() + 20; performance.now() < until;);
  };
  const pieces = ["a", "b", "c", "d", "e", "f"];
  const body = new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(new TextEncoder().encode(piece));
      controller.close();
    },
  });
  const { api } = apiOf([new Response(body)]);
  const seen = [];
  setImmediate(() => seen.push("turn"));
  await api.stream(URL, SIGNAL, (text) => {
    seen.push(text);
    busy();
  });
  assert.ok(seen.indexOf("turn") < seen.indexOf("f"), seen.join(" "));
});
