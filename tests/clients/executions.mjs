// One client on socket.io-client: `node executions.mjs URL`, the `auth` of its connect packet as the first line of
// the standard input, then a call for each line. What happens to it comes out as lines of JSON, [name, data].
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const tell = (...event) => console.log(JSON.stringify(event));
const auth = JSON.parse((await lines.next()).value);
const socket = io(process.argv[2], { auth, transports: ["websocket"], reconnection: false, forceNew: true });
socket.on("connect", () => tell("connect", null));
socket.on("disconnect", (reason) => tell("disconnect", reason));
socket.on("connect_error", (error) => tell("connect_error", error.data?.code ?? error.message));
socket.onAny((name, data) => tell(name, data));
socket.io.on("ping", () => tell("ping", null));
for await (const line of lines) {
  const [name, data] = JSON.parse(line);
  socket.emit(name, data, (answer) => tell("answer", answer));
}
socket.disconnect();
