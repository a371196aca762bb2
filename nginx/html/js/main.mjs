// The page: the address says what is shown, and whoever changes that changes the address.
import { Api } from "./api.mjs";
import { buckets, span, unitFor } from "./buckets.mjs";
import { Chart } from "./chart.mjs";
import { copyButton } from "./clipboard.mjs";
import { listenToControls, showControls } from "./controls.mjs";
import { curlCommand } from "./curl.mjs";
import { Detail } from "./detail.mjs";
import { byId, el } from "./dom.mjs";
import { Exporter } from "./export.mjs";
import { formatCount } from "./format.mjs";
import { CallList } from "./list.mjs";
import { Live } from "./live.mjs";
import { Loader } from "./loader.mjs";
import { countsQuery } from "./query.mjs";
import { recentWebhooks, setToken, token } from "./session.mjs";
import { changed, DEFAULTS, filtersDiffer, formatState, listDiffers, parseState } from "./state.mjs";
import { CallTable } from "./table.mjs";

const CHART_INTERVAL = 10_000; // between two refreshes by live mode, in milliseconds

const api = new Api(document.querySelector('meta[name="webhook-calls-api"]').content, token);
let state = { ...DEFAULTS };
let total = null;
let chartAt = 0;

const hashOf = (changes) => `#${formatState({ ...state, ...changes })}`;
const table = new CallTable(
  (call) => hashOf({ call }),
  (call) => change({ call }),
);
const list = new CallList(api, table, askForToken);
const chartLoader = new Loader(byId("chart-notice"), askForToken, byId("chart"));
const chart = new Chart(({ from, to }) => change({ range: "custom", from: isoOf(from), to: isoOf(to) }));
const detail = new Detail(api, askForToken, () => change({ call: "" }));
const exporter = new Exporter(api, askForToken);
const live = new Live(poll);

const isoOf = (milliseconds) => new Date(milliseconds).toISOString();

function askForToken(error) {
  byId("token-error").textContent = error.errors[0].detail;
  byId("token").focus();
}

// Somebody has changed something: the address follows, and Back leads to what was before.
function change(changes) {
  const next = changed(state, changes);
  if (formatState(next) === formatState(state)) return showControls(state, isZoomed());
  history.pushState(null, "", `#${formatState(next)}`);
  show(next);
}

const isZoomed = () => state.range === "custom";

function show(next, everything = false) {
  const before = state;
  state = next;
  document.title = state.webhook ? `Webhook ${state.webhook} – calls` : "Webhook calls";
  byId("view").hidden = !state.webhook;
  byId("welcome").hidden = state.webhook !== "";
  showControls(state, isZoomed());
  if (before.webhook !== state.webhook) {
    byId("webhook-name").replaceChildren();
    list.clear();
  }
  live.set(state.live && state.webhook !== "");
  byId("live-mark").classList.toggle("on", state.live);
  if (!state.webhook) return detail.close();
  if (everything || filtersDiffer(before, state)) loadChart();
  if (everything || listDiffers(before, state)) loadList();
  else table.refresh();
  if (everything || before.call !== state.call || before.webhook !== state.webhook) showDetail(before.call);
}

function showDetail(before) {
  table.choose(state.call);
  if (state.call) return void detail.open(state);
  const wasInside = !byId("detail").hidden;
  detail.close();
  if (wasInside) table.focus(before);
}

async function loadList() {
  byId("newest").disabled = !state.after && !state.before;
  if (!(await list.load(state))) return;
  table.choose(state.call);
  byId("recent").replaceChildren(...recentWebhooks().map(([id, name]) => el("option", { value: id }, name)));
}

// The total is the sum of the bars: they count what the list selects, so it needs no count of its own.
async function loadChart() {
  chartAt = Date.now();
  showTotal(null);
  await chartLoader.run(drawChart);
}

async function drawChart(signal) {
  const now = api.now();
  const shown = span(state, now);
  const unit = unitFor(shown);
  const { document } = await api.get(api.url(state.webhook, countsQuery(state, now, unit)), signal);
  const { counts } = document.meta;
  chart.show(buckets(counts, shown, unit), unit);
  showTotal(counts.reduce((sum, { count }) => sum + count, 0));
}

function showTotal(value) {
  total = value;
  byId("total").textContent = value === null ? "Calls" : `${formatCount(value)} ${value === 1 ? "call" : "calls"}`;
}

async function poll() {
  const mark = byId("live-mark").classList;
  try {
    const added = await list.refresh(state);
    mark.remove("failing");
    if (added > 0 && total !== null) showTotal(total + added);
    if (Date.now() - chartAt > CHART_INTERVAL && !chartLoader.busy) {
      chartAt = Date.now();
      await drawChart();
    }
  } catch (error) {
    mark.add("failing");
    throw error;
  }
}

function start() {
  byId("token").value = token();
  byId("open").addEventListener("submit", (event) => {
    event.preventDefault();
    setToken(byId("token").value.trim());
    byId("token-error").textContent = "";
    const webhook = byId("webhook").value.trim();
    const next = webhook === state.webhook ? state : changed(state, { webhook, call: "" });
    if (next !== state) history.pushState(null, "", `#${formatState(next)}`);
    show(next, true);
  });
  listenToControls(
    () => state,
    change,
    () => api.now(),
  );
  byId("next").addEventListener("click", () => turn(list.next()));
  byId("previous").addEventListener("click", () => turn(list.previous()));
  byId("newest").addEventListener("click", () => turn({ after: "", before: "" }));
  byId("zoom-out").addEventListener("click", zoomOut);
  for (const button of document.querySelectorAll("[data-export]")) {
    button.addEventListener("click", () => exporter.run(button.dataset.export, state, total));
  }
  byId("copy-list").append(copyButton("Copy as curl", () => curlCommand(list.url(state), token() !== "")));
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault(); // the fragment is the state
    byId("calls").focus();
  });
  window.addEventListener("popstate", () => show(parseState(location.hash)));
  show(parseState(location.hash), true);
  if (!state.webhook) byId("webhook").focus();
}

function turn(place) {
  if (!place) return;
  change(place);
  byId("calls").focus({ preventScroll: true });
  byId("calls-heading").scrollIntoView({ block: "nearest" });
}

function zoomOut() {
  const { from, to } = span(state, api.now());
  const margin = 2.5 * Math.max(to - from, 60e3);
  change({ range: "custom", from: isoOf(from - margin), to: to + margin < api.now() ? isoOf(to + margin) : "" });
}

start();
