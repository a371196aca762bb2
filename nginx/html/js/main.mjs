// The page: the address says what is shown, and whoever changes that changes the address.
import { Api, ApiError } from "./api.mjs";
import { buckets, span, unitFor } from "./buckets.mjs";
import { Chart } from "./chart.mjs";
import { copyButton } from "./clipboard.mjs";
import { listenToControls, showControls } from "./controls.mjs";
import { curlCommand } from "./curl.mjs";
import { Detail } from "./detail.mjs";
import { announce, byId, el } from "./dom.mjs";
import { Exporter } from "./export.mjs";
import { formatCount, localClock, visible } from "./format.mjs";
import { CallList } from "./list.mjs";
import { Live } from "./live.mjs";
import { Loader } from "./loader.mjs";
import { countsQuery, range } from "./query.mjs";
import { recentWebhooks, setToken, token } from "./session.mjs";
import { changed, DEFAULTS, filtersDiffer, formatState, listDiffers, parseState } from "./state.mjs";
import { CallTable } from "./table.mjs";

// In milliseconds, between two refreshes by live mode; but a chart that takes long has ten times as long a rest.
const CHART_INTERVAL = 10_000;
const NEWS_INTERVAL = 15_000; // between two announcements of new calls

const api = new Api(document.querySelector('meta[name="webhook-calls-api"]').content, token);
let state = { ...DEFAULTS };
let total = null;
let chartDue = 0;
let answeredAt = new Date(); // when the list was last as new as can be
const news = { count: 0, timer: null };

const hashOf = (changes) => `#${formatState({ ...state, ...changes })}`;
const table = new CallTable(
  (call) => hashOf({ call }),
  (call) => change({ call }),
);
const list = new CallList(api, table, askForToken);
const chartLoader = new Loader(byId("chart-notice"), askForToken, { dimmed: byId("chart"), leader: list.loader });
const chart = new Chart(({ from, to }) => change({ range: "custom", from: isoOf(from), to: isoOf(to) }));
const detail = new Detail(api, askForToken, () => change({ call: "" }), move);
const exporter = new Exporter(api, askForToken);
const live = new Live(poll);

const isoOf = (milliseconds) => new Date(milliseconds).toISOString();

function askForToken(error, focus = true) {
  byId("token-error").textContent = error.message;
  if (focus) byId("token").focus();
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
  showTitle();
  byId("view").hidden = !state.webhook;
  byId("welcome").hidden = state.webhook !== "";
  showControls(state, isZoomed());
  if (before.webhook !== state.webhook) {
    byId("webhook-name").replaceChildren();
    list.clear();
    chartLoader.cancel();
    chart.clear();
    showTotal(null);
  }
  live.set(state.live && state.webhook !== "");
  if (before.live !== state.live || before.webhook !== state.webhook) showLive();
  if (!state.webhook) return detail.close();
  if (everything || filtersDiffer(before, state)) loadChart();
  if (everything || listDiffers(before, state)) loadList();
  else table.refresh();
  if (everything || before.call !== state.call || before.webhook !== state.webhook) showDetail(before.call);
}

function showTitle() {
  const name = recentWebhooks().find(([id]) => id === state.webhook)?.[1];
  const webhook = name ? `${visible(name)} (${state.webhook})` : `Webhook ${state.webhook}`;
  document.title = state.webhook ? `${webhook} – calls` : "Webhook calls";
}

function move(step) {
  const call = table.beside(state.call, step);
  if (call) change({ call });
  else announce("There is no further call on this page.");
}

const showBeside = () => detail.showBeside(table.beside(state.call, -1), table.beside(state.call, 1));

function showDetail(before) {
  table.choose(state.call);
  if (state.call) {
    detail.open(state);
    return showBeside();
  }
  const wasInside = !byId("detail").hidden;
  detail.close();
  if (wasInside) table.focus(before);
}

async function loadList() {
  byId("newest").disabled = !state.after && !state.before;
  if (!(await list.load(state))) return;
  answeredAt = new Date();
  showTitle();
  table.choose(state.call);
  showBeside();
  byId("recent").replaceChildren(...recentWebhooks().map(([id, name]) => el("option", { value: id }, visible(name))));
}

// The total is the sum of the bars: they count what the list selects, so it needs no count of its own.
function loadChart() {
  showTotal(null);
  return chartLoader.run(drawChart);
}

async function drawChart(signal) {
  const began = performance.now();
  const now = api.now();
  const shown = span(state, now);
  const unit = unitFor(shown);
  try {
    const { document } = await api.get(api.url(state.webhook, countsQuery(state, now, unit)), signal);
    const { counts } = document.meta;
    chart.show(buckets(counts, shown, unit, range(state, now)), unit);
    showTotal(counts.reduce((sum, { count }) => sum + count, 0));
  } finally {
    const ended = performance.now();
    chartDue = ended + Math.max(CHART_INTERVAL, 10 * (ended - began));
  }
}

function showTotal(value) {
  total = value;
  byId("total").textContent = value === null ? "Calls" : `${formatCount(value)} ${value === 1 ? "call" : "calls"}`;
}

async function poll(signal) {
  // New rows do not wait for the chart. Where only that fails, it is as old as it is until its next turn.
  if (performance.now() > chartDue && !chartLoader.busy) chartLoader.refresh(drawChart, signal).catch(expected);
  try {
    const added = await list.refresh(state, signal);
    if (added === null) return;
    answeredAt = new Date();
    showLive();
    if (added === 0) return;
    showBeside();
    if (total !== null) showTotal(total + added);
    news.count += added;
    if (!news.timer) tellNews();
  } catch (error) {
    if (error instanceof ApiError) showLive(error);
    if (error.status === 401) {
      // Nobody has asked for this just now: the focus stays where it is.
      askForToken(error, false);
      live.set(false);
    }
    throw error;
  }
}

function expected(error) {
  if (!(error instanceof ApiError) && error.name !== "AbortError") throw error;
}

function showLive(error = null) {
  byId("live-mark").className = `live-mark${error ? " failing" : state.live ? " on" : ""}`;
  const place = byId("live-problem");
  if (!error) place.textContent = "";
  // Said once, and not at each try.
  else if (!place.textContent)
    place.textContent = `No new calls since ${localClock(answeredAt).slice(0, 8)}: ${error.errors[0].title}. ${error.message}`;
}

// Not at each of many calls.
function tellNews() {
  news.timer = null;
  if (news.count === 0) return;
  announce(news.count === 1 ? "1 new call." : `${formatCount(news.count)} new calls.`);
  news.count = 0;
  news.timer = setTimeout(tellNews, NEWS_INTERVAL);
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
