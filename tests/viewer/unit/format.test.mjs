import assert from "node:assert/strict";
import test from "node:test";
import * as format from "../../../nginx/html/js/format.mjs";
import { parseHeaders } from "../../../nginx/html/js/headers.mjs";

test("sizes", () => {
  for (const [bytes, text] of [
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.0 kB"],
    [9940, "9.9 kB"],
    [9960, "10 kB"],
    [999_400, "999 kB"],
    [999_600, "1.0 MB"],
    [20_000_000, "20 MB"],
    [2.5e12, "2500 GB"],
  ]) {
    assert.equal(format.formatBytes(bytes), text);
  }
});

test("a body's size says where it is not exact", () => {
  for (const [body, text] of [
    [{ bytes: 51_200, exact: true, complete: true }, "51 kB"],
    [{ bytes: 51_200, exact: false, complete: true }, "about 51 kB"],
    [{ bytes: 51_200, exact: false, complete: false }, "more than 51 kB"],
  ]) {
    assert.equal(format.formatSize(body), text);
  }
  assert.equal(format.formatSize({ bytes: 1234, exact: true, complete: true }, format.formatCount), "1,234");
});

test("classes of codes, and of the API's names of them", () => {
  for (const [code, name] of [
    [null, "none"],
    [200, "2xx"],
    [599, "5xx"],
    [100, "other"],
    [0, "other"],
    [99999, "other"],
    ["4xx", "4xx"],
    ["1xx", "other"],
  ]) {
    assert.equal(format.classOf(code), name);
  }
});

test("the first line that says something", () => {
  for (const [body, line] of [
    ["", ""],
    ["one\ntwo", "one"],
    ["\r\n  one\r\ntwo", "one"],
    ['{\n  "ok": true,\n  "a": 1\n}', '{ "ok": true,'],
    ["\n\n \n", ""],
    ["a\u0000b\tc\u001b[0m", "a\u2400b c\u241b[0m"],
    ["x".repeat(500), "x".repeat(200)],
    ["a\u202egpj.exe\u200b\ufeff\u0085", "a⟨U+202E⟩gpj.exe⟨U+200B⟩⟨U+FEFF⟩⟨U+0085⟩"],
  ]) {
    assert.equal(format.firstLine(body), line);
  }
});

test("local times", () => {
  const date = new Date("2026-11-24T12:34:56.789Z");
  assert.equal(format.utcTime(date), "2026-11-24 12:34:56.789 UTC");
  assert.equal(format.fromLocalInput(format.localInput(date)).getTime(), date.getTime() - 789);
  assert.equal(format.fromLocalInput(""), null);
  const early = new Date(2026, 0, 2, 3, 4, 5);
  early.setFullYear(2); // as it stands in a field while somebody types the year
  assert.equal(format.localInput(early), "0002-01-02T03:04:05");
  assert.equal(format.zoneName({ getTimezoneOffset: () => -330 }), "UTC+5:30");
  assert.equal(format.zoneName({ getTimezoneOffset: () => 210 }), "UTC-3:30");
  assert.equal(format.zoneName({ getTimezoneOffset: () => 0 }), "UTC");
});

test("header lines", () => {
  assert.deepEqual(parseHeaders("Content-Type: a/b; c=d\r\nX-Empty:\r\nSet-Cookie: a=1\r\n  b=2\r\nodd line\r\n\r\n"), [
    ["Content-Type", "a/b; c=d"],
    ["X-Empty", ""],
    ["Set-Cookie", "a=1 b=2"],
    ["", "odd line"],
  ]);
  assert.deepEqual(parseHeaders(""), []);
});
