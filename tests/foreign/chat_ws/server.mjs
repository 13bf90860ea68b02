import { createServer, STATUS_CODES } from 'node:http';
import { WebSocketServer } from 'ws';
import { Connection } from './connection.mjs';
import { catalogueText, faultSwitch } from './faults.mjs';
import { RateLimit, ReplayMemory } from './limits.mjs';
import { Messages } from './messages.mjs';
import { readOptions } from './options.mjs';
import { Rooms } from './rooms.mjs';
import { TokenVerifier } from './tokens.mjs';
import { Gate, refusal } from './upgrade.mjs';

const BACKLOG = 1024;
const LONGEST_HEADERS = 64 * 1024;
const LINGER = 2000;
const SHUTDOWN_GRACE = 3000;
const GOING_AWAY = 1001;

class ChatServer {
  #stopping = false;
  #metrics = { version1Connections: 0 };

  constructor(options) {
    this.fault = faultSwitch(options.fault);
    this.parameters = options.parameters;
    this.verifier = new TokenVerifier({ ...options, fault: this.fault });
    this.gate = new Gate(this);
    this.messages = new Messages(this.fault);
    this.rate = new RateLimit(this.parameters.auth_rate, this.fault);
    this.replay = new ReplayMemory(this.fault);
    this.rooms = new Rooms(this.fault);
    this.connections = new Set();
    this.webSockets = this.#webSocketServer();
    this.http = this.#httpServer();
  }

  #webSocketServer() {
    const webSockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: this.#longestPayload(),
      skipUTF8Validation: this.fault('bad-utf8-replaced'),
      // Many pings or fragments in one segment are lawful; only the size of a message is limited.
      maxPendingAutoPongs: 0,
      maxFragments: 0,
      maxBufferedChunks: 0,
    });
    webSockets.on('headers', (lines, request) => lines.push(...request.answerHeaders));
    webSockets.on('wsClientError', (_, socket) => {
      refuseUpgrade(socket, refusal(400, 'HANDSHAKE_INVALID', { 'Sec-WebSocket-Version': '13' }));
    });
    return webSockets;
  }

  #longestPayload() {
    const limit = this.parameters.message_bytes;
    if (this.fault('size-in-characters') || this.fault('oversize-as-invalid')) return limit * 16;
    return this.fault('size-limit-off-by-one') ? limit - 1 : limit;
  }

  #httpServer() {
    const server = createServer({ maxHeaderSize: LONGEST_HEADERS });
    server.on('request', (request, response) => this.#answerPlain(request, response));
    server.on('upgrade', (request, socket, head) => this.#answerUpgrade(request, socket, head));
    server.on('clientError', (error, socket) => {
      if (this.fault('malformed-head-ignored')) return;
      if (this.fault('malformed-head-kills')) process.exit(1);
      const status = error.code === 'HPE_HEADER_OVERFLOW' ? 431 : 400;
      if (socket.writable) refuseUpgrade(socket, refusal(status, 'REQUEST_INVALID'));
    });
    return server;
  }

  #answerPlain(request, response) {
    const { status, headers, body } = this.#decide(request, false);
    response.writeHead(status, { ...headers, ...this.#bodyHeaders(body) });
    response.end(body);
    request.resume();
  }

  #bodyHeaders(body) {
    const type = this.fault('refusal-as-plain-text') ? 'text/plain' : 'application/json';
    return { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) };
  }

  #answerUpgrade(request, socket, head) {
    socket.on('error', () => socket.destroy());
    const decision = this.#decide(request, true);
    if (decision.status) return refuseUpgrade(socket, decision, this.#bodyHeaders(decision.body));
    request.answerHeaders = Object.entries(this.#answerHeaders(decision)).map(([name, value]) => `${name}: ${value}`);
    // ws is handed what has been decided here, since it would itself refuse lists that are lawful or harmless.
    request.headers.upgrade = 'websocket';
    delete request.headers['sec-websocket-protocol'];
    delete request.headers['sec-websocket-extensions'];
    if (this.fault('key-unchecked') && !request.headers['sec-websocket-key']) {
      request.headers['sec-websocket-key'] = 'dGhlIHNhbXBsZSBub25jZQ==';
    }
    if (request.headers['sec-websocket-version'] !== '13') delete request.headers['sec-websocket-version'];
    this.webSockets.handleUpgrade(request, socket, head, (ws) => this.#connect(ws, socket, decision));
  }

  #answerHeaders({ subprotocol, headers = {} }) {
    return subprotocol === undefined ? headers : { ...headers, 'Sec-WebSocket-Protocol': subprotocol };
  }

  #decide(request, asksForUpgrade) {
    if (this.#stopping) return refusal(503, 'SHUTTING_DOWN');
    const decision = this.gate.decide(request, asksForUpgrade);
    if (decision.status && this.fault('refusal-as-plain-text')) return { ...decision, body: STATUS_CODES[decision.status] };
    return decision;
  }

  #connect(ws, socket, { recipeId, version, token, refused }) {
    const connection = new Connection(this, { ws, socket, recipeId, version });
    this.connections.add(connection);
    if (version === 1) this.#noteVersion1();
    if (refused) connection.fail(refused);
    else if (token) connection.accept(token);
    else connection.awaitAuth();
  }

  #noteVersion1() {
    this.#metrics.version1Connections += 1;
    console.warn(`deprecated: version 1 connection ${this.#metrics.version1Connections}`);
  }

  listen({ host, port }) {
    this.http.listen({ host, port, backlog: BACKLOG }, () => {
      const { address, port: bound } = this.http.address();
      console.log(`listening on ${address}:${bound}`);
    });
  }

  shutDown() {
    if (this.#stopping) return;
    this.#stopping = true;
    this.http.close(() => process.exit(0));
    this.http.closeIdleConnections();
    for (const connection of [...this.connections]) this.#dismiss(connection);
    setTimeout(() => process.exit(0), SHUTDOWN_GRACE);
  }

  #dismiss(connection) {
    if (this.fault('shutdown-abrupt')) connection.ws.terminate();
    else connection.close(GOING_AWAY);
  }
}

function refuseUpgrade(socket, { status, headers, body }, bodyHeaders) {
  const all = {
    Connection: 'close',
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
    ...bodyHeaders,
    ...headers,
  };
  if (all.Upgrade) all.Connection = 'close, Upgrade';
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  socket.end([`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...lines, '', body].join('\r\n'));
  // What the client still sends is read and dropped: unread data would reset the connection over the answer.
  socket.resume();
  setTimeout(() => socket.destroy(), LINGER).unref();
}

function main() {
  const options = readOptions(process.argv.slice(2));
  if (options.listFaults) return process.stdout.write(catalogueText());
  const server = new ChatServer(options);
  process.on('SIGTERM', () => server.shutDown());
  process.on('SIGINT', () => server.shutDown());
  return server.listen(options);
}

try {
  main();
} catch (error) {
  console.error(error.message);
  process.exitCode = 2;
}
