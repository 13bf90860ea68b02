import { randomUUID } from 'node:crypto';
import { characters, isObject, parseJson } from '../node/json.mjs';
import { isTime } from '../node/times.mjs';

const ID_LENGTH = 128;
const CONTENT_LENGTH = 4000;

const isId = (value) => typeof value === 'string' && value !== '' && characters(value) <= ID_LENGTH;

const ENVELOPE_MEMBERS = new Set(['type', 'id', 'timestamp', 'payload']);

/** Reads what clients write, and writes the envelopes of the server. */
export class Messages {
  constructor(fault) {
    this.fault = fault;
  }

  /** A message, whether its envelope is valid, and the id by which an answer can name it. */
  read(text) {
    const value = parseJson(text);
    if (!isObject(value)) return { valid: false };
    const id = isId(value.id) ? value.id : undefined;
    return { type: value.type, id, payload: value.payload, valid: id !== undefined && this.#enveloped(value) };
  }

  #enveloped(value) {
    if (typeof value.type !== 'string' || !isTime(value.timestamp) || !isObject(value.payload)) return false;
    if (this.fault('offset-times-refused') && !value.timestamp.endsWith('Z')) return false;
    return !this.fault('unknown-members-refused') || Object.keys(value).every((name) => ENVELOPE_MEMBERS.has(name));
  }

  isAuth(payload) {
    return typeof payload.token === 'string';
  }

  isChat({ content }) {
    if (typeof content !== 'string' || content === '') return false;
    const length = this.fault('content-counted-in-utf16') ? content.length : characters(content);
    return length <= CONTENT_LENGTH + (this.fault('content-limit-off-by-one') ? 1 : 0);
  }

  write(type, payload, inReplyTo) {
    const envelope = { type, id: this.#newId(type), timestamp: this.#timestamp(), payload };
    if (inReplyTo !== undefined) envelope.in_reply_to = inReplyTo;
    return JSON.stringify(envelope);
  }

  #newId(type) {
    return this.fault('server-ids-reused') ? `${type}-${Math.floor(Date.now() / 10_000)}` : randomUUID();
  }

  #timestamp() {
    if (!this.fault('local-timestamps')) return new Date().toISOString();
    return new Date(Date.now() + 2 * 3_600_000).toISOString().replace('Z', '+02:00');
  }
}
