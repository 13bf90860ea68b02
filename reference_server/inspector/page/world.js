// The server's state as tables: connections, rooms with their roles and timers, and what is shared.

import { element, find, light } from "./elements.js";
import { timers } from "./timers.js";

export function world(state) {
  find("world").replaceChildren(
    ...table(`Connections (${state.total})`, ["", "State", "Light", "Rooms", "Timers", "Variables"], state.connections, (one) => [
      `${one.number}${one.client ? ` (my client ${one.client})` : ""}`,
      one.state,
      lit(one),
      one.rooms.map((room) => `${room.room} ${written(room.key)}`).join(", "),
      block(timers(one.timers)),
      members(one.variables),
    ]),
    ...table("Rooms", ["Room", "Members", "Roles", "Timers", "Variables"], state.rooms, (one) => [
      `${one.room} ${written(one.key)}`,
      `${one.members.join(", ")}${one.total > one.members.length ? ` … ${one.total}` : ""}`,
      one.roles.map((role) => `${role.role}: ${role.holder ?? "nobody"}, term ${role.term}`).join("; "),
      block(timers(one.timers)),
      members(one.variables),
    ]),
    ...table("Registers", ["Register", "Entries"], state.registers, (one) => [
      `${one.register} ${written(one.key)}`,
      one.entries.map((entry) => `${entry.key} = ${written(entry.value)} ${written(entry.clock)} by ${entry.origin}`).join("\n"),
    ]),
    ...table("Records", ["Record", "Key", "Value"], state.records, (one) => [one.record, written(one.key), written(one.value)]),
    ...table("Links", ["Link", "State", "Held by", "Fields"], state.links, (one) => [
      one.link, `${one.state}, for ${Math.round(one.since)} s`, one.holder ?? "nobody", members(one.fields),
    ]),
    ...table("Logs", ["Log", "Last number"], state.logs, (one) => [`${one.log} ${written(one.key)}`, one.head]),
    ...table("Memories", ["Memory", "Keys"], Object.entries(state.memories), ([name, count]) => [name, count]),
  );
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

function table(title, heads, entries, cells) {
  if (!entries.length) return [];
  const rows = entries.map((entry) => element("tr", {}, ...cells(entry).map((cell) => element("td", {}, cell ?? ""))));
  const head = element("tr", {}, ...heads.map((text) => element("th", { scope: "col" }, text)));
  const made = element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows));
  const region = { class: "scroll", tabindex: "0", role: "region", "aria-label": title };
  return [element("h3", {}, title), element("div", region, made)];
}
