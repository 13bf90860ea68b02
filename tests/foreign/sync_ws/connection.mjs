import { randomUUID } from 'node:crypto';
import { WebSocket } from 'ws';
import { Alarm, steadyClock, wallClock } from '../node/clock.mjs';
import { absent } from '../node/json.mjs';
import { ERRORS } from './messages.mjs';

const CLOSE_GRACE = 3000;
const LONGEST_BACKLOG = 64 * 1024 ** 2;
const DEFAULT_PULL = 1000;
const POLICY_VIOLATION = 1008;
const UNSUPPORTED_DATA = 1003;
const TOO_BIG = 1009;

/** One client of one instance: `initializing`, `active`, then `closed`. */
export class Connection {
  #state = 'initializing';
  #deadline = new Alarm(steadyClock);
  #expiry = new Alarm(wallClock);
  #closing;

  constructor(hub, { ws, socket, credential }) {
    Object.assign(this, { hub, ws, socket, credential });
    this.fault = hub.fault;
    this.id = randomUUID();
    ws.on('message', (data, isBinary) => this.#receive(data, isBinary));
    // ws itself has answered what breaks the framing, a limit or UTF-8 with a close frame; the rest is to hang up.
    ws.on('error', () => this.#abandon());
    ws.on('close', () => this.#ended());
    if (this.fault('close-frame-unanswered')) this.#leaveCloseFramesUnanswered();
    if (this.fault('deadline-restarted-by-frames')) socket.on('data', () => this.#startDeadline());
    this.#startDeadline();
  }

  /** ws answers a close frame by its public `close`, without arguments or with two; its own errors pass one. */
  #leaveCloseFramesUnanswered() {
    this.ws.close = (...answer) => {
      if (answer.length === 1) WebSocket.prototype.close.apply(this.ws, answer);
      else this.ws.terminate();
    };
  }

  #startDeadline() {
    const { init_deadline: wait, require_auth: strict } = this.hub.parameters;
    if (this.#state !== 'initializing' || this.fault('deadline-never')) return;
    if (!strict && this.fault('deadline-only-with-auth')) return;
    const skew = this.fault('deadline-early') ? -0.4 * wait : this.fault('deadline-late') ? wait : 0;
    this.deadlineAt = steadyClock() + wait + skew;
    this.#deadline.set(this.deadlineAt, () => this.fail('AUTH_REQUIRED'));
  }

  // Receiving

  #receive(data, isBinary) {
    this.#settleTime();
    if (this.#state === 'closed') return;
    if (isBinary && !this.fault('binary-read-as-text')) return this.close(UNSUPPORTED_DATA);
    const text = data.toString();
    const { message_bytes: limit } = this.hub.parameters;
    if (this.fault('oversize-as-invalid') && data.length > limit) return this.#complain('MESSAGE_INVALID');
    if (this.fault('size-in-characters') && text.length > limit) return this.close(TOO_BIG);
    const read = this.hub.messages.read(text);
    if (this.#state === 'initializing') this.#receiveFirst(read);
    else this.#receiveActive(read);
  }

  /** A message may be read after a moment has come but before its timer has fired. */
  #settleTime() {
    if (this.#state === 'initializing' && this.deadlineAt <= steadyClock()) this.fail('AUTH_REQUIRED');
    if (this.#state === 'active') this.#watch();
  }

  #receiveFirst({ type, message, id, valid }) {
    if (!valid) return this.#refuseFirst('MESSAGE_INVALID', id);
    if (type !== 'init') {
      if (this.fault('early-message-ignored')) return undefined;
      return this.#refuseFirst(this.fault('early-message-as-invalid') ? 'MESSAGE_INVALID' : 'NOT_INITIALIZED', id);
    }
    if (this.fault('order-lost-behind-init')) return void setTimeout(() => this.#initialize(message), 50);
    return this.#initialize(message);
  }

  #refuseFirst(code, id) {
    if (this.fault('bad-first-message-stays-open')) this.#complain(code, id);
    else this.fail(code, id);
  }

  #receiveActive({ type, message, id, valid }) {
    if (!valid) return this.#refuse(type, id);
    switch (type) {
      case 'init': return this.#initializeAgain(message);
      case 'push': return this.#push(message);
      case 'pull': return this.#pull(message);
      case 'auth': return this.#renew(message);
      default: return this.#logOut(message);
    }
  }

  #refuse(type, id) {
    if (this.fault('invalid-message-dropped')) return;
    if (this.fault('server-types-ignored') && ['accepted', 'event', 'pushed', 'warning'].includes(type)) return;
    if (this.fault('invalid-message-closes')) this.fail('MESSAGE_INVALID', id);
    else this.#complain('MESSAGE_INVALID', id);
  }

  // Initializing

  #initialize({ instanceId, authToken }) {
    if (this.#state === 'closed') return;
    this.instance = this.hub.instances.get(this.fault('instance-case-folded') ? instanceId.toLowerCase() : instanceId);
    const token = this.#admit(absent(authToken) ? this.credential : authToken);
    const { require_auth: strict, default_user: user } = this.hub.parameters;
    if (!token.code) return this.#accept(token.claims.sub, token);
    const lenient = !strict || (token.code === 'AUTH_REQUIRED' && this.fault('anonymous-accepted'));
    const kept = absent(authToken) ? [] : ['bypass-refuses-bad-token'];
    if (token.code === 'USER_NOT_FOUND') kept.push('bypass-refuses-unknown-user');
    if (!lenient || kept.some(this.fault)) return this.fail(token.code, undefined, this.#aside(authToken));
    return this.#accept(user, undefined);
  }

  #aside(text) {
    return this.fault('token-in-error-text') && text ? ` (${text})` : '';
  }

  /** What becomes of a token: it is good (`graced` where it has expired but its grace has not ended), or a code. */
  #admit(text) {
    if (absent(text)) return { code: this.fault('no-token-as-invalid') ? 'TOKEN_INVALID' : 'AUTH_REQUIRED' };
    const token = this.hub.verifier.check(text);
    if (token.code && token.code !== 'TOKEN_EXPIRED') return token;
    if (token.code) return this.#admitExpired(token);
    return this.#exists(token.claims.sub, false) ? token : { code: 'USER_NOT_FOUND' };
  }

  #admitExpired(token) {
    if (this.fault('expired-as-invalid')) return { code: 'TOKEN_INVALID' };
    if (this.fault('grace-refused')) return { code: 'TOKEN_EXPIRED' };
    if (wallClock() >= this.#graceEnd(token.expiresAt) && !this.fault('grace-endless')) return { code: 'TOKEN_EXPIRED' };
    if (!this.#exists(token.claims.sub, true)) return { code: 'USER_NOT_FOUND' };
    return { claims: token.claims, expiresAt: token.expiresAt, graced: true };
  }

  #graceEnd(expiresAt) {
    const { grace } = this.hub.parameters;
    return expiresAt + (this.fault('grace-halved') ? grace / 2 : grace);
  }

  #exists(subject, graced) {
    const { users, default_user: nobody } = this.hub.parameters;
    if (subject === nobody) return this.fault('default-user-exists');
    if (this.fault('unknown-user-accepted') || (graced && this.fault('unknown-user-in-grace-accepted'))) return true;
    return users.length === 0 || users.includes(subject);
  }

  #accept(userId, token) {
    this.#deadline.clear();
    this.#state = 'active';
    this.bypassed = token === undefined || (!this.hub.parameters.require_auth && this.fault('bypass-always'));
    this.userId = this.bypassed ? this.hub.parameters.default_user : userId;
    if (this.fault('connection-ids-reused')) this.id = `connection-${this.instance.members.size}`;
    this.headAtAcceptance = this.hub.instances.head(this.instance);
    this.instance.members.add(this);
    const accepted = () => this.#send('accepted', this.#acceptance(token));
    if (this.fault('events-overtake-accepted')) setTimeout(accepted, 150);
    else accepted();
    if (!this.bypassed) this.#follow(token);
  }

  #acceptance(token) {
    return {
      connectionId: this.id,
      userId: this.fault('user-id-case-folded') ? this.userId.toLowerCase() : this.userId,
      serverTime: this.hub.timestamp(),
      head: this.fault('head-always-zero') ? 0 : this.headAtAcceptance,
      warning: this.#warningOfAcceptance(token),
    };
  }

  #warningOfAcceptance(token) {
    if (this.bypassed) return this.fault('bypass-unwarned') ? undefined : { code: 'AUTH_DISABLED' };
    if (!token.graced || this.fault('grace-unwarned')) return undefined;
    return this.#graceWarning(token);
  }

  #graceWarning({ expiresAt }) {
    const end = this.fault('grace-counted-from-now') ? wallClock() + this.hub.parameters.grace : this.#graceEnd(expiresAt);
    return { code: 'TOKEN_IN_GRACE', graceEndsAt: this.hub.timestamp(end) };
  }

  #initializeAgain({ instanceId }) {
    if (this.fault('second-init-closes')) return this.fail('ALREADY_INITIALIZED');
    if (this.fault('second-init-switches')) {
      this.instance.members.delete(this);
      this.instance = this.hub.instances.get(instanceId);
      this.instance.members.add(this);
    }
    return this.#complain('ALREADY_INITIALIZED');
  }

  // Events

  #push({ id, events }) {
    const taken = this.fault('invalid-event-skipped') ? events.filter((one) => this.hub.messages.isEvent(one)) : events;
    const pushed = taken.map((event) => ({ event: this.hub.messages.eventOf(event), metadata: this.#metadata(event) }));
    const stored = this.hub.instances.store(this.instance, pushed);
    this.#acknowledge(id, taken, stored);
    const known = this.fault('duplicates-resent') ? taken.map((event) => this.instance.ids.get(event.id)) : stored;
    for (const record of known) this.#spread(record);
  }

  #metadata(given) {
    const own = { userId: this.userId, timestamp: this.hub.timestamp(), connectionId: this.id };
    if (this.fault('client-time-as-server-time')) own.timestamp = given.localTimestamp;
    if (this.fault('metadata-without-connection')) own.connectionId = null;
    return this.fault('client-metadata-kept') ? { ...own, ...given.metadata } : own;
  }

  #acknowledge(id, events, stored) {
    const fresh = new Set(stored.map(({ event }) => event.id));
    let accepted = events.map((event) => event.id);
    if (this.fault('duplicates-not-acknowledged')) accepted = accepted.filter((one) => fresh.has(one));
    if (this.fault('accepted-in-id-order')) accepted.sort();
    this.#send('pushed', { id, accepted, head: this.hub.instances.head(this.instance) });
  }

  #spread(record) {
    const { instances } = this.hub;
    const members = this.fault('events-to-every-instance') ? instances.everyMember() : [...this.instance.members];
    const others = members.filter((member) => member !== this || this.fault('pusher-gets-events'));
    const audience = this.fault('events-to-first-member') ? others.slice(0, 1) : others;
    for (const member of audience) {
      if (member.#hasGone() && this.fault('gone-member-blocks')) return;
      member.#hear(record);
    }
  }

  #hear({ seq, event, metadata }) {
    if (this.fault('own-user-skipped') && metadata.userId === this.userId) return;
    const own = { ...metadata, userId: this.userId };
    const told = { seq, event, metadata: this.fault('receiver-as-author') ? own : metadata };
    for (let copy = 0; copy < (this.fault('events-doubled') ? 2 : 1); copy += 1) this.#send('event', told);
  }

  #pull({ id, since, limit }) {
    const { message_bytes: bytes } = this.hub.parameters;
    const most = this.fault('pull-limit-ignored') || absent(limit) ? DEFAULT_PULL : limit;
    const { records, more } = this.hub.instances.after(this.instance, since, most, bytes);
    const events = records.map((record) => this.#pulled(record));
    if (this.fault('pull-newest-first')) events.reverse();
    const head = this.hub.instances.head(this.instance);
    this.#send('pulled', { id, events, head, more: more && !this.fault('more-always-false') });
  }

  #pulled({ seq, event, metadata }) {
    if (this.fault('pulled-without-metadata')) return { seq, event };
    if (metadata !== undefined) return { seq, event, metadata };
    // Stored before events were attributed.
    const userId = this.fault('unattributed-as-default-user') ? this.hub.parameters.default_user : 'anonymous';
    const timestamp = this.fault('unattributed-timed-now') ? this.hub.timestamp() : event.localTimestamp;
    return { seq, event, metadata: { userId, timestamp, connectionId: null } };
  }

  // The life of a token

  #follow({ expiresAt, graced = false }) {
    if (this.fault('shorter-token-not-followed') && this.token?.expiresAt > expiresAt) return;
    if (this.fault('old-timers-kept')) this.#expiry = new Alarm(wallClock);
    this.token = { expiresAt, warned: graced || this.fault('expiry-unwarned'), graceEndsAt: this.#graceEnd(expiresAt) };
    if (graced) this.hub.metrics.grace += 1;
    this.#watch();
  }

  #watch() {
    const { token } = this;
    if (token === undefined || this.#state !== 'active') return;
    if (!token.warned && token.expiresAt <= wallClock()) this.#enterGrace(token);
    if (this.#state !== 'active') return;
    if (token.graceEndsAt <= wallClock() && !this.fault('grace-end-ignored')) {
      this.fail(this.fault('grace-end-as-auth-required') ? 'AUTH_REQUIRED' : 'TOKEN_EXPIRED');
      return;
    }
    const next = token.warned ? token.graceEndsAt : token.expiresAt;
    if (next > wallClock()) this.#expiry.set(next, () => this.#watchOf(token));
  }

  #watchOf(token) {
    if (token !== this.token) this.fail('TOKEN_EXPIRED');
    else this.#watch();
  }

  #enterGrace(token) {
    token.warned = true;
    if (this.fault('expiry-closes')) return this.fail('TOKEN_EXPIRED');
    this.hub.metrics.grace += 1;
    const warn = () => this.#send('warning', this.#graceWarning(token));
    warn();
    if (this.fault('expiry-warned-twice')) setTimeout(warn, 50);
    if (this.fault('work-stops-in-grace')) this.instance.members.delete(this);
  }

  #renew({ id, authToken }) {
    const token = this.#admit(authToken);
    const code = this.#objection(token);
    if (code && this.fault('refused-auth-stays-open')) return this.#complain(code, id);
    if (code) return this.fail(code, id, this.#aside(authToken));
    this.hub.metrics.renewals += 1;
    const warning = token.graced && !this.fault('graced-renewal-unwarned') ? this.#graceWarning(token) : undefined;
    this.#send('renewed', { id: this.fault('renewal-unlinked') ? undefined : id, warning });
    return this.fault('renewal-not-followed') ? undefined : this.#follow(token);
  }

  #objection(token) {
    const { code } = token;
    if (code === 'USER_NOT_FOUND' && this.fault('unknown-user-as-mismatch')) return 'SUBJECT_MISMATCH';
    if (code) return code;
    if (token.graced && this.fault('graced-renewal-refused')) return 'TOKEN_EXPIRED';
    if (this.bypassed) return this.fault('bypassed-renews') ? undefined : 'SUBJECT_MISMATCH';
    const other = token.claims.sub !== this.userId && !this.fault('other-subject-accepted');
    return other ? 'SUBJECT_MISMATCH' : undefined;
  }

  #logOut({ id }) {
    for (const connection of this.#ofSameUser()) {
      if (connection === this && this.fault('logout-spares-sender')) continue;
      connection.fail('LOGGED_OUT', connection === this || this.fault('logout-id-to-all') ? id : undefined);
    }
  }

  #ofSameUser() {
    if (this.fault('logout-of-connection') || (this.bypassed && this.fault('bypassed-logout-alone'))) return [this];
    return [...this.hub.connections].filter((other) => {
      if (other.#state !== 'active') return false;
      if (this.fault('logout-of-instance') && other.instance !== this.instance) return false;
      if (this.fault('logout-of-everyone') && other.instance === this.instance) return true;
      return other.bypassed === this.bypassed && other.userId === this.userId;
    });
  }

  // Sending and closing

  #hasGone() {
    return this.ws.readyState !== WebSocket.OPEN;
  }

  #send(type, members) {
    if (this.#hasGone()) return;
    // Who does not read is let go before its backlog harms everyone else.
    if (this.ws.bufferedAmount > LONGEST_BACKLOG) return this.ws.terminate();
    this.ws.send(JSON.stringify({ type, ...members }));
  }

  #complain(code, id, aside = '') {
    this.#send('error', { code, message: ERRORS[code] + aside, id });
  }

  fail(code, id, aside) {
    if (this.#state === 'closed') return;
    this.hub.metrics.refusals[code] = (this.hub.metrics.refusals[code] ?? 0) + 1;
    if (!this.fault('close-without-error')) this.#complain(code, id, aside);
    const status = code === 'TOKEN_EXPIRED' && this.fault('expiry-closes-4401') ? 4401 : POLICY_VIOLATION;
    this.close(status, this.fault('close-without-reason') ? '' : code);
  }

  close(status, reason = '') {
    if (this.#state === 'closed') return;
    this.#leave();
    if (this.fault('close-left-to-client') && status === POLICY_VIOLATION) return;
    WebSocket.prototype.close.call(this.ws, status, reason);
    this.#closing = setTimeout(() => this.ws.terminate(), CLOSE_GRACE);
  }

  #leave() {
    this.#state = 'closed';
    this.#deadline.clear();
    this.#expiry.clear();
    if (!this.fault('gone-member-blocks')) this.instance?.members.delete(this);
  }

  #abandon() {
    if (this.#state !== 'closed') this.#leave();
    this.socket.end();
    this.#closing ??= setTimeout(() => this.ws.terminate(), CLOSE_GRACE);
  }

  #ended() {
    this.#leave();
    clearTimeout(this.#closing);
    this.hub.connections.delete(this);
  }
}
