import { STATUS_CODES } from 'node:http';

const LINGER = 2000;

/** Every value that a header was sent with; node's own `headers` joins or drops repeated ones. */
export function headerValues({ rawHeaders }, name) {
  return rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1].toLowerCase() === name);
}

export const listed = (values) =>
  values.flatMap((value) => value.split(',')).map((entry) => entry.trim()).filter(Boolean);

export const pathOf = ({ url }) => url.replace(/^(?:http|ws)s?:\/\/[^/?]*/i, '').split('?', 1)[0];

export function isWebSocketUpgrade(request) {
  const protocols = listed(headerValues(request, 'upgrade')).map((protocol) => protocol.toLowerCase());
  return request.method === 'GET' && request.httpVersion === '1.1' && protocols.includes('websocket');
}

/** Answers an upgrade request, of which node gives only the socket, with something other than 101. */
export function refuseUpgrade(socket, { status, headers = {}, body }) {
  const all = {
    Connection: headers.Upgrade ? 'close, Upgrade' : 'close',
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  socket.end([`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...lines, '', body].join('\r\n'));
  // What the client still sends is read and dropped: unread data would reset the connection over the answer.
  socket.resume();
  setTimeout(() => socket.destroy(), LINGER).unref();
}
