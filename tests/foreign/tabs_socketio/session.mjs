import { Alarm, steadyClock, wallClock } from '../node/clock.mjs';
import { VISIBILITIES } from './schemas.mjs';
import { State } from './state.mjs';

const timestamp = (moment = Date.now()) => new Date(Math.round(moment)).toISOString();

/** The tabs of one session: who leads them, when their token expires, and what they share. */
export class Session {
  tabs = new Map();
  leader = undefined;
  term = 0;
  expiresAt = 0;
  #refreshed = false;
  #told = undefined;
  #expiry = new Alarm(wallClock);
  #silence = new Alarm(steadyClock);
  #lastSign = 0;
  #accompaniedSince = 0;
  #devices = new Set();

  constructor(hub, id) {
    Object.assign(this, { hub, id });
    this.fault = hub.fault;
    this.parameters = hub.parameters;
    this.state = new State(hub.fault, this.fault('history-short') ? 2 : hub.parameters.history);
  }

  emit(event, data, tabs = this.tabs.values()) {
    for (const tab of [...tabs]) tab.socket.emit(event, data);
  }

  // Tabs

  join(tab) {
    const older = this.tabs.get(tab.tabId);
    if (older && this.fault('replaced-keeps-seniority')) tab.seniority = older.seniority;
    const led = older !== undefined && older === this.leader;
    this.tabs.set(this.fault('tab-not-replaced') && older ? Symbol(tab.tabId) : tab.tabId, tab);
    if (this.tabs.size === 2 && !older) this.#accompaniedSince = steadyClock();
    if (older && !this.fault('tab-not-replaced')) this.#replace(older, tab, led);
    this.#extend(tab);
    const before = this.fault('election-told-before-joining');
    const elected = this.#electOnJoining(tab, led && !this.fault('tab-not-replaced'));
    if (elected && before) this.#tellElection();
    tab.socket.emit('ROOMS_JOINED', this.#joined(tab));
    if (elected && !before) this.#tellElection();
    this.#noteDevice(tab);
    this.#watchSilence();
    this.watchToken();
  }

  #replace(older, tab, led) {
    older.gone = true;
    older.socket.disconnect(true);
    if (led && this.fault('replaced-leader-inherited')) this.leader = tab;
  }

  #electOnJoining(tab, led) {
    if (this.leader === undefined) return this.#choose(undefined);
    if (led && !this.fault('replaced-leader-inherited')) {
      if (this.fault('replaced-elected-twice')) this.elect(undefined);
      return this.#choose(undefined);
    }
    if (!this.fault('newcomer-leads')) return false;
    this.leader = tab;
    this.term += 1;
    return true;
  }

  #joined(tab) {
    const { sub, deviceId, tabId } = tab;
    const rooms = [`user:${sub}`, `device:${sub}:${deviceId}`, `session:${this.id}`, `tab:${this.id}:${tabId}`];
    if (this.fault('device-room-missing')) rooms.splice(1, 1);
    const leaderTabId = this.fault('leader-unnamed') ? null : this.leader.tabId;
    return { rooms, serverTime: this.hub.time(), leaderTabId, term: this.term, version: this.state.version };
  }

  #noteDevice({ deviceId, sub, tabId }) {
    const first = this.#devices.size === 0;
    const known = this.#devices.has(deviceId) && !(this.fault('sharing-told-each-time') && this.#devices.size > 1);
    this.#devices.add(deviceId);
    if (first || known || this.fault('sharing-untold')) return;
    const others = this.hub.tabsOfUser(sub).filter((tab) => tab.tabId !== tabId || !this.fault('sharing-spares-newcomer'));
    this.emit('SECURITY_SUSPICIOUS_ACTIVITY', { kind: 'session_shared', deviceId, at: this.hub.time() }, others);
  }

  leave(tab) {
    if (tab.gone) return;
    tab.gone = true;
    for (const [key, value] of this.tabs) if (value === tab) this.tabs.delete(key);
    if (this.leader === tab && !this.fault('gone-leader-kept')) this.elect(undefined);
    this.#watchSilence();
    if (this.tabs.size === 0) this.#empty();
  }

  #empty() {
    this.leader = undefined;
    this.#silence.clear();
    this.#expiry.clear();
    if (this.fault('state-lost-with-last-tab')) this.state = new State(this.fault, this.parameters.history);
    if (this.fault('term-lost-with-last-tab')) this.term = 0;
  }

  /** Takes tabs out all at once, so that none of them is elected meanwhile. */
  expel(tabs) {
    const led = tabs.includes(this.leader);
    for (const tab of tabs) tab.gone = true;
    for (const [key, tab] of this.tabs) if (tab.gone) this.tabs.delete(key);
    for (const tab of tabs) tab.socket.disconnect(true);
    if (led) this.elect(undefined);
    this.#watchSilence();
    if (this.tabs.size === 0) this.#empty();
  }

  // Leadership

  elect(cause) {
    if (this.#choose(cause)) this.#tellElection();
  }

  #choose(cause) {
    const tabs = [...this.tabs.values()];
    if (tabs.length === 0) {
      this.leader = undefined;
      return false;
    }
    const others = tabs.filter((tab) => tab !== cause);
    const standing = others.length === 0 || this.fault('cause-stands') ? tabs : others;
    this.leader = standing.sort((one, other) => this.#rank(one, other))[0];
    if (!this.fault('term-kept') || this.term === 0) this.term += 1;
    this.#lastSign = steadyClock();
    return true;
  }

  #rank(one, other) {
    const [seen, seenToo] = [one, other].map((tab) => VISIBILITIES.indexOf(tab.visibility));
    if (seen !== seenToo && !this.fault('visibility-ignored')) return seen - seenToo;
    const longer = one.seniority - other.seniority;
    return this.fault('youngest-elected') ? -longer : longer;
  }

  #tellElection() {
    const told = this.fault('election-told-to-winner') ? [this.leader] : this.tabs.values();
    this.emit('LEADER_ELECTED', { leaderTabId: this.leader.tabId, term: this.term }, told);
    this.#watchSilence();
    this.watchToken();
  }

  /** Falls due half an interval behind the last moment for a heartbeat: the protocol leaves a whole one. */
  #watchSilence() {
    const { heartbeat_interval: interval, heartbeat_misses: misses } = this.parameters;
    this.#silence.clear();
    if (this.fault('silence-tolerated') || (this.tabs.size < 2 && !this.fault('lone-leader-deposed'))) return;
    const patience = interval * (this.fault('silence-cut-short') ? 1 : misses) + interval / 2;
    const due = Math.max(this.#lastSign + patience, this.#accompaniedSince + interval / 2);
    this.#silence.set(due, () => this.elect(this.leader));
  }

  heartbeat(tab, { tabId, term }) {
    const rightful = tab === this.leader || this.fault('any-heartbeat-relayed');
    const current = (tabId === tab.tabId && term === this.term) || this.fault('stale-heartbeat-relayed');
    if (!rightful || !current) return 'NOT_LEADER';
    if (!this.fault('heartbeats-not-counted')) this.#lastSign = steadyClock();
    this.#watchSilence();
    const others = [...this.tabs.values()].filter((one) => one !== tab || this.fault('heartbeat-echoed'));
    if (!this.fault('heartbeat-not-relayed')) this.emit('LEADER_HEARTBEAT', { tabId, term }, others);
    return undefined;
  }

  resign(tab, { term }) {
    if (tab !== this.leader && !this.fault('any-resignation-taken')) return 'NOT_LEADER';
    if (term !== this.term && !this.fault('stale-resignation-taken')) return 'NOT_LEADER';
    this.elect(this.leader);
    return undefined;
  }

  see(tab, { visibility }) {
    tab.visibility = visibility;
    if (this.fault('visibility-elects')) this.elect(undefined);
  }

  // The token

  #extend({ token }) {
    if (this.expiresAt <= wallClock()) this.#follow(token, false);
    else if (this.fault('first-token-counts')) return;
    else if (token.expiresAt > this.expiresAt && !this.#refreshed) this.#follow(token, false);
  }

  #follow({ expiresAt, claims }, refreshed) {
    this.expiresAt = expiresAt;
    this.exp = claims.exp * 1000;
    this.#refreshed = refreshed;
    this.#told = undefined;
  }

  watchToken() {
    if (this.tabs.size === 0) return;
    const now = wallClock();
    if (this.expiresAt <= now && !this.fault('expiry-ignored')) return this.#expire();
    const warnAt = this.exp - this.parameters.token_lead;
    if (warnAt <= now && this.#told !== this.term && !(this.#told && this.fault('expiring-told-to-first-leader'))) {
      this.#warn();
    }
    const next = warnAt > now ? warnAt : this.expiresAt;
    if (next > now) this.#expiry.set(next, () => this.watchToken());
  }

  #warn() {
    this.#told = this.term;
    if (this.fault('expiring-untold')) return;
    const told = this.fault('expiring-told-to-all') ? this.tabs.values() : [this.leader];
    const tabs = this.fault('expiring-told-twice') ? [...told, ...told] : told;
    this.emit('TOKEN_EXPIRING', { expiresAt: timestamp(this.exp) }, tabs);
  }

  #expire() {
    const tabs = [...this.tabs.values()];
    if (!this.fault('expiry-in-silence')) {
      this.emit('TOKEN_INVALIDATED', { reason: this.fault('expiry-otherwise-named') ? 'token_expired' : 'expired' });
    }
    if (this.fault('expired-stay-connected')) return this.#expiry.clear();
    if (!this.fault('expiry-elects')) return this.expel(tabs);
    this.expiresAt = Infinity;
    for (const tab of tabs) {
      this.leave(tab);
      tab.socket.disconnect(true);
    }
    this.expiresAt = 0;
    return undefined;
  }

  refresh(tab, { token: text }) {
    if (tab !== this.leader && !this.fault('any-refresh-taken')) return 'NOT_LEADER';
    const token = this.hub.read(text);
    if (token.code) return this.fault('refused-refresh-as-message') ? 'MESSAGE_INVALID' : token.code;
    if (token.claims.sub !== tab.sub && !this.fault('refresh-of-other-user-taken')) return 'TOKEN_INVALID';
    if (token.claims.sid !== this.id && !this.fault('refresh-of-other-session-taken')) return 'TOKEN_INVALID';
    tab.texts.add(text);
    const sooner = token.expiresAt < this.expiresAt && this.fault('sooner-refresh-not-followed');
    if (!this.fault('refresh-not-followed') && !sooner) this.#follow(token, true);
    const updated = { expiresAt: timestamp(token.claims.exp * 1000), updatedBy: tab.tabId };
    if (this.fault('token-sent-to-tabs')) updated.token = text;
    this.emit('TOKEN_UPDATED', updated, this.fault('refresh-told-to-leader') ? [tab] : this.tabs.values());
    this.watchToken();
    return undefined;
  }

  // State

  update(tab, data) {
    const { update, conflict } = this.state.apply(tab.tabId, data);
    if (conflict) {
      this.emit('STATE_CONFLICT', conflict, this.fault('conflict-told-to-all') ? this.tabs.values() : [tab]);
      return;
    }
    const told = this.fault('origin-missing') ? { ...update, origin: undefined } : update;
    const everywhere = this.fault('state-told-to-user') ? this.hub.tabsOfUser(tab.sub) : [...this.tabs.values()];
    this.emit('STATE_UPDATE', told, everywhere.filter((one) => one !== tab || !this.fault('sender-gets-no-copy')));
  }

  sync(tab, { since }, answer) {
    const { updates, full } = this.state.since(since);
    const done = () => answer({ version: this.state.version, full });
    if (this.fault('sync-answered-first')) done();
    for (const update of updates) this.emit('STATE_UPDATE', update, this.fault('sync-told-to-all') ? this.tabs.values() : [tab]);
    if (!this.fault('sync-answered-first')) done();
  }
}
