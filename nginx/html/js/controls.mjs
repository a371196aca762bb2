// The form fields, filled from the state, and read as changes of it.
import { span } from "./buckets.mjs";
import { byId } from "./dom.mjs";
import { fromLocalInput, localInput } from "./format.mjs";
import { CODE_CHOICES, DEFAULTS, isCode, isInstant } from "./state.mjs";

const TIMES = ["from", "to"];
const boxes = () => [...document.querySelectorAll('#filters input[name="code"]')];
const inputOf = (instant) => (instant ? localInput(new Date(instant)) : "");

export function showControls(state, zoomed) {
  const set = (id, value) => {
    if (byId(id).value !== value) byId(id).value = value; // to write the same would move the caret
  };
  set("webhook", state.webhook);
  for (const box of boxes()) box.checked = state.codes.includes(box.value);
  set("exact", state.codes.filter((code) => !CODE_CHOICES.includes(code)).join(", "));
  byId("range").value = state.range;
  for (const field of document.querySelectorAll(".custom")) field.hidden = state.range !== "custom";
  for (const id of TIMES) if (!isUnchanged(id, state)) byId(id).value = inputOf(state[id]);
  set("headers", state.headers);
  set("body", state.body);
  byId("sort").value = state.sort;
  byId("size").value = String(state.size);
  byId("live").checked = state.live;
  byId("bodies").checked = state.bodies;
  byId("zoom-out").hidden = !zoomed;
  const count = [state.codes.length > 0, state.range !== "all", state.headers, state.body].filter(Boolean).length;
  byId("filters-count").textContent = count > 0 ? `(${count})` : "";
}

// Whether a field has the state's time, as far as it can: it has seconds only, and may leave them out.
const isUnchanged = (id, state) =>
  fromLocalInput(byId(id).value)?.getTime() === fromLocalInput(inputOf(state[id]))?.getTime() && !byId(id).validity.badInput;

function readFilters(state, now) {
  const codes = [
    ...boxes()
      .filter((box) => box.checked)
      .map((box) => box.value),
    ...readExact().filter(isCode),
  ];
  const range = byId("range").value;
  const changes = { codes, range, headers: byId("headers").value, body: byId("body").value };
  if (range !== "custom") return changes;
  if (state.range !== "custom") return { ...changes, from: new Date(span(state, now).from).toISOString(), to: "" };
  for (const id of TIMES) changes[id] = isUnchanged(id, state) ? state[id] : readTime(byId(id), state[id]);
  return changes;
}

const readExact = () =>
  byId("exact")
    .value.split(/[\s,;]+/)
    .filter(Boolean);

function tellOddCodes() {
  const odd = readExact().filter((text) => !isCode(text));
  byId("exact-error").textContent = odd.length > 0 ? `Left out: ${odd.join(" ")}. A code is a number, such as 404.` : "";
}

// What is not complete, or a time that the API has not, changes nothing.
function readTime({ value, validity }, before) {
  if (value === "" && !validity.badInput) return "";
  const text = fromLocalInput(value)?.toISOString() ?? "";
  return isInstant(text) ? text : before;
}

// current(): the state. onChange(CHANGES): somebody has changed a field.
export function listenToControls(current, onChange, now) {
  const apply = () => onChange(readFilters(current(), now()));
  byId("filters").addEventListener("change", ({ target: { id } }) => {
    // A field for a time says so for each of its parts: it counts when whoever types has left it, or pressed Enter.
    if (TIMES.includes(id)) return;
    if (id === "exact") tellOddCodes();
    apply();
  });
  for (const id of TIMES) byId(id).addEventListener("blur", apply);
  byId("filters").addEventListener("submit", (event) => {
    event.preventDefault();
    apply();
  });
  byId("reset").addEventListener("click", () => {
    byId("exact-error").textContent = "";
    const { codes, range, from, to, headers, body } = DEFAULTS;
    onChange({ codes, range, from, to, headers, body });
  });
  // Only a phone has no room for them; elsewhere they are always open.
  const wide = matchMedia("(min-width: 600.1px)");
  const fold = () => (byId("filters-fold").open = wide.matches);
  wide.addEventListener("change", fold);
  fold();
  byId("sort").addEventListener("change", () => onChange({ sort: byId("sort").value }));
  byId("size").addEventListener("change", () => onChange({ size: Number(byId("size").value) }));
  byId("live").addEventListener("change", () => onChange({ live: byId("live").checked }));
  byId("bodies").addEventListener("change", () => onChange({ bodies: byId("bodies").checked }));
}
