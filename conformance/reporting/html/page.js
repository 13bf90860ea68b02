// Filter, search, keys, theme and print; without it everything stands on the page, unfiltered.
"use strict";
const one = (selector) => document.querySelector(selector);
const all = (selector) => [...document.querySelectorAll(selector)];
const root = document.documentElement;
const search = one("#search");
const pills = all("#counts button");
const cases = all("#cases tbody tr");
const failures = all("details.case");
const others = all("details.others");
const rules = all("#rules tbody tr");
const texts = new Map();
one("#tools").hidden = one("#theme").hidden = false;

const holds = (element, words) => {
  if (!words.length) return true;
  if (!texts.has(element)) texts.set(element, element.textContent.toLowerCase());
  return words.every((word) => texts.get(element).includes(word));
};

const filter = () => {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = new Set(pills.filter((pill) => pill.ariaPressed === "true").map((pill) => pill.dataset.verdict));
  const fits = (element) => shown.has(element.dataset.verdict) && holds(element, words);
  // A rule's name and text stand above its failures, and find them all.
  for (const element of failures) {
    const head = element.closest("article").querySelector("h3");
    element.hidden = !(fits(element) || (shown.has(element.dataset.verdict) && holds(head, words)));
  }
  for (const outer of all("article, details.others")) {
    outer.hidden = !outer.querySelector("details.case:not([hidden])");
    if (words.length && outer.matches("details")) outer.open = true;
  }
  for (const row of rules) row.hidden = !holds(row, words);
  let count = 0;
  for (const row of cases) count += !(row.hidden = !fits(row));
  one("#found").value = count === cases.length ? "" : `${count} of ${cases.length} cases`;
};

let waiting = 0;
search.addEventListener("input", () => {
  cancelAnimationFrame(waiting);
  waiting = requestAnimationFrame(filter);
});
for (const pill of pills) {
  pill.addEventListener("click", () => {
    pill.ariaPressed = pill.ariaPressed === "true" ? "false" : "true";
    filter();
  });
}

const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
const turn = () => { root.dataset.theme = dark() ? "light" : "dark"; };
one("#theme").addEventListener("click", turn);

const step = (by) => {
  const there = failures.filter((element) => !element.hidden);
  const now = there.findIndex((element) => element.contains(document.activeElement));
  const next = there[now < 0 ? (by > 0 ? 0 : there.length - 1) : now + by];
  if (!next) return;
  for (const outer of [next.closest("details.others"), next]) if (outer) outer.open = true;
  next.querySelector("summary").focus();
  next.scrollIntoView({ block: "nearest" });
};

const keys = { "/": () => search.focus(), j: () => step(1), k: () => step(-1), t: turn };
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && event.target === search) {
    search.value = "";
    filter();
    search.blur();
  } else if (!event.ctrlKey && !event.metaKey && !event.altKey && event.target !== search && keys[event.key]) {
    event.preventDefault();
    keys[event.key]();
  }
});

const reveal = () => {
  const target = location.hash.startsWith("#case-") && document.getElementById(location.hash.slice(1));
  if (!target) return;
  for (let outer = target; outer !== document.body; outer = outer.parentElement) {
    outer.hidden = false;
    if (outer.matches("details")) outer.open = true;
  }
  target.scrollIntoView();
};
addEventListener("hashchange", reveal);
reveal();

let closed = [];
addEventListener("beforeprint", () => {
  closed = [...failures, ...others].filter((element) => !element.open && !element.hidden);
  for (const element of closed) element.open = true;
});
addEventListener("afterprint", () => { for (const element of closed) element.open = false; });
