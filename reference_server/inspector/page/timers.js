// Timers that run down between updates: what is left is counted from when it was told.

import { element } from "./elements.js";

const running = new Set();

export function timers(list) {
  return list.map((timer) => {
    const bar = element("progress", { max: Math.max(timer.lasts, 0.001), "aria-label": timer.name });
    const left = element("output", { "aria-live": "off" });
    const name = timer.ends ? `${timer.name} (ends the connection)` : timer.name;
    const row = element("div", { class: "timer", "data-timer": timer.name }, element("span", { class: "name" }, name), left, bar);
    const one = { row, bar, left, at: performance.now() + timer.left * 1000 };
    running.add(one);
    show(one);
    return row;
  });
}

function show(one) {
  const seconds = Math.max(0, (one.at - performance.now()) / 1000);
  one.bar.value = seconds;
  one.left.textContent = seconds < 100 ? `${seconds.toFixed(1)} s` : `${Math.round(seconds)} s`;
}

setInterval(() => {
  for (const one of running) {
    if (one.row.isConnected) show(one);
    else running.delete(one);
  }
}, 100);
