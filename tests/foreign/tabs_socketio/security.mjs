import { steadyClock, wallClock } from '../node/clock.mjs';

/** Tokens that are refused though they are good: those of logged-out tabs, users and sessions. */
export class Revocations {
  #texts = new Set();
  #sessions = new Set();
  #users = [];

  constructor(fault) {
    this.fault = fault;
  }

  /** From now on refuses what `logout` concerns, and the tokens in use by the tabs that it disconnects. */
  add({ kind, user, session, except }, texts) {
    if (this.fault('logged-out-tokens-accepted')) return;
    for (const text of texts) this.#texts.add(text);
    if (kind === 'session') this.#sessions.add(session);
    if (kind === 'user' && !this.fault('unused-tokens-accepted')) {
      this.#users.push({ user, second: Math.floor(wallClock() / 1000), except });
    }
  }

  has(text, { sub, sid, iat }) {
    if (this.#texts.has(text) || this.#sessions.has(sid)) return true;
    const later = (second) => Math.floor(iat) > second && !this.fault('later-tokens-refused');
    return this.#users.some(({ user, second, except }) => user === sub && sid !== except && !later(second));
  }
}

/** Counts refused connects by the user that their well-signed tokens name. */
export class FailedConnects {
  #failures = new Map();
  #told = new Map();

  constructor({ count, window }, fault) {
    Object.assign(this, { count, window, fault });
  }

  /** Whether this one is to be told of: the first too many in a window. */
  add(user) {
    const now = steadyClock();
    const recent = (this.#failures.get(user) ?? []).filter((at) => now - at <= this.window);
    recent.push(now);
    this.#failures.set(user, recent);
    const most = this.count - (this.fault('failures-told-early') ? 1 : 0);
    const silent = now - this.#told.get(user) <= this.window && !this.fault('failures-told-each-time');
    if (recent.length <= most || silent || this.fault('failures-untold')) return false;
    this.#told.set(user, now);
    return true;
  }
}
