// Elements, made without markup: whatever is shown is text.

export const find = (id) => document.getElementById(id);

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

export const json = (value) => JSON.stringify(value, null, 2);

/** The value of a JSON field, or undefined where it is none: the field then says so. */
export function readJson(field) {
  try {
    const value = JSON.parse(field.value);
    field.removeAttribute("aria-invalid");
    return value;
  } catch (problem) {
    field.setAttribute("aria-invalid", "true");
    field.focus();
    complain(`${field.labels[0].textContent}: ${problem.message}`);
    return undefined;
  }
}

/** Lines like `name=value`, as an object. */
export function readLines(field, between) {
  const found = {};
  for (const line of field.value.split("\n").filter((one) => one.trim())) {
    const at = line.indexOf(between);
    const [name, value] = at < 0 ? [line, ""] : [line.slice(0, at), line.slice(at + between.length)];
    found[name.trim()] = value.trim();
  }
  return found;
}

export const writeLines = (values, between) =>
  Object.entries(values).map(([name, value]) => `${name}${between}${value}`).join("\n");

export function complain(text) {
  find("problem").textContent = text;
}

/** Show a light: its colour is also a shape and, always, words. */
export function light(place, colour, words) {
  if (place.dataset.light !== colour) place.dataset.light = colour;
  if (place.textContent !== words) place.textContent = words;
}

/** Fill a choice, and keep what was chosen if it is still there. */
export function options(select, entries) {
  const before = select.value;
  select.replaceChildren(...entries.map(([value, text]) => element("option", { value }, text)));
  if (entries.some(([value]) => value === before)) select.value = before;
}
