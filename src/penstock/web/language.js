// A trained language model: embedding → GRU layers → output layer.

import { generator } from "./random.js";
import { checkSampling, draw } from "./sampling.js";
import { newOutput, newStack } from "./stack.js";
import { State, stateKind } from "./state.js";
import { vocabulary } from "./vocabulary.js";

const MOST_KEPT = 1024; // tokens of which it is kept what they give the first layer

export function languageModel(engine, { config, digest, vocabulary: known }, tensors) {
  const { vocabulary_size: V, input_size: E, hidden_size: H } = config;
  const embedding = tensors["embedding.weight"];
  const weight = config.tied ? embedding : tensors["output.weight"];
  const stack = newStack(engine, config, tensors);
  const logitsOf = newOutput(engine, weight, tensors["output.bias"]);
  const fromTokens = newCache(engine, Math.min(V, MOST_KEPT), stack.inputSize, ofToken);
  const kind = stateKind(digest, config);
  const logProbabilities = new Float64Array(V);
  const words = vocabulary(known);

  // Reads a token into the state; gives what the output layer reads, (H,). ``how`` is what a stack's ``read`` takes.
  function read(token, state, how) {
    if (!(token >= 0 && token < V)) throw new RangeError(`token: expected 0 … ${V - 1}, got ${token}`);
    state.expect(kind);
    return stack.read(how?.form ? ofToken(token, how.form) : fromTokens(token), state.layers, how);
  }

  // What a token gives the first layer.
  function ofToken(token, form, to) {
    return stack.fromInput(0, embedding.subarray(token * E, (token + 1) * E), to, form);
  }

  // log p of each token after ``top``, (V,); the next call writes to the same array.
  function expect(top) {
    const logits = logitsOf(top);
    let most = -Infinity;
    for (let i = 0; i < V; i++) if (logits[i] > most) most = logits[i];
    let sum = 0;
    for (let i = 0; i < V; i++) sum += Math.exp(logits[i] - most);
    const all = most + Math.log(sum);
    for (let i = 0; i < V; i++) logProbabilities[i] = logits[i] - all;
    return logProbabilities;
  }

  // Token ids that follow ``ids`` from ``state``, which moves on; ``how`` may also have what ``read`` takes.
  function* write(ids, how) {
    const { state = model.state(), length = 500, seed } = how;
    const random = seed === undefined ? Math.random : generator(seed).uniform;
    const settings = { ...how, unknown: words.unknown };
    for (let t = 0; t < ids.length - 1; t++) read(ids[t], state, how);
    let token = ids.at(-1);
    for (let t = 0; t < length; t++) {
      token = draw(logitsOf(read(token, state, how)), settings, random);
      yield token;
    }
  }

  const model = {
    kind: "language",
    config,
    vocabulary: words,
    layers: stack.layers,
    output: weight,
    read,
    expect,
    state: (saved) => (saved === undefined ? new State(kind) : State.restored(kind, saved)),
    step: (token, state, how) => expect(read(token, state, how)),
    generate(prompt, how = {}) {
      checkSampling(how);
      return text(model, write(words.encode(prompt || "\n").ids, how));
    },
  };
  return model;
}

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
