// A network in whole numbers, w8a16, as penstock.fixed_point has it: weights of 8 bits, states int16 in Q15, to the bit. Weights
// come in the order in which the engine reads them. Letters as in float.js.

import { wide } from "./engine.js";

const MOST = 32767;
const ONE = 65536; // of an output, in Q16

export function fixedNetwork(engine, config, tensors) {
  const { input_size: D, hidden_size: H, num_layers: K, reset, residual, input_scale } = config;
  const W = wide(H);
  const after = reset === "after" ? 1 : 0;
  const names = ["ih", "hh", "m_ih", "m_hh", "b"];
  const layers = Array.from({ length: K }, (_, k) => names.map((name) => engine.copy(tensors[`layers.${k}.${name}`]).at));
  const shorts = (count) => engine.room(count, { Numbers: Int16Array });
  const widest = wide(Math.max(D, H));
  const [x, sum, scratch, states, answered] = [widest, W, 3 * W + widest, K * W, 2 * W].map(shorts);
  const per = Math.fround(1 / input_scale);
  const embedding = engine.copy(tensors["embedding.q"] ?? new Int8Array());
  const output = tensors["output.words"] && newFixedOutput(engine, tensors, H, scratch);

  function embed(token, form) {
    refuse(form);
    const m = tensors["embedding.m"][token];
    if (tensors["embedding.q"]) engine.embed(D, embedding.at + token * D, m, x.at);
    else engine.embed_tied(H, output.words.at, token, m, x.at);
    return x;
  }

  // x (D,) of real numbers.
  function enter(values, form) {
    refuse(form);
    for (let k = 0; k < D; k++) x.view[k] = whole(values[k], per);
    return x;
  }

  // As float.js's; gates can neither be seen nor held.
  function read(from, hidden, how) {
    refuse(how?.held ?? how?.seen);
    hidden.forEach((h, k) => states.view.set(h, k * W));
    let below = from.at;
    for (let k = 0; k < K; k++) {
      engine.step(after, k ? H : D, H, ...layers[k], below, states.at + 2 * k * W, scratch.at);
      below = residual && k ? total(k + 1) : states.at + 2 * k * W;
    }
    hidden.forEach((h, k) => h.set(states.view.subarray(k * W, k * W + H)));
    return new Int16Array(engine.memory.buffer, below, H);
  }

  // Where the sum of so many layers' states is.
  function total(count) {
    engine.total(count, W, states.at, sum.at);
    return sum.at;
  }

  // Of the layers' states (H,) each, what they hand on, in real numbers.
  function real(hidden) {
    const added = residual ? hidden : hidden.slice(-1);
    return Float32Array.from({ length: H }, (_, j) => added.reduce((all, h) => all + h[j], 0) / (MOST + 1));
  }

  // Of real numbers in place of what the layers hand on.
  function answerTo(values) {
    values.forEach((value, j) => (answered.view[j] = whole(value, residual ? (MOST + 1) / 2 ** halvings(K) : MOST + 1)));
    return output.answer({ byteOffset: answered.at }, values.length);
  }
  return {
    Numbers: Int16Array,
    number: (value) => whole(value, 1),
    layers: layers.map(() => ({ units: H, form: reset })),
    embed,
    enter,
    read,
    real: (_, hidden) => real(hidden),
    answer: output?.answer,
    answerTo,
  };
}

function newFixedOutput(engine, tensors, H, scratch) {
  const [words, m, b] = ["words", "m", "b"].map((name) => engine.copy(tensors[`output.${name}`]));
  const rows = tensors["output.rows"][0];
  const y = engine.room(rows, { Numbers: Int32Array });
  const answer = (top, columns = H) => {
    engine.output(rows, columns, words.at, m.at, b.at, top.byteOffset, y.at, scratch.at);
    return Float64Array.from(y.view, (value) => value / ONE);
  };
  return { words, answer };
}

function refuse(asked) {
  if (asked) throw new RangeError("held, seen, form: a model in w8a16 has whole numbers, whose gates stay inside; take float32");
}

// A real number times ``per``, as penstock.fixed_point.whole has it, in float32.
function whole(value, per) {
  const scaled = Math.max(-MOST, Math.min(MOST, Math.fround(Math.fround(value) * per)));
  return Number.isNaN(scaled) ? 0 : Math.floor(Math.fround(scaled + MOST + 1.5)) - MOST - 1;
}

// So often the sum of ``count`` layers' states is halved.
function halvings(count) {
  return Math.ceil(Math.log2(count));
}
