import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

const DURATION_UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, '': 1000 };
const SIZE_UNITS = { '': 1, B: 1, KIB: 1024, MIB: 1024 ** 2 };
const ROLLOUTS = ['legacy', 'dual', 'message'];
const HALF_A_YEAR = 180 * 24 * 3_600_000;

function quantity(text, units, what) {
  const [, number, unit] = /^(\d+(?:\.\d+)?)\s*([a-zA-Z]*)$/.exec(text) ?? [];
  if (number === undefined || !Object.hasOwn(units, unit)) throw new Error(`not a ${what}: ${text}`);
  return Number(number) * units[unit];
}

const duration = (text) => quantity(text, DURATION_UNITS, 'duration');
const size = (text) => quantity(text.toUpperCase(), SIZE_UNITS, 'size');

function rate(text) {
  const [count, window, ...rest] = text.split('/');
  if (!/^\d+$/.test(count) || window === undefined || rest.length) throw new Error(`not a rate: ${text}`);
  return { count: Number(count), window: duration(/^\d/.test(window) ? window : `1${window}`) };
}

function rollout(text) {
  if (!ROLLOUTS.includes(text)) throw new Error(`not a rollout stage: ${text}`);
  return text;
}

function date(text) {
  const at = Date.parse(text);
  if (Number.isNaN(at)) throw new Error(`not a date: ${text}`);
  return at;
}

const name = (text) => text || undefined;
const list = (text) => text.split(',').map((entry) => entry.trim()).filter(Boolean);

/** Every parameter of the protocol: how its value is read, and its default. */
const PARAMETERS = {
  auth_deadline: [duration, 5000],
  reauth_lead: [duration, 60_000],
  leeway: [duration, 0],
  message_bytes: [size, 65_536],
  token_bytes: [size, 4096],
  auth_rate: [rate, { count: 10, window: 60_000 }],
  rollout: [rollout, 'message'],
  origins: [list, []],
  deprecation: [date, undefined],
  sunset: [date, undefined],
  issuer: [name, undefined],
  audience: [name, undefined],
};

function pair(text) {
  const at = text.indexOf('=');
  if (at < 1) throw new Error(`expected name=value: ${text}`);
  return [text.slice(0, at), text.slice(at + 1)];
}

function readParameters(settings) {
  const values = Object.fromEntries(Object.entries(PARAMETERS).map(([name, [, fallback]]) => [name, fallback]));
  for (const [name, text] of settings.map(pair)) {
    if (!Object.hasOwn(PARAMETERS, name)) throw new Error(`unknown parameter: ${name}`);
    values[name] = PARAMETERS[name][0](text);
  }
  return withDates(values);
}

function withDates(values) {
  const now = Date.now();
  const deprecation = values.deprecation ?? Math.min(now, values.sunset ?? now);
  const sunset = values.sunset ?? Math.max(now, deprecation) + HALF_A_YEAR;
  if (sunset < deprecation) throw new Error('sunset is before deprecation');
  return { ...values, deprecation, sunset };
}

function readSecret(text) {
  if (text === undefined) return undefined;
  const [, name] = /^env:(.+)$/.exec(text) ?? [];
  if (name === undefined) throw new Error('--secret takes env:NAME');
  if (!process.env[name]) throw new Error(`the environment has no ${name}`);
  return process.env[name];
}

function readPublicKeys(settings) {
  return Object.fromEntries(settings.map(pair).map(([algorithm, path]) => [algorithm, readFileSync(path, 'utf8')]));
}

export function readOptions(argv) {
  const { values } = parseArgs({
    args: argv,
    options: {
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string', default: '0' },
      secret: { type: 'string' },
      'public-key': { type: 'string', multiple: true, default: [] },
      jwks: { type: 'string', multiple: true, default: [] },
      set: { type: 'string', multiple: true, default: [] },
      fault: { type: 'string' },
      'list-faults': { type: 'boolean', default: false },
    },
  });
  return {
    host: values.host,
    port: Number(values.port),
    secret: readSecret(values.secret),
    publicKeys: readPublicKeys(values['public-key']),
    keySets: values.jwks.map((path) => JSON.parse(readFileSync(path, 'utf8'))),
    parameters: readParameters(values.set),
    fault: values.fault,
    listFaults: values['list-faults'],
  };
}
