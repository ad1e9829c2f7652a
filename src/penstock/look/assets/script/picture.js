// The picture of a moment: the state of its unit over the tokens, or how much of the past was hidden, with the moment marked.

const COLUMN = 9; // pixels, at least, of a step under which a character stands
const CHARACTER = 6.8; // pixels
const SCALE = 24; // pixels, left of what is drawn
const [TOP, BASE] = [20, 76]; // pixels, of what is drawn
const LINE = 15; // pixels of a line of tokens
const BESIDE = 2; // steps shown beside a moment that fills the picture

function momentPicture({ kind, text, layer, unit, at, from }, width) {
  const pair = kind === "apart";
  const bars = kind === "hides";
  const all = pair ? columns : Array.from({ length: traces[text].length }, (_, t) => (text ? [null, t] : [t, null]));
  const marked = (bars ? [at] : [from, at]).map((t) => all.findIndex((column) => column[text] === t));
  const [start, stop] = windowAround(marked, all.length, Math.floor((width - SCALE) / COLUMN));
  const steps = all.slice(start, stop);
  const marks = marked.map((k) => k - start);
  const each = (width - SCALE) / steps.length;
  const x = (k) => SCALE + (k + 0.5) * each;
  const y = (value) => (bars ? BASE - value * (BASE - TOP) : (TOP + BASE - value * (BASE - TOP)) / 2);
  const texts = pair ? [0, 1] : [text];
  const drawn = texts.flatMap((which) => {
    const values = steps.map((step) => (step[which] === null ? null : momentValue(kind, which, layer, unit, step[which])));
    const points = marks.filter((k) => values[k] !== null).flatMap((k) => [
      ...(bars ? [] : [inSvg("circle", { cx: x(k), cy: y(values[k]), r: 3.5 })]),
      inSvg("text", { x: x(k), y: y(values[k]) + (values[k] < 0 ? 15 : -7) }, bars ? percent(values[k]) : signed(values[k]).slice(0, 5)),
    ]);
    const line = bars ? values.map((value, k) => barAt(x(k), each, y(0), y(value), k === marks[0])) : [lineThrough(values, x, y)];
    return inSvg("g", { class: `of-${which}` }, ...line, ...points);
  });
  const height = BASE + LINE * (1 + texts.length);
  const [left, right] = [Math.min(...marks), Math.max(...marks)];
  return inSvg(
    "svg",
    { width, height, "aria-hidden": "true" },
    inSvg("rect", { class: "while", x: x(left) - each / 2, y: TOP, width: each * (right - left + 1), height: BASE - TOP }),
    ...(bars ? [0, 1] : [-1, 0, 1]).map((value) => inSvg("text", { class: "scale", y: y(value) + 4 }, number(value).slice(0, value < 0 ? 2 : 1))),
    inSvg("line", { x1: SCALE, x2: width, y1: y(0), y2: y(0) }),
    ...drawn,
    ...texts.flatMap((which, line) => tokensBelow(which, steps, marks, x, each, BASE + LINE * (line + 1.6))),
  );
}

function inSvg(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// As many steps as have room, the marked ones in their middle; more where these alone need more.
function windowAround(marked, count, room) {
  const [first, last] = [Math.min(...marked), Math.max(...marked)];
  const size = Math.min(count, Math.max(room, last - first + 1 + 2 * BESIDE));
  const start = Math.max(0, Math.min(count - size, Math.round((first + last - size) / 2)));
  return [start, start + size];
}

function momentValue(kind, text, layer, unit, t) {
  const of = traces[text].layers[layer];
  if (kind !== "hides") return of.hidden[t * of.units + unit];
  const { sum, size } = hiddenPast(of, t, traces[text].length);
  return size ? sum / size : 0;
}

function lineThrough(values, x, y) {
  const known = values.map((value, k) => (value === null ? "" : `${k ? "L" : "M"}${x(k).toFixed(1)} ${y(value).toFixed(1)}`));
  return inSvg("path", { d: known.join("").replace(/^L/, "M") });
}

function barAt(middle, each, base, top, marked) {
  const wide = Math.max(1, each - 2);
  const place = { x: middle - wide / 2, width: wide, y: top, height: Math.max(0, base - top) };
  return inSvg("rect", { class: marked ? "bar marked" : "bar", ...place });
}

// Every token under its step where all have room, else what was read last at the marked ones.
function tokensBelow(text, steps, marks, x, each, y) {
  const { tokens } = traces[text];
  const name = (t) => (tokens ? sign(tokens[t]) : String(t));
  const all = steps.every(([...step]) => step[text] === null || name(step[text]).length * CHARACTER <= each);
  const places = all ? steps.keys() : new Set(marks);
  return Array.from(places, (k) => {
    const t = steps[k][text];
    if (t === null) return "";
    const shown = all || !tokens ? name(t) : readUntil(tokens, t);
    const half = (shown.length * CHARACTER) / 2;
    const middle = all ? x(k) : Math.max(half, Math.min(x(steps.length - 0.5) - half, x(k)));
    return inSvg("text", { class: marks.includes(k) ? "token marked" : "token", x: middle, y }, shown);
  });
}
