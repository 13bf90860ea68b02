import { absent, characters, isObject, parseJson } from '../node/json.mjs';
import { isTime } from '../node/times.mjs';

const NAME_LENGTH = 128;
const EVENTS_AT_ONCE = 100;
const LONGEST_PULL = 1000;
const EVENT_MEMBERS = ['id', 'name', 'args', 'localTimestamp'];

/** What each error says to people. */
export const ERRORS = {
  AUTH_REQUIRED: 'A token is required.',
  TOKEN_INVALID: 'The token is not valid.',
  TOKEN_EXPIRED: 'The token has expired.',
  USER_NOT_FOUND: 'There is no such user.',
  SUBJECT_MISMATCH: 'The token belongs to someone else.',
  LOGGED_OUT: 'The user has logged out.',
  MESSAGE_INVALID: 'The message is not valid.',
  NOT_INITIALIZED: 'The connection has not been initialized.',
  ALREADY_INITIALIZED: 'The connection has been initialized before.',
};

/** Reads what clients write; the schemas are closed but for members that they do not name. */
export class Messages {
  #schemas;

  constructor(fault) {
    this.fault = fault;
    const id = (value) => this.#isName(value);
    const natural = (value) => Number.isInteger(value) && value >= 0;
    const text = (value) => typeof value === 'string';
    this.#schemas = new Map([
      ['init', { instanceId: id, authToken: (value) => absent(value) || text(value) }],
      ['push', { id, events: (value) => this.#areEvents(value) }],
      ['pull', { id, since: natural, limit: (value) => absent(value) || (natural(value) && this.#isLimit(value)) }],
      ['auth', { id, authToken: text }],
      ['logout', { id }],
    ]);
  }

  /** A message, whether it fits its type's schema, and the id by which an answer can name it. */
  read(text) {
    const message = parseJson(text);
    if (!isObject(message)) return { valid: false };
    const schema = this.#schemas.get(message.type);
    if (schema === undefined) return { valid: false, type: message.type };
    const id = schema.id?.(message.id) && !this.fault('error-unlinked') ? message.id : undefined;
    return { type: message.type, message, id, valid: this.#fits(message, schema) };
  }

  #fits(message, schema) {
    if (this.fault('unknown-members-refused')) {
      if (Object.keys(message).some((name) => name !== 'type' && !Object.hasOwn(schema, name))) return false;
    }
    return Object.entries(schema).every(([name, holds]) => holds(message[name]));
  }

  #isName(value) {
    if (typeof value !== 'string' || (value === '' && !this.fault('empty-ids-accepted'))) return false;
    const length = this.fault('lengths-in-utf16') ? value.length : characters(value);
    return length <= NAME_LENGTH + (this.fault('id-limit-off-by-one') ? 1 : 0);
  }

  #isLimit(value) {
    return (value >= 1 || this.fault('pull-limit-zero-accepted')) && value <= LONGEST_PULL;
  }

  #areEvents(value) {
    if (!Array.isArray(value)) return false;
    if (value.length === 0 && !this.fault('empty-push-accepted')) return false;
    if (value.length > EVENTS_AT_ONCE && !this.fault('long-push-accepted')) return false;
    if (value.length === EVENTS_AT_ONCE && this.fault('full-push-refused')) return false;
    return this.fault('invalid-event-skipped') ? value.some(isObject) : value.every((event) => this.isEvent(event));
  }

  isEvent(event) {
    if (!isObject(event) || !this.#isName(event.id) || !this.#isName(event.name)) return false;
    if (!Object.hasOwn(event, 'args') || (event.args === null && this.fault('null-args-refused'))) return false;
    if (this.fault('event-time-unchecked')) return typeof event.localTimestamp === 'string';
    if (this.fault('offset-times-refused') && !/Z$/i.test(event.localTimestamp)) return false;
    return isTime(event.localTimestamp);
  }

  /** An event with its own four members, whatever else came with it. */
  eventOf(given) {
    if (this.fault('event-extra-members-kept')) return given;
    const event = Object.fromEntries(EVENT_MEMBERS.map((name) => [name, given[name]]));
    if (this.fault('event-time-rewritten')) event.localTimestamp = new Date(given.localTimestamp).toISOString();
    return event;
  }
}
