import { readFileSync } from 'node:fs';
import { Alarm, wallClock } from '../node/clock.mjs';
import { faultSwitch } from '../node/faults.mjs';
import { pathOf } from '../node/http.mjs';
import { absent, characters, isObject } from '../node/json.mjs';
import { duration, readOptions, size } from '../node/options.mjs';
import { bearer, bodyOf, jsonOf, sameSecret } from '../node/service.mjs';
import { SocketServer } from '../node/socketio.mjs';
import { TokenVerifier } from '../node/tokens.mjs';

const CATALOGUE = new URL('./faults.json', import.meta.url);
const STATUSES = ['PENDING', 'RUNNING', 'PASSED', 'FAILED', 'CANCELLED'];
const ID_LENGTH = 128;
const MISSING = 'Authentication required';
const REFUSED = 'Invalid or expired token';

/** Every parameter of the protocol: how its value is read, and its default. */
const PARAMETERS = {
  connect_deadline: [duration, 5000],
  ping_interval: [duration, 25_000],
  ping_timeout: [duration, 20_000],
  message_bytes: [size, 1_000_000],
};

class ExecutionsServer {
  /** The last update of every task, by organization. */
  #updates = new Map();

  constructor(options) {
    this.serviceToken = options.deployment.service_token;
    if (this.serviceToken === undefined) throw new Error('no service token: give --with service_token=env:NAME');
    this.parameters = options.parameters;
    this.fault = faultSwitch(CATALOGUE, options.fault);
    const required = ['userId', 'organizationId', 'role', 'exp'];
    this.verifier = new TokenVerifier({ ...options, fault: this.fault, required });
    const endpoint = (request, response) => this.#post(request, response);
    const endpoints = { '/executions/update': endpoint, '/executions/log': endpoint };
    this.sockets = new SocketServer({ fault: this.fault, parameters: this.parameters, endpoints });
    this.io = this.sockets.io;
    if (this.fault('other-namespace-accepted')) this.io.of(/^\/.+/);
    if (this.fault('refused-by-connect-error')) this.#refuseBeforeConnecting();
    this.io.on('connection', (socket) => this.#connect(socket));
  }

  #refuseBeforeConnecting() {
    this.io.use((socket, next) => {
      const { code } = this.#read(socket.handshake.auth);
      next(code ? new Error(code) : undefined);
    });
  }

  // Sockets

  #connect(socket) {
    this.sockets.admitted(socket);
    const { code, claims, expiresAt } = this.#read(socket.handshake.auth);
    if (code) return this.#refuse(socket, code);
    const { userId, role, organizationId: own } = claims;
    const asked = socket.handshake.auth.organizationId;
    const organizationId = this.fault('organization-from-auth') && typeof asked === 'string' ? asked : own;
    socket.data = { organizationId };
    if (!this.fault('never-in-room')) socket.join(this.#room(organizationId));
    const message = this.fault('other-words-of-success') ? 'Connected' : 'Connected to organization channel';
    const success = { message, organizationId, userId, role };
    if (this.fault('success-without-role')) delete success.role;
    if (this.fault('success-overtaken')) setTimeout(() => socket.emit('auth-success', success), 150);
    else if (!this.fault('success-missing')) socket.emit('auth-success', success);
    socket.on('cancel-execution', (...values) => this.#cancel(socket, values));
    return this.#watch(socket, expiresAt);
  }

  #read(auth) {
    const token = auth?.token;
    if (absent(token)) return { code: this.fault('missing-as-refused') ? REFUSED : MISSING };
    if (token === '' && this.fault('empty-as-missing')) return { code: MISSING };
    if (typeof token !== 'string') return { code: REFUSED };
    const read = this.verifier.check(token);
    if (!read.code) return read;
    if (read.code === 'TOKEN_EXPIRED' && this.fault('reason-told')) return { code: 'Token expired' };
    return { code: this.fault('token-in-error') ? `${REFUSED}: ${token}` : REFUSED };
  }

  #room(organizationId) {
    return this.fault('organizations-case-folded') ? `org:${organizationId}`.toLowerCase() : `org:${organizationId}`;
  }

  #refuse(socket, error) {
    if (!this.fault('refused-in-silence')) socket.emit('auth-error', { error });
    if (this.fault('refused-stays-connected')) return;
    socket.disconnect(!this.fault('refused-transport-stays'));
  }

  #watch(socket, expiresAt) {
    if (this.fault('expiry-ignored')) return;
    const alarm = new Alarm(wallClock);
    const late = this.fault('expiry-late') ? 2000 : 0;
    alarm.set(expiresAt + late, () => this.#expire(socket));
    socket.on('disconnect', () => alarm.clear());
    socket.data.expiresAt = expiresAt + late;
  }

  #expire(socket) {
    if (!this.fault('expiry-in-silence')) socket.emit('auth-error', { error: REFUSED });
    if (this.fault('expired-still-told')) return;
    socket.disconnect(true);
  }

  /** What is told to a room; who expires at this very moment is told no more. */
  #tell(organizationId, event, data) {
    for (const socket of this.io.sockets.sockets.values()) {
      if (socket.data.expiresAt <= wallClock() && !this.fault('expired-still-told')) this.#expire(socket);
    }
    const room = this.#room(organizationId);
    for (let copy = 0; copy < (this.fault('told-twice') ? 2 : 1); copy += 1) this.#audience(room).emit(event, data);
  }

  #audience(room) {
    if (this.fault('told-to-everyone')) return this.io;
    const rooms = [...this.io.of('/').adapter.rooms.keys()];
    if (this.fault('rooms-by-prefix')) return this.io.to(['', ...rooms.filter((one) => one.startsWith(room))]);
    if (!this.fault('told-to-one')) return this.io.to(room);
    const [first] = this.io.of('/').adapter.rooms.get(room) ?? [''];
    return this.io.to(first);
  }

  // Cancelling

  #cancel(socket, values) {
    const answer = typeof values.at(-1) === 'function' ? values.pop() : () => {};
    const [data] = values;
    if (!isObject(data) || !this.#isId(data.taskId)) return this.#refuseCancel(answer);
    const { organizationId } = socket.data;
    const update = this.#updateOf(organizationId, data.taskId);
    if (update === undefined) return answer(this.#notFound(data.taskId));
    const cancelled = this.#cancelled(update);
    this.#keep(organizationId, cancelled);
    if (this.fault('cancel-told-before-answered')) this.#tell(organizationId, 'execution-updated', cancelled);
    answer({ ok: true });
    if (this.fault('cancel-told-before-answered') || this.fault('cancel-untold')) return undefined;
    if (this.fault('cancel-told-to-sender')) return socket.emit('execution-updated', cancelled);
    return this.#tell(organizationId, 'execution-updated', cancelled);
  }

  #refuseCancel(answer) {
    if (this.fault('invalid-cancel-unanswered')) return;
    answer({ ok: false, error: this.fault('invalid-cancel-as-not-found') ? 'NOT_FOUND' : 'INVALID' });
  }

  #updateOf(organizationId, taskId) {
    const own = this.#updates.get(organizationId)?.get(taskId);
    if (own || !this.fault('foreign-task-cancelled')) return own;
    return [...this.#updates.values()].map((tasks) => tasks.get(taskId)).find(Boolean);
  }

  #notFound(taskId) {
    const elsewhere = [...this.#updates.values()].some((tasks) => tasks.has(taskId));
    if (elsewhere && this.fault('foreign-task-told-apart')) return { ok: false, error: 'FORBIDDEN' };
    return this.fault('unknown-task-cancelled') ? { ok: true } : { ok: false, error: 'NOT_FOUND' };
  }

  #cancelled(update) {
    const status = this.fault('cancelled-otherwise-spelled') ? 'CANCELED' : 'CANCELLED';
    if (!this.fault('cancelled-cut-short')) return { ...update, status };
    return { taskId: update.taskId, organizationId: update.organizationId, status };
  }

  #keep(organizationId, update) {
    if (!this.#updates.has(organizationId)) this.#updates.set(organizationId, new Map());
    const tasks = this.#updates.get(organizationId);
    if (!tasks.has(update.taskId) || !this.fault('first-update-cancelled')) tasks.set(update.taskId, update);
  }

  // Posts

  async #post(request, response) {
    const answer = (status, body) => this.sockets.reply(response, status, body);
    const refuse = (status, error) => answer(status, this.fault('fault-unnamed') ? {} : { error });
    const isLog = pathOf(request) === '/executions/log';
    const early = this.fault('body-before-token') ? await this.#body(request) : undefined;
    if (early?.problem) return refuse(early.status, early.problem);
    if (!this.#authorized(bearer(request))) {
      const value = this.fault('unauthorized-still-sent') ? (await this.#body(request)).value : undefined;
      if (value) this.#publish(value, isLog);
      return refuse(this.fault('unauthorized-as-403') ? 403 : 401, 'a valid service token is required');
    }
    const { status, problem, value } = early ?? (await this.#body(request));
    const wrong = problem ?? this.#wrong(value, isLog);
    if (wrong) {
      if (this.fault('invalid-still-sent') && isObject(value)) this.#publish(value, isLog);
      return refuse(status ?? (this.fault('invalid-as-422') ? 422 : 400), wrong);
    }
    const listeners = this.io.of('/').adapter.rooms.has(this.#room(value.organizationId));
    if (!listeners && this.fault('unheard-as-404')) return refuse(404, 'nobody listens');
    this.#publish(value, isLog);
    return answer(this.fault('answered-202') ? 202 : 200, { status: 'broadcasted' });
  }

  #authorized(given) {
    if (this.fault('service-token-unchecked')) return given !== undefined;
    if (this.fault('service-token-by-prefix') && given?.startsWith(this.serviceToken)) return true;
    if (this.fault('user-token-accepted') && given && !this.verifier.check(given).code) return true;
    return sameSecret(given, this.serviceToken);
  }

  async #body(request) {
    const { message_bytes: limit } = this.parameters;
    const most = this.fault('body-size-unchecked') ? limit * 4 : limit - (this.fault('body-limit-off-by-one') ? 1 : 0);
    const bytes = await bodyOf(request, most);
    if (bytes === undefined) return { status: this.fault('oversize-as-400') ? 400 : 413, problem: 'the body is too large' };
    const value = jsonOf(bytes);
    return isObject(value) ? { value } : { status: 400, problem: 'the body is not a JSON object' };
  }

  #wrong(value, isLog) {
    if (!this.#isId(value.taskId)) return 'taskId';
    if (!this.#isId(value.organizationId)) return 'organizationId';
    if (isLog) return typeof value.log === 'string' ? undefined : 'log';
    const known = ['taskId', 'organizationId', 'status', 'startTime'];
    const strange = Object.keys(value).find((name) => !known.includes(name));
    if (strange && this.fault('unknown-members-refused')) return strange;
    return STATUSES.includes(value.status) || this.fault('status-unchecked') ? undefined : 'status';
  }

  #isId(value) {
    if (typeof value !== 'string' || (value === '' && !this.fault('empty-ids-accepted'))) return false;
    const length = this.fault('lengths-in-utf16') ? value.length : characters(value);
    return length <= ID_LENGTH + (this.fault('id-limit-off-by-one') ? 1 : 0);
  }

  #publish(value, isLog) {
    if (isLog) return this.#publishLog(value);
    this.#keep(value.organizationId, value);
    return this.#tell(value.organizationId, 'execution-updated', this.#altered(value));
  }

  #altered(update) {
    const { taskId, organizationId, status, startTime } = update;
    if (this.fault('update-cut-to-schema')) return { taskId, organizationId, status, startTime };
    if (!this.fault('null-members-dropped')) return update;
    return Object.fromEntries(Object.entries(update).filter(([, value]) => value !== null));
  }

  #publishLog({ organizationId, taskId, log }) {
    const data = { taskId, log: this.fault('logs-trimmed') ? log.trimEnd() : log };
    if (this.fault('log-names-organization')) data.organizationId = organizationId;
    const tell = () => this.#tell(organizationId, 'execution-log', data);
    if (this.fault('long-logs-overtaken') && log.length > 500) setTimeout(tell, 100);
    else tell();
  }
}

function main() {
  const options = readOptions(process.argv.slice(2), PARAMETERS);
  if (options.listFaults) return process.stdout.write(readFileSync(CATALOGUE, 'utf8'));
  return new ExecutionsServer(options).sockets.listen(options);
}

try {
  main();
} catch (error) {
  console.error(error.message);
  process.exitCode = 2;
}
