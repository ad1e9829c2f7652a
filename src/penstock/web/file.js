// The one file of a model, as penstock.web.model_file writes it: safetensors, with what the weights are of as JSON inside.

const FORMAT = "penstock-web";
const VERSION = 2;

// { about, tensors } of an ArrayBuffer, an array of bytes or base64: each tensor an array of numbers by its name.
export function open(file) {
  const bytes = typeof file === "string" ? fromBase64(file) : ArrayBuffer.isView(file) ? bytesOf(file) : new Uint8Array(file);
  const size = bytes.length < 8 ? Infinity : Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  if (!(size <= bytes.length - 8)) throw new RangeError("the file is not whole");
  const { __metadata__, ...header } = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + size)));
  const about = JSON.parse(__metadata__?.[FORMAT] ?? "null");
  if (about?.version !== VERSION) throw new RangeError(`expected a file of ${FORMAT} ${VERSION}`);
  const tensors = {};
  for (const [name, { dtype, shape, data_offsets: [from, to] }] of Object.entries(header)) {
    const count = shape.reduce((a, b) => a * b, 1);
    if (to - from !== count * BYTES[dtype] || 8 + size + to > bytes.length) throw new RangeError(`${name} is not whole`);
    tensors[name] = READ[dtype](bytes.slice(8 + size + from, 8 + size + to).buffer);
  }
  return { about, tensors };
}

export function fromBase64(text) {
  return Uint8Array.fromBase64?.(text) ?? Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

export function toBase64(bytes) {
  return bytes.toBase64?.() ?? btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

function bytesOf(view) {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

const BYTES = { F32: 4, F16: 2, I64: 8, I32: 4, U32: 4, I8: 1 };
const READ = {
  F32: (bytes) => new Float32Array(bytes),
  I64: (bytes) => new BigInt64Array(bytes),
  I32: (bytes) => new Int32Array(bytes),
  U32: (bytes) => new Uint32Array(bytes),
  I8: (bytes) => new Int8Array(bytes),
  F16: (bytes) => Float32Array.from(new Uint16Array(bytes), half),
};

// A float16 by its bits.
function half(bits) {
  const [exponent, fraction, sign] = [(bits >> 10) & 31, bits & 1023, bits & 0x8000 ? -1 : 1];
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : (fraction / 1024) * 2 ** -14);
}
