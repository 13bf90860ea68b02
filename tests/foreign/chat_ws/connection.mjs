import { WebSocket } from 'ws';
import { CarelessReader } from './careless.mjs';
import { Alarm, steadyClock, wallClock } from '../node/clock.mjs';
import { ERRORS } from './errors.mjs';
import { ReplayMemory } from './limits.mjs';

const CLOSE_GRACE = 3000;
const LONGEST_BACKLOG = 64 * 1024 ** 2;
const MUCH_UNREAD = 64 * 1024;
const FLOOD = 100;
const POLICY_VIOLATION = 1008;
const UNSUPPORTED_DATA = 1003;

/** One client in one room: `authenticating`, `connected`, then `closed`. */
export class Connection {
  #state = 'authenticating';
  #deadline = new Alarm(steadyClock);
  #expiry = new Alarm(wallClock);
  #closing;

  constructor(hub, { ws, socket, recipeId, version }) {
    Object.assign(this, { hub, ws, socket, recipeId, version });
    this.fault = hub.fault;
    this.address = socket.remoteAddress;
    this.acceptances = 0;
    this.replay = this.fault('replay-per-connection') ? new ReplayMemory(this.fault) : hub.replay;
    ws.on('message', (data, isBinary) => this.#receive(data, isBinary));
    // ws itself has answered what breaks the framing, a limit or UTF-8 with a close frame; the rest is to hang up.
    ws.on('error', () => this.#abandon());
    ws.on('close', () => this.#ended());
    if (this.fault('close-frame-unanswered')) this.#leaveCloseFramesUnanswered();
    CarelessReader.before(ws, this.fault);
    if (this.fault('flood-postpones-deadline')) this.#postponeUnderFlood();
    if (this.fault('half-closed-member-kept')) socket.removeAllListeners('end');
  }

  #postponeUnderFlood() {
    let pings = 0;
    this.ws.on('ping', () => {
      pings += 1;
      if (pings > FLOOD) this.#startDeadline();
    });
  }

  /** ws answers a close frame by its public `close`, without arguments or with two; its own errors pass one. */
  #leaveCloseFramesUnanswered() {
    this.ws.close = (...answer) => {
      if (answer.length === 1) WebSocket.prototype.close.apply(this.ws, answer);
      else this.ws.terminate();
    };
  }

  // Opening

  awaitAuth() {
    if (this.fault('room-before-auth')) this.hub.rooms.join(this.recipeId, this);
    if (this.fault('deadline-restarted-by-frames')) this.socket.on('data', () => this.#startDeadline());
    this.#startDeadline();
  }

  #startDeadline() {
    if (this.#state !== 'authenticating' || this.fault('deadline-never')) return;
    const { auth_deadline: wait } = this.hub.parameters;
    const skew = this.fault('deadline-early') ? -0.4 * wait : this.fault('deadline-late') ? wait : 0;
    this.deadlineAt = steadyClock() + wait + skew;
    this.#deadline.set(this.deadlineAt, () => this.fail('AUTH_TIMEOUT'));
  }

  accept(token, inReplyTo) {
    this.#deadline.clear();
    this.#state = 'connected';
    this.acceptances += 1;
    this.hub.rooms.join(this.recipeId, this);
    this.#send('recipe_update', this.#recipe(), this.fault('auth-reply-unlinked') ? undefined : inReplyTo);
    this.#follow(token);
  }

  #recipe() {
    return { recipe_id: this.recipeId, revision: 0, recipe: { title: '', ingredients: [], steps: [] } };
  }

  // The life of a token

  #follow(token) {
    if (this.fault('shorter-token-not-followed') && this.token?.expiresAt > token.expiresAt) return;
    if (this.fault('old-timers-kept')) this.#expiry = new Alarm(wallClock);
    this.token = { ...token, warnAt: this.#warnAt(token) };
    this.#watch(this.token);
  }

  #warnAt(token) {
    const moment = token.exp - this.hub.parameters.reauth_lead;
    if (this.version === 1 && !this.fault('v1-warned')) return undefined;
    if (this.fault('auth-required-missing')) return undefined;
    return this.fault('short-token-not-warned') && moment <= wallClock() ? undefined : moment;
  }

  #watch(token) {
    if (this.#state === 'closed') return;
    if (token.warnAt <= wallClock()) this.#warn(token);
    if (token.expiresAt <= wallClock() && !this.#expiryIgnored()) return this.#expire();
    const next = token.warnAt ?? token.expiresAt;
    if (next > wallClock()) this.#expiry.set(next, () => this.#watch(token));
  }

  #warn(token) {
    const halfway = wallClock() + (token.expiresAt - wallClock()) / 2;
    const again = this.fault('auth-required-twice') && !token.warned && halfway > wallClock();
    token.warned = true;
    token.warnAt = again ? halfway : undefined;
    const expiresAt = new Date(Math.round(token.exp)).toISOString();
    this.#send('auth_required', { reason: 'token_expiring', expires_at: expiresAt });
  }

  #expiryIgnored() {
    return this.version === 1 ? this.fault('v1-never-expires') : this.fault('expiry-ignored');
  }

  #expire() {
    const plain = this.version === 1 ? !this.fault('v1-expires-as-reauth') : this.fault('expiry-as-token-expired');
    this.fail(plain ? 'TOKEN_EXPIRED' : 'REAUTH_TIMEOUT');
  }

  /** A message may be read after a moment has come but before its timer has fired. */
  #settleTime() {
    if (this.#state === 'authenticating' && this.deadlineAt <= steadyClock()) this.fail('AUTH_TIMEOUT');
    if (this.#state === 'connected' && this.token.expiresAt <= wallClock()) this.#watch(this.token);
  }

  // Receiving

  #receive(data, isBinary) {
    this.#settleTime();
    if (this.#state === 'closed') return;
    if (isBinary && !this.fault('binary-read-as-text')) return this.close(UNSUPPORTED_DATA);
    const text = data.toString();
    if (this.#oversize(data, text)) return;
    const message = this.hub.messages.read(text);
    if (this.#state === 'authenticating') this.#receiveFirst(message);
    else this.#receiveConnected(message);
  }

  #oversize(data, text) {
    const { message_bytes: limit } = this.hub.parameters;
    if (this.fault('size-in-characters') && text.length > limit) this.close(1009);
    else if (this.fault('oversize-as-invalid') && data.length > limit) this.#complain('MESSAGE_INVALID');
    else return false;
    return true;
  }

  #receiveFirst({ valid, type, id, payload }) {
    if (!valid) return this.#refuseFirst('MESSAGE_INVALID', id);
    if (type !== 'auth') return this.fault('early-message-ignored') || this.fail('AUTH_REQUIRED', id);
    if (!this.hub.messages.isAuth(payload)) {
      return this.#refuseFirst(this.fault('bad-auth-payload-as-token') ? 'TOKEN_INVALID' : 'MESSAGE_INVALID', id);
    }
    if (this.fault('order-lost-behind-auth')) return void setTimeout(() => this.#authenticate(id, payload.token), 50);
    return this.#authenticate(id, payload.token);
  }

  #refuseFirst(code, id) {
    if (this.fault('invalid-first-message-stays-open')) this.#complain(code, id);
    else this.fail(code, id);
  }

  #receiveConnected({ valid, type, id, payload }) {
    if (!valid) return this.#refuse(id);
    if (this.fault('prototype-types-swallowed') && type in Object.prototype) return;
    if (this.fault('server-types-ignored') && ['recipe_update', 'auth_required', 'error'].includes(type)) return;
    if (type === 'auth') this.#receiveAuth(id, payload);
    else if (type === 'chat_message') this.#receiveChat(id, payload);
    else if (this.fault('unknown-type-closes')) this.fail('MESSAGE_UNKNOWN_TYPE', id);
    else this.#complain(this.fault('unknown-type-as-invalid') ? 'MESSAGE_INVALID' : 'MESSAGE_UNKNOWN_TYPE', id);
  }

  #refuse(id) {
    if (this.fault('invalid-message-dropped')) return;
    if (this.fault('invalid-message-closes')) this.fail('MESSAGE_INVALID', id);
    else this.#complain('MESSAGE_INVALID', this.fault('error-unlinked') ? undefined : id);
  }

  // Authenticating

  #authenticate(id, text) {
    if (this.#state === 'closed') return;
    if (this.fault('rate-limit-after-token') && this.hub.verifier.check(text).code) return this.#present(id, text);
    if (!this.hub.rate.admit(this.address)) return this.fail('RATE_LIMITED', id);
    this.#present(id, text);
  }

  #receiveAuth(id, payload) {
    if (!this.hub.messages.isAuth(payload)) return this.#refuse(id);
    if (this.version === 1 && this.fault('v1-auth-unknown')) return this.#complain('MESSAGE_UNKNOWN_TYPE', id);
    if (this.fault('unasked-auth-refused') && !this.token.warned) return this.#complain('MESSAGE_INVALID', id);
    if (this.fault('rate-limit-counts-reauth')) this.hub.rate.admit(this.address);
    this.#present(id, payload.token);
  }

  #present(id, text) {
    const token = this.hub.verifier.check(text);
    const code = this.#objection(id, text, token);
    if (code) return this.#rejectAuth(code, id, text);
    this.replay.add(token.subject, id, token.expiresAt);
    if (this.fault('slow-accept')) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 150);
    this.accept(token, id);
  }

  #objection(id, text, token) {
    const again = this.token !== undefined;
    if (again && this.fault('subject-before-token')) {
      const claimed = this.hub.verifier.claimedSubject(text);
      if (claimed !== undefined && claimed !== this.token.subject) return 'SUBJECT_MISMATCH';
    }
    if (token.code) return token.code;
    const replayed = this.replay.has(token.subject, id) && !(again && this.fault('replay-unchecked-on-reauth'));
    if (replayed) return 'AUTH_REPLAYED';
    const mismatch = again && token.subject !== this.token.subject && !this.fault('other-subject-accepted');
    return mismatch ? 'SUBJECT_MISMATCH' : undefined;
  }

  #rejectAuth(code, id, text) {
    const aside = this.fault('token-in-error-text') ? ` (${text})` : '';
    if (this.token && this.fault('refused-reauth-stays-open')) this.#complain(code, id);
    else this.fail(code, id, aside);
  }

  // The room

  #receiveChat(id, payload) {
    if (!this.hub.messages.isChat(payload)) return this.#refuse(id);
    if (this.token.warned && this.fault('chat-paused-while-expiring')) return this.#complain('AUTH_REQUIRED', id);
    const content = this.#altered(payload.content);
    if (this.fault('long-content-overtaken') && content.length > 500) setTimeout(() => this.#say(content, id), 100);
    else this.#say(content, id);
  }

  #altered(content) {
    if (this.fault('content-trimmed')) return content.trim();
    if (this.fault('content-normalized')) return content.normalize('NFC');
    if (this.fault('content-html-escaped')) return content.replace(/[&<>]/g, (sign) => `&#${sign.charCodeAt(0)};`);
    return content;
  }

  #say(content, id) {
    const behind = ({ ws }) => ws.bufferedAmount > MUCH_UNREAD;
    if (this.fault('slow-member-blocks-room') && this.#audience().some(behind)) {
      return void setTimeout(() => this.#say(content, id), 50);
    }
    return this.#tell(content, id);
  }

  #tell(content, id) {
    const payload = { content, user_id: this.token.subject };
    for (const member of this.#audience()) {
      if (member.#hasGone() && this.fault('gone-member-blocks')) return;
      member.#hear(payload, member === this || this.fault('reply-id-leaked') ? id : undefined);
    }
  }

  #audience() {
    const { rooms } = this.hub;
    const members = this.fault('broadcast-to-every-room') ? rooms.everyone() : [...rooms.members(this.recipeId)];
    return this.fault('sender-gets-no-copy') ? members.filter((member) => member !== this) : members;
  }

  #hear(payload, inReplyTo) {
    const copies = this.fault('delivered-again-after-reauth') ? this.acceptances : 1;
    for (let copy = 0; copy < copies; copy += 1) this.#send('chat_message', payload, inReplyTo);
  }

  // Sending and closing

  #hasGone() {
    return this.ws.readyState !== WebSocket.OPEN;
  }

  #send(type, payload, inReplyTo) {
    if (this.#hasGone()) return;
    // Who does not read is let go before its backlog harms everyone else.
    if (this.ws.bufferedAmount > LONGEST_BACKLOG) return this.ws.terminate();
    this.ws.send(this.hub.messages.write(type, payload, inReplyTo));
  }

  #complain(code, inReplyTo, aside = '') {
    const { message, retryable } = ERRORS[code];
    const hopeless = code === 'RATE_LIMITED' && this.fault('rate-limited-not-retryable');
    this.#send('error', { code, message: message + aside, retryable: retryable && !hopeless }, inReplyTo);
  }

  fail(code, inReplyTo, aside) {
    if (this.#state === 'closed') return;
    if (!this.fault('close-without-error')) this.#complain(code, inReplyTo, aside);
    const status = code === 'AUTH_TIMEOUT' && this.fault('timeout-closes-4408') ? 4408 : POLICY_VIOLATION;
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
    if (!this.fault('gone-member-blocks')) this.hub.rooms.leave(this.recipeId, this);
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
