// A network in float32: embedding, GRU layers, each of which reads what the one before gives, output layer; step by step by
// the engine. Either form of the reset gate.
//
//   r = σ(W_ir x + b_ir + W_hr h + b_hr)     z = σ(W_iz x + b_iz + W_hz h + b_hz)
//   n = tanh(W_in x + b_in + W_hn (r ⊙ h) + b_hn)     form "before"
//   n = tanh(W_in x + b_in + r ⊙ (W_hn h + b_hn))     form "after"
//   h ← z ⊙ h + (1 − z) ⊙ n
//
// Letters: D input features, H hidden units, K layers, W = H in whole blocks. Weights have PyTorch's names, shapes and order,
// (3H, D) and (3H, H), rows r, z, n.

import { ROWS, wide } from "./engine.js";

const GATES = ["reset", "update", "candidate"];
const MOST_KEPT = 1024; // tokens of which it is kept what they give the first layer

export function floatNetwork(engine, config, tensors) {
  const { input_size: D, hidden_size: H, num_layers: K, reset, residual } = config;
  const W = wide(H);
  const layers = Array.from({ length: K }, (_, k) => newLayer(engine, tensors, k, k ? H : D, H));
  const x = engine.room(Math.max(D, H));
  const h = engine.room(H, { space: W });
  const [input, gates, held] = [3 * W, 4 * W, 3 * W].map((count) => engine.room(count));
  const sum = new Float32Array(H);
  const named = { reset: 0, update: W, candidate: 2 * W };
  const embedding = tensors["embedding.weight"];
  const output = tensors["output.weight"] ?? embedding;
  const answer = output && newOutput(engine, output, tensors["output.bias"]);
  const ofTokens = embedding && newCache(engine, Math.min(embedding.length / D, MOST_KEPT), 3 * W, fromToken);

  // W_i x + all biases that do not wait for the state, (3W,), of a layer's input, written to ``to``.
  function fromInput(k, values, to = input, form = reset) {
    const { weight, bias, features } = layers[k].input;
    x.view.set(values);
    engine.product((3 * W) / ROWS, features, weight.at, bias[form].at, x.at, to.at);
    return to;
  }

  function fromToken(token, form, to) {
    return fromInput(0, embedding.subarray(token * D, (token + 1) * D), to, form);
  }

  // Reads what ``embed`` or ``enter`` gave into ``states``, K arrays (H,), which become the new ones. Returns what
  // comes out on top, (H,), which the next call may overwrite. ``held`` is, a layer, { reset, update, candidate }, each (H,),
  // of which what is not NaN takes the place of what the unit would have decided; ``form`` another form of the reset gate;
  // ``seen(k, gates, h)`` is called with each layer's gates and new state.
  function read(from, states, { held: values = [], form = reset, seen } = {}) {
    const after = form === "after" ? 1 : 0;
    let top = null;
    for (let k = 0; k < K; k++) {
      const { weight, bias } = layers[k].state;
      const given = k ? fromInput(k, top, input, form) : from;
      h.view.set(states[k]);
      engine.step(after, H, weight.at, bias.at, given.at, h.at, gates.at, hold(values[k]));
      states[k].set(h.view);
      seen?.(k, ofUnits(gates.view), states[k]);
      if (k && residual) for (let j = 0; j < H; j++) sum[j] = top[j] + states[k][j];
      top = k && residual ? sum : states[k];
    }
    return top;
  }

  // Where the engine finds what is held of a layer; 0 of nothing.
  function hold(values) {
    if (!GATES.some((name) => values?.[name])) return 0;
    held.view.fill(NaN);
    for (const name of GATES) if (values[name]) held.view.set(values[name], named[name]);
    return held.at;
  }

  function ofUnits(all) {
    return Object.fromEntries(GATES.map((name) => [name, all.subarray(named[name], named[name] + H)]));
  }
  return {
    Numbers: Float32Array, // of a state
    number: (value) => value, // as one of a state
    layers: layers.map(() => ({ units: H, form: reset })),
    output,
    // What the first layer makes of a token, or of x (D,).
    embed: (token, form) => (form ? fromToken(token, form) : ofTokens(token)),
    enter: (values, form) => fromInput(0, values, input, form),
    read,
    real: (top) => top,
    answer,
    answerTo: answer,
  };
}

function newLayer(engine, tensors, k, D, H) {
  const of = (name) => tensors[`layers.${k}.${name}_l0`];
  const [ofInput, ofState] = [of("bias_ih"), of("bias_hh")];
  const before = ofInput.map((value, i) => value + ofState[i]);
  const after = before.map((value, i) => (i < 2 * H ? value : ofInput[i])); // b_hn stands beside W_hn h, which r shows
  const bias = { before: vector(engine, before, H), after: vector(engine, after, H) };
  return {
    input: { weight: matrix(engine, of("weight_ih"), H, D), bias, features: D },
    state: { weight: matrix(engine, of("weight_hh"), H, H), bias: vector(engine, ofState.subarray(2 * H), H) },
  };
}

// An output layer: W x + b of x (D,), (rows,), which the next call overwrites.
function newOutput(engine, weight, bias) {
  const rows = bias.length;
  const D = weight.length / rows;
  const [packed, offset] = [matrix(engine, weight, rows, D), vector(engine, bias, rows)];
  const [x, out] = [engine.room(D), engine.room(rows, { space: wide(rows) })];
  return (values) => {
    x.view.set(values);
    engine.product(wide(rows) / ROWS, D, packed.at, offset.at, x.at, out.at);
    return out.view;
  };
}

// What ``make(key, undefined, row)`` writes, kept of the keys that came lately.
function newCache(engine, most, size, make) {
  const rows = Array.from({ length: most }, () => engine.room(size));
  const kept = new Map();
  return (key) => {
    if (!kept.has(key)) {
      if (kept.size === most) kept.clear();
      kept.set(key, make(key, undefined, rows[kept.size]));
    }
    return kept.get(key);
  };
}

// Parts one below the other, each (rows,), as (W,): with zeros up to whole blocks.
function vector(engine, values, rows) {
  const made = engine.room((values.length / rows) * wide(rows));
  for (let part = 0; part * rows < values.length; part++) {
    made.view.set(values.subarray(part * rows, (part + 1) * rows), part * wide(rows));
  }
  return made;
}

// Parts one below the other, each (rows, columns), as blocks (W/16, columns, 16).
function matrix(engine, values, rows, columns) {
  const parts = values.length / (rows * columns);
  const made = engine.room(parts * wide(rows) * columns);
  const blocks = made.view;
  let from = 0;
  for (let part = 0; part < parts; part++) {
    for (let row = 0; row < rows; row++) {
      const place = part * wide(rows) + row;
      let to = (place - (place % ROWS)) * columns + (place % ROWS);
      for (let k = 0; k < columns; k++, to += ROWS) blocks[to] = values[from++];
    }
  }
  return made;
}
