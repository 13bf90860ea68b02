// Connects with socket.io-client, sends events given as JSON arrays, and writes what it hears a line for each.
import { io } from 'socket.io-client';

const [url, auth, ...events] = process.argv.slice(2);
const write = (...values) => console.log(JSON.stringify(values));

const socket = io(url, { transports: ['websocket'], auth: JSON.parse(auth), reconnection: false });
socket.onAny((name, ...values) => {
  write(name, ...values);
  const next = events.shift();
  if (next) socket.emit(...JSON.parse(next), (answer) => write('ack', answer));
});
socket.on('connect_error', (error) => write('connect_error', error.data ?? null));
socket.on('disconnect', (reason) => write('disconnect', reason));
