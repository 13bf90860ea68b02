import { readFileSync } from 'node:fs';

/**
 * The predicate that is asked wherever a server can be told to deviate; `catalogue` is the URL of its `faults.json`.
 *
 * What servers share also asks for faults that only some of them can show: those are never chosen.
 */
export function faultSwitch(catalogue, chosen) {
  const known = JSON.parse(readFileSync(catalogue, 'utf8')).map((entry) => entry.name);
  if (chosen !== undefined && !known.includes(chosen)) throw new Error(`unknown fault: ${chosen}`);
  return (name) => name === chosen;
}
