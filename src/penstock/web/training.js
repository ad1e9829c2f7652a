// Trains a small GRU on one of the tasks, step by step: the model as the lab's begin (penstock.lab.training), torch's Adam.

import { backward, forward, newModel } from "./backprop.js";
import { generator } from "./random.js";
import { N, newBatch, TASKS } from "./tasks.js";

const BETAS = [0.9, 0.99];
const EPSILON = 1e-8;
const STEEPEST = 1; // norm of a gradient; a longer one is shortened to it
const FAR = 1e4; // a bias at which σ is 0 or 1, and its slope 0

// A model of ``width`` units in a reset ``form``, "before" or "after", and its data, both drawn from the ``seed``. ``without``
// "update" takes the update gate away: z = 0 always writes; "reset": r = 1 always shows the past; "none" leaves both.
export function training({ task: name, width, seed, form, without }) {
  const task = TASKS[name];
  const model = newModel(task, width, form);
  begin(model, task.longest, generator(seed), without);
  const random = generator(~seed); // the same data for every width, form and gate
  const batch = newBatch(task);
  const [mean, square] = [0, 1].map(() => new Float64Array(model.all.length));
  let steps = 0;

  // One step of Adam, on sequences that the model has not seen. Returns the loss before it, and of the answers alone their
  // loss and the share that was right.
  function step() {
    task.draw(batch, random);
    forward(model, batch);
    const answers = judge(model, batch);
    const loss = crossEntropy(model, batch);
    backward(model, batch);
    shorten(model.gradient);
    adam(model.all, model.gradient, mean, square, task.rate, ++steps);
    return { loss, ...answers };
  }

  // How the model reads a sequence that is drawn from a seed of its own: see ``firstOf``.
  function read(seed) {
    const batch = newBatch(task);
    task.draw(batch, generator(seed));
    forward(model, batch);
    return firstOf(model, batch);
  }
  return { model, batch, step, read, naive: task.naive };
}

// Orthogonal recurrent matrices, and update biases at log U(1, longest), so that the units' memories begin spread over
// 1 … longest steps (Tallec & Ollivier 2018, arXiv:1804.11188); here the longer memory has the higher number.
function begin({ H, weights }, longest, random, without) {
  for (const name of ["weight_ih_l0", "output.weight", "output.bias"]) {
    for (let i = 0; i < weights[name].length; i++) weights[name][i] = (2 * random.uniform() - 1) / Math.sqrt(H);
  }
  for (let gate = 0; gate < 3; gate++) orthogonal(weights.weight_hh_l0.subarray(gate * H * H, (gate + 1) * H * H), H, random);
  const spread = Array.from({ length: H }, () => 1 + (longest - 1) * random.uniform()).sort((a, b) => a - b);
  // as a float32, in which any library's logarithm is the same
  weights.bias_ih_l0.set(spread.map((steps) => Math.fround(Math.log(steps))), H);
  if (without === "reset") force(weights, 0, FAR);
  if (without === "update") force(weights, 1, -FAR);
}

// Makes a gate 0 or 1 for good: it hears nothing, and its slope is 0 (penstock.lab.gates_taken_away).
function force({ weight_ih_l0, weight_hh_l0, bias_ih_l0 }, gate, bias) {
  const fill = (weight, value) => weight.fill(value, (gate * weight.length) / 3, ((gate + 1) * weight.length) / 3);
  fill(weight_ih_l0, 0);
  fill(weight_hh_l0, 0);
  fill(bias_ih_l0, bias);
}

// Rows of normal numbers, each made orthogonal to those before it and of length 1 (Gram and Schmidt, the modified way).
function orthogonal(matrix, H, random) {
  for (let i = 0; i < H; i++) {
    const row = matrix.subarray(i * H, (i + 1) * H);
    for (let k = 0; k < H; k++) row[k] = random.normal();
    for (let j = 0; j < i; j++) {
      const other = matrix.subarray(j * H, (j + 1) * H);
      const along = dot(row, other);
      for (let k = 0; k < H; k++) row[k] -= along * other[k];
    }
    const length = Math.sqrt(dot(row, row));
    for (let k = 0; k < H; k++) row[k] /= length;
  }
}

function dot(a, b) {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k] * b[k];
  return sum;
}

// −ln p(right), the mean over all that is asked; its gradient takes the logits' place.
function crossEntropy({ V, logits }, { L, targets }) {
  let asked = 0;
  for (let i = 0; i < L * N; i++) asked += targets[i] >= 0 ? 1 : 0;
  let loss = 0;
  for (let i = 0, from = 0; i < L * N; i++, from += V) {
    if (targets[i] < 0) continue;
    const right = from + targets[i];
    const logit = logits[right];
    let most = -Infinity;
    let sum = 0;
    for (let k = from; k < from + V; k++) most = Math.max(most, logits[k]);
    for (let k = from; k < from + V; k++) sum += logits[k] = Math.exp(logits[k] - most);
    for (let k = from; k < from + V; k++) logits[k] /= sum * asked;
    logits[right] -= 1 / asked;
    loss += Math.log(sum) + most - logit;
  }
  return loss / asked;
}

// Of the answers alone: the mean −ln p(right) among the outputs that could be the answer, and the share that is right.
function judge(model, batch) {
  let answer = 0;
  let right = 0;
  for (let n = 0; n < N; n++) {
    const p = chances(model, batch, n);
    const chance = p[batch.targets[batch.answer * N + n]];
    answer -= Math.log(chance) / N;
    right += chance === Math.max(...p) ? 1 / N : 0;
  }
  return { answer, right };
}

// What the model gives each output (V) as the answer of sequence n; 0 where it cannot be.
function chances({ V, logits }, { answer, targets, against }, n) {
  const at = (answer * N + n) * V;
  const p = logits.slice(at, at + V);
  const possible = (k) => against[n] < 0 || k === against[n] || k === targets[answer * N + n];
  const most = Math.max(...p.filter((_, k) => possible(k)));
  let sum = 0;
  for (let k = 0; k < V; k++) sum += p[k] = possible(k) ? Math.exp(p[k] - most) : 0;
  return p.map((value) => value / sum);
}

// The gradient, shortened as torch's clip_grad_norm_ does it.
function shorten(gradient) {
  const factor = STEEPEST / (Math.sqrt(dot(gradient, gradient)) + 1e-6);
  if (factor < 1) for (let i = 0; i < gradient.length; i++) gradient[i] *= factor;
}

// Kingma & Ba 2015 (arXiv:1412.6980), as torch.optim.Adam.
function adam(weights, gradient, mean, square, rate, step) {
  const [beta, beta2] = BETAS;
  const size = rate / (1 - beta ** step);
  const root = Math.sqrt(1 - beta2 ** step);
  for (let i = 0; i < weights.length; i++) {
    mean[i] += (1 - beta) * (gradient[i] - mean[i]);
    square[i] = beta2 * square[i] + (1 - beta2) * gradient[i] * gradient[i];
    weights[i] -= (size * mean[i]) / (Math.sqrt(square[i]) / root + EPSILON);
  }
}

// A batch's first sequence: its items (L), update and reset gates (L, H), the share (L) that each step has in the state that
// answers, the mean over units, the best of any unit at the key, and the chances (V) of the answers.
function firstOf(model, batch) {
  const { H, r, z } = model;
  const { L, answer, items, targets } = batch;
  const key = batch.key[0];
  const ofFirst = (gate) => Float32Array.from({ length: L * H }, (_, i) => gate[Math.floor(i / H) * N * H + (i % H)]);
  const [update, reset] = [ofFirst(z), ofFirst(r)];
  const shares = new Float64Array(L);
  let best = 0;
  for (let unit = 0; unit < H; unit++) {
    for (let t = answer, left = 1; t >= 0; left *= update[t-- * H + unit]) {
      const share = left * (1 - update[t * H + unit]);
      shares[t] += share / H;
      if (t === key) best = Math.max(best, share);
    }
  }
  const seen = { items: Array.from({ length: L }, (_, t) => items[t * N]), update, reset };
  return { ...seen, shares, best, key, answer, chances: chances(model, batch, 0), right: targets[answer * N] };
}
