// Asks again and again, as long as somebody looks: not while the tab is hidden, and less often while it fails.
import { ApiError } from "./api.mjs";

const INTERVAL = 2000;
const LONGEST = 30_000;

export class Live {
  // poll(SIGNAL) returns a promise that is rejected with an ApiError where it failed.
  constructor(poll) {
    Object.assign(this, { poll, on: false, timer: null, interval: INTERVAL, controller: null });
    document.addEventListener("visibilitychange", () => {
      if (this.on) this.#next(document.hidden ? null : 0);
    });
  }

  set(on) {
    if (on === this.on) return;
    this.on = on;
    this.interval = INTERVAL;
    this.controller?.abort();
    this.controller = null;
    this.#next(on && !document.hidden ? this.interval : null);
  }

  #next(milliseconds) {
    clearTimeout(this.timer);
    this.timer = milliseconds === null ? null : setTimeout(() => this.#ask(), milliseconds);
  }

  async #ask() {
    if (this.controller) return;
    const controller = new AbortController();
    this.controller = controller;
    try {
      await this.poll(controller.signal);
      this.interval = INTERVAL;
    } catch (error) {
      // Else it was cancelled: by what somebody did, which says nothing of the service.
      if (error instanceof ApiError)
        this.interval = Math.max(Math.min(2 * this.interval, LONGEST), 1000 * (error.retryAfter ?? 0));
      else if (error.name !== "AbortError") throw error;
    } finally {
      if (this.controller === controller) {
        this.controller = null;
        if (this.on && !document.hidden) this.#next(this.interval);
      }
    }
  }
}
