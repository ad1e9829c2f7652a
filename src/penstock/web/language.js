// A trained language model: embedding → GRU layers → output layer.

import { generator } from "./random.js";
import { checkSampling, draw } from "./sampling.js";
import { State, stateKind } from "./state.js";
import { vocabulary } from "./vocabulary.js";

export function languageModel(network, { config, numbers, digest, vocabulary: known }) {
  const V = config.vocabulary_size;
  const kind = stateKind(digest, config, network.Numbers);
  const logProbabilities = new Float64Array(V);
  const words = vocabulary(known);

  // Reads a token into the state; gives what the output layer reads, (H,). ``how`` is what a network's ``read`` takes.
  function read(token, state, how) {
    if (!(token >= 0 && token < V)) throw new RangeError(`token: expected 0 … ${V - 1}, got ${token}`);
    state.expect(kind);
    return network.read(network.embed(token, how?.form), state.layers, how);
  }

  // log p of each token after ``top``, (V,); the next call writes to the same array.
  function expect(top) {
    const logits = network.answer(top);
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
      token = draw(network.answer(read(token, state, how)), settings, random);
      yield token;
    }
  }

  const model = {
    kind: "language",
    config,
    numbers,
    vocabulary: words,
    layers: network.layers,
    output: network.output,
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
