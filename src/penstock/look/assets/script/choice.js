// What the reader has chosen. Views register with ``onChoice`` and are told the names of what changed.

const choice = {
  text: 0, // the text that the keyboard moves in and, of a pair, the maps follow
  positions: [], // of each text
  span: null, // [from, to] in the chosen text
  layer: 0,
  unit: null, // null for all
  bars: "attention",
  spanning: false, // whether the next position that is chosen ends a span
  shown: 0, // the maps of text 0 or 1, or "difference"
};

let traces = [];
const views = []; // each registered once, for whatever traces are shown

function onChoice(view) {
  views.push(view);
}

// After other traces took the place of those shown: what was chosen stays where it still fits, and the end stays the end.
function fitChoice(before) {
  const last = traces.map((trace) => trace.length - 1);
  const stays = (t, text) => t !== undefined && t < before[text].length - 1;
  choice.positions = last.map((end, text) => (stays(choice.positions[text], text) ? Math.min(choice.positions[text], end) : end));
  choice.text = Math.min(choice.text, last.length - 1);
  choice.layer = Math.min(choice.layer, traces[0].layers.length - 1);
  choice.shown = traces.length === 1 ? 0 : before.length === 2 ? choice.shown : "difference";
  if (choice.unit >= layerOf(choice.text).units) choice.unit = null;
  if (choice.span?.[1] > last[choice.text]) choice.span = null;
  if (!traces[0].tokens) choice.bars = "attention";
  anchor = choice.span?.[0] ?? choice.positions[choice.text];
}

function choose(changes) {
  const changed = new Set(Object.keys(changes).filter((name) => changes[name] !== choice[name]));
  Object.assign(choice, changes);
  if (changed.size) for (const view of views) view(changed);
}

// All anew, because of other ``traces``, another ``theme`` or ``language``.
function redraw(...names) {
  const everything = new Set([...Object.keys(choice), ...names]);
  for (const view of views) view(everything);
}

function layerOf(text) {
  return traces[text].layers[choice.layer];
}

function unitsOf(text) {
  return choice.unit === null ? everyUnit(layerOf(text).units) : Int32Array.of(choice.unit);
}

// Chooses a position of one text, and in the other one its counterpart.
function choosePosition(text, t, { extend = false } = {}) {
  const positions = [...choice.positions];
  const from = (extend || choice.spanning) && choice.text === text ? anchor : t;
  anchor = from;
  positions[text] = t;
  const other = counterpart(text, t);
  if (other !== null) positions[1 - text] = other;
  choose({ text, positions, span: from === t ? null : [Math.min(from, t), Math.max(from, t)], spanning: false });
}

let anchor = 0; // where the span was begun

// Of the chosen state: its weights, or what they speak for. Entry 0 is what came before. Kept, as several views show it.
function rowOf(text, bars) {
  const trace = traces[text];
  const t = choice.positions[text];
  const key = bars === "contributions" ? `${t}` : `${t} ${choice.layer} ${choice.unit}`;
  const kept = (trace.rows ??= {});
  if (kept[bars]?.key !== key) {
    const row =
      bars === "contributions" ? contributionRow(trace, t) : attentionRow(layerOf(text), t, unitsOf(text), trace.length);
    kept[bars] = { key, row };
  }
  return kept[bars].row;
}

// The write strength at each step, the mean over the units chosen. Kept, as several views show it.
function writtenOf(text) {
  const trace = traces[text];
  const key = `${choice.layer} ${choice.unit}`;
  if (trace.written?.key !== key) {
    const layer = layerOf(text);
    trace.written = { key, mean: meanOver(layer, layer.write, unitsOf(text), trace.length) };
  }
  return trace.written.mean;
}

// [least, most] of what is shown, of both texts of a pair: the shades are spread between them.
function writtenRange() {
  let [least, most] = [1, 0];
  for (const text of traces.keys()) for (const value of writtenOf(text)) [least, most] = [Math.min(least, value), Math.max(most, value)];
  return [least, Math.max(most, least + 0.01)];
}

function writtenShade(value, [least, most]) {
  return shade((value - least) / (most - least));
}

// A position as it is counted in the whole text, of which a part may be shown.
function counted(text, t) {
  return t + (traces[text].start ?? 0);
}

// With its token, where there is one.
function positionName(text, t) {
  return `${counted(text, t)}` + (traces[text].tokens ? ` ${isolated(visible(traces[text].tokens[t]))}` : "");
}

// The keys of everything that has positions. In a text that runs to the left ← goes on.
function positionKey(event, text, lineBy, leftwards = false) {
  const last = traces[text].length - 1;
  const t = choice.positions[text];
  const to = {
    ArrowLeft: leftwards ? t + 1 : t - 1,
    ArrowRight: leftwards ? t - 1 : t + 1,
    ArrowUp: lineBy?.(t, -1),
    ArrowDown: lineBy?.(t, 1),
    Home: 0,
    End: last,
  }[event.key];
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") choose({ span: null, unit: null, spanning: false });
  else if (to !== undefined) choosePosition(text, Math.max(0, Math.min(last, to)), { extend: event.shiftKey });
  else return;
  event.preventDefault();
}
