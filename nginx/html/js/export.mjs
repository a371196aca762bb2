// The selected calls as a file. A link could not carry the token and the Accept header, so the page fetches and saves: straight
// into a file where the browser can do that, else in memory, up to a limit.
import { ApiError } from "./api.mjs";
import { announce, byId, el } from "./dom.mjs";
import { formatBytes } from "./format.mjs";
import { words } from "./loader.mjs";
import { exportQuery } from "./query.mjs";
import { saveBlob } from "./save.mjs";

export const FORMATS = { csv: "text/csv", ndjson: "application/x-ndjson" };
const IN_MEMORY = 256e6; // bytes
const FEW = 50_000; // calls, which are not worth the question where to

const canAsk = () => "showSaveFilePicker" in window;

// A place to write to: { write, close, abort }, or null where the person chose none.
async function sink(name, type, ask) {
  if (ask && canAsk()) {
    try {
      return await (await window.showSaveFilePicker({ suggestedName: name })).createWritable();
    } catch (error) {
      if (error.name === "AbortError") return null;
      // else not allowed here: in memory
    }
  }
  const parts = [];
  let size = 0;
  return {
    write(bytes) {
      size += bytes.length;
      if (size > IN_MEMORY) throw new RangeError();
      parts.push(bytes);
    },
    close: () => saveBlob(new Blob(parts, { type }), name),
    abort: () => parts.splice(0),
  };
}

export class Exporter {
  constructor(api, onUnauthorized) {
    Object.assign(this, { api, onUnauthorized, controller: null, wasTooLarge: false });
    this.place = byId("export-status");
  }

  // expected: the number of calls, or null where it is not known
  async run(format, state, expected) {
    const url = this.api.url(state.webhook, exportQuery(state, this.api.now()));
    const name = `webhook-${state.webhook}-calls.${format}`;
    const target = await sink(name, FORMATS[format], expected === null || expected > FEW || this.wasTooLarge);
    if (!target) return;
    // Only now, when it is sure that there will be another, the one before it ends.
    this.controller?.abort();
    const controller = new AbortController();
    this.controller = controller;
    const progress = el("span", { class: "progress" }, "Exporting …");
    const cancel = el("button", { type: "button", onclick: () => controller.abort() }, "Cancel export");
    this.place.replaceChildren(progress, cancel);
    let size = 0;
    try {
      const response = await this.api.open(url, { signal: controller.signal, accept: FORMATS[format] });
      const reader = response.body.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        size += value.length;
        await target.write(value);
        progress.textContent = `Exporting: ${formatBytes(size)}`;
      }
      await target.close();
      this.wasTooLarge = false;
      this.#finish(controller, `Saved ${name}, ${formatBytes(size)}.`);
    } catch (error) {
      await target.abort();
      this.wasTooLarge ||= error instanceof RangeError;
      if (controller.signal.aborted) this.#finish(controller, "Export cancelled. Nothing was saved.");
      else this.#fail(controller, error);
      controller.abort();
    }
  }

  // What an export says that is no longer the last one, nobody waits for.
  #finish(controller, text) {
    if (controller !== this.controller) return;
    announce(text);
    this.#show(el("span", {}, text));
  }

  #fail(controller, error) {
    if (controller !== this.controller) return;
    if (error.status !== 401) return this.#show(el("div", { role: "alert" }, ...failure(error)));
    this.place.replaceChildren();
    this.onUnauthorized(error);
  }

  #show(content) {
    this.place.replaceChildren(content, el("button", { type: "button", onclick: () => this.place.replaceChildren() }, "Close"));
  }
}

function failure(error) {
  if (error instanceof ApiError) return words(error);
  const tooLarge = `These calls are more than ${formatBytes(IN_MEMORY)}, which is the most that ${
    canAsk()
      ? "is saved without a question. Start again, and choose a file."
      : "this browser can save. Narrow the selection, or use curl."
  }`;
  const text = error instanceof RangeError ? tooLarge : "The answer broke off, or could not be written. Nothing was saved.";
  return [el("p", {}, el("strong", {}, "Export failed. "), text)];
}
