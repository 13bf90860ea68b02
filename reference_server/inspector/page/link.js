// The WebSocket to the server, kept up, and the password where one is asked for.

import { complain, find, light } from "./elements.js";

const socketUrl = new URL("socket", location.href);
socketUrl.protocol = socketUrl.protocol.replace("http", "ws");

const LATER = 1000;
let socket = null;

export function send(command) {
  complain("");
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(command));
  else complain("There is no connection to the server; nothing was sent.");
}

/** Open the link, and open it again whenever it ends. */
export async function open(hear) {
  light(find("link"), "yellow", "connecting to the server");
  let access = null;
  try {
    const answer = await fetch("access", { cache: "no-store" });
    access = answer.ok ? await answer.json() : null;
  } catch {
    // Told by the light; the server may be back soon.
  }
  if (access === null) return again(hear);
  if (access.locked) return askPassword(hear);
  socket = new WebSocket(socketUrl);
  socket.addEventListener("open", () => light(find("link"), "green", "connected to the server"));
  socket.addEventListener("message", (event) => hear(JSON.parse(event.data)));
  socket.addEventListener("close", () => again(hear));
}

function again(hear) {
  light(find("link"), "red", "no connection to the server");
  setTimeout(() => open(hear), LATER);
}

function askPassword(hear) {
  const form = find("password");
  light(find("link"), "yellow", "a password is needed");
  document.querySelector("main").hidden = true;
  form.hidden = false;
  find("given").focus();
  form.onsubmit = async (event) => {
    event.preventDefault();
    const body = JSON.stringify({ password: find("given").value });
    const headers = { "Content-Type": "application/json" };
    const answer = await fetch("password", { method: "POST", headers, body }).catch(() => null);
    find("given").value = "";
    if (answer?.ok) {
      complain("");
      form.hidden = true;
      open(hear);
    } else if (answer?.status === 429) complain("Too many guesses; try again in half a minute.");
    else complain(answer ? "That is not the password." : "The server does not answer.");
  };
}
