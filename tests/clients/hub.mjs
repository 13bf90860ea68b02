// What @microsoft/signalr makes of a hub: `node hub.mjs SCENARIO URL`, tokens by name as JSON on the standard input.
// One line of JSON comes out when the scenario is over; each waits for events, never for time.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const { DefaultHttpClient, HttpTransportType, HubConnectionBuilder, LogLevel, NullLogger } = require("@microsoft/signalr");
const WebSocket = require("ws");

const [, , scenario, url] = process.argv;
const tokens = JSON.parse(readFileSync(0, "utf8"));

// Remembers what a negotiation gave; the client itself shows no connection token.
class Negotiating extends DefaultHttpClient {
  constructor() {
    super(NullLogger.instance);
  }
  async send(request) {
    const response = await super.send(request);
    if (response.statusCode === 200) this.last = JSON.parse(response.content);
    return response;
  }
}

function hub(token, { query = "", reconnect = false } = {}) {
  const http = new Negotiating();
  let socket;
  let pings = 0;
  class Kept extends WebSocket {
    constructor(...given) {
      super(...given);
      socket = this;
      this.on("message", (data) => {
        const records = data.toString().split("\x1e");
        pings += records.filter((record) => record && JSON.parse(record).type === 6).length;
        wake();
      });
    }
  }
  let builder = new HubConnectionBuilder()
    .withUrl(`${url}/hub${query}`, {
      accessTokenFactory: typeof token === "string" ? () => token : token,
      httpClient: http,
      WebSocket: Kept,
      transport: HttpTransportType.WebSockets,
    })
    .configureLogging(LogLevel.None);
  if (reconnect) builder = builder.withAutomaticReconnect([0, 0, 0]);
  const connection = builder.build();
  const heard = [];
  const waiting = [];
  for (const target of ["ConnectionChanged", "TokenExpiring", "Receive"]) {
    connection.on(target, (...given) => {
      heard.push([target, ...given]);
      wake();
    });
  }
  function wake() {
    for (const go of waiting.splice(0)) go();
  }
  async function until(seen) {
    while (!heard.some(seen)) await new Promise((go) => waiting.push(go));
    return heard.find(seen);
  }
  async function pinged(times) {
    while (pings < times) await new Promise((go) => waiting.push(go));
  }
  const told = (target) => until(([name]) => name === target);
  const closed = new Promise((end) => connection.onclose((error) => end(error ? error.message : null)));
  return { connection, heard, until, told, pinged, closed, lose: () => socket.terminate(), ticket: () => http.last };
}

const attempt = (promise) => promise.then((given) => ({ given }), (error) => ({ error: error.message }));

const scenarios = {
  async calls() {
    const { connection, heard, told, closed } = hub(tokens.ann);
    await connection.start();
    await told("ConnectionChanged");
    const results = [];
    for (const [target, ...given] of [
      ["GetConnection"],
      ["RegisterTab", "one"],
      ["RegisterTab", "two"],
      ["RegisterTab", "one"],
      ["UnregisterTab", "one"],
      ["JoinHub", "soup"],
      ["Send", "soup", { pot: ["🍲", null] }],
      ["Send", "salad", 1],
      ["LeaveHub", "soup"],
    ]) {
      results.push([target, await connection.invoke(target, ...given)]);
    }
    const refused = [
      await attempt(connection.invoke("Nothing")),
      await attempt(connection.invoke("JoinHub", "")),
      await attempt(connection.invoke("JoinHub")),
    ];
    const id = connection.connectionId;
    await connection.stop();
    return { id, results, refused: refused.map((one) => "error" in one), heard, closed: await closed };
  },

  async others() {
    const [ann, bob, eve] = [hub(tokens.ann), hub(tokens.bob), hub(tokens.eve)];
    for (const one of [ann, bob, eve]) await one.connection.start();
    await ann.connection.invoke("JoinHub", "soup");
    await eve.connection.invoke("JoinHub", "salad");
    await bob.connection.invoke("Send", "soup", "hot");
    const received = await ann.told("Receive");
    for (const one of [bob, eve]) await one.connection.invoke("GetConnection");
    const astray = [...bob.heard, ...eve.heard].filter(([target]) => target === "Receive");
    for (const one of [ann, bob, eve]) await one.connection.stop();
    return { received, astray };
  },

  async refused() {
    return [await attempt(hub(tokens.forged).connection.start()), await attempt(hub(tokens.expired).connection.start())];
  },

  async refresh() {
    const { connection, told, closed } = hub(tokens.short);
    await connection.start();
    const [, expiring] = await told("TokenExpiring");
    const wrong = await attempt(connection.invoke("RefreshToken", tokens.bob));
    const renewed = await connection.invoke("RefreshToken", tokens.medium);
    return { expiring, wrong: "error" in wrong, renewed, closed: await closed, at: Date.now() / 1000 };
  },

  async reconnect() {
    let asked = 0;
    const { connection, until } = hub(() => (asked++ < 2 ? tokens.short : tokens.ann), { reconnect: true });
    await connection.start();
    const first = connection.connectionId;
    const again = await new Promise((back) => connection.onreconnected(back));
    const [, record] = await until(([target, given]) => target === "ConnectionChanged" && given.connectionId === again);
    await connection.stop();
    return { first, again, record, state: connection.state };
  },

  async resume() {
    const first = hub(tokens.ann);
    await first.connection.start();
    await first.connection.invoke("RegisterTab", "one");
    await first.connection.invoke("JoinHub", "soup");
    const former = first.ticket();
    first.lose();
    await first.closed;
    const query = `?resume=${encodeURIComponent(former.connectionToken)}`;
    const second = hub(tokens.ann, { query });
    await second.connection.start();
    const [, resumed] = await second.told("ConnectionChanged");
    const third = hub(tokens.ann, { query });
    await third.connection.start();
    const [, fresh] = await third.told("ConnectionChanged");
    const standing = hub(tokens.ann, { query: `?resume=${encodeURIComponent(second.ticket().connectionToken)}` });
    await standing.connection.start();
    const [, moved] = await standing.told("ConnectionChanged");
    const ended = await second.closed;
    const another = await attempt(
      hub(tokens.bob, { query: `?resume=${encodeURIComponent(standing.ticket().connectionToken)}` }).connection.start(),
    );
    for (const one of [third, standing]) await one.connection.stop();
    return { former: former.connectionId, resumed, fresh, moved, ended, another };
  },

  // Client and server say nothing but pings, until the server has sent five.
  async silence() {
    const { connection, pinged, closed } = hub(tokens.ann);
    connection.keepAliveIntervalInMilliseconds = tokens.keepalive;
    await connection.start();
    await pinged(5);
    const state = connection.state;
    await connection.stop();
    return { state, closed: await closed };
  },
};

process.stdout.write(`${JSON.stringify(await scenarios[scenario]())}\n`);
process.exit(0);
