// Calls over time: a bar for each minute, hour or day, stacked by class, failures below so that they are seen beside many successes.
import { ceiling, totals, UNITS } from "./buckets.mjs";
import { byId, el, svg } from "./dom.mjs";
import { CLASSES, CLASS_NAMES, formatCount, localClock, localDate } from "./format.mjs";

const HEIGHT = 132;
const TOP = 6;
const BOTTOM = 18;
const LEFT = 48;

// A day is one of UTC, as the API counts; hours and minutes are told in local time.
export function nameOf({ from, to }, unit) {
  if (unit === "day") {
    const day = new Date(from).toISOString().slice(0, 10);
    if (to - from === UNITS.day) return `${day} (UTC)`;
    const clock = (time) => new Date(time).toISOString().slice(11, 16);
    return `${day} ${clock(from)}–${to % UNITS.day === 0 ? "24:00" : clock(to)} (UTC)`;
  }
  const begin = new Date(from);
  return `${localDate(begin)} ${localClock(begin).slice(0, 5)}–${localClock(new Date(to)).slice(0, 5)}`;
}

function sumsOf({ counts, total }) {
  const parts = CLASSES.filter((name) => counts[name]).map((name) => `${CLASS_NAMES[name]} ${formatCount(counts[name])}`);
  return [`${formatCount(total)} ${total === 1 ? "call" : "calls"}`, ...parts.reverse()].join(" · ");
}

export class Chart {
  // onNarrow(BAR): somebody has chosen it.
  constructor(onNarrow) {
    Object.assign(this, { onNarrow, bars: [], unit: "day", current: 0, width: 0 });
    this.place = byId("chart");
    this.table = byId("chart-table");
    new ResizeObserver(() => {
      if (this.place.clientWidth !== this.width) this.#draw();
    }).observe(this.place);
    this.table.addEventListener("toggle", () => this.#fillTable());
    this.place.addEventListener("keydown", (event) => this.#key(event));
  }

  show(bars, unit) {
    // Nothing is drawn again where nothing is new: somebody may be on a bar.
    if (unit === this.unit && JSON.stringify(bars) === JSON.stringify(this.bars)) return;
    Object.assign(this, { bars, unit, current: Math.min(this.current, Math.max(0, bars.length - 1)) });
    this.#legend();
    this.#draw();
    this.#fillTable();
  }

  // Nothing of an earlier selection stays.
  clear() {
    Object.assign(this, { bars: [], groups: [] });
    this.#legend();
    this.place.replaceChildren();
    this.#read(null);
    this.#fillTable();
  }

  #legend() {
    const sums = totals(this.bars);
    const item = (name) =>
      el("li", {}, el("span", { class: `swatch b${name}` }), `${CLASS_NAMES[name]} `, el("b", {}, formatCount(sums[name])));
    byId("legend").replaceChildren(
      ...CLASSES.toReversed()
        .filter((name) => sums[name] > 0)
        .map(item),
    );
  }

  #draw() {
    this.width = this.place.clientWidth;
    if (this.width === 0 || this.bars.length === 0) return;
    const hadFocus = this.place.contains(document.activeElement);
    const highest = ceiling(Math.max(0, ...this.bars.map((bar) => bar.total)));
    const plot = HEIGHT - TOP - BOTTOM;
    const y = (value) => TOP + plot * (1 - value / highest);
    const grid = [...new Set([0, highest % 2 === 0 ? highest / 2 : 0, highest])].flatMap((value) => [
      svg("line", { class: "grid", x1: LEFT, x2: this.width, y1: y(value), y2: y(value) }),
      svg(
        "text",
        { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" },
        value >= 1e4 ? compact.format(value) : formatCount(value),
      ),
    ]);
    const step = (this.width - LEFT) / Math.max(1, this.bars.length);
    const label = `Calls over time, a bar for each ${this.unit}. The arrow keys move between bars, Enter narrows the time to one.`;
    this.groups = this.bars.map((bar, index) => this.#bar(bar, index, step, plot / highest));
    this.place.replaceChildren(svg("svg", { role: "group", "aria-label": label }, ...grid, ...this.groups, ...this.#times(step)));
    this.#select(this.current, hadFocus);
  }

  #bar(bar, index, step, scale) {
    const gap = step > 6 ? Math.min(4, step / 6) : step > 2.5 ? 0.6 : 0;
    const x = LEFT + index * step;
    const group = svg("g", { role: "button", "aria-label": `${nameOf(bar, this.unit)}: ${sumsOf(bar)}`, tabindex: -1 });
    group.append(svg("rect", { class: "slot", x, y: TOP, width: step, height: HEIGHT - TOP - BOTTOM }));
    let bottom = HEIGHT - BOTTOM;
    for (const name of CLASSES.filter((one) => bar.counts[one])) {
      const height = Math.max(1.5, bar.counts[name] * scale); // one failure among thousands is seen, too
      group.append(svg("rect", { class: `b${name}`, x: x + gap / 2, y: bottom - height, width: step - gap, height }));
      bottom -= height;
    }
    group.addEventListener("click", () => this.onNarrow(bar));
    group.addEventListener("pointerenter", () => this.#read(bar));
    group.addEventListener("pointerleave", () => this.#read(null));
    group.addEventListener("focus", () => this.#read(bar));
    group.addEventListener("blur", () => this.#read(null));
    return group;
  }

  #times(step) {
    const every = Math.ceil((this.unit === "minute" ? 60 : 90) / step);
    const parts = [];
    for (let index = 0; index < this.bars.length; index += every) {
      const x = LEFT + index * step;
      if (x > this.width - 60) break;
      const date = new Date(this.bars[index].from);
      const text = { day: date.toISOString().slice(5, 10), hour: `${localDate(date).slice(5)} ${localClock(date).slice(0, 5)}` }[
        this.unit
      ];
      parts.push(svg("text", { x, y: HEIGHT - 4 }, text ?? localClock(date).slice(0, 5)));
    }
    return parts;
  }

  #read(bar) {
    byId("readout").textContent = bar ? `${nameOf(bar, this.unit)}: ${sumsOf(bar)}` : "";
  }

  // One bar is in the order of Tab; the arrow keys lead to the others.
  #select(index, focus) {
    this.groups[this.current]?.setAttribute("tabindex", "-1");
    this.current = index;
    this.groups[index]?.setAttribute("tabindex", "0");
    if (focus) this.groups[index]?.focus();
  }

  #key(event) {
    const last = this.bars.length - 1;
    const target = {
      ArrowLeft: Math.max(0, this.current - 1),
      ArrowRight: Math.min(last, this.current + 1),
      Home: 0,
      End: last,
    }[event.key];
    if (target !== undefined) this.#select(target, true);
    else if (event.key === "Enter" || event.key === " ") this.onNarrow(this.bars[this.current]);
    else return;
    event.preventDefault();
  }

  #fillTable() {
    if (!this.table.open) return;
    const sums = totals(this.bars);
    const shown = CLASSES.toReversed().filter((name) => sums[name] > 0);
    const head = ["Time", "calls", ...shown.map((name) => CLASS_NAMES[name])].map((text) => el("th", { scope: "col" }, text));
    const rows = this.bars
      .filter((bar) => bar.total > 0)
      .map((bar) =>
        el(
          "tr",
          {},
          el("th", { scope: "row" }, nameOf(bar, this.unit)),
          ...[bar.total, ...shown.map((name) => bar.counts[name] ?? 0)].map((value) => el("td", {}, formatCount(value))),
        ),
      );
    const table = el("table", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows));
    this.table.querySelector(".scroll").replaceChildren(table);
  }
}

const compact = new Intl.NumberFormat("en", { notation: "compact" });
