const CONTINUATION = 0x0;
const TEXT = 0x1;
const CLOSE = 0x8;
const PING = 0x9;
const FIN = 0x80;
const MASKED = 0x80;
const LONGEST_AWAITED = 1 << 24;
const FAULTS = [
  'unmasked-frames-read',
  'reserved-opcode-as-text',
  'continuation-starts-message',
  'fragments-joined-across-messages',
  'fragmented-ping-answered',
  'short-close-ignored',
  'split-character-refused',
  'one-message-per-segment',
  'ping-data-cut',
  'frame-beyond-segment-refused',
];
const strictUtf8 = new TextDecoder('utf-8', { fatal: true });

/** Changes bytes before ws, which is careful, reads them; without one of its faults it changes nothing. */
export class CarelessReader {
  #data = Buffer.alloc(0);
  #unfinished = false;

  constructor(fault) {
    this.fault = fault;
    this.active = FAULTS.some((name) => fault(name));
  }

  /** Stands before the receiver of a ws connection. */
  static before(ws, fault) {
    const reader = new CarelessReader(fault);
    if (!reader.active) return;
    const receiver = ws._receiver;
    const write = receiver.write.bind(receiver);
    receiver.write = (chunk, ...rest) => {
      const read = reader.read(chunk);
      return read.length === 0 || write(read, ...rest);
    };
  }

  /** What ws is to see of one segment. */
  read(chunk) {
    this.#data = Buffer.concat([this.#data, chunk]);
    let frames = [...this.#frames()];
    if (this.fault('one-message-per-segment')) frames = firstMessage(frames);
    const bytes = frames.flatMap((frame) => this.#changed(frame)).map(written);
    if (this.#data.length && this.fault('frame-beyond-segment-refused')) return Buffer.from([0x7f, 0x00]);
    if (this.#hopeless()) {
      bytes.push(this.#data);
      this.#data = Buffer.alloc(0);
    }
    return Buffer.concat(bytes);
  }

  /** Whether a frame is announced that is too large to wait for. */
  #hopeless() {
    const data = this.#data;
    return data.length >= 10 && (data[1] & 0x7f) === 127 && data.readBigUInt64BE(2) > LONGEST_AWAITED;
  }

  *#frames() {
    for (let frame = firstFrame(this.#data); frame; frame = firstFrame(this.#data)) {
      this.#data = this.#data.subarray(frame.size);
      yield frame;
    }
  }

  #changed(frame) {
    const { fault } = this;
    const opcode = frame.first & 0x0f;
    if (fault('unmasked-frames-read')) return [{ ...frame, masked: true }];
    if (fault('reserved-opcode-as-text') && opcode > 2 && opcode < CLOSE) return [{ ...frame, first: FIN | TEXT }];
    if (fault('ping-data-cut') && opcode === PING) return [{ ...frame, payload: frame.payload.subarray(0, 4) }];
    if (fault('fragmented-ping-answered') && opcode === PING) return [{ ...frame, first: frame.first | FIN }];
    if (fault('short-close-ignored') && opcode === CLOSE && frame.payload.length === 1) return [];
    if (opcode >= CLOSE) return [frame];
    if (fault('split-character-refused') && !isUtf8(frame.payload)) return [{ ...frame, payload: Buffer.from([0xff]) }];
    return [this.#placed(frame, opcode)];
  }

  /** A data frame, given the place in a message that a careless reader sees it in. */
  #placed(frame, opcode) {
    const within = this.#unfinished;
    this.#unfinished = (frame.first & FIN) === 0;
    const lost = opcode === CONTINUATION && !within && this.fault('continuation-starts-message');
    const joined = opcode === TEXT && within && this.fault('fragments-joined-across-messages');
    if (lost) return { ...frame, first: frame.first | TEXT };
    return joined ? { ...frame, first: frame.first & FIN } : frame;
  }
}

function firstFrame(data) {
  if (data.length < 2) return undefined;
  const short = data[1] & 0x7f;
  const wide = { 126: 2, 127: 8 }[short] ?? 0;
  const masked = (data[1] & MASKED) !== 0;
  const start = 2 + wide + (masked ? 4 : 0);
  if (data.length < start) return undefined;
  const length = wide === 8 ? Number(data.readBigUInt64BE(2)) : wide === 2 ? data.readUInt16BE(2) : short;
  if (data.length < start + length) return undefined;
  const key = masked ? data.subarray(start - 4, start) : Buffer.alloc(4);
  const payload = Buffer.from(data.subarray(start, start + length).map((octet, at) => octet ^ key[at % 4]));
  return { first: data[0], masked, payload, size: start + length };
}

/** A frame again, masked with zeros if it was masked. */
function written({ first, masked, payload }) {
  const mark = masked ? MASKED : 0;
  const head = Buffer.alloc(payload.length < 126 ? 2 : payload.length < 65536 ? 4 : 10);
  head[0] = first;
  if (head.length === 2) head[1] = mark | payload.length;
  if (head.length === 4) head[1] = mark | 126;
  if (head.length === 4) head.writeUInt16BE(payload.length, 2);
  if (head.length === 10) head[1] = mark | 127;
  if (head.length === 10) head.writeBigUInt64BE(BigInt(payload.length), 2);
  return Buffer.concat([head, Buffer.alloc(masked ? 4 : 0), payload]);
}

function firstMessage(frames) {
  let seen = false;
  return frames.filter(({ first }) => {
    const data = (first & 0x0f) < CLOSE;
    const kept = !data || !seen;
    seen ||= data && (first & FIN) !== 0;
    return kept;
  });
}

function isUtf8(payload) {
  try {
    strictUtf8.decode(payload);
    return true;
  } catch {
    return false;
  }
}
