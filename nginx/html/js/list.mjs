// The list of calls: its page, the bodies' first lines, and what arrives while somebody looks.
import { loadBodies } from "./bodies.mjs";
import { byId, el } from "./dom.mjs";
import { visible } from "./format.mjs";
import { Loader } from "./loader.mjs";
import { cursorOf, listQuery } from "./query.mjs";
import { recentWebhooks, rememberWebhook } from "./session.mjs";
import { listDiffers } from "./state.mjs";

const LIVE_ROWS = 500; // what is more begins anew with a page
// Live mode asks for what is newer than its last answer, because a search through the whole log costs too much for every two seconds;
// and for this much before, in milliseconds: a call is seen once its sender's transaction has ended, and the replica has it.
const OVERLAP = 300_000;
const LASTING = { all: "60 days", "7d": "week", "1d": "day", "1h": "hour" };

export class CallList {
  constructor(api, table, onUnauthorized) {
    Object.assign(this, { api, table, calls: [], links: {}, shown: null, asked: 0 });
    this.loader = new Loader(byId("calls-notice"), onUnauthorized, { dimmed: table.table });
    // Its failures are not shown beside those of the list: the rows say that they have no body.
    this.bodies = new Loader(el("div"), (error) => onUnauthorized(error, false));
  }

  url(state, since = null) {
    return this.api.url(state.webhook, listQuery(state, this.api.now(), since));
  }

  // A page as the state says. True where it is shown.
  async load(state) {
    this.bodies.cancel();
    this.table.table.classList.toggle("no-bodies", !state.bodies);
    return this.loader.run(async (signal) => this.#take(state, await this.#ask(state, signal)));
  }

  // Nothing of an earlier selection stays.
  clear() {
    this.bodies.cancel();
    this.loader.cancel();
    Object.assign(this, { calls: [], links: {}, shown: null });
    this.table.show([]);
    byId("empty").hidden = true;
    this.#showLinks();
  }

  // The newest calls again, beside those that are shown. Returns how many of them are new; null where nobody was asked.
  async refresh(state, signal) {
    if (this.loader.busy) return null;
    let added = 0;
    await this.loader.refresh(async (either) => {
      // After a failure the rows are another selection's.
      if (!this.shown || listDiffers(this.shown, state)) this.#take(state, await this.#ask(state, either));
      else added = await this.#add(state, either);
    }, signal);
    return added;
  }

  async #add(state, signal) {
    const document = await this.#ask(state, signal, this.asked - OVERLAP);
    const known = new Set(this.calls.map(({ id }) => id));
    const added = document.data.filter(({ id }) => !known.has(id));
    if (added.length === 0) return 0;
    // Where a whole page is new, there may be a gap.
    if (added.length === state.size || this.calls.length + added.length > LIVE_ROWS) {
      this.#take(state, await this.#ask(state, signal), true);
    } else {
      this.calls = [...added, ...this.calls].sort(newestFirst);
      this.#show(state, true);
    }
    return added.length;
  }

  async #ask(state, signal, since = null) {
    const asked = this.api.now();
    const { document } = await this.api.get(this.url(state, since), signal);
    // The server's clock may be known only now.
    this.asked = Math.min(asked, this.api.now());
    return document;
  }

  #take(state, document, mark = false) {
    const { data, links, included = [] } = document;
    Object.assign(this, { calls: data, links, shown: state });
    showWebhook(state.webhook, included.find(({ type }) => type === "notification/webhooks")?.attributes);
    this.#show(state, mark);
    this.#showLinks();
  }

  #show(state, mark) {
    this.table.show(this.calls, { mark });
    byId("empty").hidden = this.calls.length > 0;
    byId("empty").textContent = whyEmpty(state);
    // A try that waits for its time has the new rows in it.
    if (state.bodies && this.table.idsWithoutBody().length > 0 && !this.bodies.waits) this.#fillBodies(state);
  }

  #fillBodies(state) {
    this.bodies.run(async (signal) => {
      const missing = this.table.idsWithoutBody().slice(0, 100);
      try {
        await loadBodies(this.api, state.webhook, missing, signal, (id, body) => this.table.setBody(id, body));
      } catch (error) {
        if (!signal.aborted) this.table.setNoBodies();
        throw error;
      }
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

function whyEmpty(state) {
  if (state.after || state.before) return "There are no calls on this page.";
  if (state.from && state.to && state.from >= state.to) return "“From” is not before “To”: there is no time between them.";
  const isPlain = state.codes.length === 0 && !state.headers && !state.body && state.range in LASTING;
  return isPlain ? `No calls in the last ${LASTING[state.range]}.` : "No calls were recorded that are like this.";
}

// The API names a webhook beside its calls; of one without, the tab may know the name from before.
function showWebhook(id, attributes) {
  const name = attributes?.name ?? recentWebhooks().find(([known]) => known === id)?.[1] ?? "";
  byId("webhook-name").replaceChildren(
    el("strong", {}, el("bdi", {}, visible(name) || `Webhook ${id}`)),
    " ",
    el("bdi", {}, visible(attributes?.url ?? "")),
  );
  rememberWebhook(id, name);
}
