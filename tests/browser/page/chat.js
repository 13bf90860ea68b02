// A client of chat version 2 as a web page would have one.
// The address says where and who: /?server=ws://host:port&recipe=soup&user=ana; tokens come from /token on this origin.

const address = new URLSearchParams(location.search);
const user = address.get('user');
const log = document.getElementById('log');
const composer = document.getElementById('composer');
const sent = new Set();

const endpoint = `${address.get('server')}/v1/chat/${encodeURIComponent(address.get('recipe'))}`;
const socket = new WebSocket(endpoint, ['chat.v2']);

function show(kind, text, details = {}) {
  const line = document.createElement('li');
  line.textContent = text;
  Object.assign(line.dataset, { kind, ...details });
  log.append(line);
  line.scrollIntoView();
}

function enter(state) {
  document.body.dataset.state = state;
  document.getElementById('state').value = state;
}

function send(type, payload) {
  const message = { type, id: crypto.randomUUID(), timestamp: new Date().toISOString(), payload };
  sent.add(message.id);
  socket.send(JSON.stringify(message));
}

async function authenticate() {
  const answer = await fetch(`/token?${new URLSearchParams({ user })}`);
  if (!answer.ok) return show('notice', 'There is no new token.', { notice: 'no-token' });
  return send('auth', { token: await answer.text() });
}

const receivers = {
  recipe_update({ recipe_id: recipe, revision }, answers) {
    if (answers) enter('connected');
    show('update', `Recipe ${recipe}, revision ${revision}`, { recipe, ...(answers && { own: '' }) });
  },
  chat_message({ content, user_id: from }, answers) {
    show('message', `${from}: ${content}`, { from, content, ...(answers && { own: '' }) });
  },
  auth_required({ reason, expires_at: expiresAt }) {
    show('notice', 'Renewing the session …', { notice: 'auth-required', reason, expiresAt });
    authenticate();
  },
  error({ code, message, retryable }) {
    show('error', `${code}: ${message}`, { code, retryable });
  },
};

socket.addEventListener('open', () => {
  enter('authenticating');
  show('notice', `Speaking ${socket.protocol}.`, { notice: 'open', protocol: socket.protocol });
  authenticate();
});

socket.addEventListener('message', ({ data }) => {
  const { type, payload, in_reply_to: repliesTo } = JSON.parse(data);
  receivers[type]?.(payload, sent.has(repliesTo));
});

socket.addEventListener('close', ({ code, reason, wasClean }) => {
  enter('closed');
  show('closed', `Closed with ${code} ${reason}`, { code, reason, wasClean });
});

composer.addEventListener('submit', (event) => {
  event.preventDefault();
  send('chat_message', { content: composer.elements.content.value });
  composer.reset();
});

document.getElementById('who').value = user;
enter('connecting');
