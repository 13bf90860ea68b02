import { duration, rate, readOptions as read, size } from '../node/options.mjs';

const ROLLOUTS = ['legacy', 'dual', 'message'];
const HALF_A_YEAR = 180 * 24 * 3_600_000;

function rollout(text) {
  if (!ROLLOUTS.includes(text)) throw new Error(`not a rollout stage: ${text}`);
  return text;
}

function date(text) {
  const at = Date.parse(text);
  if (Number.isNaN(at)) throw new Error(`not a date: ${text}`);
  return at;
}

/** Every parameter of the protocol: how its value is read, and its default. */
const PARAMETERS = {
  auth_deadline: [duration, 5000],
  reauth_lead: [duration, 60_000],
  message_bytes: [size, 65_536],
  auth_rate: [rate, { count: 10, window: 60_000 }],
  rollout: [rollout, 'message'],
  deprecation: [date, undefined],
  sunset: [date, undefined],
};

function withDates(values) {
  const now = Date.now();
  const deprecation = values.deprecation ?? Math.min(now, values.sunset ?? now);
  const sunset = values.sunset ?? Math.max(now, deprecation) + HALF_A_YEAR;
  if (sunset < deprecation) throw new Error('sunset is before deprecation');
  return { ...values, deprecation, sunset };
}

export function readOptions(argv) {
  const options = read(argv, PARAMETERS);
  return { ...options, parameters: withDates(options.parameters) };
}
