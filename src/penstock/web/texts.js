// A trained model of texts: a class, labels or numbers for each. As penstock.runtime.text_model.

import { answersOf } from "./answers.js";
import { State, stateKind } from "./state.js";
import { vocabulary } from "./vocabulary.js";

export function textModel(network, { config, digest, vocabulary: known, answer, longest }) {
  const { hidden_size: H } = config;
  const answers = answersOf(answer);
  const words = vocabulary(known);
  const V = words.size;
  const more = [["counts", Float64Array, 1], ["total", Float32Array, H], ["top", Float32Array, H]];
  const kind = stateKind(digest, config, network.Numbers, ...more);

  function read(token, state) {
    if (!(token >= 0 && token < V)) throw new RangeError(`token: expected 0 … ${V - 1}, got ${token}`);
    state.expect(kind);
    state.top.set(network.real(network.read(network.embed(token), state.layers), state.layers));
    for (let j = 0; j < H; j++) state.total[j] += state.top[j];
    state.counts[0]++;
  }

  // To all that was read: by the last state beside the mean of all.
  function answerTo({ top, total, counts: [count] }) {
    return answers(network.answerTo([...top, ...total.map((sum) => sum / count)]));
  }

  const model = {
    kind: "text",
    config,
    vocabulary: words,
    answer,
    state: (saved) => (saved === undefined ? new State(kind) : State.restored(kind, saved)),
    step(token, state) {
      read(token, state);
      return answerTo(state);
    },
    predict(text) {
      const { ids } = words.encode(text);
      if (!ids.length) throw new RangeError("text: expected at least one character, got none");
      const state = model.state();
      for (const id of ids.slice(0, longest)) read(id, state);
      return answerTo(state);
    },
  };
  return model;
}
