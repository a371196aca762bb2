import assert from "node:assert/strict";
import test from "node:test";
import { changed, DEFAULTS, filtersDiffer, formatState, listDiffers, parseState } from "../../../nginx/html/js/state.mjs";

const FULL = {
  webhook: "7",
  codes: ["5xx", "none", "404"],
  range: "custom",
  from: "2026-11-23T10:00:00.000Z",
  to: "2026-11-24T00:00:00.500Z",
  headers: "X-A: b&c",
  body: "50 % + ü#",
  sort: "created_at",
  size: 50,
  after: "ODA3-_x",
  before: "",
  call: "18446744073709551615",
  live: false,
  bodies: false,
};

test("a state and its fragment are each other's inverse", () => {
  for (const state of [DEFAULTS, FULL, { ...DEFAULTS, webhook: "1", live: true, range: "1h" }, { ...DEFAULTS, before: "abc" }]) {
    assert.deepEqual(parseState(`#${formatState(state)}`), { ...state });
  }
});

test("a fragment has what differs from the defaults, readable, and never a token", () => {
  assert.equal(formatState(DEFAULTS), "");
  assert.equal(
    formatState({ ...DEFAULTS, webhook: "7", codes: ["5xx", "404"], range: "1d" }),
    "webhook=7&codes=5xx,404&range=1d",
  );
  assert.equal(formatState({ ...DEFAULTS, token: "secret" }), "");
});

test("what is malformed is as if it were not there", () => {
  const fragment =
    "webhook=7/../8&call=x&range=2y&from=yesterday&to=2026-13-01&sort=body&size=7&after=%3Cscript%3E&codes=5xx,9yy,,%3Cb%3E,5xx&live=yes&x=1";
  assert.deepEqual(parseState(fragment), { ...DEFAULTS, codes: ["5xx"] });
  for (const range of ["constructor", "toString", "__proto__", "custom"]) {
    assert.deepEqual(parseState(`range=${range}`), { ...DEFAULTS });
  }
  for (const from of ["-271821-04-20T00:00:00.000Z", "+275760-09-13T00:00:00.000Z", "0000-01-01T00:00:00.000Z"]) {
    assert.deepEqual(parseState(new URLSearchParams({ from, to: from }).toString()), { ...DEFAULTS });
  }
});

test("another selection begins at its beginning", () => {
  const state = { ...DEFAULTS, webhook: "1", after: "abc" };
  assert.equal(changed(state, { codes: ["5xx"] }).after, "");
  assert.equal(changed(state, { sort: "created_at" }).after, "");
  assert.equal(changed(state, { call: "5" }).after, "abc");
  assert.equal(changed(state, { after: "", before: "def" }).before, "def");
});

test("live is the newest page: asking for it goes there, leaving that leaves it", () => {
  const live = changed({ ...DEFAULTS, after: "abc", sort: "http_code" }, { live: true });
  assert.deepEqual([live.live, live.after, live.sort], [true, "", "-created_at"]);
  assert.equal(changed(live, { after: "abc" }).live, false);
  assert.equal(changed(live, { sort: "created_at" }).live, false);
  assert.equal(changed(live, { codes: ["5xx"] }).live, true);
});

test("a named range has no bounds of its own", () => {
  const zoomed = changed(DEFAULTS, { range: "custom", from: "2026-11-23T10:00:00.000Z" });
  assert.equal(changed(zoomed, { range: "1d" }).from, "");
});

test("the chart needs the filters, the list more", () => {
  assert.equal(filtersDiffer(DEFAULTS, { ...DEFAULTS, sort: "created_at", call: "1" }), false);
  assert.equal(listDiffers(DEFAULTS, { ...DEFAULTS, sort: "created_at" }), true);
  assert.equal(listDiffers(DEFAULTS, { ...DEFAULTS, call: "1", live: true }), false);
  assert.equal(filtersDiffer(DEFAULTS, { ...DEFAULTS, codes: ["2xx"] }), true);
});
