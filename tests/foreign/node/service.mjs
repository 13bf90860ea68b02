import { createHash, timingSafeEqual } from 'node:crypto';
import { headerValues } from './http.mjs';
import { parseJson } from './json.mjs';

const FAR_OVER = 8;
const strictUtf8 = new TextDecoder('utf-8', { fatal: true });
const digest = (text) => createHash('sha256').update(text).digest();

/** The bearer token of a request; undefined where it has none, or more than one. */
export function bearer(request) {
  const values = headerValues(request, 'authorization');
  return values.length === 1 ? /^bearer[ \t]+(\S+)[ \t]*$/i.exec(values[0])?.[1] : undefined;
}

export const sameSecret = (given, known) => given !== undefined && timingSafeEqual(digest(given), digest(known));

/** The bytes of a request's body; undefined where they are more than `limit`. Far over it, the connection is cut. */
export async function bodyOf(request, limit) {
  if (Number(request.headers['content-length']) > limit * FAR_OVER) return undefined;
  const parts = [];
  let size = 0;
  for await (const part of request) {
    size += part.length;
    if (size > limit * FAR_OVER) break;
    if (size <= limit) parts.push(part);
  }
  return size <= limit ? Buffer.concat(parts) : undefined;
}

/** The JSON value of a body; undefined where it is none. */
export function jsonOf(bytes) {
  try {
    return parseJson(strictUtf8.decode(bytes));
  } catch {
    return undefined;
  }
}
