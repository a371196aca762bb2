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
}

const words = (title, detail) => [{ title, detail, parameter: null }];
const unreachable = () => new ApiError(0, words("No connection", "The service cannot be reached, or the answer broke off."));

async function errorOf(response) {
  const requestId = response.headers.get("X-Request-Id");
  const retryAfter = Number(response.headers.get("Retry-After")) || null;
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
    if (this.token()) headers.Authorization = `Bearer ${this.token()}`;
    let response;
    try {
      response = await fetch(url, { signal, headers, cache: "no-cache", referrerPolicy: "no-referrer" });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw unreachable();
    }
    if (!response.ok) throw await errorOf(response);
    const skew = Date.parse(response.headers.get("Date")) - Date.now();
    // Date has whole seconds, and the answer took its time.
    if (Math.abs(skew) > 5000) this.skew = skew;
    return response;
  }

  // A small document as a whole: { document, requestId }.
  async get(url, signal) {
    const response = await this.open(url, { signal });
    try {
      return { document: await response.json(), requestId: response.headers.get("X-Request-Id") };
    } catch (error) {
      if (signal?.aborted) throw error;
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
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return true;
        if (onText(decoder.decode(value, { stream: true })) === false) return false;
      }
    } catch (error) {
      if (signal?.aborted || error instanceof ApiError) throw error;
      throw unreachable();
    } finally {
      signal?.removeEventListener("abort", abort);
      controller.abort(); // what nobody reads shall not be sent
    }
  }
}
