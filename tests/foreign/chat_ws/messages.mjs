import { randomUUID } from 'node:crypto';

const TIME =
  /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.\d+)?(?:[Zz]|([+-])(\d{2}):(\d{2}))$/;
const MINUTES_A_DAY = 24 * 60;
const ID_LENGTH = 128;
const CONTENT_LENGTH = 4000;

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
const characters = (text) => [...text].length;

function daysIn(year, month) {
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1];
}

/** RFC 3339, 5.7: a 61st second exists only at the end of a month's last day, in UTC. */
function mayLeap({ year, month, day, hour, minute, offset }) {
  const local = hour * 60 + minute - offset;
  const utc = ((local % MINUTES_A_DAY) + MINUTES_A_DAY) % MINUTES_A_DAY;
  const utcDay = day + Math.floor(local / MINUTES_A_DAY);
  return utc === MINUTES_A_DAY - 1 && (utcDay === 0 || utcDay === daysIn(year, month));
}

export function isTime(text) {
  const found = typeof text === 'string' && TIME.exec(text);
  if (!found) return false;
  const [year, month, day, hour, minute, second] = found.slice(1, 7).map(Number);
  const [offsetHour, offsetMinute] = [Number(found[8] ?? 0), Number(found[9] ?? 0)];
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return false;
  if (hour > 23 || minute > 59 || second > 60 || offsetHour > 23 || offsetMinute > 59) return false;
  const offset = (offsetHour * 60 + offsetMinute) * (found[7] === '-' ? -1 : 1);
  return second < 60 || mayLeap({ year, month, day, hour, minute, offset });
}

const isId = (value) => typeof value === 'string' && value !== '' && characters(value) <= ID_LENGTH;

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const ENVELOPE_MEMBERS = new Set(['type', 'id', 'timestamp', 'payload']);

/** Reads what clients write, and writes the envelopes of the server. */
export class Messages {
  constructor(fault) {
    this.fault = fault;
  }

  /** A message, whether its envelope is valid, and the id by which an answer can name it. */
  read(text) {
    const value = parse(text);
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
