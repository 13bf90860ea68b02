// The codec of @microsoft/signalr, a line of JSON in for a line of JSON out: {"write": message} gives the text of a
// record, {"read": text} the messages in it, {"shake": {protocol, version}} and {"shaken": text} the same for
// handshakes; null where the codec refuses.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(import.meta.url);
const { JsonHubProtocol, NullLogger } = require("@microsoft/signalr");
const { HandshakeProtocol } = require("@microsoft/signalr/dist/cjs/HandshakeProtocol.js");

const messages = new JsonHubProtocol();
const handshakes = new HandshakeProtocol();

function answer(asked) {
  if ("write" in asked) return messages.writeMessage(asked.write);
  if ("shake" in asked) return handshakes.writeHandshakeRequest(asked.shake);
  if ("shaken" in asked) return handshakes.parseHandshakeResponse(asked.shaken);
  return messages.parseMessages(asked.read, NullLogger.instance);
}

for await (const line of createInterface({ input: process.stdin })) {
  let said = null;
  try {
    said = answer(JSON.parse(line));
  } catch {
    // Refused: null.
  }
  process.stdout.write(`${JSON.stringify(said)}\n`);
}
