// The live page: the model is in the page, and computes what is shown as the text is typed, written on or held.

let live = null; // of a live page

// { model, texts, more, holds, form, text }: up to two ``texts``; ``more``, the ids that the model wrote after each; ``holds``,
// see hold.js; ``form``, the other form of the reset gate where it took the place of the model's own. With holds or another
// form one ``text`` of them is shown twice: as it is, and held.
async function openLive({ model, texts }) {
  const loaded = await web.load((await unpack(model)).buffer);
  const labels = Array.from({ length: loaded.config.vocabulary_size }, (_, id) => loaded.vocabulary.label(id));
  live = { model: loaded, labels, texts, more: [[], []], holds: [], form: null, text: 0, computed: [], count: 0 };
  byId("live").hidden = false;
  buildLive();
  buildHolds();
  return liveTraces();
}

const MOST_LIVE = 2_000; // steps; of a longer text the beginning is shown

function liveTraces() {
  const { model, texts, more } = live;
  const apart = isHeld();
  const shown = apart ? [texts[heldText()], texts[heldText()]] : texts;
  live.cut = 0;
  return (live.computed = shown.map((text, k) => {
    const { ids, tokens } = model.vocabulary.encode(text);
    const all = [...ids, ...more[k]];
    live.cut = Math.max(live.cut, all.length - MOST_LIVE);
    const labels = [...tokens, ...more[k].map((id) => live.labels[id])];
    const how = apart && k ? heldBy(live.holds, model, live.form) : null;
    const key = how && JSON.stringify([live.holds, live.form]);
    const before = live.computed.find((trace) => trace.key === key && trace.ids[0] === all[0]);
    return Object.assign(traceOf(model, all.slice(0, MOST_LIVE), labels.slice(0, MOST_LIVE), how, before), { key });
  }));
}

function isHeld() {
  return live.holds.length > 0 || live.form !== null;
}

function heldText() {
  return Math.min(live.text, live.texts.length - 1);
}

// A trace as data.js unpacks one, computed. ``how(t)`` may give what the model's ``step`` takes. What it has in common with a
// trace that was computed ``before`` is taken over.
function traceOf(model, ids, tokens, how, before) {
  const { hidden_size: H, vocabulary_size: V, residual } = model.config;
  const L = ids.length;
  const layers = model.layers.map((made, k) => emptyLayer(`layers.${k}`, how?.(0).form ?? made.form, H, L));
  const count = Math.min(EXPECTED, V);
  const [expected, probabilities, surprise] = [[], [], new Array(L).fill(null)];
  const state = model.state();
  const taken = before ? takeOver(before, ids, { layers, expected, probabilities, surprise }, state) : 0;
  let [t, top] = [taken, null];
  const seen = (k, gates, h) => keepStep(layers[k], t, gates, h);
  for (; t < L; t++) {
    top = model.read(ids[t], state, { ...how?.(t), seen });
    const logP = model.expect(top);
    expected.push(likeliest(logP, count));
    probabilities.push(expected[t].map((id) => Math.exp(logP[id])));
    if (t + 1 < L) surprise[t + 1] = -logP[ids[t + 1]] / Math.LN2;
  }
  for (const layer of layers) computed(layer, "halfLife", () => halfLives(layer, L));
  // at the last position nothing came: the most expected token takes its place
  const spokenFor = [...ids.slice(1), ...expected.slice(-1).map(([first]) => first)];
  const distinct = [...new Set(spokenFor)];
  const place = new Map(distinct.map((id, k) => [id, k]));
  return {
    length: L,
    layers,
    tokens,
    ids,
    unknown: model.vocabulary.unknown,
    labels: live.labels,
    expected,
    probabilities,
    surprise,
    spokenFor,
    direction: spokenFor.map((id) => place.get(id)),
    directions: directionsOf(model, distinct),
    readOut: residual ? layers.map((_, k) => k) : [layers.length - 1],
    state,
    top: top.slice(),
    number: live.count++,
    taken: { from: before?.number, steps: taken },
  };
}

// How many steps of a trace are those of the one before it.
function sameSteps(before, trace) {
  if (before === trace) return trace.length;
  return trace.taken && trace.taken.from === before?.number ? trace.taken.steps : 0;
}

// How many steps are as they were: all before the last one in common, which is read again for what it expects of the next.
function takeOver(before, ids, made, state) {
  let same = 0;
  while (same < ids.length && ids[same] === before.ids[same]) same++;
  same = Math.max(0, same - 1);
  made.layers.forEach((layer, k) => {
    const of = before.layers[k];
    for (const name of ["keep", "write", "reset", "candidate", "hidden"]) layer[name].set(of[name].subarray(0, same * layer.units));
    if (same) state.layers[k].set(of.hidden.subarray((same - 1) * layer.units, same * layer.units));
  });
  made.expected.push(...before.expected.slice(0, same));
  made.probabilities.push(...before.probabilities.slice(0, same));
  for (let t = 0; t <= same; t++) made.surprise[t] = before.surprise[t];
  return same;
}

const EXPECTED = 8; // predictions shown a position

function emptyLayer(name, form, H, L) {
  const values = () => new Float32Array(L * H);
  const keep = values();
  return {
    name,
    form,
    reverse: false,
    units: H,
    keep,
    update: keep,
    write: values(),
    reset: values(),
    candidate: values(),
    hidden: values(),
    initial: new Float32Array(H),
    entered: new Set(),
  };
}

function keepStep(layer, t, { reset, update, candidate }, h) {
  const at = t * layer.units;
  layer.reset.set(reset, at);
  layer.keep.set(update, at);
  layer.candidate.set(candidate, at);
  layer.hidden.set(h, at);
  for (let j = 0; j < layer.units; j++) layer.write[at + j] = 1 - update[j];
}

// The ``count`` largest, the largest first.
function likeliest(values, count) {
  const best = [];
  for (let i = 0; i < values.length; i++) {
    if (best.length === count && values[i] <= values[best[count - 1]]) continue;
    let at = Math.min(best.length, count - 1);
    while (at > 0 && values[best[at - 1]] < values[i]) at--;
    best.splice(at, 0, i);
    if (best.length > count) best.pop();
  }
  return best;
}

// The output layer's rows of some tokens, without the mean over all.
function directionsOf({ output, config: { hidden_size: H, vocabulary_size: V } }, ids) {
  live.mean ??= (() => {
    const mean = new Float64Array(H);
    for (let i = 0; i < V; i++) for (let j = 0; j < H; j++) mean[j] += output[i * H + j] / V;
    return mean;
  })();
  const rows = new Float32Array(ids.length * H);
  ids.forEach((id, k) => {
    for (let j = 0; j < H; j++) rows[k * H + j] = output[id * H + j] - live.mean[j];
  });
  return rows;
}

// After how many steps half of what a unit held is replaced; as penstock.look.memory.half_life.
function halfLives(layer, L) {
  const H = layer.units;
  const [z, share] = [new Float64Array(L), new Float64Array(L + 1)];
  return new Float64Array(H).map((_, unit) => {
    for (let t = 0; t < L; t++) z[t] = layer.keep[t * H + unit];
    share.fill(1);
    let before = 1;
    for (let k = 1; k <= L; k++) {
      let sum = 0;
      for (let t = 0; t + k <= L; t++) sum += share[t] = share[t + 1] * z[t];
      const mean = sum / (L - k + 1);
      if (mean <= 0.5) return k - 1 + (Math.LN2 + Math.log(before)) / (Math.log(before) - Math.log(mean));
      before = mean;
    }
    return Infinity;
  });
}

// Computes and draws anew; says how long that took, to the frame that shows all of it that is on the screen. (The story is
// told when the typing rests.)
function refresh(began = performance.now()) {
  const empty = live.texts.findIndex((text, k) => !text && !live.more[k].length);
  byId("live-says").textContent = empty < 0 ? "" : say("liveEmpty");
  if (empty >= 0) return;
  showTraces(liveTraces());
  if (live.cut > 0) byId("live-says").textContent = say("liveCut", { count: traces[0].length, cut: live.cut });
  fillTexts();
  changedAddress();
  const count = traces[0].length;
  live.began = began;
  const drawn = () => {
    if (live.began !== began) return;
    if ([...onScreen].some((element) => element.ariaBusy === "true")) return void requestAnimationFrame(drawn);
    setTimeout(() => (byId("live-time").textContent = say("liveTime", { ms: (performance.now() - began).toFixed(0), count })));
  };
  requestAnimationFrame(drawn);
}
