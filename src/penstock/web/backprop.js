// One layer of gated recurrent units and an output layer that reads its state, forward and back through time, in float64.
// Letters and equations are those of penstock.equations; arrays of a batch are (L, N, …), row by row, N a multiple of 4.
// Weights have PyTorch's names and shapes, rows in the order r, z, n.

import { N } from "./tasks.js";

// A model of H units with room for sequences of L steps; its weights and gradients are views of one array each.
export function newModel({ D, L, outputs: V }, H, form) {
  const shapes = {
    weight_ih_l0: [3 * H, D],
    weight_hh_l0: [3 * H, H],
    bias_ih_l0: [3 * H],
    bias_hh_l0: [3 * H],
    "output.weight": [V, H],
    "output.bias": [V],
  };
  const of = (...shape) => new Float64Array(shape.reduce((a, b) => a * b));
  const sizes = Object.values(shapes).map((shape) => of(...shape).length);
  const [all, gradient] = [0, 1].map(() => of(sizes.reduce((a, b) => a + b)));
  const [weights, gradients] = [{}, {}];
  let at = 0;
  Object.keys(shapes).forEach((name, k) => {
    weights[name] = all.subarray(at, at + sizes[k]);
    gradients[name] = gradient.subarray(at, (at += sizes[k]));
  });
  const model = { D, H, V, form, all, gradient, weights, gradients };
  // past is what W_hn reads ("before") or gives ("after")
  for (const name of ["r", "z", "n", "past", "dr", "dz", "dn", "dpast"]) model[name] = of(L, N, H);
  const across = { hidden: of(3, H, H), output: of(H, V) }; // weights of the gates and the output, transposed
  return { ...model, h: of(L + 1, N, H), logits: of(L, N, V), dh: of(N, H), back: of(N, H), across };
}

// The states h (L + 1, N, H), of which the first is 0, and the logits (L, N, V) of the steps after which something is asked.
export function forward(model, { L, x, targets }) {
  const { D, H, V, r, z, n, past, h, logits } = model;
  const { weight_ih_l0: W_i, weight_hh_l0: W_h, bias_ih_l0: b_i, bias_hh_l0: b_h } = model.weights;
  const after = model.form === "after";
  for (let t = 0; t < L; t++) {
    const at = t * N * H;
    const end = at + N * H;
    for (let j = 0; j < H; j++) {
      for (let i = at + j; i < end; i += H) {
        r[i] = b_i[j] + b_h[j];
        z[i] = b_i[H + j] + b_h[H + j];
        n[i] = b_i[2 * H + j] + (after ? 0 : b_h[2 * H + j]);
        past[i] = b_h[2 * H + j];
      }
    }
    addInput(r, z, n, at, x, t * N * D, W_i, D, H);
    addProduct(r, at, h, at, W_h, 0, H, H);
    addProduct(z, at, h, at, W_h, H * H, H, H);
    for (let i = at; i < end; i++) {
      r[i] = 1 / (1 + Math.exp(-r[i]));
      z[i] = 1 / (1 + Math.exp(-z[i]));
    }
    if (after) {
      addProduct(past, at, h, at, W_h, 2 * H * H, H, H);
      for (let i = at; i < end; i++) n[i] += r[i] * past[i];
    } else {
      for (let i = at; i < end; i++) past[i] = r[i] * h[i];
      addProduct(n, at, past, at, W_h, 2 * H * H, H, H);
    }
    for (let i = at; i < end; i++) {
      n[i] = 1 - 2 / (1 + Math.exp(2 * n[i])); // tanh, in half of Math.tanh's time
      h[i + N * H] = z[i] * h[i] + (1 - z[i]) * n[i];
    }
    if (targets[t * N] < 0) continue;
    for (let i = t * N * V; i < (t + 1) * N * V; i += V) logits.set(model.weights["output.bias"], i);
    addProduct(logits, t * N * V, h, end, model.weights["output.weight"], 0, H, V);
  }
}

// The gradients of a loss whose gradient by the logits stands in the logits' place.
export function backward(model, { L, x, targets }) {
  const { D, H, V, r, z, n, past, h, dr, dz, dn, dpast, dh, back, across, weights, gradients, logits } = model;
  const after = model.form === "after";
  model.gradient.fill(0);
  dh.fill(0);
  transpose(across.output, 0, weights["output.weight"], V, H);
  for (let gate = 0; gate < 3; gate++) transpose(across.hidden, gate * H * H, weights.weight_hh_l0, H, H);
  for (let t = L - 1; t >= 0; t--) {
    const at = t * N * H;
    if (targets[t * N] >= 0) {
      const to = t * N * V;
      addProduct(dh, 0, logits, to, across.output, 0, V, H);
      addOuter(gradients["output.weight"], 0, logits, to, h, at + N * H, N, V, H);
      addRows(gradients["output.bias"], 0, logits, to, N, V);
    }
    for (let k = 0, i = at; k < N * H; k++, i++) {
      dz[i] = dh[k] * (h[i] - n[i]) * z[i] * (1 - z[i]);
      dn[i] = dh[k] * (1 - z[i]) * (1 - n[i] * n[i]);
      dpast[i] = after ? dn[i] * r[i] : dn[i];
      dh[k] *= z[i];
    }
    if (after) {
      for (let i = at; i < at + N * H; i++) dr[i] = dn[i] * past[i] * r[i] * (1 - r[i]);
      addProduct(dh, 0, dpast, at, across.hidden, 2 * H * H, H, H);
    } else {
      back.fill(0);
      addProduct(back, 0, dpast, at, across.hidden, 2 * H * H, H, H);
      for (let k = 0, i = at; k < N * H; k++, i++) {
        dr[i] = back[k] * h[i] * r[i] * (1 - r[i]);
        dh[k] += back[k] * r[i];
      }
    }
    addProduct(dh, 0, dr, at, across.hidden, 0, H, H);
    addProduct(dh, 0, dz, at, across.hidden, H * H, H, H);
    addInputOuter(gradients.weight_ih_l0, dr, dz, dn, at, x, t * N * D, D, H);
  }
  [dr, dz, dpast].forEach((d, gate) => {
    addOuter(gradients.weight_hh_l0, gate * H * H, d, 0, d === dpast && !after ? past : h, 0, L * N, H, H);
    addRows(gradients.bias_hh_l0, gate * H, d, 0, L * N, H);
    addRows(gradients.bias_ih_l0, gate * H, d === dpast ? dn : d, 0, L * N, H);
  });
}

// Of each array the part that is meant begins at the index after it.

// out (N, J) += a (N, K) · W (J, K)ᵀ, four rows of a and two of W at once: what is read is used more than once.
function addProduct(out, o, a, i, W, w, K, J) {
  for (let row = 0; row < N; row += 4, i += 4 * K, o += 4 * J) {
    for (let j = 0; j < J; j += 2) {
      const second = j + 1 < J ? K : 0; // of an odd number the last one goes twice, and is added once
      let s0 = 0;
      let s1 = 0;
      let s2 = 0;
      let s3 = 0;
      let t0 = 0;
      let t1 = 0;
      let t2 = 0;
      let t3 = 0;
      for (let k = 0, at = i, from = w + j * K; k < K; k++, at++, from++) {
        const u = W[from];
        const v = W[from + second];
        const a0 = a[at];
        const a1 = a[at + K];
        const a2 = a[at + 2 * K];
        const a3 = a[at + 3 * K];
        s0 += a0 * u;
        s1 += a1 * u;
        s2 += a2 * u;
        s3 += a3 * u;
        t0 += a0 * v;
        t1 += a1 * v;
        t2 += a2 * v;
        t3 += a3 * v;
      }
      const to = o + j;
      out[to] += s0;
      out[to + J] += s1;
      out[to + 2 * J] += s2;
      out[to + 3 * J] += s3;
      if (!second) continue;
      out[to + 1] += t0;
      out[to + J + 1] += t1;
      out[to + 2 * J + 1] += t2;
      out[to + 3 * J + 1] += t3;
    }
  }
}

// W (J, K) += d (rows, J)ᵀ · a (rows, K), four rows at once.
function addOuter(W, w, d, o, a, i, rows, J, K) {
  for (let row = 0; row < rows; row += 4, i += 4 * K, o += 4 * J) {
    for (let j = 0; j < J; j++) {
      const d0 = d[o + j];
      const d1 = d[o + J + j];
      const d2 = d[o + 2 * J + j];
      const d3 = d[o + 3 * J + j];
      for (let k = 0, at = i, to = w + j * K; k < K; k++, at++, to++) {
        W[to] += d0 * a[at] + d1 * a[at + K] + d2 * a[at + 2 * K] + d3 * a[at + 3 * K];
      }
    }
  }
}

// b (J) += the sum of d (rows, J) over its rows.
function addRows(b, to, d, o, rows, J) {
  for (let row = 0; row < rows; row++) for (let j = 0; j < J; j++) b[to + j] += d[o++];
}

// r, z and n (N, H) += x (N, D) · W (3H, D)ᵀ. Zeros are passed over: of a word, one number is not.
function addInput(r, z, n, at, x, i, W, D, H) {
  for (let row = 0; row < N; row++, at += H) {
    for (let d = 0; d < D; d++) {
      const value = x[i++];
      if (value === 0) continue;
      for (let j = 0, w = d; j < H; j++, w += D) {
        r[at + j] += value * W[w];
        z[at + j] += value * W[w + H * D];
        n[at + j] += value * W[w + 2 * H * D];
      }
    }
  }
}

// W (3H, D) += (dr, dz, dn)ᵀ · x.
function addInputOuter(W, dr, dz, dn, at, x, i, D, H) {
  for (let row = 0; row < N; row++, at += H) {
    for (let d = 0; d < D; d++) {
      const value = x[i++];
      if (value === 0) continue;
      for (let j = 0, w = d; j < H; j++, w += D) {
        W[w] += value * dr[at + j];
        W[w + H * D] += value * dz[at + j];
        W[w + 2 * H * D] += value * dn[at + j];
      }
    }
  }
}

// W (J, K) as (K, J).
function transpose(out, at, W, J, K) {
  for (let j = 0; j < J; j++) for (let k = 0; k < K; k++) out[at + k * J + j] = W[at + j * K + k];
}
