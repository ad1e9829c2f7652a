// A trained language model: embedding → GRU layers → output layer, from the one file that penstock.web writes.
//
//   const model = load(buffer)                        an ArrayBuffer of the file
//   const state = model.state()                       of a text's beginning: K arrays (H,)
//   const logProbabilities = model.step(token, state) reads a token, moves the state on
//   for (const text of model.generate("The ", { length: 100, temperature: 0.8 })) …

import { fromInput, gatesOf, layer, multiply, step } from "./gru.js";
import { vocabulary } from "./vocabulary.js";

const FORMAT = "penstock-web";
const VERSION = 1;

export function load(buffer) {
  const { about, tensors } = open(buffer);
  const { config } = about;
  const words = vocabulary(about.vocabulary);
  const layers = Array.from({ length: config.num_layers }, (_, k) => {
    const of = (name) => tensors[`layers.${k}.${name}_l0`];
    const form = config.reset;
    return layer({ weight_ih: of("weight_ih"), weight_hh: of("weight_hh"), bias_ih: of("bias_ih"), bias_hh: of("bias_hh"), form });
  });
  const embedding = tensors["embedding.weight"];
  const output = config.tied ? embedding : tensors["output.weight"];
  return languageModel({ config, vocabulary: words, layers, embedding, output, bias: tensors["output.bias"] });
}

function languageModel({ config, vocabulary, layers, embedding, output, bias }) {
  const { vocabulary_size: V, input_size: E, hidden_size: H } = config;
  const gates = layers.map(gatesOf);
  const fromTokens = new Map(); // what a token gives the first layer, for those that came lately
  const logits = new Float64Array(V);

  const ofToken = (token) => {
    if (!(token >= 0 && token < V)) throw new RangeError(`token: expected 0 … ${V - 1}, got ${token}`);
    if (fromTokens.size > MOST_KEPT) fromTokens.clear();
    if (!fromTokens.has(token)) fromTokens.set(token, fromInput(layers[0], embedding.subarray(token * E, (token + 1) * E)));
    return fromTokens.get(token);
  };

  // Reads a token into the state; gives what the output layer reads, (H,). Calls ``seen`` with each layer's gates.
  function read(token, state, { held = [], form, seen } = {}) {
    let top = null;
    layers.forEach((made, k) => {
      const used = form ? { ...made, form } : made;
      step(used, k ? fromInput(made, top) : ofToken(token), state[k], gates[k], held[k]);
      seen?.(k, gates[k], state[k]);
      top = k && config.residual ? top.map((value, j) => value + state[k][j]) : state[k];
    });
    return top;
  }

  // log p of each token after ``top``, (V,); the next call writes to the same array.
  function expect(top) {
    multiply(output, top, 0, V, H, logits);
    let most = -Infinity;
    for (let i = 0; i < V; i++) if ((logits[i] += bias[i]) > most) most = logits[i];
    let sum = 0;
    for (let i = 0; i < V; i++) sum += Math.exp(logits[i] - most);
    const all = most + Math.log(sum);
    for (let i = 0; i < V; i++) logits[i] -= all;
    return logits;
  }

  const model = {
    config,
    vocabulary,
    layers,
    output,
    read,
    expect,
    state: () => layers.map(({ units }) => new Float64Array(units)),
    step: (token, state, how) => expect(read(token, state, how)),
    generate: (prompt, how) => text(model, write(model, vocabulary.encode(prompt || "\n").ids, how)),
  };
  return model;
}

const MOST_KEPT = 1024;

// Token ids that follow ``ids`` from ``state``, which moves on. ``random`` gives numbers in [0, 1), one a token; temperature 0
// takes the likeliest. ``how(t)`` may give what ``step`` takes, for the t-th token that is read.
export function* write(model, ids, { state = model.state(), length = 500, temperature = 1, random = Math.random, how } = {}) {
  let t = 0;
  for (; t < ids.length - 1; t++) model.read(ids[t], state, how?.(t));
  let token = ids[t];
  for (const last = t + length; t < last; t++) {
    token = draw(model.step(token, state, how?.(t)), temperature, random, model.vocabulary.unknown);
    yield token;
  }
}

// An index drawn from log-probabilities, never ``unknown``.
export function draw(logProbabilities, temperature, random, unknown = null) {
  let likeliest = -1;
  logProbabilities.forEach((value, i) => {
    if (i !== unknown && (likeliest < 0 || value > logProbabilities[likeliest])) likeliest = i;
  });
  if (!(temperature > 0)) return likeliest;
  const most = logProbabilities[likeliest];
  const p = logProbabilities.map((value, i) => (i === unknown ? 0 : Math.exp((value - most) / Math.max(temperature, COLDEST))));
  const sum = p.reduce((a, b) => a + b);
  let left = random() * sum;
  for (let i = 0; i < p.length; i++) if ((left -= p[i]) < 0) return i;
  return likeliest;
}

const COLDEST = 1e-200;

// The text of ids, as soon as each character is whole.
export function* text({ vocabulary }, ids) {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  for (const id of ids) {
    const piece = decoder.decode(vocabulary.bytes(id), { stream: true });
    if (piece) yield piece;
  }
  const rest = decoder.decode();
  if (rest) yield rest;
}

// A safetensors file: 8 bytes of length, a header of JSON, the tensors. Matrices of whole numbers have a scale a row.
function open(buffer) {
  const view = new DataView(buffer);
  const size = buffer.byteLength < 8 ? Infinity : Number(view.getBigUint64(0, true));
  if (!(size <= buffer.byteLength - 8)) throw new RangeError("the file is not whole");
  const { __metadata__, ...header } = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, size)));
  const about = JSON.parse(__metadata__?.[FORMAT] ?? "null");
  if (about?.version !== VERSION) throw new RangeError(`expected a file of ${FORMAT} ${VERSION}`);
  const tensors = {};
  for (const [name, { dtype, shape, data_offsets: [from, to] }] of Object.entries(header)) {
    const count = shape.reduce((a, b) => a * b, 1);
    if (to - from !== count * BYTES[dtype] || 8 + size + to > buffer.byteLength) throw new RangeError(`${name} is not whole`);
    tensors[name] = READ[dtype](buffer.slice(8 + size + from, 8 + size + to));
  }
  for (const name of Object.keys(tensors).filter((name) => name.endsWith(SCALE))) {
    const [scales, of] = [tensors[name], name.slice(0, -SCALE.length)];
    const columns = tensors[of].length / scales.length;
    tensors[of] = Float32Array.from(tensors[of], (value, i) => value * scales[Math.floor(i / columns)]);
    delete tensors[name];
  }
  return { about, tensors };
}

const SCALE = ".scale";
const BYTES = { F64: 8, F32: 4, F16: 2, I8: 1 };
const READ = {
  F64: (bytes) => new Float64Array(bytes),
  F32: (bytes) => new Float32Array(bytes),
  F16: (bytes) => Float32Array.from(new Uint16Array(bytes), half),
  I8: (bytes) => new Int8Array(bytes),
};

// A float16 by its bits.
function half(bits) {
  const [exponent, fraction, sign] = [(bits >> 10) & 31, bits & 1023, bits & 0x8000 ? -1 : 1];
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : (fraction / 1024) * 2 ** -14);
}
