// The server's state as tables: connections, rooms with their roles and timers, and what is shared.

import { element, find, light } from "./elements.js";
import { timers } from "./timers.js";

export function world(state) {
  const tables = [
    table("Connections", ["", "State", "Light", "Rooms", "Timers", "Variables"], state.connections, (one) => [
      `${one.number}${one.client ? ` (my client ${one.client})` : ""}`,
      one.state,
      lit(one),
      one.rooms.map((room) => `${room.room} ${written(room.key)}`).join(", "),
      block(timers(one.timers)),
      members(one.variables),
    ]),
    table("Rooms", ["Room", "Members", "Roles", "Timers", "Variables"], state.rooms, (one) => [
      `${one.room} ${written(one.key)}`,
      `${one.members.join(", ")}${one.total > one.members.length ? ` … ${one.total}` : ""}`,
      one.roles.map((role) => `${role.role}: ${role.holder ?? "nobody"}, term ${role.term}`).join("; "),
      block(timers(one.timers)),
      members(one.variables),
    ]),
    table("Registers", ["Register", "Entries"], state.registers, (one) => [
      `${one.register} ${written(one.key)}`,
      one.entries.map((entry) => `${entry.key} = ${written(entry.value)} ${written(entry.clock)} by ${entry.origin}`).join("\n"),
    ]),
    table("Records", ["Record", "Key", "Value"], state.records, (one) => [one.record, written(one.key), written(one.value)]),
    table("Links", ["Link", "State", "Held by", "Fields"], state.links, (one) => [
      one.link, `${one.state}, for ${Math.round(one.since)} s`, one.holder ?? "nobody", members(one.fields),
    ]),
    table("Logs", ["Log", "Last number"], state.logs, (one) => [`${one.log} ${written(one.key)}`, one.head]),
    table("Memories", ["Memory", "Keys"], Object.entries(state.memories), ([name, count]) => [name, count]),
  ];
  const shown = tables.filter(Boolean);
  const place = find("world");
  const more = state.total > state.connections.length ? `; ${state.connections.length} of them are shown` : "";
  find("count").textContent = `Connections: ${state.total}${more}.`;
  // What stays is left in its place: whoever reads or scrolls a table must not lose it at every update.
  for (const one of [...place.children]) if (!shown.includes(one)) one.remove();
  shown.forEach((one, index) => place.children[index] === one || place.insertBefore(one, place.children[index] ?? null));
}

const written = (value) => (typeof value === "string" ? value : JSON.stringify(value));

const members = (values) =>
  Object.entries(values).filter(([, value]) => value !== null).map(([name, value]) => `${name}: ${written(value)}`).join("; ");

const block = (rows) => element("div", {}, ...rows);

function lit(one) {
  const made = element("p", { class: "light" });
  light(made, one.light, `${one.light}: ${one.why}`);
  return made;
}

const made = new Map();

/** A table under its heading, made once; null where there is nothing to show in it. */
function table(title, heads, entries, cells) {
  if (!entries.length) return null;
  const rows = entries.map((entry) => element("tr", {}, ...cells(entry).map((cell) => element("td", {}, cell ?? ""))));
  if (!made.has(title)) made.set(title, frame(title, heads));
  const shown = made.get(title);
  shown.querySelector("tbody").replaceChildren(...rows);
  return shown;
}

function frame(title, heads) {
  const head = element("tr", {}, ...heads.map((text) => element("th", { scope: "col" }, text)));
  const inner = element("table", {}, element("thead", {}, head), element("tbody"));
  const region = element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": title }, inner);
  return element("div", {}, element("h3", {}, title), region);
}
