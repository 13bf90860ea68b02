import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

const DURATION_UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, '': 1000 };
const SIZE_UNITS = { '': 1, B: 1, KIB: 1024, MIB: 1024 ** 2 };

function quantity(text, units, what) {
  const [, number, unit] = /^(\d+(?:\.\d+)?)\s*([a-zA-Z]*)$/.exec(text) ?? [];
  if (number === undefined || !Object.hasOwn(units, unit)) throw new Error(`not a ${what}: ${text}`);
  return Number(number) * units[unit];
}

export const duration = (text) => quantity(text, DURATION_UNITS, 'duration');
export const size = (text) => quantity(text.toUpperCase(), SIZE_UNITS, 'size');
export const name = (text) => text || undefined;
export const list = (text) => text.split(',').map((entry) => entry.trim()).filter(Boolean);

export function rate(text) {
  const [count, window, ...rest] = text.split('/');
  if (!/^\d+$/.test(count) || window === undefined || rest.length) throw new Error(`not a rate: ${text}`);
  return { count: Number(count), window: duration(/^\d/.test(window) ? window : `1${window}`) };
}

export function count(text) {
  if (!/^\d+$/.test(text)) throw new Error(`not a count: ${text}`);
  return Number(text);
}

export function flag(text) {
  if (text !== 'true' && text !== 'false') throw new Error(`not true or false: ${text}`);
  return text === 'true';
}

/** The parameters of every protocol: how each value is read, and its default. The last two are the client's concern. */
const OF_EVERY_PROTOCOL = {
  origins: [list, []],
  issuer: [name, undefined],
  audience: [name, undefined],
  leeway: [duration, 0],
  token_bytes: [size, 4096],
  timer_late: [name, undefined],
  reply_within: [name, undefined],
};

function pair(text) {
  const at = text.indexOf('=');
  if (at < 1) throw new Error(`expected name=value: ${text}`);
  return [text.slice(0, at), text.slice(at + 1)];
}

function readParameters(settings, table) {
  const values = Object.fromEntries(Object.entries(table).map(([name, [, fallback]]) => [name, fallback]));
  for (const [name, text] of settings.map(pair)) {
    if (!Object.hasOwn(table, name)) throw new Error(`unknown parameter: ${name}`);
    values[name] = table[name][0](text);
  }
  return values;
}

function readSecret(flag, text) {
  if (text === undefined) return undefined;
  const [, name] = /^env:(.+)$/.exec(text) ?? [];
  if (name === undefined) throw new Error(`--${flag} takes a secret as env:NAME`);
  if (!process.env[name]) throw new Error(`the environment has no ${name}`);
  return process.env[name];
}

function readPublicKeys(settings) {
  return Object.fromEntries(settings.map(pair).map(([algorithm, path]) => [algorithm, readFileSync(path, 'utf8')]));
}

/** What the command line says of where to listen, of keys, of the protocol's parameters, of what else a deployment has
 * (`--with`), and of a fault. */
export function readOptions(argv, parameters, more = {}) {
  const { values } = parseArgs({
    args: argv,
    options: {
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string', default: '0' },
      secret: { type: 'string' },
      with: { type: 'string', multiple: true, default: [] },
      'public-key': { type: 'string', multiple: true, default: [] },
      jwks: { type: 'string', multiple: true, default: [] },
      set: { type: 'string', multiple: true, default: [] },
      fault: { type: 'string' },
      'list-faults': { type: 'boolean', default: false },
      ...more,
    },
  });
  return {
    ...values,
    port: Number(values.port),
    secret: readSecret('secret', values.secret),
    deployment: Object.fromEntries(values.with.map(pair).map(([name, text]) => [name, readSecret('with', text)])),
    publicKeys: readPublicKeys(values['public-key']),
    keySets: values.jwks.map((path) => JSON.parse(readFileSync(path, 'utf8'))),
    parameters: readParameters(values.set, { ...OF_EVERY_PROTOCOL, ...parameters }),
    listFaults: values['list-faults'],
  };
}
