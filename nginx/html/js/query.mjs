// What is shown, as the API's query strings.
import { RANGES } from "./state.mjs";

const CALLS = "notification/webhook/calls";

// Readable where that is safe: a person copies these addresses into a shell.
const encode = (text) =>
  encodeURIComponent(text)
    .replace(/%(2C|3A|2F)/g, decodeURIComponent)
    .replaceAll("'", "%27");

// A null value stands without "=", which the API reads as null.
const join = (pairs) => pairs.map(([name, value]) => (value === null ? name : `${name}=${encode(value)}`)).join("&");

// range(STATE, NOW): the selected time in milliseconds, { from, to }, each null where it is open.
export function range(state, now) {
  if (state.range === "custom") {
    return { from: state.from ? Date.parse(state.from) : null, to: state.to ? Date.parse(state.to) : null };
  }
  return { from: RANGES[state.range] ? now - RANGES[state.range] : null, to: null };
}

function filters(state, now, since = null) {
  const pairs = [];
  const values = state.codes.filter((code) => code !== "none");
  if (values.length > 0) pairs.push(["filter[http_code]", values.join(",")]);
  if (state.codes.includes("none")) pairs.push(["filter[http_code]", null]);
  const { from: begin, to } = range(state, now);
  const from = since === null ? begin : Math.max(since, begin ?? since);
  if (from !== null) pairs.push(["filter[created_at__gte]", new Date(from).toISOString()]);
  if (to !== null) pairs.push(["filter[created_at__lt]", new Date(to).toISOString()]);
  if (state.headers) pairs.push(["filter[headers__match]", state.headers]);
  if (state.body) pairs.push(["filter[body__match]", state.body]);
  return pairs;
}

// A page of the list without bodies, which are large; since: only of what was recorded from then on.
export function listQuery(state, now, since = null) {
  const place = state.before ? ["page[before]", state.before] : ["page[after]", state.after];
  return join([
    ...filters(state, now, since),
    ["sort", state.sort],
    ["page[size]", String(state.size)],
    place,
    [`fields[${CALLS}]`, "http_code,created_at"],
    ["include", "webhook"],
  ]);
}

// The bodies of these calls, at most 100.
export function bodiesQuery(ids) {
  return join([
    ["filter[id]", ids.join(",")],
    ["page[size]", String(ids.length)],
    [`fields[${CALLS}]`, "body"],
  ]);
}

export function countsQuery(state, now, unit) {
  return join([...filters(state, now), ["count_by", `created_at.${unit},http_code.class`], ["page[size]", "0"]]);
}

export function exportQuery(state, now) {
  return join([...filters(state, now), ["sort", state.sort]]);
}

export const metadataQuery = () => join([[`fields[${CALLS}]`, "http_code,headers,created_at"]]);
export const bodyQuery = () => join([[`fields[${CALLS}]`, "body"]]);

// cursorOf(LINK): the place that a link of the API leads to, as a change of the state; null where there is no link.
export function cursorOf(link) {
  if (!link) return null;
  const params = new URL(link, "http://api.invalid").searchParams;
  return { after: params.get("page[after]") ?? "", before: params.get("page[before]") ?? "" };
}
