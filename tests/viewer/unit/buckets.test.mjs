import assert from "node:assert/strict";
import test from "node:test";
import { buckets, ceiling, span, totals, UNITS, unitFor } from "../../../nginx/html/js/buckets.mjs";
import { nameOf } from "../../../nginx/html/js/chart.mjs";
import { DEFAULTS } from "../../../nginx/html/js/state.mjs";

const NOW = Date.parse("2026-11-24T12:34:56.000Z");

test("a span is what can be recorded", () => {
  assert.deepEqual(span(DEFAULTS, NOW), { from: NOW - 60 * UNITS.day, to: NOW });
  assert.deepEqual(span({ ...DEFAULTS, range: "1h" }, NOW), { from: NOW - UNITS.hour, to: NOW });
  const long = { ...DEFAULTS, range: "custom", from: "2020-01-01T00:00:00.000Z", to: "2030-01-01T00:00:00.000Z" };
  assert.deepEqual(span(long, NOW), { from: NOW - 60 * UNITS.day, to: NOW });
  const ahead = { ...DEFAULTS, range: "custom", from: "2030-01-01T00:00:00.000Z" };
  assert.equal(span(ahead, NOW).from, span(ahead, NOW).to);
});

test("the unit fits the span", () => {
  for (const [length, unit] of [
    [UNITS.minute, "minute"],
    [4 * UNITS.hour, "minute"],
    [5 * UNITS.hour, "hour"],
    [10 * UNITS.day, "hour"],
    [11 * UNITS.day, "day"],
  ]) {
    assert.equal(unitFor({ from: NOW - length, to: NOW }), unit);
  }
});

test("a bar for each unit, also without calls, in UTC", () => {
  const counts = [
    { created_at: "2026-11-24T10:00:00.000Z", http_code: "2xx", count: 5 },
    { created_at: "2026-11-24T10:00:00.000Z", http_code: null, count: 2 },
    { created_at: "2026-11-24T12:00:00.000Z", http_code: "1xx", count: 1 },
    { created_at: "2026-11-24T13:00:00.000Z", http_code: "2xx", count: 1 },
  ];
  const bars = buckets(counts, { from: NOW - 3 * UNITS.hour, to: NOW }, "hour");
  assert.deepEqual(
    bars.map((bar) => new Date(bar.from).getUTCHours()),
    [9, 10, 11, 12, 13],
  );
  assert.deepEqual(
    bars.map((bar) => bar.total),
    [0, 7, 0, 1, 1],
  );
  assert.deepEqual(bars[1].counts, { "2xx": 5, none: 2 });
  assert.deepEqual(totals(bars), { none: 2, "5xx": 0, "4xx": 0, "3xx": 0, "2xx": 6, other: 1 });
  assert.deepEqual(buckets([], { from: NOW, to: NOW }, "hour").length, 1);
});

test("a bar has no more of the time than what is selected", () => {
  const selected = { from: NOW - 3 * UNITS.hour, to: NOW };
  const ends = (limits) => buckets([], selected, "hour", limits).map(({ from, to }) => [from, to]);
  const bars = ends(selected);
  assert.deepEqual([bars.at(0)[0], bars.at(-1)[1], bars.length], [selected.from, selected.to, 4]);
  assert.deepEqual(bars.slice(1, -1), ends(undefined).slice(1, -1));
  assert.deepEqual(ends({ from: null, to: null }), ends(undefined));
  assert.equal(nameOf({ from: NOW - UNITS.hour, to: NOW }, "day"), "2026-11-24 11:34–12:34 (UTC)");
  const midnight = Date.parse("2026-11-25T00:00:00.000Z");
  assert.equal(nameOf({ from: NOW, to: midnight }, "day"), "2026-11-24 12:34–24:00 (UTC)");
  assert.equal(nameOf({ from: midnight - UNITS.day, to: midnight }, "day"), "2026-11-24 (UTC)");
});

test("the axis ends at a round number", () => {
  for (const [highest, top] of [
    [0, 1],
    [3, 3],
    [5, 5],
    [6, 10],
    [11, 20],
    [21, 40],
    [1740, 2000],
    [99_999, 100_000],
  ]) {
    assert.equal(ceiling(highest), top);
  }
});
