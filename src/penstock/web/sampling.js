// Drawing the next token, as penstock.runtime.sampling.

const COLDEST = 1e-200; // a lower temperature draws as this one does, and here nothing overflows

export function checkSampling({ length = 0, temperature = 1, topK = 1, topP = 1, seed = 0 }) {
  if (!(length >= 0)) throw new RangeError(`length: expected 0 or more, got ${length}`);
  if (!(temperature >= 0 && temperature < Infinity)) throw new RangeError(`temperature: expected 0 or more, got ${temperature}`);
  if (!(Number.isInteger(topK) && topK >= 1)) throw new RangeError(`topK: expected 1 or more, got ${topK}`);
  if (!(topP > 0 && topP <= 1)) throw new RangeError(`topP: expected more than 0 and at most 1, got ${topP}`);
  if (!(Number.isInteger(seed) && seed >= 0)) throw new RangeError(`seed: expected 0 or more, got ${seed}`);
}

// An index drawn from log-probabilities, or from logits, never ``unknown``. ``temperature`` divides them first, 0 takes the
// likeliest; ``topK`` keeps the k likeliest, ``topP`` the fewest that together have that probability (Holtzman et al. 2020,
// arXiv:1904.09751). ``random`` gives a number in [0, 1).
export function draw(values, { temperature = 1, topK, topP, unknown = null }, random) {
  let likeliest = -1;
  for (let i = 0; i < values.length; i++) {
    if (i !== unknown && (likeliest < 0 || values[i] > values[likeliest])) likeliest = i;
  }
  if (!(temperature > 0)) return likeliest;
  const p = Float64Array.from(values, (value, i) => (i === unknown ? -Infinity : value - values[likeliest]));
  if (topK < p.length) keepLargest(p, topK);
  for (let i = 0; i < p.length; i++) p[i] = Math.exp(p[i] / Math.max(temperature, COLDEST));
  if (topP < 1) keepNucleus(p, topP);
  let left = random() * p.reduce((a, b) => a + b);
  for (let i = 0; i < p.length; i++) if ((left -= p[i]) < 0) return i;
  return likeliest;
}

// Makes all but the k largest impossible; of equal ones the first are kept.
function keepLargest(values, k) {
  const least = values.slice().sort().at(-k);
  let equal = k - values.reduce((count, value) => count + (value > least), 0);
  for (let i = 0; i < values.length; i++) {
    if (values[i] < least || (values[i] === least && equal-- <= 0)) values[i] = -Infinity;
  }
}

// Makes 0 of all but the fewest, the largest first, that together have this share of the sum.
function keepNucleus(p, share) {
  const sum = p.reduce((a, b) => a + b);
  // what is smaller has together less than what is left out
  const order = [...p.keys()].filter((i) => p[i] >= (sum * (1 - share)) / p.length).sort((i, j) => p[j] - p[i] || i - j);
  const kept = new Map();
  for (let k = 0, before = 0; k < order.length && before < share * sum; before += p[order[k++]]) kept.set(order[k], p[order[k]]);
  p.fill(0);
  for (const [i, value] of kept) p[i] = value;
}
