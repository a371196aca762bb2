// What is shown, as plain values, and as the fragment of the page's address. A fragment stays in the browser: no server's log
// gets what somebody searched for. The token is no part of it.

export const RANGES = { "1h": 3600e3, "1d": 86400e3, "7d": 7 * 86400e3, all: 0, custom: 0 };
export const SORTS = ["-created_at", "created_at", "-http_code", "http_code"];
export const SIZES = [25, 50, 100];
export const CODE_CHOICES = ["2xx", "3xx", "4xx", "5xx", "none"];

export const DEFAULTS = Object.freeze({
  webhook: "",
  codes: [], // of 2xx … 5xx, "none" (no response), and exact codes as decimal texts; none of them: all
  range: "all",
  from: "", // of range "custom": an instant as Date.toISOString() gives it, or empty
  to: "",
  headers: "",
  body: "",
  sort: "-created_at",
  size: 25,
  after: "", // cursors of the API's links
  before: "",
  call: "",
  live: false,
  bodies: true, // whether sizes and first lines are shown
});

const isId = (text) => /^[0-9]{1,20}$/.test(text);
const isCursor = (text) => /^[A-Za-z0-9_-]+$/.test(text);
// Of the years that the API has, too.
export const isInstant = (text) =>
  /^(?!0000)\d{4}-/.test(text) && !Number.isNaN(Date.parse(text)) && new Date(text).toISOString() === text;

export const isCode = (text) => CODE_CHOICES.includes(text) || /^[0-9]{1,5}$/.test(text);

// parseState(FRAGMENT): with or without "#". What is unknown or malformed is as if it were not there.
export function parseState(fragment) {
  const params = new URLSearchParams(fragment.replace(/^#/, ""));
  const state = { ...DEFAULTS };
  const take = (name, valid) => {
    const value = params.get(name);
    if (value !== null && valid(value)) state[name] = value;
  };
  take("webhook", isId);
  take("call", isId);
  take("range", (value) => Object.hasOwn(RANGES, value) && value !== "custom");
  take("from", isInstant);
  take("to", isInstant);
  if (state.from || state.to) state.range = "custom";
  take("headers", () => true);
  take("body", () => true);
  take("sort", (value) => SORTS.includes(value));
  take("after", isCursor);
  if (!state.after) take("before", isCursor);
  if (SIZES.includes(Number(params.get("size")))) state.size = Number(params.get("size"));
  state.codes = [...new Set((params.get("codes") ?? "").split(",").filter(isCode))];
  state.live = params.get("live") === "1";
  state.bodies = params.get("bodies") !== "0";
  return state;
}

// formatState(STATE): the fragment without "#", of what differs from the defaults.
export function formatState(state) {
  const params = new URLSearchParams();
  for (const name of Object.keys(DEFAULTS)) {
    const value = state[name];
    if (name === "codes") {
      if (value.length > 0) params.set(name, value.join(","));
    } else if (name === "range") {
      if (value !== "all" && value !== "custom") params.set(name, value);
    } else if (typeof value === "boolean") {
      if (value !== DEFAULTS[name]) params.set(name, value ? "1" : "0");
    } else if (value !== DEFAULTS[name]) {
      params.set(name, String(value));
    }
  }
  return params.toString().replaceAll("%2C", ",").replaceAll("%3A", ":");
}

const FILTERS = ["webhook", "codes", "range", "from", "to", "headers", "body"];
const LIST = [...FILTERS, "sort", "size", "after", "before", "bodies"];
const differ = (names, one, other) => names.some((name) => String(one[name]) !== String(other[name]));

export const filtersDiffer = (one, other) => differ(FILTERS, one, other);
export const listDiffers = (one, other) => differ(LIST, one, other);

// Another selection, or another order of it, starts at its beginning.
export function changed(state, changes) {
  const next = { ...state, ...changes };
  if (differ([...FILTERS, "sort", "size"], state, next)) Object.assign(next, { after: "", before: "" }, changes);
  if (next.range !== "custom") Object.assign(next, { from: "", to: "" });
  if (next.live && (next.after || next.before || next.sort !== "-created_at")) {
    // Live is the newest page, newest first; whoever leaves that, leaves live, and whoever asks for live goes there.
    if (changes.live) Object.assign(next, { after: "", before: "", sort: "-created_at" });
    else next.live = false;
  }
  return next;
}
