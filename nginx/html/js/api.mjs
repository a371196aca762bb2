// The API's client: requests in, documents out, and every failure as an ApiError in the API's own words.

export class ApiError extends Error {
  // status is 0 where no answer came. errors: { title, detail, parameter }, at least one.
  constructor(status, errors, { retryAfter = null, requestId = null } = {}) {
    super(errors[0].detail);
    Object.assign(this, { status, errors, retryAfter, requestId });
  }

  get isTemporary() {
    return [0, 429, 502, 503, 504].includes(this.status);
  }

  isLike({ status, message }) {
    return this.status === status && this.message === message;
  }
}

const words = (title, detail) => [{ title, detail, parameter: null }];
const unreachable = () =>
  new ApiError(0, words("No connection", "The service cannot be reached, was silent for too long, or the answer broke off."));

const PATIENCE = 30_000; // for a small document; the API gives up a statement after 5 s
const PIECE = 30; // of work on an answer, after which the page has a turn
const CLOCK = 5000; // a difference of clocks that is none
// All in milliseconds.

// A turn for whatever else waits, which a promise is not. Timers would do, but those of a hidden tab are slow.
function turn() {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

// In seconds: the header has those, or a date by the clock of whoever sent it.
function retryAfterOf(headers) {
  const text = headers.get("Retry-After");
  const seconds = /^[0-9]+$/.test(text) ? Number(text) : (Date.parse(text) - Date.parse(headers.get("Date"))) / 1000;
  return seconds > 0 ? seconds : null;
}

// A token as a header can have it. What was copied from a chat may have a character that nobody sees.
function checkToken(token) {
  const odd = /[^\x21-\x7e]/u.exec(token)?.[0];
  if (odd === undefined) return;
  const code = odd.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
  throw new ApiError(
    401,
    words("Unauthorized", `The token has a character that none has, U+${code}: copy it again, or type it.`),
  );
}

async function errorOf(response) {
  const requestId = response.headers.get("X-Request-Id");
  const retryAfter = retryAfterOf(response.headers);
  let errors = [];
  try {
    errors = (await response.json()).errors.map(({ title, detail, source }) => ({
      title: String(title),
      detail: String(detail),
      parameter: source?.parameter ?? null,
    }));
  } catch {
    // not the API's: a proxy between, or another server
  }
  if (errors.length === 0) errors = words(`Status ${response.status}`, "This answer is not the API's.");
  return new ApiError(response.status, errors, { retryAfter, requestId });
}

export class Api {
  // base: the address below which webhooks are; token(): the token, or an empty text where there is none.
  constructor(base, token) {
    this.base = base;
    this.token = token;
    this.skew = 0; // of the server's clock against ours, in milliseconds
  }

  now() {
    return Date.now() + this.skew;
  }

  url(webhook, query, call = "") {
    return new URL(`${this.base}${webhook}/calls${call && `/${call}`}?${query}`, document.baseURI).href;
  }

  // The response, once its status and headers are there. AbortError where the signal says so, ApiError for all else.
  async open(url, { signal, accept = "application/vnd.api+json" }) {
    const headers = { Accept: accept };
    checkToken(this.token());
    if (this.token()) headers.Authorization = `Bearer ${this.token()}`;
    const asked = Date.now();
    let response;
    try {
      response = await fetch(url, { signal, headers, cache: "no-cache", referrerPolicy: "no-referrer" });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw unreachable();
    }
    if (!response.ok) throw await errorOf(response);
    const skew = Date.parse(response.headers.get("Date")) - Date.now();
    // Date has whole seconds, and the answer took its time; where that was long, the difference is no clock's.
    if (!Number.isNaN(skew) && Date.now() - asked <= CLOCK) this.skew = Math.abs(skew) > CLOCK ? skew : 0;
    return response;
  }

  // A small document as a whole: { document, requestId }.
  async get(url, signal) {
    const response = await this.open(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]) });
    try {
      return { document: await response.json(), requestId: response.headers.get("X-Request-Id") };
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw unreachable();
    }
  }

  // Hands the answer's text on as it arrives, until it ends or onText returns false. True where it was read to its end.
  async stream(url, signal, onText) {
    const controller = new AbortController();
    const abort = () => controller.abort();
    signal?.addEventListener("abort", abort);
    try {
      signal?.throwIfAborted();
      const response = await this.open(url, { signal: controller.signal });
      const reader = response.body.getReader();
      const decoder = new TextDecoder();
      let began = performance.now();
      for (;;) {
        if (performance.now() - began > PIECE) {
          await turn();
          began = performance.now();
        }
        const { done, value } = await reader.read();
        if (done) return true;
        if (onText(decoder.decode(value, { stream: true })) === false) return false;
      }
    } catch (error) {
      if (error.name === "AbortError" || error instanceof ApiError) throw error;
      throw unreachable();
    } finally {
      signal?.removeEventListener("abort", abort);
      controller.abort(); // what nobody reads shall not be sent
    }
  }
}
