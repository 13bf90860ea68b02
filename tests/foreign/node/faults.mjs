import { readFileSync } from 'node:fs';

/** The predicate that is asked wherever a server can be told to deviate; `catalogue` is the URL of its `faults.json`. */
export function faultSwitch(catalogue, chosen) {
  const known = new Set(JSON.parse(readFileSync(catalogue, 'utf8')).map((entry) => entry.name));
  if (chosen !== undefined && !known.has(chosen)) throw new Error(`unknown fault: ${chosen}`);
  return (name) => {
    if (!known.has(name)) throw new Error(`fault not in the catalogue: ${name}`);
    return name === chosen;
  };
}
