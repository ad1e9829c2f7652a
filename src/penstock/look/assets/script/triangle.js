// The whole attention as a triangle: a row a state, a column a step. Computed in slices of time, so that no key waits.

const WHOLE = 600; // positions; of longer sequences a part around the chosen one is drawn
const PART = 240;
const SLICE = 10; // milliseconds

function buildTriangle(text) {
  const canvas = make("canvas");
  const marker = make("div", { className: "marker row" });
  const box = make("div", { className: "triangle", role: "img" }, canvas, marker);
  const axis = make("div", { className: "axis", "aria-hidden": "true" });
  const view = { canvas, marker, box, axis, weights: null, from: 0, to: -1, before: 1, timer: null, of: null, key: "", done: 0 };
  const point = (event) => {
    if (!triangleCell(view, text, event)) return hideTip();
    showTip(event, () => {
      const [t, s, weight] = triangleCell(view, text, event);
      const name = (at) => (at < 0 ? say("before") : positionName(text, at));
      return [`${say("hidden")}: ${name(t)}`, `${say("position")}: ${name(s)}`, `${say("weight")}: ${share(weight)}`];
    });
  };
  onPlace(box, point, (event) => {
    const cell = triangleCell(view, text, event);
    if (cell) choosePosition(text, cell[0]);
  });
  const update = (changed) => {
    const trace = traces[text];
    const L = trace.length;
    const t = choice.positions[text];
    if (changed.has("language")) box.setAttribute("aria-label", say("triangle"));
    if (changed.has("theme") || changed.has("language")) legendOfTriangle();
    const moved = placeWindow(view, t, L);
    const { from, to } = view;
    const key = `${choice.layer} ${choice.unit} ${from}`;
    view.done = view.key !== key ? 0 : Math.max(0, Math.min(view.done, sameSteps(view.of, trace) - from));
    Object.assign(view, { key, of: trace });
    if (view.done === to - from + 1) {
      if (changed.has("theme")) paintRows(view, 0, view.done); // at once: paper does not wait
    } else if (moved || ["traces", "layer", "unit", "theme"].some((name) => changed.has(name))) {
      clearTimeout(view.timer);
      box.ariaBusy = "true";
      const compute = () => drawSoon(box, () => computeTriangle(view, text));
      if (moved && changed.size === 1) view.timer = setTimeout(compute, PAUSE);
      else compute();
    }
    if (text === choice.text) {
      byId("triangle-part").textContent = L <= WHOLE ? say("wholeMap") : say("partMap", { from: counted(text, from), to: counted(text, to) });
    }
    const percent = (at) => `${(100 * at) / (to - from + 1)}%`;
    Object.assign(marker.style, { top: percent(t - from), height: percent(1) });
  };
  const close = () => {
    clearTimeout(view.timer);
    drawNever(box);
  };
  return { element: make("figure", { className: "triangle-figure" }, box, axis), update, close };
}

function legendOfTriangle() {
  drawLegend(byId("legend-triangle"), say("legendTriangle"), "weight", [0, 0.01, 0.1, 0.5, 1], Math.sqrt);
}

// The part that is shown: it stays while the position is well inside. Returns whether it moved.
function placeWindow(view, t, L) {
  const margin = 24;
  const size = L <= WHOLE ? L : PART;
  const inside = (from, to) => (from === 0 || t >= from + margin) && (to === L - 1 || t <= to - margin);
  const fits = view.to - view.from + 1 === size && view.to < L;
  if (fits && t >= view.from && t <= view.to && inside(view.from, view.to)) return false;
  view.from = Math.max(0, Math.min(L - size, t - Math.floor(size / 2)));
  view.to = view.from + size - 1;
  return true;
}

// Goes on after the rows that are there already.
function computeTriangle(view, text) {
  const layer = layerOf(text);
  const units = unitsOf(text);
  const L = traces[text].length;
  const { from, to } = view;
  const size = to - from + 1;
  view.before = Math.max(1, Math.round(size / 40)); // columns that stand for what came before, and one of space
  view.reverse = layer.reverse;
  const [weights, wide] = [view.weights, view.canvas.height + 1];
  view.weights = new Float32Array(size * (size + 1));
  for (let row = 0; row < view.done; row++) view.weights.set(weights.subarray(row * wide, row * wide + row + 2), row * (size + 1));
  view.canvas.width = size + view.before + 1;
  view.canvas.height = size;
  view.box.classList.toggle("fine", size > 300);
  const beside = (100 * (view.before + 1)) / view.canvas.width;
  view.axis.style.margin = `0 ${view.reverse ? beside : 0}% 0 ${view.reverse ? 0 : beside}%`;
  const tokenAt = traces[text].tokens && ((column) => traces[text].tokens[from + column]);
  const width = view.axis.clientWidth;
  placeLabels(view.axis, axisLabels(size, width, tokenAt, counted(text, from)), size);
  let painted = 0;
  const slice = () => {
    const until = performance.now() + SLICE;
    for (; view.done < size && performance.now() < until; view.done++) {
      const t = from + view.done;
      const row = attentionRow(layer, t, units, L, layer.reverse ? to : from);
      view.weights[(t - from) * (size + 1)] = row[0];
      view.weights.set(row.subarray(from + 1, to + 2), (t - from) * (size + 1) + 1);
    }
    paintRows(view, painted, view.done);
    painted = view.done;
    if (view.done < size) view.timer = setTimeout(slice, 0);
    else view.box.ariaBusy = "false";
  };
  slice();
}

function paintRows(view, start, stop) {
  if (start === stop) return;
  const wide = view.canvas.width;
  const size = view.canvas.height;
  const context = view.canvas.getContext("2d");
  const image = context.createImageData(wide, stop - start);
  const into = new Uint32Array(image.data.buffer);
  for (let row = start; row < stop; row++) {
    for (let x = 0; x < wide; x++) {
      const s = columnStep(view, x, size);
      const unread = view.reverse ? s < row : s > row;
      if (s === null || (s >= 0 && unread)) continue;
      into[(row - start) * wide + x] = scales.weight.pixels[shade(Math.sqrt(view.weights[row * (size + 1) + 1 + s]))];
    }
  }
  context.putImageData(image, 0, start);
}

// The step, counted from the part's beginning, of a column of pixels: −1 is what came before, null the space beside it.
function columnStep(view, x, size) {
  const k = view.reverse ? x : x - view.before - 1;
  if (k >= 0 && k < size) return k;
  return (view.reverse ? x === size : x === view.before) ? null : -1;
}

function triangleCell(view, text, event) {
  if (!view.weights) return null;
  const { left, top, width, height } = view.box.getBoundingClientRect();
  const size = view.canvas.height;
  const row = Math.floor(((event.clientY - top) / height) * size);
  const s = columnStep(view, Math.floor(((event.clientX - left) / width) * view.canvas.width), size);
  if (row < 0 || row >= size || s === null || (s >= 0 && (view.reverse ? s < row : s > row))) return null;
  return [row + view.from, s < 0 ? -1 : s + view.from, view.weights[row * (size + 1) + 1 + s]];
}
