// The form fields, filled from the state, and read as changes of it.
import { byId } from "./dom.mjs";
import { fromLocalInput, localInput } from "./format.mjs";
import { CODE_CHOICES, DEFAULTS, isCode } from "./state.mjs";

const boxes = () => [...document.querySelectorAll('#filters input[name="code"]')];
const inputOf = (instant) => (instant ? localInput(new Date(instant)) : "");

export function showControls(state, zoomed) {
  // What somebody is typing in is theirs, until they are done.
  const set = (id, value) => {
    if (byId(id) !== document.activeElement || byId(id).value === "") byId(id).value = value;
  };
  set("webhook", state.webhook);
  for (const box of boxes()) box.checked = state.codes.includes(box.value);
  set("exact", state.codes.filter((code) => !CODE_CHOICES.includes(code)).join(", "));
  byId("range").value = state.range;
  for (const field of document.querySelectorAll(".custom")) field.hidden = state.range !== "custom";
  byId("from").value = inputOf(state.from);
  byId("to").value = inputOf(state.to);
  set("headers", state.headers);
  set("body", state.body);
  byId("sort").value = state.sort;
  byId("size").value = String(state.size);
  byId("live").checked = state.live;
  byId("bodies").checked = state.bodies;
  byId("zoom-out").hidden = !zoomed;
}

function readFilters(state, now) {
  const exact = byId("exact")
    .value.split(/[\s,]+/)
    .filter(isCode);
  const codes = [
    ...boxes()
      .filter((box) => box.checked)
      .map((box) => box.value),
    ...exact,
  ];
  const range = byId("range").value;
  const changes = { codes, range, headers: byId("headers").value, body: byId("body").value };
  if (range !== "custom") return changes;
  if (state.range !== "custom") return { ...changes, from: new Date(now - 86400e3).toISOString(), to: "" };
  // A field has seconds only: what was not changed there keeps its milliseconds.
  for (const name of ["from", "to"]) {
    const { value } = byId(name);
    changes[name] = value === inputOf(state[name]) ? state[name] : (fromLocalInput(value)?.toISOString() ?? "");
  }
  return changes;
}

// current(): the state. onChange(CHANGES): somebody has changed a field.
export function listenToControls(current, onChange, now) {
  const apply = () => onChange(readFilters(current(), now()));
  byId("filters").addEventListener("change", apply);
  byId("filters").addEventListener("submit", (event) => {
    event.preventDefault();
    apply();
  });
  byId("reset").addEventListener("click", () => {
    document.activeElement.blur();
    const { codes, range, from, to, headers, body } = DEFAULTS;
    onChange({ codes, range, from, to, headers, body });
    byId("reset").focus();
  });
  byId("sort").addEventListener("change", () => onChange({ sort: byId("sort").value }));
  byId("size").addEventListener("change", () => onChange({ size: Number(byId("size").value) }));
  byId("live").addEventListener("change", () => onChange({ live: byId("live").checked }));
  byId("bodies").addEventListener("change", () => onChange({ bodies: byId("bodies").checked }));
}
