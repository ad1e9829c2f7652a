// The moment of a pair: the unit that tells the two texts apart, for how long, and what decides where they part.

const HOLDS = 0.5; // a difference lasts as long as this much of its largest is there
const TELLS = 0.1; // of two states: what is nearer is hardly told apart

// The unit whose difference between the two texts is large and lasts: to a fork, where the same token is read in both and yet
// another one comes next, if there is one. There, what it and the unit that says most set of the difference of the logits.
function* apart() {
  const [first, second] = traces;
  const shared = columns.filter(([s, t]) => s !== null && t !== null);
  const known = directionsByName();
  let found = null;
  for (let k = 0; k < first.layers.length; k++) {
    const [a, b] = [first.layers[k], second.layers[k]];
    const H = a.units;
    const since = new Int32Array(H);
    const [least, most] = [new Float64Array(H), new Float64Array(H)]; // of the difference, since then
    for (const [column, [s, t]] of shared.entries()) {
      yield;
      const { labels = null, moves = 1, rank = 0 } = forkAt(s, t, known) ?? {};
      for (let unit = 0; unit < H; unit++) {
        const difference = b.hidden[t * H + unit] - a.hidden[s * H + unit];
        least[unit] = Math.min(least[unit], difference);
        most[unit] = Math.max(most[unit], difference);
        if (!lasts(least[unit], most[unit])) {
          since[unit] = column;
          least[unit] = most[unit] = difference;
        }
        const lasted = column - since[unit];
        const held = Math.min(Math.abs(least[unit]), Math.abs(most[unit]));
        const score = lasted * held * moves;
        if (lasted < FAR || held < TELLS) continue;
        if (found && (found.rank === rank ? !(score > found.score) : found.rank > rank)) continue;
        const [from, otherFrom] = shared[since[unit]];
        found = { kind: "apart", text: 0, layer: k, unit, at: s, other: t, from, otherFrom, lasted, labels, rank, score };
      }
    }
  }
  return found?.labels ? { ...found, ...decision(found, known) } : found;
}

// Whether a difference that stayed between the two is one that was held.
function lasts(least, most) {
  return least > 0 ? least >= HOLDS * most : most < 0 && most <= HOLDS * least;
}

// Where the same token is read in both: the tokens that come next, or failing that are expected most, if these part; and how
// far the model's choice between them moves.
function forkAt(s, t, known) {
  const [first, second] = traces;
  if (!first.expected || first.tokens[s] !== second.tokens[t]) return null;
  const name = (label, k) => traces[k].labels[label];
  const came = [first.spokenFor[s], second.spokenFor[t]].map(name);
  const expected = [first.expected[s][0], second.expected[t][0]].map(name);
  const parts = came[0] !== came[1];
  const labels = parts ? came : expected;
  if (labels[0] === labels[1] || !labels.every((label) => known.has(label))) return null;
  const moves = choiceBetween(labels, first, s) - choiceBetween(labels, second, t);
  return moves >= DECIDES ? { labels, moves, rank: parts ? 2 : 1 } : null;
}

// The share of the first of two tokens' probabilities; one that is not among those listed has at most the last one's.
function choiceBetween(labels, trace, t) {
  const [p, q] = labels.map((label) => probabilityOf(label, trace, t) ?? trace.probabilities[t].at(-1));
  return p / (p + q);
}

function probabilityOf(label, trace, t) {
  return trace.probabilities[t][trace.expected[t].findIndex((k) => trace.labels[k] === label)];
}

// The output layer's directions that the pages of a pair hold, by the token's name.
function directionsByName() {
  const known = new Map();
  for (const { spokenFor, labels, directions, direction } of traces) {
    spokenFor?.forEach((label, t) => known.set(labels[label], { directions, row: direction[t] }));
  }
  return known;
}

// By how much the logits of a fork's two tokens differ between the two texts, in all and by the unit's part and the largest;
// and for the first's token against the second's, the logit in the first.
function decision({ layer, unit, at, other, labels }, known) {
  const [first, second] = traces;
  const [mine, theirs] = labels.map((label) => known.get(label));
  const p = labels.map((label) => probabilityOf(label, first, at));
  const says = { logit: -Infinity };
  let [all, logit] = [0, null];
  for (const k of first.readOut) {
    const H = first.layers[k].units;
    for (let u = 0; u < H; u++) {
      const difference = second.layers[k].hidden[other * H + u] - first.layers[k].hidden[at * H + u];
      const part = (theirs.directions[theirs.row * H + u] - mine.directions[mine.row * H + u]) * difference;
      all += part;
      if (k === layer && u === unit) logit = part;
      if (part > says.logit) Object.assign(says, { layer: k, unit: u, logit: part });
    }
  }
  return { all, logit, says, margin: Math.log(p[0] / p[1]) };
}
