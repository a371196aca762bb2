// One call: what is known of it, its headers, and its body.
import { BodyView } from "./body-view.mjs";
import { copyButton } from "./clipboard.mjs";
import { curlCommand } from "./curl.mjs";
import { byId, el } from "./dom.mjs";
import { localTime, utcTime, visible, zoneName } from "./format.mjs";
import { parseHeaders } from "./headers.mjs";
import { Loader } from "./loader.mjs";
import { bodyQuery, metadataQuery } from "./query.mjs";
import { codeMark } from "./table.mjs";

export class Detail {
  // onClose(): somebody wants it closed. onMove(STEP): or that many calls further in the list.
  constructor(api, onUnauthorized, onClose, onMove) {
    Object.assign(this, { api, onUnauthorized, onClose, onMove, shown: "" });
    this.place = byId("detail");
    this.place.addEventListener("keydown", (event) => {
      if (event.key === "Escape") onClose();
      const step = event.ctrlKey || event.metaKey || event.altKey ? undefined : { j: 1, k: -1 }[event.key];
      if (step) onMove(step);
    });
    this.loaders = [];
  }

  close() {
    for (const loader of this.loaders) loader.cancel();
    this.shown = "";
    this.place.hidden = true;
    this.place.replaceChildren();
  }

  // Shows the call of this state, once its first part is there.
  async open(state) {
    const { webhook, call } = state;
    this.close();
    this.shown = call;
    const notice = el("div", { class: "notice" });
    const content = el("div", {}, el("p", { class: "quiet" }, "Loading …"));
    const heading = el("h2", { id: "detail-heading", tabindex: "-1" }, `Call ${call}`);
    const button = (text, key, onclick) =>
      el("button", { type: "button", "aria-keyshortcuts": key, title: `Key ${key}`, onclick }, text);
    this.previous = button("Previous call", "k", () => this.onMove(-1));
    this.next = button("Next call", "j", () => this.onMove(1));
    const close = button("Close", "Escape", () => this.onClose());
    const buttons = el("span", { class: "group" }, this.previous, this.next, close);
    this.place.replaceChildren(el("div", { class: "bar" }, heading, buttons), notice, content);
    this.place.hidden = false;
    heading.focus({ preventScroll: matchMedia("(min-width: 1100px)").matches });
    const loader = new Loader(notice, this.onUnauthorized);
    this.loaders = [loader];
    const done = await loader.run(async (signal) => {
      const answer = await this.api.get(this.api.url(webhook, metadataQuery(), call), signal);
      this.#fill(state, answer, heading, content);
    });
    if (!done && this.shown === call) content.replaceChildren();
  }

  // What the list has beside this call.
  showBeside(previous, next) {
    if (!this.shown) return;
    this.previous.disabled = !previous;
    this.next.disabled = !next;
  }

  #fill(state, { document: { data }, requestId }, heading, content) {
    const { http_code: code, headers, created_at: created } = data.attributes;
    const date = new Date(created);
    const notice = el("div", { class: "notice" });
    const loader = new Loader(notice, this.onUnauthorized);
    this.loaders.push(loader);
    const body = new BodyView(this.api, loader, state, headers);
    const url = () => this.api.url(state.webhook, "", state.call).replace(/\?$/, "");
    heading.append(codeMark(code));
    const facts = [
      ["Time", `${localTime(date)} (${zoneName(date)})`],
      ["", utcTime(date)],
      [
        "Request id",
        el("code", { title: "X-Request-Id of the API's answer, which is also in the service's log" }, requestId ?? "–"),
      ],
    ];
    content.replaceChildren(
      el("dl", { class: "facts" }, ...facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])),
      el(
        "div",
        { class: "more" },
        copyButton("Copy as curl", () => curlCommand(url(), this.api.token() !== "")),
        copyButton("Copy link", () => location.href),
      ),
      ...headersTable(headers),
      notice,
      body.element,
    );
    body.load();
  }
}

function headersTable(headers) {
  if (headers === null) return [];
  const rows = parseHeaders(headers).map(([name, value]) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, name ? el("bdi", {}, visible(name)) : el("span", { class: "quiet" }, "–")),
      el("td", {}, el("bdi", {}, visible(value))),
    ),
  );
  const bar = el(
    "div",
    { class: "bar" },
    el("h3", { id: "headers-heading" }, "Headers"),
    copyButton("Copy", () => headers),
  );
  return [bar, el("table", { class: "headers", "aria-labelledby": "headers-heading" }, el("tbody", {}, ...rows))];
}
