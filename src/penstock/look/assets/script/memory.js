// What follows from the gates, exactly; the same definitions as penstock.look.attention and penstock.look.memory.

const GONE = 1e-12; // less than this is left of older content: the rest of the row is nothing

// Where the state at t was written: the mean over ``units`` of a[t, s] = (1 − z_s) Π z_k. Entry 0 is what came before, entry
// 1 + s is step s.
function attentionRow(layer, t, units, L, edge) {
  const row = new Float64Array(L + 1);
  row[0] = walkBack(layer, t, units, L, (s, weights, left, i) => {
    let sum = 0;
    for (let j = 0; j < units.length; j++) sum += left[j] * weights[i + units[j]];
    row[s + 1] = sum / units.length;
  }, edge) / units.length;
  return row;
}

// What each step's candidate, as far as it is still in the state at t, adds to the logit of the token spoken for.
function contributionRow(trace, t) {
  const row = new Float64Array(trace.length + 1);
  for (const k of trace.readOut) {
    const layer = trace.layers[k];
    const H = layer.units;
    const units = everyUnit(H);
    const direction = trace.directions.subarray(trace.direction[t] * H, (trace.direction[t] + 1) * H);
    let remaining;
    walkBack(layer, t, units, trace.length, (s, weights, left, i) => {
      let sum = 0;
      for (let u = 0; u < H; u++) sum += left[u] * weights[i + u] * layer.candidate[i + u] * direction[u];
      row[s + 1] += sum;
      remaining = left;
    });
    for (let u = 0; u < H; u++) row[0] += remaining[u] * layer.initial[u] * direction[u];
  }
  return row;
}

// Calls visit(step, 1 − z, left, index of the step's first unit) from t back in the order of reading, ``left`` being Π z_k of
// the steps since, by unit. Returns the sum over units of what is left beyond the last step, or beyond ``edge``.
function walkBack(layer, t, units, L, visit, edge = layer.reverse ? L - 1 : 0) {
  const H = layer.units;
  const left = new Float64Array(units.length).fill(1);
  let sum = units.length;
  for (let s = t; layer.reverse ? s <= edge : s >= edge; s += layer.reverse ? 1 : -1) {
    const i = s * H;
    visit(s, layer.write, left, i);
    sum = 0;
    for (let j = 0; j < units.length; j++) sum += left[j] *= layer.keep[i + units[j]];
    if (layer.entered.has(s) || sum < GONE) break;
  }
  return sum;
}

// The share of each unit's state at the span's beginning that is still there at its end.
function held(layer, [from, to]) {
  const share = new Float64Array(layer.units).fill(1);
  const [start, stop] = layer.reverse ? [from, to - 1] : [from + 1, to];
  for (let t = start; t <= stop; t++) {
    const cleared = layer.entered.has(t);
    for (let u = 0; u < layer.units; u++) share[u] *= cleared ? 0 : layer.keep[t * layer.units + u];
  }
  return share;
}

// Mean over units at each step of one of a layer's arrays.
function meanOver(layer, values, units, L) {
  const mean = new Float64Array(L);
  for (let t = 0; t < L; t++) {
    let sum = 0;
    for (let j = 0; j < units.length; j++) sum += values[t * layer.units + units[j]];
    mean[t] = sum / units.length;
  }
  return mean;
}

const everyUnit = (() => {
  const known = new Map();
  return (H) => known.get(H) ?? known.set(H, Int32Array.from({ length: H }, (_, u) => u)).get(H);
})();

// Indices of the largest values first; equal ones in their order.
function largestFirst(values) {
  return Array.from(values.keys()).sort((a, b) => (values[a] === values[b] ? a - b : values[b] - values[a]));
}
