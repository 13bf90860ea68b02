const TIME =
  /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.\d+)?(?:[Zz]|([+-])(\d{2}):(\d{2}))$/;
const MINUTES_A_DAY = 24 * 60;

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

/** Whether a value is a time of RFC 3339. */
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
