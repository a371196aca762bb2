// The list of calls: its page, the bodies' first lines, and what arrives while somebody looks.
import { loadBodies } from "./bodies.mjs";
import { announce, byId, el } from "./dom.mjs";
import { Loader } from "./loader.mjs";
import { cursorOf, listQuery } from "./query.mjs";
import { rememberWebhook } from "./session.mjs";

const LIVE_ROWS = 500; // what is more begins anew with a page

export class CallList {
  constructor(api, table, onUnauthorized) {
    Object.assign(this, { api, table, calls: [], links: {}, bodies: new AbortController() });
    this.loader = new Loader(byId("calls-notice"), onUnauthorized, table.table);
  }

  url(state) {
    return this.api.url(state.webhook, listQuery(state, this.api.now()));
  }

  // A page as the state says. True where it is shown.
  async load(state) {
    this.bodies.abort();
    this.table.table.classList.toggle("no-bodies", !state.bodies);
    return this.loader.run(async (signal) => {
      this.#take(state, (await this.api.get(this.url(state), signal)).document);
    });
  }

  // Nothing of an earlier selection stays.
  clear() {
    this.bodies.abort();
    this.loader.cancel();
    Object.assign(this, { calls: [], links: {} });
    this.table.show([]);
    byId("empty").hidden = true;
    this.#showLinks();
  }

  // The newest calls again, beside those that are shown. Returns how many of them are new.
  async refresh(state) {
    if (this.loader.busy) return 0;
    const before = this.calls;
    const { document } = await this.api.get(this.url(state));
    if (this.calls !== before || this.loader.busy) return 0; // another page was asked for meanwhile
    const known = new Set(before.map(({ id }) => id));
    const added = document.data.filter(({ id }) => !known.has(id));
    if (added.length === 0) return 0;
    // Where none is known, there may be a gap.
    if (added.length === document.data.length || before.length + added.length > LIVE_ROWS) {
      this.#take(state, document, true);
    } else {
      this.calls = [...added, ...before].sort(newestFirst);
      this.#show(state, true);
    }
    announce(added.length === 1 ? "1 new call." : `${added.length} new calls.`);
    return added.length;
  }

  #take(state, document, mark = false) {
    const { data, links, included = [] } = document;
    Object.assign(this, { calls: data, links });
    const webhook = included.find(({ type }) => type === "notification/webhooks");
    if (webhook) showWebhook(webhook);
    this.#show(state, mark);
    this.#showLinks();
  }

  #show(state, mark) {
    this.table.show(this.calls, { mark });
    byId("empty").hidden = this.calls.length > 0;
    byId("empty").textContent =
      state.after || state.before ? "There are no calls on this page." : "No calls were recorded that are like this.";
    if (state.bodies && this.table.idsWithoutBody().length > 0) this.#fillBodies(state);
  }

  // Failures are not shown: the list is there, and a call's own page tells what is wrong with its body.
  #fillBodies(state) {
    this.bodies.abort();
    this.bodies = new AbortController();
    const { signal } = this.bodies;
    const missing = this.table.idsWithoutBody().slice(0, 100);
    loadBodies(this.api, state.webhook, missing, signal, (id, body) => this.table.setBody(id, body)).catch((error) => {
      if (!signal.aborted) for (const id of this.table.idsWithoutBody()) this.table.setBody(id, undefined);
      if (error.status === undefined && !signal.aborted) throw error;
    });
  }

  // The changes of the state that lead to the next and previous page, by the API's own links.
  next() {
    return cursorOf(this.links.next);
  }

  previous() {
    return cursorOf(this.links.prev);
  }

  #showLinks() {
    byId("next").disabled = !this.links.next;
    byId("previous").disabled = !this.links.prev;
  }
}

const newestFirst = (a, b) =>
  Date.parse(b.attributes.created_at) - Date.parse(a.attributes.created_at) || (BigInt(b.id) > BigInt(a.id) ? 1 : -1);

function showWebhook({ id, attributes: { name, url } }) {
  byId("webhook-name").replaceChildren(el("strong", {}, name), ` ${url}`);
  rememberWebhook(id, name);
}
