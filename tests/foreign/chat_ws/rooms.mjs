/** Who is connected to which recipe. */
export class Rooms {
  #rooms = new Map();

  join(recipeId, member) {
    if (!this.#rooms.has(recipeId)) this.#rooms.set(recipeId, new Set());
    this.#rooms.get(recipeId).add(member);
  }

  leave(recipeId, member) {
    const room = this.#rooms.get(recipeId);
    room?.delete(member);
    if (room?.size === 0) this.#rooms.delete(recipeId);
  }

  members(recipeId) {
    return this.#rooms.get(recipeId) ?? [];
  }

  everyone() {
    return [...this.#rooms.values()].flatMap((room) => [...room]);
  }
}
