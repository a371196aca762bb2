// One place of the page that loads something: a new task ends the one before it, a failure is shown there in the API's words, and
// one that may pass by itself is tried again.
import { ApiError } from "./api.mjs";
import { el } from "./dom.mjs";

const TRIES = 5; // by itself; then somebody has to ask

export class Loader {
  // notice: the element for failures. onUnauthorized(error) is called for a 401, in place of a notice. dimmed: the element whose
  // content is out of date until the task is done. leader: the loader of another place. Where that fails alike, its notice is for
  // both, and this one tries again when the leader does.
  constructor(notice, onUnauthorized, { dimmed = null, leader = null } = {}) {
    Object.assign(this, { notice, onUnauthorized, dimmed, leader, controller: null, timer: null, error: null, follower: null });
    this.alert = el("div", { role: "alert" });
    // The countdown is outside of what is announced, else each second would be.
    this.countdown = el("span", { class: "countdown" });
    this.retry = el("button", { type: "button", onclick: () => this.#try(this.task, 1) }, "Try again");
    this.stop = el("button", { type: "button", onclick: () => this.#stop() }, "Cancel");
    this.actions = el("p", { class: "notice-actions" }, this.countdown, this.retry, this.stop);
  }

  // Whether it is at work, or will be by itself.
  get busy() {
    return this.controller !== null || this.waits;
  }

  get waits() {
    return this.timer !== null;
  }

  cancel() {
    this.#halt();
    this.#forget();
  }

  // task(SIGNAL) returns a promise; true where it was done, false where it failed, or was cancelled.
  run(task) {
    this.cancel();
    return this.#try(task, 1);
  }

  // The same for what nobody has asked for: what is shown stays until the task is done, and a failure is thrown.
  async refresh(task, signal) {
    const controller = this.#begin();
    try {
      await task(AbortSignal.any([controller.signal, signal]));
      this.#succeed();
    } finally {
      this.#end(controller);
    }
  }

  #try(task, attempt) {
    this.task = task;
    const controller = this.#begin();
    this.dimmed?.classList.add("loading");
    this.countdown.textContent = "Trying again …";
    this.countdown.hidden = false;
    this.#lead();
    this.done = this.#do(task, attempt, controller);
    return this.done;
  }

  async #do(task, attempt, controller) {
    const { signal } = controller;
    try {
      await task(signal);
      if (signal.aborted) return false;
      this.#succeed();
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      if (!(error instanceof ApiError)) throw error;
      await this.leader?.done?.catch(() => {}); // what it says decides what is said here
      if (!signal.aborted) this.#fail(error, attempt);
      return false;
    } finally {
      this.#end(controller);
    }
  }

  #begin() {
    this.#halt();
    this.controller = new AbortController();
    return this.controller;
  }

  #end(controller) {
    if (this.controller === controller) this.controller = null;
  }

  #halt() {
    this.controller?.abort();
    this.controller = null;
    clearTimeout(this.timer);
    this.timer = null;
  }

  #succeed() {
    this.dimmed?.classList.remove("loading");
    this.#forget();
    this.#lead();
  }

  // Whoever was in the notice shall not be nowhere.
  #forget() {
    const wasInside = this.notice.contains(document.activeElement);
    this.error = null;
    if (this.leader?.follower?.loader === this) this.leader.follower = null;
    this.notice.replaceChildren();
    if (wasInside) this.notice.closest("section").querySelector("h2").focus();
  }

  #lead() {
    const { follower } = this;
    this.follower = null;
    follower?.again();
  }

  #fail(error, attempt) {
    if (error.status === 401) {
      this.#forget();
      this.onUnauthorized(error);
    } else if (this.leader?.error?.isLike(error)) {
      this.#forget();
      this.leader.follower = { loader: this, again: () => this.#try(this.task, 1) };
    } else {
      this.#show(error, attempt);
    }
  }

  #show(error, attempt) {
    this.error = error;
    const automatic = error.isTemporary && attempt < TRIES;
    this.alert.replaceChildren(...words(error));
    // In place, so that whoever is on a button stays there.
    if (!automatic && document.activeElement === this.stop) this.retry.focus();
    this.countdown.hidden = this.stop.hidden = !automatic;
    if (!this.notice.contains(this.alert)) this.notice.replaceChildren(this.alert, this.actions);
    if (automatic) this.#wait(error, attempt);
  }

  #wait(error, attempt) {
    // Not all at the same instant, who were refused at the same; and none before the time that the service names.
    const seconds = Math.max(error.retryAfter ?? 1, 2 ** (attempt - 1)) * (1 + Math.random() / 4);
    const until = Date.now() + 1000 * seconds;
    const tick = () => {
      const left = Math.ceil((until - Date.now()) / 1000);
      if (left <= 0) return void this.#try(this.task, attempt + 1);
      this.countdown.textContent = `Trying again in ${left} s (${attempt} of ${TRIES - 1})`;
      this.timer = setTimeout(tick, 250);
    };
    tick();
  }

  #stop() {
    this.#halt();
    this.retry.focus();
    this.countdown.hidden = this.stop.hidden = true;
  }
}

export function words(error) {
  const lines = error.errors.map(({ title, detail }) => el("p", {}, el("strong", {}, `${title}. `), detail));
  const id = error.requestId && el("p", { class: "quiet" }, "Request ", el("code", {}, error.requestId));
  return id ? [...lines, id] : lines;
}
