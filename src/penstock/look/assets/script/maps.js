// The maps of both gates, the candidate and the state: a row a unit, a column a position. Pixels on a canvas; what moves with
// the keys (the chosen column, row and span) lies above it.

const MAPS = [
  { name: "update", signed: false },
  { name: "reset", signed: false },
  { name: "candidate", signed: true },
  { name: "hidden", signed: true },
];
const HEIGHT = 240; // pixels of a map, less where there are few units
const ROW = 18;
const SHARP = 1600; // pixels across
const PAUSE = 60; // milliseconds without a key before the rows of a new span are drawn

let ranked = null; // units from the top, once they are asked for

function order() {
  return (ranked ??= orderedUnits());
}

function buildMaps() {
  const maps = MAPS.map(buildMap);
  byId("shown").addEventListener("change", (event) => {
    const { value } = event.target;
    choose({ shown: value === "difference" ? value : Number(value) });
  });
  onChoice((changed) => {
    const sorted = ["layer", "span", "shown", "text"].some((name) => changed.has(name));
    if (sorted) ranked = null;
    for (const map of maps) updateMap(map, changed, sorted);
    if (changed.has("language") || sorted) {
      const why = choice.span ? "bySpan" : choice.shown === "difference" ? "byDifference" : "byHalfLife";
      byId("order").textContent = say(why);
      listHeld();
    }
  });
}

// The text whose units are ordered and whose numbers the maps show first.
function mainText() {
  return choice.shown === "difference" ? choice.text : choice.shown;
}

function orderedUnits() {
  const layer = layerOf(choice.span ? choice.text : mainText());
  if (choice.span) return largestFirst(held(layer, choice.span));
  return largestFirst(choice.shown === "difference" ? unitsApart(layerOf(0).hidden, layerOf(1).hidden) : layer.halfLife);
}

function buildMap({ name, signed }) {
  const canvas = make("canvas");
  const overlays = ["column", "row", "spanned"].map((kind) => make("div", { className: `marker ${kind}` }));
  const box = make("div", { className: "map", role: "slider", tabIndex: 0, "aria-orientation": "vertical" });
  box.append(canvas, ...overlays);
  const axis = make("div", { className: "axis", "aria-hidden": "true" });
  const legend = make("div", { className: "legend" });
  byId(`map-${name}`).append(make("div", { className: "zoomed" }, box, axis), legend);

  const cellAt = (event) => {
    const { left, top, width, height } = box.getBoundingClientRect();
    const within = (at, count) => Math.max(0, Math.min(count - 1, Math.floor(at * count)));
    const shown = shownColumns();
    const column = within((event.clientX - left) / width, shown.length);
    return [order()[within((event.clientY - top) / height, order().length)], shown[column]];
  };
  const point = (event) => showTip(event, () => cellTip(...cellAt(event)));
  onPlace(box, point, (event) => {
    const [unit, pair] = cellAt(event);
    choose({ unit });
    const text = pair[mainText()] === null ? 1 - mainText() : mainText();
    choosePosition(text, pair[text]);
  });
  box.addEventListener("keydown", (event) => unitKey(event) || positionKey(event, choice.text));
  const map = { name, signed, box, canvas, axis, across: 0, legend, overlays };
  new ResizeObserver(([{ contentRect }]) => {
    map.across = contentRect.width;
    drawAxis(map);
    if (map.paint && pixelsAcross(map, shownColumns().length) !== canvas.width) drawSoon(box, map.paint);
  }).observe(axis);
  return map;
}

// ↑ and ↓ choose the next unit of the order. Returns whether the key was one of them.
function unitKey(event) {
  const way = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (!way || event.ctrlKey || event.metaKey || event.altKey) return false;
  const last = order().length - 1;
  const rank = choice.unit === null ? (way > 0 ? 0 : last) : order().indexOf(choice.unit) + way;
  choose({ unit: order()[Math.max(0, Math.min(last, rank))] });
  event.preventDefault();
  return true;
}

// Columns as [position in the first text, position in the second]; null where there is none.
function shownColumns() {
  if (choice.shown === "difference") return columns;
  const L = traces[choice.shown].length;
  return Array.from({ length: L }, (_, t) => (choice.shown ? [null, t] : [t, null]));
}

function updateMap(map, changed, sorted) {
  const shown = shownColumns();
  const apart = choice.shown === "difference";
  const range = apart && map.signed ? 2 : 1;
  const scale = map.signed || apart ? "signed" : "gate";
  if (sorted || changed.has("theme")) {
    const frame = map.box.parentElement.style;
    const { units: H } = layerOf(0);
    frame.setProperty("--height", `${Math.min(HEIGHT, ROW * H)}px`);
    frame.setProperty("--full", `${ROW * H}px`);
    map.box.classList.toggle("fine", shown.length > 400 || H > HEIGHT);
    clearTimeout(map.timer);
    map.paint = () => {
      paintMap(map, shown, scale, range);
      drawAxis(map);
    };
    const draw = () => drawSoon(map.box, map.paint);
    const spanAlone = !["layer", "shown", "theme"].some((name) => changed.has(name));
    if (spanAlone) map.timer = setTimeout(draw, PAUSE);
    else draw();
  }
  if (sorted || changed.has("theme") || changed.has("language")) {
    const ends = scale === "gate" ? [0, 0.5, 1] : [-range, 0, range];
    drawLegend(map.legend, "", scale, ends, (value) => (value - ends[0]) / (ends[2] - ends[0]));
  }
  markMap(map, shown);
}

// As many columns as the screen can show, each the mean of its steps; of fewer steps, pixels enough that columns keep their
// edges where rows are blended to fit.
function pixelsAcross(map, steps) {
  const most = Math.max(SHARP, Math.ceil(map.across * devicePixelRatio));
  if (steps > most) return most;
  return steps * (layerOf(0).units > HEIGHT ? Math.ceil(SHARP / steps) : 1);
}

function paintMap(map, shown, scale, range) {
  const { pixels } = scales[scale];
  const texts = choice.shown === "difference" ? [0, 1] : [choice.shown];
  const arrays = texts.map((text) => layerOf(text)[map.name]);
  const H = order().length;
  const wide = pixelsAcross(map, shown.length);
  map.canvas.width = wide;
  map.canvas.height = H;
  const context = map.canvas.getContext("2d");
  const image = context.createImageData(wide, H);
  const into = new Uint32Array(image.data.buffer);
  const low = scale === "gate" ? 0 : -range;
  const factor = (SHADES - 1) / (scale === "gate" ? 1 : 2 * range);
  const first = texts.length > 1 ? -1 : 1; // the difference is second − first
  const sum = new Float32Array(H);
  for (let x = 0; x < wide; x++) {
    const from = Math.floor((x * shown.length) / wide);
    const to = Math.max(from + 1, Math.floor(((x + 1) * shown.length) / wide));
    sum.fill(0);
    let count = 0;
    for (const column of shown.slice(from, to)) {
      const [i, j] = texts.map((text) => column[text]);
      if (i === null || j === null) continue; // no counterpart: left empty
      count++;
      for (let unit = 0; unit < H; unit++) sum[unit] += first * arrays[0][i * H + unit];
      if (texts.length > 1) for (let unit = 0; unit < H; unit++) sum[unit] += arrays[1][j * H + unit];
    }
    if (!count) continue;
    for (let row = 0, at = x; row < H; row++, at += wide) {
      const k = Math.round((sum[ranked[row]] / count - low) * factor);
      into[at] = pixels[k < 0 ? 0 : k >= SHADES ? SHADES - 1 : k];
    }
  }
  context.putImageData(image, 0, 0);
}

function markMap({ name, box, overlays: [column, row, spanned] }, shown) {
  const percent = (at, of) => `${(100 * at) / of}%`;
  const text = shown.some((pair) => pair[choice.text] !== null) ? choice.text : 1 - choice.text;
  const columnOf = (t) => shown.findIndex((pair) => pair[text] === t);
  const t = choice.positions[text];
  Object.assign(column.style, { left: percent(columnOf(t), shown.length), width: percent(1, shown.length) });
  row.hidden = choice.unit === null;
  const { units: H } = layerOf(0);
  const rank = choice.unit === null ? -1 : order().indexOf(choice.unit);
  Object.assign(row.style, { top: percent(rank, H), height: percent(1, H) });
  spanned.hidden = !choice.span || text !== choice.text;
  if (!spanned.hidden) {
    const [from, to] = choice.span.map(columnOf);
    Object.assign(spanned.style, { left: percent(from, shown.length), width: percent(to - from + 1, shown.length) });
  }
  box.setAttribute("aria-label", `${say(name)}: ${say("unit")}`);
  box.setAttribute("aria-valuemin", "0");
  box.setAttribute("aria-valuemax", String(H));
  box.setAttribute("aria-valuenow", String(rank + 1));
  const pair = shown[columnOf(t)];
  const spoken = choice.unit === null ? say("ofAllUnits", { count: H }) : cellTip(choice.unit, pair).join(", ");
  box.setAttribute("aria-valuetext", spoken);
}

function cellTip(unit, pair) {
  const apart = choice.shown === "difference";
  const texts = apart ? [0, 1] : [choice.shown];
  const layer = layerOf(mainText());
  const lines = [`${say("unit")} ${unit} · ${say("halfLife")} ${life(layer, unit)}`];
  for (const text of texts) {
    const t = pair[text];
    if (t === null) continue;
    const of = layerOf(text);
    const i = t * of.units + unit;
    const which = apart ? `${say(text ? "second" : "first")}: ` : "";
    lines.push(`${which}${say("position")} ${positionName(text, t)}`);
    lines.push(`z ${number(of.keep[i])}  r ${number(of.reset[i])}`, `n ${number(of.candidate[i])}  h ${number(of.hidden[i])}`);
  }
  return lines;
}

function drawAxis({ axis, across }) {
  if (!across) return;
  const shown = shownColumns();
  const tokenOf = (column) => {
    const [s, t] = shown[column];
    return s === null ? traces[1].tokens[t] : traces[0].tokens[s];
  };
  const text = choice.shown === "difference" ? 0 : choice.shown;
  placeLabels(axis, axisLabels(shown.length, across, traces[0].tokens && tokenOf, traces[text].start), shown.length);
}

// The units that keep across the span, with their share.
function listHeld() {
  const list = byId("held");
  list.hidden = !choice.span;
  if (!choice.span) return;
  const layer = layerOf(choice.text);
  const kept = held(layer, choice.span);
  const [from, to] = choice.span;
  list.replaceChildren(
    table(say("held", { from: counted(choice.text, from), to: counted(choice.text, to) }), [say("unit"), say("share"), say("halfLife")], order().slice(0, LISTED).map((unit) => [
      unitButton(unit),
      bar(share(kept[unit]), kept[unit], "gate"),
      life(layer, unit),
    ])),
  );
}

function unitButton(unit) {
  const button = make("button", { type: "button", className: "place" }, String(unit));
  button.addEventListener("click", () => choose({ unit }));
  return button;
}
