const sum = (clock) => Object.values(clock).reduce((total, count) => total + count, 0);
const entry = (clock, tab) => (Object.hasOwn(clock, tab) ? clock[tab] : 0);
const tabsOf = (...clocks) => [...new Set(clocks.flatMap((clock) => Object.keys(clock)))];
const covers = (one, other) => tabsOf(one, other).every((tab) => entry(one, tab) >= entry(other, tab));

/** Below 0, 0 or above 0, as `one` is before, like or behind `other` by code points. */
function compareText(one, other) {
  const [left, right] = [[...one], [...other]];
  const at = left.findIndex((character, index) => character !== right[index]);
  if (at < 0) return left.length - right.length;
  return right[at] === undefined ? 1 : left[at].codePointAt(0) - right[at].codePointAt(0);
}

/** The shared values of a session, each with its vector clock, and the updates that made them. */
export class State {
  version = 0;
  #entries = new Map();
  #history = [];
  #versions = new Map();

  constructor(fault, historyLength) {
    this.fault = fault;
    this.historyLength = historyLength;
  }

  /** What becomes of an update: `{ update }` for everyone, or `{ conflict }` for who sent it. */
  apply(tabId, { key, value, clock }) {
    const stored = this.#entries.get(key);
    const coming = { key, value, clock, sum: sum(clock), origin: tabId };
    if (stored === undefined || this.fault('last-write-wins')) return this.#store(coming);
    const [newer, older] = [covers(clock, stored.clock), covers(stored.clock, clock)];
    if (newer && older && this.fault('equal-clock-stored')) return this.#store(coming);
    if (older) return { conflict: this.#conflict(stored) };
    if (newer) return this.#store(coming);
    return this.#resolve(stored, coming);
  }

  #conflict({ key, value, clock, version }) {
    return this.fault('conflict-without-version') ? { key, value, clock } : { key, value, clock, version };
  }

  #resolve(stored, coming) {
    if (this.fault('concurrent-refused')) return { conflict: this.#conflict(stored) };
    if (this.fault('concurrent-last-wins')) return this.#store(coming);
    const winner = this.#compare(coming, stored) > 0 ? coming : stored;
    const merged = Object.fromEntries(
      tabsOf(stored.clock, coming.clock).map((tab) => [tab, Math.max(entry(stored.clock, tab), entry(coming.clock, tab))]),
    );
    const origin = this.fault('concurrent-origin-is-sender') ? coming.origin : winner.origin;
    const clock = this.fault('clocks-unmerged') ? winner.clock : merged;
    return this.#store({ ...winner, clock, origin, sum: this.fault('sum-of-merged-clock') ? sum(clock) : winner.sum });
  }

  #compare(one, other) {
    if (one.sum !== other.sum && !this.fault('clock-sums-ignored')) return one.sum - other.sum;
    const byTab = compareText(one.origin, other.origin);
    if (byTab !== 0) return this.fault('smaller-tab-wins') ? -byTab : byTab;
    return compareText(JSON.stringify(one.value), JSON.stringify(other.value));
  }

  #store(stored) {
    this.version += 1;
    const version = this.fault('version-per-key') ? (this.#versions.get(stored.key) ?? 0) + 1 : this.version;
    this.#versions.set(stored.key, version);
    const { key, value, clock, origin } = stored;
    const update = { key, value, clock, version, origin };
    this.#entries.set(key, { ...stored, version });
    this.#history.push({ at: this.version, update });
    if (this.#history.length > this.historyLength) this.#history.shift();
    return { update };
  }

  /** The updates after a version, or the whole state where history does not reach back. */
  since(version) {
    const reaches = version <= this.version && version >= this.version - this.#history.length;
    if (version > this.version && this.fault('beyond-head-as-nothing')) return { updates: [], full: false };
    if (!reaches || this.fault('sync-always-whole')) return { updates: this.#whole(), full: !this.fault('full-never-said') };
    const updates = this.#history.filter(({ at }) => at > version).map(({ update }) => update);
    if (this.fault('sync-newest-first')) updates.reverse();
    return { updates: this.fault('sync-last-only') ? updates.slice(-1) : updates, full: false };
  }

  #whole() {
    const entries = [...this.#entries.values()].sort((one, other) => one.version - other.version);
    return entries.map(({ key, value, clock, version, origin }) => ({ key, value, clock, version, origin }));
  }
}
