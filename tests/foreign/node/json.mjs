export const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
// An optional member that is null counts as absent.
export const absent = (value) => value === undefined || value === null;
export const characters = (text) => [...text].length;

export function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Whether any object of a JSON text that is known to parse names a member twice. */
export function hasDoubledMembers(json) {
  const open = [];
  const tokens = json.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]/gs) ?? [];
  for (const [at, token] of tokens.entries()) {
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(undefined);
    else if (token === '}' || token === ']') open.pop();
    else if (tokens[at + 1] === ':') {
      const names = open.at(-1);
      const name = JSON.parse(token);
      if (names.has(name)) return true;
      names.add(name);
    }
  }
  return false;
}
