// A trained model of series: rows in; at each, or of the whole so far, a class, labels or numbers out. As
// penstock.runtime.series_model. Letters: C columns, D features, H hidden units, P rows a segment.

import { answersOf } from "./answers.js";
import { features, rowOf } from "./features.js";
import { State, stateKind } from "./state.js";

const CHANGE = 4; // by which changes from row to row are multiplied

export function seriesModel(network, { config, digest, features: described, answer, time }, tensors) {
  const { hidden_size: H, segment: P } = config;
  const { columns } = described;
  const reader = features(described);
  const D = reader.size;
  const answers = answersOf(answer);
  const x = new Float32Array(D);
  const [rates, offsets] = ["decay.weight", "decay.bias"].map((name) => tensors[name]); // (K, H)
  const ofSegments = [
    ["counts", Float64Array, 2], // whole segments, and rows of the one that is not
    ["total", Float32Array, H], // the sum of the top layer's states after whole segments
    ["rows", Float32Array, 2 * P * D], // of the segment that is not whole, with their changes
    ["last", Float32Array, D], // row
  ];
  const kind = stateKind(digest, config, network.Numbers, ["memory", Float64Array, reader.memory], ...(P ? ofSegments : []));

  // Reads a row into the state, and gives the answer, unless nobody ``asked``.
  function read(row, state, moment, asked = true) {
    state.expect(kind);
    reader.next(rowOf(columns, row), momentOf(moment), state.memory, x);
    if (config.decay) fade(state.hidden, Math.max(Math.expm1(x[D - 1]) - 1, 0));
    if (P) return readSegment(state, asked);
    const outputs = network.answer(network.read(network.enter(x), state.layers));
    return asked ? answers(outputs) : null;
  }

  function readSegment(state, asked) {
    const { counts, total, rows, last } = state;
    const [whole, filled] = counts;
    const first = whole + filled === 0;
    const at = 2 * D * filled;
    for (let d = 0; d < D; d++) {
      rows[at + d] = x[d];
      rows[at + D + d] = first ? 0 : Math.fround(x[d] - last[d]) * CHANGE;
    }
    for (let next = at + 2 * D; next < rows.length; next += 2 * D) rows.fill(0, next, next + 2 * D).set(x, next);
    last.set(x);
    counts[1]++;
    if (!asked && filled + 1 < P) return null;
    const layers = state.layers.map((h) => h.slice());
    const top = network.real(network.read(network.enter(rows), layers), layers);
    const sums = total.map((sum, j) => sum + top[j]);
    const found = asked ? answers(network.answerTo([...top, ...sums.map((sum) => sum / (whole + 1))])) : null;
    if (filled + 1 === P) {
      state.layers.forEach((h, k) => h.set(layers[k]));
      total.set(sums);
      counts.set([whole + 1, 0]);
    }
    return found;
  }

  // What is left of each unit's state after so many steps beyond the usual one.
  function fade(hidden, over) {
    const by = (rate, offset) => Math.exp(-Math.max(over * rate + offset, 0));
    for (let j = 0; j < hidden.length; j++) hidden[j] = network.number(hidden[j] * Math.fround(by(rates[j], offsets[j])));
  }

  function momentOf(moment) {
    if (described.step === null) return undefined;
    const number = time.dated ? 1000 * (moment instanceof Date ? moment.getTime() : moment) : moment; // microseconds
    if (!Number.isFinite(number)) throw new RangeError(`time: expected that of the row, got ${moment}`);
    return number;
  }

  function state(saved) {
    if (saved !== undefined) return State.restored(kind, saved);
    const begun = new State(kind);
    reader.begin(begun.memory);
    return begun;
  }

  return {
    kind: "series",
    config,
    columns: columns.map(({ name }) => name),
    features: described,
    answer,
    time,
    state,
    step: (row, at, moment) => read(row, at, moment),
    // The answers to a series: a list of those at its rows, or the one to the whole.
    predict(rows, times = []) {
      if (!rows.length) throw new RangeError("rows: expected at least one, got none");
      const begun = state();
      const found = rows.map((row, t) => read(row, begun, times[t], !P || t === rows.length - 1));
      return P ? found.at(-1) : found;
    },
  };
}
