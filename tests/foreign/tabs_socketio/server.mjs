import { readFileSync } from 'node:fs';
import { faultSwitch } from '../node/faults.mjs';
import { absent, isObject } from '../node/json.mjs';
import { count, duration, rate, readOptions, size } from '../node/options.mjs';
import { bearer, bodyOf, jsonOf, sameSecret } from '../node/service.mjs';
import { SocketServer } from '../node/socketio.mjs';
import { TokenVerifier } from '../node/tokens.mjs';
import { EVENTS, isId, isTab, logoutOf, passwordChangeOf } from './schemas.mjs';
import { FailedConnects, Revocations } from './security.mjs';
import { Session } from './session.mjs';

const CATALOGUE = new URL('./faults.json', import.meta.url);

/** Every parameter of the protocol: how its value is read, and its default. */
const PARAMETERS = {
  heartbeat_interval: [duration, 5000],
  heartbeat_misses: [count, 3],
  token_lead: [duration, 60_000],
  connect_deadline: [duration, 5000],
  failed_auths: [rate, { count: 5, window: 60_000 }],
  history: [count, 1000],
  ping_interval: [duration, 25_000],
  ping_timeout: [duration, 20_000],
  message_bytes: [size, 1_000_000],
};

const MESSAGES = {
  AUTH_REQUIRED: 'A token is required.',
  TOKEN_INVALID: 'The token is not valid.',
  TOKEN_EXPIRED: 'The token has expired.',
  MESSAGE_INVALID: 'The data is not valid.',
  EVENT_UNKNOWN: 'There is no such event.',
  NOT_LEADER: 'Another tab leads, or another term has begun.',
};

class TabsServer {
  #sessions = new Map();
  #joined = 0;

  constructor(options) {
    this.serviceToken = options.deployment.service_token;
    if (this.serviceToken === undefined) throw new Error('no service token: give --with service_token=env:NAME');
    this.parameters = options.parameters;
    this.fault = faultSwitch(CATALOGUE, options.fault);
    this.verifier = new TokenVerifier({ ...options, fault: this.fault, required: ['sub', 'sid', 'exp', 'iat'] });
    this.revocations = new Revocations(this.fault);
    this.failures = new FailedConnects(this.parameters.failed_auths, this.fault);
    const endpoints = {
      '/admin/logout': (request, response) => this.#post(request, response, logoutOf),
      '/admin/password-changed': (request, response) => this.#post(request, response, passwordChangeOf),
    };
    this.sockets = new SocketServer({ fault: this.fault, parameters: this.parameters, endpoints });
    this.io = this.sockets.io;
    if (this.fault('other-namespace-accepted')) this.io.of(/^\/.+/);
    this.io.use((socket, next) => this.#admit(socket, next));
    this.io.on('connection', (socket) => this.#connect(socket));
  }

  time() {
    const now = new Date();
    if (!this.fault('local-timestamps')) return now.toISOString();
    return new Date(now.getTime() + 2 * 3_600_000).toISOString().replace('Z', '+02:00');
  }

  #everyTab() {
    return [...this.#sessions.values()].flatMap(({ tabs }) => [...tabs.values()]);
  }

  tabsOfUser(sub) {
    return this.#everyTab().filter((tab) => tab.sub === sub);
  }

  /** A token as the verifier reads it, and whether it is still accepted. */
  read(text) {
    const token = this.verifier.check(text);
    if (token.code === 'TOKEN_EXPIRED' && this.fault('expired-as-invalid')) return { ...token, code: 'TOKEN_INVALID' };
    if (token.code || !this.revocations.has(text, token.claims)) return token;
    return { ...token, code: 'TOKEN_INVALID', signed: true };
  }

  // Connecting

  #admit(socket, next) {
    const auth = isObject(socket.handshake.auth) ? socket.handshake.auth : {};
    const token = this.#tokenOf(auth);
    const code = token.code ?? (isTab(auth) || this.fault('bad-auth-data-accepted') ? undefined : 'MESSAGE_INVALID');
    if (code === undefined) {
      socket.data = { token, auth };
      return next();
    }
    this.#noteFailure(token, auth);
    const aside = this.fault('token-in-error') && typeof auth.token === 'string' ? ` (${auth.token})` : '';
    const error = new Error(MESSAGES[code] + aside);
    if (!this.fault('connect-error-without-code')) error.data = { code };
    return next(error);
  }

  #tokenOf({ token }) {
    if (absent(token)) return { code: this.fault('missing-as-invalid') ? 'TOKEN_INVALID' : 'AUTH_REQUIRED' };
    return typeof token === 'string' ? this.read(token) : { code: 'MESSAGE_INVALID' };
  }

  #noteFailure({ code, signed, claims }, { token, deviceId }) {
    const wellSigned = code === undefined || signed;
    const user = wellSigned ? claims.sub : this.fault('forged-failures-counted') ? claimedSubject(token) : undefined;
    if (typeof user !== 'string' || user === '' || !this.failures.add(user)) return;
    const told = { kind: 'repeated_failures', deviceId: isId(deviceId) ? deviceId : null, at: this.time() };
    for (const tab of this.tabsOfUser(user)) tab.socket.emit('SECURITY_SUSPICIOUS_ACTIVITY', told);
  }

  #connect(socket) {
    this.sockets.admitted(socket);
    const { token, auth } = socket.data;
    const { sub, sid } = token.claims;
    const tab = {
      socket,
      token,
      sub,
      tabId: isId(auth.tabId) ? auth.tabId : 'unknown',
      deviceId: isId(auth.deviceId) ? auth.deviceId : 'unknown',
      visibility: auth.visibility ?? 'visible',
      seniority: (this.#joined += 1),
      texts: new Set([auth.token]),
    };
    const id = this.fault('sessions-shared-by-user') ? sub : sid;
    if (!this.#sessions.has(id)) this.#sessions.set(id, new Session(this, id));
    tab.session = this.#sessions.get(id);
    tab.session.join(tab);
    socket.onAny((name, ...values) => this.#receive(tab, name, values));
    socket.on('disconnect', () => tab.session.leave(tab));
  }

  // Events

  #receive(tab, name, values) {
    if (tab.gone) return;
    tab.session.watchToken();
    if (tab.gone) return;
    const answer = typeof values.at(-1) === 'function' ? values.pop() : () => {};
    const code = this.#handle(tab, name, values[0], answer);
    if (code === undefined || (code === 'EVENT_UNKNOWN' && this.fault('unknown-events-ignored'))) return;
    const event = this.fault('error-without-event') ? undefined : name;
    tab.socket.emit('ERROR', { code, message: MESSAGES[code], event });
    if (code === 'MESSAGE_INVALID' && this.fault('invalid-event-disconnects')) tab.socket.disconnect(true);
  }

  #handle(tab, name, data, answer) {
    const holds = EVENTS.get(name);
    if (holds === undefined) return this.fault('unknown-event-as-invalid') ? 'MESSAGE_INVALID' : 'EVENT_UNKNOWN';
    if (!isObject(data) || !holds(data)) return this.fault('invalid-events-ignored') ? undefined : 'MESSAGE_INVALID';
    switch (name) {
      case 'TAB_VISIBILITY': return tab.session.see(tab, data);
      case 'LEADER_HEARTBEAT': return tab.session.heartbeat(tab, data);
      case 'LEADER_RESIGN': return tab.session.resign(tab, data);
      case 'TOKEN_REFRESHED': return tab.session.refresh(tab, data);
      case 'STATE_UPDATE': return tab.session.update(tab, data);
      default: return tab.session.sync(tab, data, answer);
    }
  }

  // Posts

  async #post(request, response, read) {
    const refuse = (status, error) => this.sockets.reply(response, status, { error });
    const given = bearer(request);
    const known = sameSecret(given, this.serviceToken) || (given !== undefined && this.fault('service-token-unchecked'));
    if (!known) return refuse(401, 'a valid service token is required');
    const bytes = await bodyOf(request, this.parameters.message_bytes);
    if (bytes === undefined) return refuse(413, 'the body is too large');
    const logout = read(jsonOf(bytes));
    if (logout === undefined) {
      if (this.fault('invalid-post-as-done')) return this.sockets.reply(response, 200, { disconnected: 0 });
      return refuse(400, 'the body does not say whom this concerns');
    }
    const disconnected = this.#logOut(logout);
    const told = this.fault('nobody-counted') ? 0 : disconnected;
    return this.sockets.reply(response, 200, { disconnected: told });
  }

  #logOut(logout) {
    const tabs = this.#everyTab().filter((tab) => this.#concerns(logout, tab));
    const sessions = new Set(tabs.map((tab) => tab.session));
    this.revocations.add(logout, tabs.flatMap(({ texts }) => [...texts]));
    const reason = this.fault('reason-otherwise-named') ? 'forced' : logout.reason;
    if (!this.fault('logout-in-silence')) for (const tab of tabs) tab.socket.emit('FORCE_LOGOUT', { reason });
    if (this.fault('logged-out-stay-connected')) return tabs.length;
    for (const session of sessions) session.expel(tabs.filter((tab) => tab.session === session));
    return tabs.length;
  }

  #concerns({ kind, user, device, session, except }, tab) {
    if (kind === 'session') return tab.session.id === session;
    if (kind === 'device' && this.fault('rooms-named-alike')) {
      return `device:${user}:${device}` === `device:${tab.sub}:${tab.deviceId}`;
    }
    if (tab.sub !== user && !(kind === 'device' && this.fault('device-of-any-user'))) return false;
    if (kind === 'device') return tab.deviceId === device || this.fault('device-as-user');
    return tab.session.id !== except || this.fault('exception-ignored');
  }
}

/** What only a faulty server reads: the subject of a token that nobody has verified. */
function claimedSubject(token) {
  try {
    return JSON.parse(Buffer.from(token.split('.')[1], 'base64url')).sub;
  } catch {
    return undefined;
  }
}

function main() {
  const options = readOptions(process.argv.slice(2), PARAMETERS);
  if (options.listFaults) return process.stdout.write(readFileSync(CATALOGUE, 'utf8'));
  return new TabsServer(options).sockets.listen(options);
}

try {
  main();
} catch (error) {
  console.error(error.message);
  process.exitCode = 2;
}
