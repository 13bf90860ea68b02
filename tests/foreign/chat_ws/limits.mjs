import { steadyClock, wallClock } from '../node/clock.mjs';

const SWEEP_EVERY = 1000;

/** Admits at most `count` attempts of one address in any window; what it refuses does not count. */
export class RateLimit {
  #attempts = new Map();
  #calls = 0;

  constructor({ count, window }, fault) {
    this.count = count;
    this.window = window;
    this.fault = fault;
  }

  admit(address) {
    if (this.fault('rate-limit-missing')) return true;
    const now = steadyClock();
    this.#sweep(now);
    const key = this.fault('rate-limit-shared') ? 'everyone' : address;
    const recent = this.#recent(key, now);
    const admitted = recent.length < this.count;
    if (admitted || this.fault('rate-limit-counts-refused')) recent.push(now);
    this.#attempts.set(key, recent);
    return admitted;
  }

  #recent(key, now) {
    const attempts = this.#attempts.get(key) ?? [];
    if (this.fault('rate-limit-fixed-window')) return now - attempts[0] > this.window ? [] : attempts;
    return attempts.filter((at) => now - at <= this.window);
  }

  #sweep(now) {
    if (++this.#calls % SWEEP_EVERY) return;
    for (const [key, attempts] of this.#attempts) {
      if (now - attempts.at(-1) > this.window) this.#attempts.delete(key);
    }
  }
}

/** The ids of accepted `auth` messages, each kept until the token that it brought has expired. */
export class ReplayMemory {
  #accepted = new Map();
  #calls = 0;

  constructor(fault) {
    this.fault = fault;
  }

  has(subject, id) {
    return this.#accepted.get(this.#key(subject, id)) > wallClock();
  }

  add(subject, id, expiresAt) {
    this.#sweep();
    this.#accepted.set(this.#key(subject, id), expiresAt);
  }

  #key(subject, id) {
    return JSON.stringify(this.fault('replay-ignores-subject') ? [id] : [subject, id]);
  }

  #sweep() {
    if (++this.#calls % SWEEP_EVERY) return;
    const now = wallClock();
    for (const [key, expiresAt] of this.#accepted) {
      if (expiresAt <= now) this.#accepted.delete(key);
    }
  }
}
