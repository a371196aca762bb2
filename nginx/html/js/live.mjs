// Asks again and again, as long as somebody looks: not while the tab is hidden, and less often while it fails.

const INTERVAL = 2000;
const LONGEST = 30_000;

export class Live {
  // poll() returns a promise that is rejected where it failed.
  constructor(poll) {
    Object.assign(this, { poll, on: false, timer: null, interval: INTERVAL, asking: false });
    document.addEventListener("visibilitychange", () => {
      if (this.on) this.#next(document.hidden ? null : 0);
    });
  }

  set(on) {
    if (on === this.on) return;
    this.on = on;
    this.interval = INTERVAL;
    this.#next(on && !document.hidden ? this.interval : null);
  }

  #next(milliseconds) {
    clearTimeout(this.timer);
    this.timer = milliseconds === null ? null : setTimeout(() => this.#ask(), milliseconds);
  }

  async #ask() {
    if (this.asking) return;
    this.asking = true;
    try {
      await this.poll();
      this.interval = INTERVAL;
    } catch {
      this.interval = Math.min(2 * this.interval, LONGEST);
    }
    this.asking = false;
    if (this.on && !document.hidden) this.#next(this.interval);
  }
}
