import { readFileSync } from 'node:fs';

const CATALOGUE = new URL('./faults.json', import.meta.url);

export const catalogueText = () => readFileSync(CATALOGUE, 'utf8');

/** The predicate that is asked wherever the server can be told to deviate. */
export function faultSwitch(chosen) {
  const known = new Set(JSON.parse(catalogueText()).map((entry) => entry.name));
  if (chosen !== undefined && !known.has(chosen)) throw new Error(`unknown fault: ${chosen}`);
  return (name) => {
    if (!known.has(name)) throw new Error(`fault not in the catalogue: ${name}`);
    return name === chosen;
  };
}
