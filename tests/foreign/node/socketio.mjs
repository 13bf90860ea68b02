import { createServer } from 'node:http';
import { Server } from 'socket.io';
import { headerValues, isWebSocketUpgrade, pathOf, refuseUpgrade } from './http.mjs';
import { isObject, parseJson } from './json.mjs';

const PATH = '/socket.io/';
const RESERVED = ['connect', 'connect_error', 'disconnect', 'disconnecting', 'newListener', 'removeListener'];
const [ENGINE_PING, ENGINE_MESSAGE] = ['2', '4'];
const [CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR, BINARY_EVENT, BINARY_ACK] = ['0', '1', '2', '3', '4', '5', '6'];
const COMING_OR_GOING = [ENGINE_MESSAGE + CONNECT, ENGINE_MESSAGE + DISCONNECT];
const SHUTDOWN_GRACE = 3000;
const BACKLOG = 1024;

const refusal = (status, code, headers = {}) => ({ status, headers, body: JSON.stringify({ code }) });

/** The parts of a Socket.IO packet's text; without `type` where it has none that there is. */
function packetOf(text) {
  const found = /^([0-6])(?:(\d+)-)?(?:(\/[^,]*),?)?(\d+)?(.*)$/s.exec(text);
  if (!found) return {};
  const [, type, attachments, namespace = '/', , data] = found;
  return { type, attachments: Number(attachments ?? 0), namespace, data };
}

/**
 * Stands between a connection's WebSocket and engine.io.
 *
 * socket.io takes events with a number for a name and packets without data, and closes on an event that comes in one
 * segment with its connect packet. Here frames that no client may send end the connection, and those behind a packet
 * that connects or disconnects wait until it has been handled.
 */
class Gate {
  #waiting = [];
  #held = false;
  #awaited = 0;
  connected = false;

  constructor(connection, { fault, allConnections }) {
    Object.assign(this, { connection, fault, allConnections });
    const { socket: ws } = connection.transport;
    const emit = ws.emit.bind(ws);
    ws.emit = (name, ...values) => (name === 'message' ? this.#take(values, emit) : emit(name, ...values));
  }

  #take(values, emit) {
    if (this.#held) return this.#waiting.push(values);
    return this.#handle(values, emit);
  }

  #handle(values, emit) {
    const [data, isBinary] = values;
    const wrong = isBinary ? this.#wrongBinary() : this.#wrongText(data.toString());
    // What is wrong is named by the fault of overlooking it.
    if (wrong !== undefined) return this.fault(wrong) || this.#refuse();
    emit('message', ...values);
    if (!isBinary && COMING_OR_GOING.includes(data.toString().slice(0, 2))) this.#hold(emit);
    return true;
  }

  /** What socket.io does about connecting and disconnecting is done once the current turn of the event loop ends. */
  #hold(emit) {
    this.#held = true;
    setImmediate(() => {
      this.#held = false;
      while (this.#waiting.length && !this.#held) this.#handle(this.#waiting.shift(), emit);
    });
  }

  #refuse() {
    if (this.fault('bad-packet-closes-all')) for (const one of this.allConnections()) one.close();
    return this.connection.close();
  }

  #wrongBinary() {
    if (this.#awaited === 0) return 'stray-binary-ignored';
    this.#awaited -= 1;
    return undefined;
  }

  #wrongText(text) {
    if (text === '') return 'empty-frame-ignored';
    if (!/^[0-6]/.test(text)) return 'unknown-engine-type-ignored';
    if (text[0] === ENGINE_PING) return 'client-ping-ignored';
    return text[0] === ENGINE_MESSAGE ? this.#wrongPacket(packetOf(text.slice(1))) : undefined;
  }

  #wrongPacket({ type, namespace, attachments, data }) {
    if (type === undefined) return 'unknown-packet-type-ignored';
    if (type === CONNECT) return this.#wrongConnect(namespace, data);
    if (type === BINARY_EVENT || type === BINARY_ACK) this.#awaited = attachments;
    if (![EVENT, ACK, BINARY_EVENT, BINARY_ACK].includes(type)) return undefined;
    if (!this.connected) return 'early-event-ignored';
    const value = parseJson(data);
    if (value === undefined) return 'event-not-json-ignored';
    if (!Array.isArray(value)) return 'event-not-array-ignored';
    if (type === ACK || type === BINARY_ACK) return undefined;
    if (typeof value[0] !== 'string') return 'nameless-event-ignored';
    return RESERVED.includes(value[0]) ? 'reserved-event-ignored' : undefined;
  }

  #wrongConnect(namespace, data) {
    if (namespace === '/' && this.connected) return 'second-connect-ignored';
    if (namespace !== '/' && this.fault('other-namespace-ignored')) return 'other-namespace-ignored';
    if (namespace !== '/' && this.fault('other-namespace-refused-in-default')) {
      this.connection.send(`${CONNECT_ERROR}{"message":"Invalid namespace"}`);
      return 'other-namespace-refused-in-default';
    }
    return data === '' || isObject(parseJson(data)) ? undefined : 'bad-connect';
  }
}

/** A socket.io server whose upgrades are decided here, with HTTP endpoints beside it. */
export class SocketServer {
  #stopping = false;

  /** `endpoints` maps paths to what answers a POST: `(request, response) => …`. */
  constructor({ fault, parameters, endpoints }) {
    Object.assign(this, { fault, parameters, endpoints });
    this.gates = new Map();
    this.io = new Server({
      serveClient: false,
      transports: ['websocket'],
      pingInterval: parameters.ping_interval,
      pingTimeout: parameters.ping_timeout,
      maxHttpBufferSize: parameters.message_bytes - (fault('frame-limit-off-by-one') ? 1 : 0),
      connectTimeout: this.#connectTimeout(),
    });
    this.http = createServer();
    this.#bind();
  }

  #connectTimeout() {
    const { connect_deadline: wait } = this.parameters;
    if (this.fault('connect-deadline-never')) return 2 ** 31 - 1;
    if (this.fault('connect-deadline-early')) return wait * 0.6;
    return this.fault('connect-deadline-late') ? wait * 2 : wait;
  }

  #bind() {
    // socket.io is bound to a server of its own that never listens, so that every request is met here first.
    const inner = createServer();
    this.io.attach(inner);
    this.io.engine.on('connection', (connection) => this.#connect(connection));
    this.http.on('request', (request, response) => this.#answer(request, response));
    this.http.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
    this.http.on('clientError', (error, socket) => {
      const status = error.code === 'HPE_HEADER_OVERFLOW' ? 431 : 400;
      if (socket.writable) refuseUpgrade(socket, refusal(status, 'REQUEST_INVALID'));
    });
  }

  #connect(connection) {
    const allConnections = () => Object.values(this.io.engine.clients);
    this.gates.set(connection, new Gate(connection, { fault: this.fault, allConnections }));
    connection.on('close', () => this.gates.delete(connection));
    if (this.fault('pings-missing')) clearTimeout(connection.pingIntervalTimer);
    if (this.fault('pings-unawaited')) connection.resetPingTimeout = () => {};
    if (this.fault('close-frame-unanswered')) connection.transport.socket.close = () => connection.transport.socket.terminate();
  }

  /** To be called of a socket that the default namespace has taken. */
  admitted(socket) {
    const gate = this.gates.get(socket.conn);
    if (gate) gate.connected = true;
    socket.on('disconnect', () => {
      if (gate) gate.connected = false;
    });
  }

  #answer(request, response) {
    const refused = this.#refusal(request, false);
    if (refused) return this.reply(response, refused.status, JSON.parse(refused.body), refused.headers);
    // A body that breaks off has nobody to answer to.
    return this.endpoints[pathOf(request)](request, response).catch(() => response.destroy());
  }

  reply(response, status, body, headers = {}) {
    const text = JSON.stringify(body);
    const all = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text), ...headers };
    // Who is refused before its body has been read is told so, and the rest of what it sends is dropped.
    if (status >= 400) all.Connection = 'close';
    response.writeHead(status, all);
    response.end(text);
    response.req.resume();
  }

  #upgrade(request, socket, head) {
    socket.on('error', () => socket.destroy());
    const refused = this.#refusal(request, true);
    if (refused) return refuseUpgrade(socket, refused);
    const query = new URL(request.url, 'http://host').searchParams;
    if (query.get('EIO') !== '4' || query.get('transport') !== 'websocket' || query.has('sid')) {
      return refuseUpgrade(socket, { status: 400, body: JSON.stringify({ code: 3, message: 'Bad request' }) });
    }
    return this.io.engine.handleUpgrade(request, socket, head);
  }

  #refusal(request, asksForUpgrade) {
    if (this.#stopping) return refusal(503, 'SHUTTING_DOWN');
    const path = pathOf(request);
    const endpoint = Object.hasOwn(this.endpoints, path);
    const served = endpoint || path === PATH || (path.startsWith(PATH) && this.fault('path-by-prefix'));
    if (!served) return refusal(404, 'NOT_FOUND');
    if (!endpoint && !(asksForUpgrade && isWebSocketUpgrade(request))) {
      if (this.fault('plain-request-as-400')) return refusal(400, 'UPGRADE_REQUIRED');
      return refusal(426, 'UPGRADE_REQUIRED', { Upgrade: 'websocket' });
    }
    if (!this.#originAllowed(request, endpoint)) return refusal(403, 'ORIGIN_FORBIDDEN');
    return endpoint && request.method !== 'POST' ? refusal(405, 'METHOD_NOT_ALLOWED', { Allow: 'POST' }) : undefined;
  }

  #originAllowed(request, endpoint) {
    const { origins } = this.parameters;
    if (endpoint ? this.fault('origin-of-posts-unchecked') : this.fault('origin-unchecked')) return true;
    return origins.length === 0 || headerValues(request, 'origin').every((origin) => origins.includes(origin));
  }

  listen({ host, port }) {
    this.http.listen({ host, port, backlog: BACKLOG }, () => {
      const { address, port: bound } = this.http.address();
      console.log(`listening on ${address}:${bound}`);
    });
    for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => this.#shutDown());
  }

  #shutDown() {
    if (this.#stopping) return;
    this.#stopping = true;
    this.http.close(() => process.exit(0));
    this.http.closeIdleConnections();
    this.io.disconnectSockets(true);
    this.io.engine.close();
    setTimeout(() => process.exit(0), SHUTDOWN_GRACE);
  }
}
