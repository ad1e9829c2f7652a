// A layer of gated recurrent units, one step at a time, as in penstock.equations; either form of the reset gate.
//
//   r = σ(W_ir x + b_ir + W_hr h + b_hr)     z = σ(W_iz x + b_iz + W_hz h + b_hz)
//   n = tanh(W_in x + b_in + W_hn (r ⊙ h) + b_hn)     form "before"
//   n = tanh(W_in x + b_in + r ⊙ (W_hn h + b_hn))     form "after"
//   h ← z ⊙ h + (1 − z) ⊙ n
//
// Letters: D input features, H hidden units. Weights have PyTorch's shapes and order, (3H, D) and (3H, H), rows r, z, n;
// everything is computed in float64.

export function layer({ weight_ih, weight_hh, bias_ih, bias_hh, form }) {
  const H = Math.round(Math.sqrt(weight_hh.length / 3));
  if (weight_hh.length !== 3 * H * H || bias_ih.length !== 3 * H || bias_hh.length !== 3 * H) {
    throw new RangeError(`weight_hh, biases: expected (3H, H) and (3H,), got ${weight_hh.length} and ${bias_ih.length}`);
  }
  if (form !== "before" && form !== "after") throw new RangeError(`form: expected "before" or "after", got ${form}`);
  return { weight_ih, weight_hh, bias_ih, bias_hh, form, units: H, features: weight_ih.length / (3 * H) };
}

// W_i x + b_i, (3H,): all of a step that does not wait for the state.
export function fromInput({ weight_ih, bias_ih, units, features }, x) {
  const product = new Float64Array(3 * units);
  multiply(weight_ih, x, 0, 3 * units, features, product);
  for (let i = 0; i < product.length; i++) product[i] += bias_ih[i];
  return product;
}

// Arrays that a step writes its gates to; the next one may have the same.
export function gatesOf({ units }) {
  const of = () => new Float64Array(units);
  return { reset: of(), update: of(), candidate: of(), product: new Float64Array(3 * units), shown: of() };
}

// One step from h (H,), which becomes the new state. ``held`` may hold reset, update and candidate, each (H,), of which
// what is not NaN takes the place of what the unit would have decided.
export function step({ weight_hh, bias_hh, form, units: H }, input, h, gates, held = {}) {
  const { reset: r, update: z, candidate: n, product, shown } = gates;
  multiply(weight_hh, h, 0, form === "before" ? 2 * H : 3 * H, H, product);
  for (let j = 0; j < H; j++) {
    r[j] = sigmoid(input[j] + product[j] + bias_hh[j]);
    z[j] = sigmoid(input[H + j] + product[H + j] + bias_hh[H + j]);
  }
  hold(r, held.reset);
  hold(z, held.update);
  if (form === "before") {
    for (let j = 0; j < H; j++) shown[j] = r[j] * h[j];
    multiply(weight_hh, shown, 2 * H, 3 * H, H, product);
    for (let j = 0; j < H; j++) n[j] = Math.tanh(input[2 * H + j] + product[2 * H + j] + bias_hh[2 * H + j]);
  } else {
    for (let j = 0; j < H; j++) {
      n[j] = Math.tanh(input[2 * H + j] + r[j] * (product[2 * H + j] + bias_hh[2 * H + j]));
    }
  }
  hold(n, held.candidate);
  for (let j = 0; j < H; j++) h[j] = z[j] * h[j] + (1 - z[j]) * n[j];
}

function hold(gate, values) {
  if (values) for (let j = 0; j < gate.length; j++) if (!Number.isNaN(values[j])) gate[j] = values[j];
}

function sigmoid(a) {
  return 0.5 + 0.5 * Math.tanh(0.5 * a);
}

// Rows ``from`` … ``to`` of weight (…, D) times x (D,), into the same places of ``product``. Four rows share each load of x,
// and their sums wait for one another's additions no longer.
export function multiply(weight, x, from, to, D, product) {
  let row = from;
  for (; row + 4 <= to; row += 4) {
    let [a, b, c, d] = [0, 0, 0, 0];
    let i = row * D;
    const [second, third, fourth] = [D, 2 * D, 3 * D];
    for (let k = 0; k < D; k++, i++) {
      const value = x[k];
      a += weight[i] * value;
      b += weight[i + second] * value;
      c += weight[i + third] * value;
      d += weight[i + fourth] * value;
    }
    product[row] = a;
    product[row + 1] = b;
    product[row + 2] = c;
    product[row + 3] = d;
  }
  for (; row < to; row++) {
    let sum = 0;
    for (let k = 0, i = row * D; k < D; k++, i++) sum += weight[i] * x[k];
    product[row] = sum;
  }
}
