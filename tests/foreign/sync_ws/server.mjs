import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';
import { faultSwitch } from '../node/faults.mjs';
import { headerValues, isWebSocketUpgrade, pathOf, refuseUpgrade } from '../node/http.mjs';
import { duration, flag, list, name, readOptions, size } from '../node/options.mjs';
import { TokenVerifier } from '../node/tokens.mjs';
import { Connection } from './connection.mjs';
import { Instances } from './instances.mjs';
import { Messages } from './messages.mjs';

const CATALOGUE = new URL('./faults.json', import.meta.url);
const PATH = '/sync';
const BACKLOG = 1024;
const LONGEST_HEADERS = 64 * 1024;
const SHUTDOWN_GRACE = 3000;
const GOING_AWAY = 1001;

/** Every parameter of the protocol: how its value is read, and its default. */
const PARAMETERS = {
  init_deadline: [duration, 5000],
  grace: [duration, 24 * 3_600_000],
  require_auth: [flag, true],
  default_user: [name, 'dev-user'],
  message_bytes: [size, 1_048_576],
  users: [list, []],
};

const refusal = (status, code, headers = {}) => ({ status, headers, body: JSON.stringify({ code }) });

class SyncServer {
  #stopping = false;

  constructor(options) {
    this.fault = faultSwitch(CATALOGUE, options.fault);
    this.parameters = options.parameters;
    this.verifier = new TokenVerifier({ ...options, fault: this.fault, required: ['sub', 'exp'] });
    this.messages = new Messages(this.fault);
    this.instances = new Instances(this.fault, options.store);
    this.connections = new Set();
    this.metrics = { grace: 0, renewals: 0, refusals: {} };
    this.webSockets = this.#webSocketServer();
    this.http = this.#httpServer();
  }

  /** A moment (epoch milliseconds; now without one) as the protocol writes it. */
  timestamp(moment = Date.now()) {
    const time = Math.round(moment);
    if (!this.fault('local-timestamps')) return new Date(time).toISOString();
    return new Date(time + 2 * 3_600_000).toISOString().replace('Z', '+02:00');
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
    webSockets.on('wsClientError', (_, socket) => {
      refuseUpgrade(socket, refusal(400, 'HANDSHAKE_INVALID', { 'Sec-WebSocket-Version': '13' }));
    });
    return webSockets;
  }

  #longestPayload() {
    const { message_bytes: limit } = this.parameters;
    if (this.fault('oversize-as-invalid') || this.fault('size-in-characters')) return limit * 16;
    return this.fault('size-limit-off-by-one') ? limit - 1 : limit;
  }

  #httpServer() {
    const server = createServer({ maxHeaderSize: LONGEST_HEADERS });
    server.on('request', (request, response) => {
      const { status, headers, body } = this.#objection(request, false);
      response.writeHead(status, { 'Content-Type': 'application/json', ...headers, 'Content-Length': Buffer.byteLength(body) });
      response.end(body);
      request.resume();
    });
    server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
    server.on('clientError', (error, socket) => {
      const status = error.code === 'HPE_HEADER_OVERFLOW' ? 431 : 400;
      if (socket.writable) refuseUpgrade(socket, refusal(status, 'REQUEST_INVALID'));
    });
    return server;
  }

  #upgrade(request, socket, head) {
    socket.on('error', () => socket.destroy());
    const refused = this.#objection(request, true);
    if (refused) return refuseUpgrade(socket, refused);
    // ws is handed what has been decided here, since it would itself refuse lists that are lawful or harmless.
    request.headers.upgrade = 'websocket';
    delete request.headers['sec-websocket-protocol'];
    delete request.headers['sec-websocket-extensions'];
    const credential = this.#credential(request);
    this.webSockets.handleUpgrade(request, socket, head, (ws) => {
      this.connections.add(new Connection(this, { ws, socket, credential }));
    });
  }

  /** What only a faulty server looks at: a token beside the protocol. */
  #credential(request) {
    if (this.fault('header-token-used')) return headerValues(request, 'authorization')[0]?.replace(/^bearer /i, '');
    return this.fault('query-token-used') ? new URL(request.url, 'http://host').searchParams.get('token') : undefined;
  }

  #objection(request, asksForUpgrade) {
    if (this.#stopping) return refusal(503, 'SHUTTING_DOWN');
    const refused = this.#objectionInOrder(request, asksForUpgrade);
    if (!refused || !this.fault('refusal-as-plain-text')) return refused;
    return { ...refused, headers: { 'Content-Type': 'text/plain' }, body: 'refused' };
  }

  #objectionInOrder(request, asksForUpgrade) {
    if (this.fault('origin-before-path') && !this.#originAllowed(request)) return refusal(403, 'ORIGIN_FORBIDDEN');
    const path = pathOf(request);
    if (path !== PATH && !(this.fault('path-by-prefix') && path.startsWith(PATH))) return refusal(404, 'NOT_FOUND');
    if (!asksForUpgrade || !isWebSocketUpgrade(request)) {
      if (this.fault('plain-request-as-400')) return refusal(400, 'UPGRADE_REQUIRED');
      return refusal(426, 'UPGRADE_REQUIRED', { Upgrade: 'websocket' });
    }
    return this.#originAllowed(request) ? undefined : refusal(403, 'ORIGIN_FORBIDDEN');
  }

  #originAllowed(request) {
    const { origins } = this.parameters;
    const given = headerValues(request, 'origin');
    if (this.fault('origin-required') && origins.length && given.length === 0) return false;
    const allowed = (origin) =>
      origins.includes(origin) || (this.fault('origin-prefix-match') && origins.some((entry) => origin.startsWith(entry)));
    return origins.length === 0 || given.every(allowed);
  }

  listen({ host, port, 'metrics-port': metricsPort }) {
    this.http.listen({ host, port, backlog: BACKLOG }, () => {
      const { address, port: bound } = this.http.address();
      console.log(`listening on ${address}:${bound}`);
    });
    if (metricsPort !== undefined) this.#serveMetrics(host, Number(metricsPort));
  }

  #serveMetrics(host, port) {
    const server = createServer((_, response) => {
      response.writeHead(200, { 'Content-Type': 'text/plain; version=0.0.4' });
      response.end(this.#metricsText());
    });
    server.listen({ host, port }, () => console.log(`metrics on ${server.address().address}:${server.address().port}`));
  }

  #metricsText() {
    const { grace, renewals, refusals } = this.metrics;
    const refused = Object.entries(refusals).map(([code, count]) => `sync_refusals_total{code="${code}"} ${count}`);
    return [`sync_grace_total ${grace}`, `sync_renewals_total ${renewals}`, ...refused, ''].join('\n');
  }

  shutDown() {
    if (this.#stopping) return;
    this.#stopping = true;
    this.http.close(() => this.#exit());
    this.http.closeIdleConnections();
    for (const connection of [...this.connections]) this.#dismiss(connection);
    setTimeout(() => this.#exit(), SHUTDOWN_GRACE);
  }

  #dismiss(connection) {
    if (this.fault('shutdown-abrupt')) connection.ws.terminate();
    else connection.close(GOING_AWAY);
  }

  #exit() {
    this.instances.close();
    process.exit(0);
  }
}

function main() {
  const more = { store: { type: 'string' }, 'metrics-port': { type: 'string' } };
  const options = readOptions(process.argv.slice(2), PARAMETERS, more);
  if (options.listFaults) return process.stdout.write(readFileSync(CATALOGUE, 'utf8'));
  const server = new SyncServer(options);
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
