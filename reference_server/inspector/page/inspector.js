// The page: forms become commands, and what the server tells becomes text.

import { complain, element, find, json, light, options, readJson, readLines, writeLines } from "./elements.js";
import { open, send } from "./link.js";
import { timers } from "./timers.js";
import { clear, resume, sift, trace } from "./trace.js";
import { world } from "./world.js";

let protocols = [];
let place = 0;
let clients = [];
let state = null;
let chosen = null;

const protocol = () => protocols[place];

// ------------------------------------------------------------------------------------------------ what is told

const HEARD = {
  hello(told) {
    protocols = told.protocols;
    clients = [];
    options(find("protocol"), protocols.map((one, index) => [String(index), `${one.name} v${one.version}`]));
    document.querySelector("main").hidden = false;
    find("choice").hidden = false;
    choose(Math.min(place, protocols.length - 1));
  },
  update(told) {
    clients = told.clients.filter((one) => one.place === place);
    if (told.place === place) {
      state = told.state;
      tell(told.token);
      showClients();
      world(state);
    }
    trace(told.trace.filter((one) => one.place === place), told.lost, owner);
  },
  client(told) {
    chosen = told.number;
  },
  answer(told) {
    find("answered").textContent = told.status ? `HTTP ${told.status}` : "no answer";
    find("answered").dataset.status = told.status;
    find("answer").textContent = json(told.body);
    find("answer").hidden = false;
  },
  problem(told) {
    complain(`${told.about}: ${told.text}`);
  },
};

/** The number of this page's client that an entry of the trace is about. */
function owner(entry) {
  if (entry.connection === null) return null;
  return clients.find((one) => one.place === entry.place && one.connection === entry.connection)?.number ?? null;
}

function tell(token) {
  const words = token
    ? `${token.minted ? "A minted token" : "The token that was brought"}, never shown; its claims: ${JSON.stringify(token.claims)}`
    : "No token yet.";
  const shown = find("token");
  shown.dataset.held = Boolean(token);
  if (shown.textContent !== words) shown.textContent = words;
}

// ------------------------------------------------------------------------------------------------- my clients

const connectionOf = (client) => state.connections.find((one) => one.number === client?.connection);

function lightOf(client) {
  if (!client) return ["red", "no client"];
  const found = connectionOf(client);
  switch (client.status) {
    case "connecting": return ["yellow", "connecting"];
    case "open": return found ? [found.light, found.why] : ["yellow", "closing"];
    case "refused": return ["red", `refused with HTTP ${client.code} ${client.reason}`.trim()];
    default: return ["red", `closed with ${client.code} ${client.reason}`.trim()];
  }
}

function showClients() {
  if (!clients.some((one) => one.number === chosen)) chosen = clients.at(-1)?.number ?? null;
  const listed = find("clients");
  for (const row of listed.querySelectorAll(".client")) {
    if (!clients.some((one) => String(one.number) === row.dataset.client)) row.remove();
  }
  for (const client of clients) {
    const row = listed.querySelector(`[data-client="${client.number}"]`) ?? listed.appendChild(clientRow(client));
    const [colour, words] = lightOf(client);
    const over = client.status === "closed" || client.status === "refused";
    row.querySelector("input").checked = client.number === chosen;
    row.querySelector("button").hidden = !over;
    light(row.querySelector(".light"), colour, `client ${client.number}, ${client.path}: ${words}`);
  }
  const client = clients.find((one) => one.number === chosen);
  const [colour, words] = lightOf(client);
  light(find("light"), colour, client ? `${colour}: client ${client.number}, ${words}` : words);
  const found = connectionOf(client);
  find("now-in").textContent = found ? `In ${found.state}: ${found.text}` : "";
  find("now-in").dataset.state = found?.state ?? "";
  find("timers").replaceChildren(...timers(found?.timers ?? []));
  find("disconnect").disabled = client?.status !== "open";
  sift(chosen);
}

function clientRow(client) {
  const id = `client-${client.number}`;
  const radio = element("input", { type: "radio", name: "client", id });
  radio.addEventListener("change", () => {
    chosen = client.number;
    showClients();
  });
  const forget = element("button", { type: "button", "aria-label": `Forget client ${client.number}` }, "Forget");
  forget.addEventListener("click", () => send({ do: "forget", client: client.number }));
  return element("div", { class: "client", "data-client": client.number }, radio, element("label", { for: id, class: "light" }), forget);
}

// -------------------------------------------------------------------------------------------------- the forms

function choose(index) {
  place = index;
  const one = protocol();
  find("protocol").value = String(index);
  find("claims").value = json(one.claims);
  find("mint").hidden = !one.mints;
  find("mintless").hidden = one.mints;
  find("names").replaceChildren(...one.names.map(nameField));
  find("subprotocols").value = one.subprotocols[0] ?? "";
  find("query").value = writeLines(one.query, "=");
  credentials(find("credential"), one.credentials, one.credential);
  options(find("message"), one.messages.map((message) => [message.name, message.name]));
  options(find("endpoint"), one.endpoints.map((endpoint) => [endpoint.name, `${endpoint.method} ${endpoint.path}`]));
  find("http").hidden = one.endpoints.length === 0;
  find("answered").textContent = "";
  find("answer").hidden = true;
  chooseMessage();
  chooseEndpoint();
  clear();
  send({ do: "watch", place });
}

function nameField(name) {
  const id = `name-${name}`;
  return element("p", {}, element("label", { for: id }, name), element("input", { id, value: "soup", required: "" }));
}

function credentials(select, list, preferred) {
  const entries = list.map((one, index) => [
    String(index), one.header ? `${one.value} in ${one.header}: ${one.scheme}` : `${one.value} in the query as ${one.query}`,
  ]);
  options(select, [["", "none"], ...entries]);
  select.value = preferred === null ? "" : String(preferred);
}

/** Put the chosen credential where it belongs. */
function withCredential(select, list, query, headers) {
  const one = list[select.value];
  if (one?.header) headers[one.header] = `${one.scheme} ${one.value}`;
  if (one?.query) query[one.query] = one.value;
}

function chooseMessage() {
  const message = protocol().messages.find((one) => one.name === find("message").value);
  find("meaning").textContent = message?.text ?? "";
  find("body").value = message ? json(message.body) : "";
  find("body").removeAttribute("aria-invalid");
  find("schema").textContent = message ? json(message.schema) : "";
}

function chooseEndpoint() {
  const endpoint = protocol().endpoints.find((one) => one.name === find("endpoint").value);
  if (!endpoint) return;
  credentials(find("call-credential"), endpoint.credentials, endpoint.credentials.length ? 0 : null);
  find("call-query").value = writeLines(endpoint.query, "=");
  find("call-body").value = json(endpoint.body);
}

function onSubmit(id, obey) {
  find(id).addEventListener("submit", (event) => {
    event.preventDefault();
    obey();
  });
}

onSubmit("mint", () => {
  const claims = readJson(find("claims"));
  if (claims !== undefined) send({ do: "mint", place, claims, life: Number(find("life").value) });
});

onSubmit("bring", () => {
  send({ do: "bring", place, token: find("brought").value.trim() });
  find("brought").value = "";
});

onSubmit("connect", () => {
  const path = Object.fromEntries(protocol().names.map((name) => [name, find(`name-${name}`).value]));
  const query = readLines(find("query"), "=");
  const headers = readLines(find("headers"), ":");
  withCredential(find("credential"), protocol().credentials, query, headers);
  const subprotocols = find("subprotocols").value.split(",").map((one) => one.trim()).filter(Boolean);
  send({ do: "connect", place, path, query, headers, subprotocols });
});

onSubmit("send", () => {
  if (chosen === null) return complain("There is no client to send as: connect one.");
  if (find("raw").checked) return send({ do: "send", client: chosen, text: find("body").value });
  const body = readJson(find("body"));
  if (body !== undefined) send({ do: "send", client: chosen, body });
});

onSubmit("call", () => {
  const endpoint = protocol().endpoints.find((one) => one.name === find("endpoint").value);
  const query = readLines(find("call-query"), "=");
  const headers = {};
  withCredential(find("call-credential"), endpoint.credentials, query, headers);
  const body = readJson(find("call-body"));
  if (body !== undefined) send({ do: "call", place, endpoint: endpoint.name, method: endpoint.method, query, headers, body });
});

find("body").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.ctrlKey) find("send").requestSubmit();
});
find("protocol").addEventListener("change", (event) => choose(Number(event.target.value)));
find("message").addEventListener("change", chooseMessage);
find("endpoint").addEventListener("change", chooseEndpoint);
find("disconnect").addEventListener("click", () => send({ do: "disconnect", client: chosen }));
find("clear").addEventListener("click", clear);
find("mine").addEventListener("change", () => sift());
find("paused").addEventListener("change", (event) => event.target.checked || resume(owner));

open((told) => HEARD[told.kind]?.(told));
