// One place of the page that loads something: a new task ends the one before it, a failure is shown there in the API's words, and
// one that may pass by itself is tried again.
import { ApiError } from "./api.mjs";
import { el } from "./dom.mjs";

const TRIES = 5; // by itself; then somebody has to ask

export class Loader {
  // notice: the element for failures. onUnauthorized(error) is called for a 401, in place of a notice. dimmed: the element whose
  // content is out of date until the task is done.
  constructor(notice, onUnauthorized, dimmed = null) {
    Object.assign(this, { notice, onUnauthorized, dimmed, controller: null, timer: null });
  }

  get busy() {
    return this.controller !== null;
  }

  cancel() {
    this.controller?.abort();
    this.controller = null;
    clearTimeout(this.timer);
    this.notice.replaceChildren();
  }

  // task(SIGNAL) returns a promise; true where it was done, false where it failed, or was cancelled.
  async run(task, attempt = 1) {
    this.cancel();
    const controller = new AbortController();
    this.controller = controller;
    this.dimmed?.classList.add("loading");
    try {
      await task(controller.signal);
      if (!controller.signal.aborted) this.dimmed?.classList.remove("loading");
      return !controller.signal.aborted;
    } catch (error) {
      if (controller.signal.aborted) return false;
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 401) this.onUnauthorized(error);
      else this.#show(error, task, attempt);
      return false;
    } finally {
      if (this.controller === controller) this.controller = null;
    }
  }

  #show(error, task, attempt) {
    const again = (number) => this.run(task, number);
    const automatic = error.isTemporary && attempt < TRIES;
    const countdown = el("span", { class: "countdown" });
    const cancel = el("button", { type: "button", onclick: () => stop() }, "Cancel");
    const retry = el("button", { type: "button", onclick: () => again(1) }, "Try again");
    const stop = () => {
      clearTimeout(this.timer);
      countdown.remove();
      cancel.remove();
      retry.focus();
    };
    this.notice.replaceChildren(
      // The countdown is outside of what is announced, else each second would be.
      el("div", { role: "alert" }, ...words(error)),
      el("p", { class: "notice-actions" }, automatic && countdown, retry, automatic && cancel),
    );
    if (!automatic) return;
    const until = Date.now() + 1000 * Math.max(error.retryAfter ?? 1, 2 ** (attempt - 1));
    const tick = () => {
      const left = Math.ceil((until - Date.now()) / 1000);
      if (left <= 0) return void again(attempt + 1);
      countdown.textContent = `Trying again in ${left} s (${attempt} of ${TRIES - 1})`;
      this.timer = setTimeout(tick, 250);
    };
    tick();
  }
}

export function words(error) {
  const lines = error.errors.map(({ title, detail }) => el("p", {}, el("strong", {}, `${title}. `), detail));
  const id = error.requestId && el("p", { class: "quiet" }, "Request ", el("code", {}, error.requestId));
  return id ? [...lines, id] : lines;
}
