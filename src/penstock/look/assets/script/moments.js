// The moments that tell most, found by computing: a unit that decides a prediction, or tells the two texts of a pair apart; a
// share of a state that lies far back; where the reset gates hid the most. Generators, so that a long text is looked through
// in slices: each ``yield`` is a place to pause.

const OLD = 0.25; // of a unit's state: less of it is no memory to tell of
const FAR = 3; // steps: what is nearer lies not far back
const FEW = Math.ceil(1 / OLD); // as many shares as that a state can have
const DECIDES = 0.1; // of the probability between two tokens: less is no decision

function* findMoments() {
  if (traces.every(isDull)) return [];
  const deciding = (traces.length > 1 && (yield* apart())) || best(yield* ofEach(decides));
  const memory = best(yield* ofEach((text) => remembers(text, deciding)));
  return [deciding, memory, best(yield* ofEach(hides))].filter(Boolean);
}

// One step, or the same thing again and again: nothing can be told of it.
function isDull({ length, tokens, channels }) {
  const rows = tokens ? [tokens] : channels;
  return length < 2 || rows.every((row) => row.every((value) => value === row[0]));
}

function* ofEach(find) {
  const found = [];
  for (let text = 0; text < traces.length; text++) found.push(yield* find(text));
  return found;
}

function best(moments) {
  return moments.reduce((most, moment) => ((moment?.score ?? 0) > (most?.score ?? 0) ? moment : most), null);
}

function* inOrder(layer, L) {
  for (let k = 0; k < L; k++) yield layer.reverse ? L - 1 - k : k;
}

// The share of one unit's state that is largest, weighted by how much it holds and by the steps since it was written.
function* remembers(text, but) {
  const { length: L, layers } = traces[text];
  let most = null;
  for (const [k, layer] of layers.entries()) {
    const read = oldShares(layer);
    for (const at of inOrder(layer, L)) {
      yield;
      read(at, (unit, from, share) => {
        const score = share * Math.abs(at - from) * Math.abs(layer.candidate[from * layer.units + unit]);
        if (score <= (most?.score ?? 0) || (but?.unit === unit && but.layer === k)) return;
        most = { kind: "memory", text, layer: k, unit, at, from, share, score };
      });
    }
  }
  if (most) {
    const layer = layers[most.layer];
    most.half = halfWritten(attentionRow(layer, most.at, everyUnit(layer.units), L), most.at, layer.reverse);
  }
  return most;
}

// Reads a layer step by step, and tells of each unit's state which shares of it, OLD or larger, were written FAR back.
function oldShares(layer) {
  const H = layer.units;
  const [from, left, count] = [new Int32Array(FEW * H), new Float64Array(FEW * H), new Uint8Array(H)];
  return (t, tell) => {
    if (layer.entered.has(t)) count.fill(0);
    for (let unit = 0, i = t * H; unit < H; unit++, i++) {
      const first = unit * FEW;
      let kept = first;
      for (let m = first; m < first + count[unit]; m++) {
        const share = left[m] * layer.keep[i];
        if (!(share >= OLD)) continue;
        if (Math.abs(t - from[m]) >= FAR) tell(unit, from[m], share);
        from[kept] = from[m];
        left[kept++] = share;
      }
      if (layer.write[i] >= OLD && kept < first + FEW) {
        from[kept] = t;
        left[kept++] = layer.write[i];
      }
      count[unit] = kept - first;
    }
  };
}

// Within how many steps up to t half of a state was written, null if less was.
function halfWritten(row, t, reverse) {
  let sum = 0;
  for (let back = 0; ; back++) {
    const s = reverse ? t + back : t - back;
    if (s < 0 || s + 1 >= row.length) return null;
    sum += row[s + 1];
    if (sum >= 0.5) return back + 1;
  }
}

// Between the token that came and its likeliest rival, the logits' difference is a sum over units. The unit with the largest
// effect on it, against a state of 0, weighted by the share of its state that is old and by the steps since.
function* decides(text) {
  const trace = traces[text];
  if (!trace.expected) return null;
  const rows = directionsByLabel(trace);
  let most = null;
  for (const k of trace.readOut) {
    const layer = trace.layers[k];
    const H = layer.units;
    const read = oldShares(layer);
    for (const at of inOrder(layer, trace.length)) {
      yield;
      const { margin, row, label } = rival(trace, at, rows) ?? {};
      read(at, (unit, from, share) => {
        if (label === undefined) return;
        const logit = (directionAt(trace, at, H, unit) - trace.directions[row * H + unit]) * layer.hidden[at * H + unit];
        const effect = oneOfTwo(margin) - oneOfTwo(margin - logit);
        const score = effect * share * Math.abs(at - from);
        if (effect < DECIDES || score <= (most?.score ?? 0)) return;
        const between = { token: trace.spokenFor[at], rival: label, logit, margin };
        most = { kind: "decides", text, layer: k, unit, at, from, share, ...between, score };
      });
    }
  }
  return most;
}

function oneOfTwo(logits) {
  return 1 / (1 + Math.exp(-logits));
}

// The output layer's directions that the page holds, by the token that they stand for.
function directionsByLabel(trace) {
  return new Map(trace.spokenFor.map((label, t) => [label, trace.direction[t]]));
}

// Beside the token that came, the likeliest of those whose direction is known, and by how much it has the smaller logit.
function rival(trace, t, rows) {
  const [labels, p] = [trace.expected[t], trace.probabilities[t]];
  const came = p[labels.indexOf(trace.spokenFor[t])];
  const other = labels.findIndex((label, k) => label !== trace.spokenFor[t] && rows.has(label) && p[k] > 0);
  if (!(came > 0) || other < 0) return null;
  return { label: labels[other], row: rows.get(labels[other]), margin: Math.log(came / p[other]) };
}

function directionAt(trace, t, H, unit) {
  return trace.directions[trace.direction[t] * H + unit];
}

// Where Σ (1 − r) |h| of the state before is largest, and the unit with most of it.
function* hides(text) {
  const { length: L, layers } = traces[text];
  let most = null;
  for (const [k, layer] of layers.entries()) {
    let [hiddenInAll, inAll, mine] = [0, 0, null];
    for (const at of inOrder(layer, L)) {
      yield;
      const { sum, size, unit } = hiddenPast(layer, at, L);
      hiddenInAll += sum;
      inAll += size;
      const score = sum / layer.units;
      if (score > (mine?.score ?? 0)) mine = { kind: "hides", text, layer: k, unit, at, share: sum / size, score };
    }
    if (mine) mine.usual = hiddenInAll / inAll;
    most = best([most, mine]);
  }
  return most && most.share >= DECIDES ? most : null;
}

// Of the state that step t found: its size Σ |h|, as much of it as was hidden, and the unit with most of that.
function hiddenPast(layer, t, L) {
  const past = pastOf(layer, t, L);
  let [sum, size, unit, largest] = [0, 0, 0, -1];
  for (let u = 0, i = t * layer.units; past && u < layer.units; u++, i++) {
    const value = (1 - layer.reset[i]) * Math.abs(past[u]);
    size += Math.abs(past[u]);
    sum += value;
    if (value > largest) [largest, unit] = [value, u];
  }
  return { sum, size, unit };
}

// The state that step t found, null where there was none.
function pastOf(layer, t, L) {
  if (layer.entered.has(t)) return null;
  const before = layer.reverse ? t + 1 : t - 1;
  if (before < 0 || before >= L) return layer.initial;
  return layer.hidden.subarray(before * layer.units, (before + 1) * layer.units);
}
