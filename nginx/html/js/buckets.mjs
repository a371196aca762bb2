// Counts over time as the bars of a chart.
import { CLASSES, classOf } from "./format.mjs";
import { range } from "./query.mjs";

export const UNITS = { minute: 60e3, hour: 3600e3, day: 86400e3 };
const LIFETIME = 60 * UNITS.day; // of a record

// span(STATE, NOW): the time that a chart shows, in milliseconds. An open end is that of what can be recorded.
export function span(state, now) {
  const { from, to } = range(state, now);
  const end = Math.min(to ?? now, now);
  const begin = Math.max(from ?? 0, now - LIFETIME);
  return { from: begin, to: Math.max(begin, end) };
}

// The unit with at most 240 bars, or days; by minutes or hours there may be six classes of each, far fewer than the API allows.
export function unitFor({ from, to }) {
  return ["minute", "hour"].find((unit) => to - from <= 240 * UNITS[unit]) ?? "day";
}

// buckets(COUNTS, SPAN, UNIT, SELECTED): a bar for each unit of the span, also where nothing was counted:
// { from, to, counts: { "2xx": …, … }, total }, in order. Units begin in UTC, as the API's do; the first and the last bar have of theirs
// what is selected (as of range(), open where null), because no more was counted.
export function buckets(counts, { from, to }, unit, selected = { from: null, to: null }) {
  const size = UNITS[unit];
  const bars = new Map();
  const bar = (start) => {
    if (!bars.has(start)) {
      const ends = { from: Math.max(start, selected.from ?? start), to: Math.min(start + size, selected.to ?? Infinity) };
      bars.set(start, { ...ends, counts: {}, total: 0 });
    }
    return bars.get(start);
  };
  for (let start = Math.floor(from / size) * size; start < to; start += size) bar(start);
  for (const { created_at: start, http_code: code, count } of counts) {
    const one = bar(Date.parse(start)); // may lie behind the span: a call that arrived since
    const name = classOf(code);
    one.counts[name] = (one.counts[name] ?? 0) + count;
    one.total += count;
  }
  return [...bars.values()].sort((a, b) => a.from - b.from);
}

export function totals(bars) {
  const sums = Object.fromEntries(CLASSES.map((name) => [name, 0]));
  for (const { counts } of bars) for (const name of Object.keys(counts)) sums[name] += counts[name];
  return sums;
}

// A round number at or above the highest bar.
export function ceiling(highest) {
  if (highest <= 4) return Math.max(1, highest);
  const power = 10 ** Math.floor(Math.log10(highest));
  return [1, 2, 4, 5, 10].map((step) => step * power).find((value) => value >= highest);
}
