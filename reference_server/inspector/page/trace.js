// The trace: what came in, went out, and was decided, newest first.

import { element, find, json } from "./elements.js";

const MOST = 300;
const WORDS = {
  in: "→ in", out: "← out", close: "← close", ended: "→ gone", opened: "→ opened", refused: "→ refused", answered: "→ request",
};
const CLOCK = new Intl.DateTimeFormat([], {
  hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 1, hourCycle: "h23",
});
const place = find("trace");
const held = [];

/** Show entries; `client` gives the number of this page's client with a connection, where it is one. */
export function trace(entries, lost, client) {
  if (find("paused").checked) held.push(...entries);
  else add(entries, client);
  if (lost) place.prepend(element("li", {}, `… ${lost} more were not shown`));
}

function add(entries, client) {
  for (const entry of entries) place.prepend(line(entry, client(entry)));
  while (place.children.length > MOST) place.lastElementChild.remove();
  sift();
}

function line(entry, client) {
  const who = entry.connection === null ? "" : `connection ${entry.connection}${client ? ` (my client ${client})` : ""}`;
  const head = element(
    "div", { class: "head" },
    element("span", { class: "faint" }, CLOCK.format(entry.at * 1000)),
    element("span", { class: "kind" }, WORDS[entry.kind] ?? entry.kind),
    element("span", { class: "name" }, entry.name),
    element("span", { class: "faint" }, who),
    ...(entry.timer ? [element("span", {}, `timer ${entry.timer}`)] : []),
    ...(entry.rules.length ? [element("span", { class: "faint", title: entry.pointer }, entry.rules.join(" "))] : []),
  );
  const data = { "data-kind": entry.kind, "data-name": entry.name, "data-client": client };
  const made = element("li", data, head);
  if (entry.note) made.append(element("div", {}, entry.note));
  if (entry.body !== null) made.append(element("pre", {}, json(entry.body)));
  return made;
}

let chosen = null;

/** Show all entries, or those of the chosen client. */
export function sift(client = chosen) {
  chosen = client;
  const mine = find("mine").checked;
  for (const one of place.children) one.hidden = mine && one.dataset.client !== String(client);
}

export function clear() {
  place.replaceChildren();
  held.length = 0;
}

export function resume(client) {
  add(held.splice(0), client);
}
