import { absent, characters, isObject } from '../node/json.mjs';

const ID_LENGTH = 128;
export const VISIBILITIES = ['focused', 'visible', 'hidden'];

export function isId(value) {
  return typeof value === 'string' && value !== '' && characters(value) <= ID_LENGTH;
}

const natural = (value) => Number.isInteger(value) && value >= 0;
const isClock = (value) => isObject(value) && Object.entries(value).every(([tab, count]) => isId(tab) && natural(count));
const isVisibility = (value) => VISIBILITIES.includes(value);

/** What the data of every event that clients send must hold. */
export const EVENTS = new Map([
  ['TAB_VISIBILITY', ({ visibility }) => isVisibility(visibility)],
  ['LEADER_HEARTBEAT', ({ tabId, term }) => isId(tabId) && natural(term)],
  ['LEADER_RESIGN', ({ term }) => natural(term)],
  ['TOKEN_REFRESHED', ({ token }) => typeof token === 'string'],
  ['STATE_UPDATE', (data) => isId(data.key) && Object.hasOwn(data, 'value') && isClock(data.clock)],
  ['SYNC', ({ since }) => natural(since)],
]);

/** Whether the ids and the visibility of a connect packet are good. */
export function isTab({ deviceId, tabId, visibility }) {
  return isId(deviceId) && isId(tabId) && (absent(visibility) || isVisibility(visibility));
}

/** Whom a forced logout concerns, as its kind and ids; undefined where its body does not say. */
export function logoutOf(body) {
  if (!isObject(body) || typeof body.reason !== 'string') return undefined;
  const { user, device, session, reason } = body;
  const named = [user, device, session].filter((value) => !absent(value));
  if (!named.every(isId)) return undefined;
  if (!absent(session)) return named.length === 1 ? { kind: 'session', session, reason } : undefined;
  if (absent(user)) return undefined;
  return absent(device) ? { kind: 'user', user, reason } : { kind: 'device', user, device, reason };
}

/** Whose password has changed, and which session is left alone; undefined where the body does not say. */
export function passwordChangeOf(body) {
  if (!isObject(body) || !isId(body.user) || !(absent(body.except) || isId(body.except))) return undefined;
  return { kind: 'user', user: body.user, except: body.except ?? undefined, reason: 'password_changed' };
}
