// A call's body: at first its beginning, the rest when somebody asks; readable or raw; to copy and to save.
import { copyButton } from "./clipboard.mjs";
import { announce, el } from "./dom.mjs";
import { formatBytes, formatSize } from "./format.mjs";
import { JsonStream } from "./json-stream.mjs";
import { describe } from "./pretty.mjs";
import { bodyQuery } from "./query.mjs";
import { saveBlob } from "./save.mjs";

const FIRST = 1 << 20; // characters that are loaded unasked
const SHOWN = 1 << 16; // characters that are shown unasked, and the most that the page ever lays out
const MOST = 1 << 21;
const FILES = { JSON: ["json", "application/json"], XML: ["xml", "application/xml"] };

export class BodyView {
  // state: its webhook and call; headers: the recorded ones
  constructor(api, loader, state, headers) {
    Object.assign(this, { api, loader, state, headers, raw: false, shown: SHOWN, whole: null });
    this.tools = el("span", { class: "group" });
    this.kind = el("span", { class: "quiet" });
    this.text = el("pre", { class: "body-text", tabindex: "0", role: "region", "aria-label": "Body" });
    this.more = el("div", { class: "more" });
    this.element = el("div", {}, el("div", { class: "bar" }, el("h3", {}, "Body ", this.kind), this.tools), this.text, this.more);
  }

  load(limit = FIRST) {
    const { webhook, call } = this.state;
    return this.loader.run(async (signal) => {
      const url = this.api.url(webhook, bodyQuery(), call);
      const stream = new JsonStream({ name: "body", limit });
      let received = 0;
      const progress = el("span", { class: "progress" }, "Loading …");
      const stop = el("button", { type: "button", onclick: () => this.#stop() }, "Stop");
      this.more.replaceChildren(progress, stop);
      await this.api.stream(url, signal, (text) => {
        received += text.length;
        progress.textContent = `Loading: ${formatBytes(received)}`;
        stream.push(text);
        return stream.overflow === null;
      });
      const body = (stream.overflow ?? stream.root.data).attributes.body;
      this.#take(body);
    });
  }

  #stop() {
    this.loader.cancel();
    if (this.body) this.#draw();
    else this.more.replaceChildren(el("button", { type: "button", onclick: () => this.load() }, "Load the body"));
  }

  #take(body) {
    this.body = body;
    if (body) this.described = body.cut ? { kind: "beginning", pretty: null } : describe(this.headers, body.text);
    this.#draw();
  }

  #draw() {
    const { body } = this;
    if (body === null || body.bytes === 0) {
      this.kind.textContent = body === null ? "none: nothing answered" : "empty";
      this.text.hidden = true;
      this.tools.replaceChildren();
      this.more.replaceChildren();
      return;
    }
    const { kind, pretty } = this.described;
    this.kind.textContent = `${kind}, ${formatSize(body)}`;
    const text = this.#readable();
    this.text.textContent = text.slice(0, this.shown);
    const toggle = el("button", { type: "button", "aria-pressed": String(this.raw), onclick: () => this.#toggle() }, "Raw");
    this.tools.replaceChildren(
      ...(pretty === null ? [] : [toggle]),
      ...(body.cut ? [] : [copyButton("Copy", () => body.text)]),
      el("button", { type: "button", onclick: () => this.#save() }, "Download"),
    );
    this.more.replaceChildren(...this.#remarks(text));
  }

  #readable() {
    return this.raw || this.described.pretty === null ? this.body.text : this.described.pretty;
  }

  #remarks(text) {
    const parts = [];
    if (!this.body.exact) {
      const remark = "Bytes that are not UTF-8 are shown as \ufffd, so that neither they nor their exact number are known here.";
      parts.push(el("span", { class: "quiet" }, remark));
    }
    if (text.length > this.shown) {
      const rest = `${formatBytes(this.shown)} of ${formatBytes(text.length)} are shown.`;
      parts.push(el("span", { class: "quiet" }, rest));
      if (this.shown < MOST) parts.push(el("button", { type: "button", onclick: () => this.#showMore() }, "Show more"));
    }
    if (this.body.cut) {
      parts.push(el("span", { class: "quiet" }, `Only the first ${formatBytes(this.body.text.length)} were loaded.`));
      parts.push(el("button", { type: "button", onclick: () => this.load(Infinity) }, "Load all of it"));
    }
    return parts;
  }

  #toggle() {
    this.raw = !this.raw;
    this.#draw();
    this.tools.querySelector("[aria-pressed]").focus();
  }

  #showMore() {
    const before = this.shown;
    this.shown = Math.min(4 * this.shown, MOST);
    this.text.append(this.#readable().slice(before, this.shown));
    this.more.replaceChildren(...this.#remarks(this.#readable()));
    this.text.focus();
    announce("More of the body is shown.");
  }

  async #save() {
    if (this.body.cut && !(await this.load(Infinity))) return;
    const [extension, type] = FILES[this.described.kind] ?? ["txt", "application/octet-stream"];
    const { webhook, call } = this.state;
    saveBlob(new Blob([this.body.text], { type }), `webhook-${webhook}-call-${call}.${extension}`);
  }
}
