// Where a text or a series stands between two of its steps: a value. It is copied, saved and restored, and another model
// refuses it. Letters: K layers, H hidden units.

import { fromBase64, toBase64 } from "./file.js";

// What the states of one model have: ``hidden`` (K, H) of some ``Numbers``, and more fields as [name, kind of array, count];
// those of more bytes a number come first.
export function stateKind(digest, { num_layers: K, hidden_size: H }, Numbers, ...more) {
  const fields = [...more, ["hidden", Numbers, K * H]].sort(([, A], [, B]) => B.BYTES_PER_ELEMENT - A.BYTES_PER_ELEMENT);
  const size = fields.reduce((sum, [, Kind, count]) => sum + Kind.BYTES_PER_ELEMENT * count, 0);
  return { digest: Uint8Array.from(digest.match(/../g), (byte) => parseInt(byte, 16)), fields, size, K, H };
}

export class State {
  #kind;
  #buffer;

  constructor(kind, buffer = new ArrayBuffer(kind.size)) {
    this.#kind = kind;
    this.#buffer = buffer;
    let at = 0;
    for (const [name, Kind, count] of kind.fields) {
      this[name] = new Kind(buffer, at, count);
      at += count * Kind.BYTES_PER_ELEMENT;
    }
    this.layers = Array.from({ length: kind.K }, (_, k) => this.hidden.subarray(k * kind.H, (k + 1) * kind.H));
  }

  // Another that goes its own way.
  copy() {
    return new State(this.#kind, this.#buffer.slice());
  }

  // The model's digest and all that the state is.
  toBytes() {
    const { digest, size } = this.#kind;
    const bytes = new Uint8Array(digest.length + size);
    bytes.set(digest);
    bytes.set(new Uint8Array(this.#buffer), digest.length);
    return bytes;
  }

  // The same as base64, which JSON.stringify takes.
  toJSON() {
    return toBase64(this.toBytes());
  }

  // From bytes or base64.
  static restored(kind, saved) {
    const bytes = typeof saved === "string" ? fromBase64(saved) : saved;
    const { digest, size } = kind;
    if (bytes.length < digest.length || digest.some((byte, k) => byte !== bytes[k])) {
      throw new RangeError("state: expected one of this model, got one of another");
    }
    if (bytes.length !== digest.length + size) {
      throw new RangeError(`state: expected ${digest.length + size} bytes, got ${bytes.length}`);
    }
    return new State(kind, bytes.slice(digest.length).buffer);
  }

  // Raises RangeError unless it is one of this kind.
  expect(kind) {
    if (this.#kind !== kind) throw new RangeError("state: expected one of this model, got one of another");
  }
}
