import { readFileSync } from 'node:fs';
import { faultSwitch as switchOf } from '../node/faults.mjs';

const CATALOGUE = new URL('./faults.json', import.meta.url);

export const catalogueText = () => readFileSync(CATALOGUE, 'utf8');
export const faultSwitch = (chosen) => switchOf(CATALOGUE, chosen);
