import { closeSync, existsSync, fsyncSync, openSync, readFileSync, truncateSync, writeSync } from 'node:fs';

/** The events of every instance, in memory; with a file they outlive the process, a line for each push. */
export class Instances {
  #instances = new Map();
  #everyId = new Set();
  #count = 0;
  #file;

  constructor(fault, path) {
    this.fault = fault;
    if (path !== undefined) this.#open(path);
  }

  #open(path) {
    const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    // A line without an end was being written when the process was killed; nobody was told that it is stored.
    if (whole !== text) truncateSync(path, Buffer.byteLength(whole));
    for (const line of whole.split('\n').filter(Boolean)) {
      const { instanceId, records } = JSON.parse(line);
      this.#keep(this.get(instanceId), records);
    }
    this.#file = openSync(path, 'a');
  }

  get(id) {
    if (!this.#instances.has(id)) this.#instances.set(id, { id, records: [], ids: new Map(), members: new Set() });
    return this.#instances.get(id);
  }

  everyMember() {
    return [...this.#instances.values()].flatMap(({ members }) => [...members]);
  }

  /** The number of an instance's last event. */
  head({ records }) {
    return records.at(-1)?.seq ?? 0;
  }

  /** Stores what is new of a push; gives the records that were stored. */
  store(instance, pushed) {
    const met = new Set();
    const fresh = pushed.filter(({ event }) => !this.#known(instance, event, met));
    if (this.fault('duplicate-overwrites')) this.#overwrite(instance, pushed);
    this.#write(instance.id, fresh);
    return this.#keep(instance, fresh);
  }

  #known(instance, { id }, met) {
    const before = met.has(id) && !this.fault('doubled-in-push-stored');
    met.add(id);
    if (this.fault('duplicates-stored')) return before;
    const stored = this.fault('ids-shared-by-instances') ? this.#everyId.has(id) : instance.ids.has(id);
    return before || stored;
  }

  #overwrite({ ids }, pushed) {
    for (const { event } of pushed) if (ids.has(event.id)) ids.get(event.id).event = event;
  }

  #write(instanceId, records) {
    if (this.#file === undefined || records.length === 0 || this.fault('acknowledged-before-stored')) return;
    writeSync(this.#file, `${JSON.stringify({ instanceId, records })}\n`);
    fsyncSync(this.#file);
  }

  #keep(instance, records) {
    return records.map(({ event, metadata }) => {
      this.#count += 1;
      const record = { seq: this.#nextSeq(instance), event, metadata };
      instance.records.push(record);
      if (!instance.ids.has(event.id)) instance.ids.set(event.id, record);
      this.#everyId.add(event.id);
      return record;
    });
  }

  #nextSeq({ records }) {
    if (this.fault('seq-shared-by-instances')) return this.#count;
    if (this.fault('seq-from-zero')) return records.length;
    if (this.fault('seq-in-tens')) return (records.length + 1) * 10;
    return records.length + 1;
  }

  /** At most `limit` records after `since`, and no more than fit into `bytes`, but at least one. */
  after(instance, since, limit, bytes) {
    const start = this.fault('pull-includes-since') ? since : since + 1;
    const later = this.#records(instance).filter(({ seq }) => seq >= start);
    let size = 0;
    const fits = ({ event }) => (size += JSON.stringify(event).length) <= bytes;
    const records = later.slice(0, limit).filter((record, at) => fits(record) || at === 0);
    return { records, more: later.length > records.length };
  }

  #records(instance) {
    if (!this.fault('pull-from-every-instance')) return instance.records;
    return [...this.#instances.values()].flatMap(({ records }) => records);
  }

  close() {
    if (this.#file !== undefined) closeSync(this.#file);
  }
}
