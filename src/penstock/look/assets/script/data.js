// The traces as Python packed them (penstock.look.page), unpacked: typed arrays, time first, (L, H) at [t * H + unit].

async function unpackAll() {
  const data = JSON.parse(document.getElementById("data").textContent);
  for (const trace of data.traces) {
    for (const layer of trace.layers) await unpackLayer(layer, trace.length);
    if (trace.tokens) trace.directions = halves(await unpack(trace.directions));
    else trace.channels = await unpackChannels(trace);
  }
  return data;
}

async function unpackLayer(layer, L) {
  const smaller = await unpack(layer.update);
  layer.keep = new Float32Array(L * layer.units); // z
  layer.write = new Float32Array(L * layer.units); // 1 − z
  for (let i = 0; i < layer.keep.length; i++) {
    const value = HALVES[smaller[i] & 0x7fff];
    const written = smaller[i] & 0x8000; // the sign: it is 1 − z that was stored
    layer.keep[i] = written ? 1 - value : value;
    layer.write[i] = written ? value : 1 - value;
  }
  layer.update = layer.keep;
  layer.reset = halves(await unpack(layer.reset));
  layer.candidate = halves(await unpack(layer.candidate));
  layer.initial = halves(await unpack(layer.initial));
  layer.entered = new Set(layer.entered);
  layer.halfLife = Float64Array.from(layer.halfLife, (life) => life ?? Infinity);
  layer.hidden = states(layer, L);
}

// h = z h + (1 − z) n, step by step in the order in which the layer read.
function states(layer, L) {
  const H = layer.units;
  const hidden = new Float32Array(L * H);
  const state = Float64Array.from(layer.initial);
  for (let k = 0; k < L; k++) {
    const t = layer.reverse ? L - 1 - k : k;
    if (layer.entered.has(t)) state.fill(0);
    for (let unit = 0, i = t * H; unit < H; unit++, i++) {
      state[unit] = layer.keep[i] * state[unit] + layer.write[i] * layer.candidate[i];
      hidden[i] = state[unit];
    }
  }
  return hidden;
}

async function unpackChannels(trace) {
  const bytes = await inflate(trace.channels);
  const count = bytes.length / 4;
  const whole = new Uint8Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) whole[(i % count) * 4 + Math.floor(i / count)] = bytes[i];
  const values = new Float32Array(whole.buffer);
  return Array.from({ length: count / trace.length }, (_, c) => values.subarray(c * trace.length, (c + 1) * trace.length));
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
  const packed = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Every float16 by its bits.
const HALVES = Float32Array.from({ length: 65536 }, (_, bits) => {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : (fraction / 1024) * 2 ** -14);
});

function halves(bits) {
  return Float32Array.from(bits, (b) => HALVES[b]);
}
