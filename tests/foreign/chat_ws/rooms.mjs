function decodedAgain(text) {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}

/** Who is connected to which recipe. */
export class Rooms {
  #rooms = new Map();

  constructor(fault) {
    this.fault = fault;
  }

  join(recipeId, member) {
    const key = this.#key(recipeId);
    if (!this.#rooms.has(key)) this.#rooms.set(key, new Set());
    this.#rooms.get(key).add(member);
  }

  leave(recipeId, member) {
    const key = this.#key(recipeId);
    const room = this.#rooms.get(key);
    room?.delete(member);
    if (room?.size === 0) this.#rooms.delete(key);
  }

  members(recipeId) {
    return this.#rooms.get(this.#key(recipeId)) ?? [];
  }

  /** What tells one recipe's room from another's: the id as it is. */
  #key(recipeId) {
    if (this.fault('room-ends-at-nul')) return recipeId.split('\0', 1)[0];
    if (this.fault('room-name-cut-off')) return recipeId.slice(0, 255);
    if (this.fault('room-decoded-again')) return decodedAgain(recipeId);
    return recipeId;
  }

  everyone() {
    return [...this.#rooms.values()].flatMap((room) => [...room]);
  }
}
