// The traces as Python packed them (penstock.look.page_data), unpacked: typed arrays, time first, (L, H) at [t * H + unit].

async function unpackAll() {
  const data = JSON.parse(byId("data").textContent);
  byId("data").textContent = ""; // it is long, and read once
  for (const trace of data.traces) {
    await Promise.all(trace.layers.map((layer) => unpackLayer(layer, trace.length)));
    if (trace.directions) trace.directions = ofHalves(await unpack(trace.directions));
    if (trace.channels) trace.channels = await unpackFloats(trace.channels, trace.rowCount ?? trace.length);
    if (trace.numeric) await unpackNumeric(trace.numeric, trace.rowCount);
  }
  return data;
}

async function unpackLayer(layer, L) {
  const { rounded } = layer;
  const codes = {};
  for (const name of ["update", "reset", "candidate"]) {
    const text = layer[name];
    if (rounded) computed(codes, name, () => fromBase64(text));
    else codes[name] = await unpack(text);
  }
  const anchors = rounded ? ofHalves(await unpack(rounded.anchors)) : null;
  layer.initial = ofHalves(await unpack(layer.initial));
  layer.entered = new Set(layer.entered);
  layer.halfLife = Float64Array.from(layer.halfLife, (life) => life ?? Infinity);
  computed(layer, "keep", () => looked(codes.update, rounded ? GATE : KEPT)); // z
  computed(layer, "write", () => (rounded ? looked(codes.update, ONE_LESS, Small) : looked(codes.update, WRITTEN))); // 1 − z
  computed(layer, "update", () => layer.keep);
  computed(layer, "reset", () => (rounded ? looked(codes.reset, GATE, Small) : looked(codes.reset, HALVES)));
  computed(layer, "candidate", () => (rounded ? looked(codes.candidate, SIGNED, Small) : looked(codes.candidate, HALVES)));
  computed(layer, "hidden", () => states(layer, L, anchors));
}

// A property that is computed when it is first asked for.
function computed(object, name, compute) {
  const keep = (value) => Object.defineProperty(object, name, { value, enumerable: true, writable: true });
  Object.defineProperty(object, name, { get: () => keep(compute())[name], set: keep, enumerable: true, configurable: true });
}

// Of what is rounded anyway half of the room is enough, but for z, of which near 1 a little matters.
const Small = globalThis.Float16Array ?? Float32Array;

// Copied as bits, as to write a float16 takes three times as long.
function looked(codes, table, Kind = Float32Array) {
  const Bits = Kind.BYTES_PER_ELEMENT === 2 ? Uint16Array : Uint32Array;
  const bits = new Bits(Kind.from(table).buffer);
  const values = new Bits(codes.length);
  for (let i = 0; i < codes.length; i++) values[i] = bits[codes[i]];
  return new Kind(values.buffer);
}

const ANCHOR = 64; // steps

// h = z h + (1 − z) n, step by step in the order in which the layer read; from rounded gates it would drift, so that every
// so many steps the state itself was kept.
function states(layer, L, anchors) {
  const { units: H, keep, write, candidate } = layer;
  const hidden = new (anchors ? Small : Float32Array)(L * H);
  const state = Float64Array.from(layer.initial);
  for (let k = 0; k < L; k++) {
    const t = layer.reverse ? L - 1 - k : k;
    if (anchors && k && k % ANCHOR === 0) state.set(anchors.subarray((k / ANCHOR - 1) * H, (k / ANCHOR) * H));
    if (layer.entered.has(t)) state.fill(0);
    for (let unit = 0, i = t * H; unit < H; unit++, i++) {
      hidden[i] = state[unit] = keep[i] * state[unit] + write[i] * candidate[i];
    }
  }
  return hidden;
}

async function unpackNumeric(numeric, rows) {
  const { asked, answers, truths, account } = numeric;
  const bytes = (await inflate(answers)).length;
  const count = asked === "forecast" ? bytes / 4 / 3 : rows; // of a forecast three quantiles
  numeric.answers = await unpackFloats(answers, count);
  numeric.truths = await unpackFloats(truths, count);
  numeric.account = await unpackFloats(account, rows);
}

// Arrays of so many float32 each, one after the other.
async function unpackFloats(text, length) {
  const bytes = await inflate(text);
  const count = bytes.length / 4;
  const whole = new Uint8Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) whole[(i % count) * 4 + Math.floor(i / count)] = bytes[i];
  const values = new Float32Array(whole.buffer);
  return Array.from({ length: count / length }, (_, c) => values.subarray(c * length, (c + 1) * length));
}

// Bits of float16: all low bytes come first, then all high ones.
async function unpack(text) {
  const bytes = await inflate(text);
  const count = bytes.length / 2;
  const bits = new Uint16Array(count);
  for (let i = 0; i < count; i++) bits[i] = bytes[i] | (bytes[count + i] << 8);
  return bits;
}

async function inflate(text) {
  const stream = new Blob([fromBase64(text)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function fromBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
  return bytes;
}

// Every float16 by its bits.
const HALVES = new Float32Array(65536).map((_, bits) => {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : (fraction / 1024) * 2 ** -14);
});

// z and 1 − z by the smaller one of them, whose sign says which it is: negative is 1 − z.
const KEPT = HALVES.map((value, bits) => (bits & 0x8000 ? 1 + value : value));
const WRITTEN = HALVES.map((value, bits) => (bits & 0x8000 ? -value : 1 - value));

// Of a longer sequence a number is a byte: gates finer near 0 and 1, where a little matters, candidates evenly from −1 to 1.
const GATE = Float32Array.from({ length: 256 }, (_, k) => Math.sin((Math.PI * k) / 510) ** 2);
const ONE_LESS = GATE.map((_, k) => GATE[255 - k]);
const SIGNED = Float32Array.from({ length: 256 }, (_, k) => k / 127 - 1);

function ofHalves(bits) {
  return looked(bits, HALVES);
}
