// Long waits are cut up: setTimeout overflows after 24.8 days, and the wall clock may be set meanwhile.
const LONGEST_WAIT = 60_000;

/** Calls back once its clock has reached a moment, never before: setTimeout alone may be a millisecond early. */
export class Alarm {
  #clock;
  #timer;

  constructor(clock) {
    this.#clock = clock;
  }

  set(moment, callback) {
    this.clear();
    const wait = Math.min(Math.max(Math.ceil(moment - this.#clock()), 1), LONGEST_WAIT);
    this.#timer = setTimeout(() => {
      if (this.#clock() >= moment) callback();
      else this.set(moment, callback);
    }, wait);
  }

  clear() {
    clearTimeout(this.#timer);
  }
}

export const wallClock = () => Date.now();
export const steadyClock = () => performance.now();
