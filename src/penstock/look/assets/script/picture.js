// The picture of a moment: the state of its unit over the tokens, or how much of the past was hidden, with the moment marked.

const COLUMN = 9; // pixels, at least, of a step under which a character stands
const SCALE = 24; // pixels, left of what is drawn
const [TOP, BASE] = [20, 88]; // pixels, of what is drawn
const LINE = 15; // pixels of a line of tokens
const NUMBER = 40; // pixels of a number at a point
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
  const drawn = (which) => {
    const values = steps.map((step) => (step[which] === null ? null : momentValue(kind, which, layer, unit, step[which])));
    const line = bars ? values.map((value, k) => barAt(x(k), each, y, value, k === marks[0])) : [lineThrough(values, x, y)];
    const points = bars ? [] : marks.map((k) => inSvg("circle", { cx: x(k), cy: y(values[k]), r: 3.5 }));
    const numbers = marks.map((k) => {
      const place = { x: Math.min(x(k), width - NUMBER / 2), y: y(values[k]) + (values[k] < 0 ? 15 : -7) };
      return inSvg("text", place, (bars ? inPercent : coarse)(values[k]));
    });
    return inSvg("g", { class: pair && which ? "of-1" : "of-0" }, ...line, ...points, ...numbers);
  };
  const texts = pair ? [0, 1] : [text];
  const scale = bars ? [0, 1] : [-1, 0, 1];
  const height = BASE + LINE * (1.4 + texts.length);
  const [left, right] = [Math.min(...marks), Math.max(...marks)];
  const meanwhile = { x: x(left) - each / 2, y: TOP, width: each * (right - left + 1), height: BASE - TOP };
  return inSvg(
    "svg",
    { width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" },
    inSvg("rect", { class: "while", ...meanwhile }),
    ...scale.map((value) => inSvg("text", { class: "scale", y: y(value) + 4 }, String(value).replace("-", "−"))),
    inSvg("line", { x1: SCALE, x2: width, y1: y(0), y2: y(0) }),
    ...texts.map(drawn),
    ...texts.flatMap((which, row) => labelsBelow(which, steps, marks, { x, width: width - SCALE, y: BASE + LINE * (row + 2) })),
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

function barAt(middle, each, y, value, marked) {
  const wide = Math.max(1, each - 2);
  const place = { x: middle - wide / 2, width: wide, y: y(value), height: y(0) - y(value) };
  return inSvg("rect", { class: marked ? "bar marked" : "bar", ...place });
}

// Tokens or words where they stand, or the steps' numbers, as below the maps.
function labelsBelow(text, steps, marks, { x, width, y }) {
  const { tokens, start = 0 } = traces[text];
  const known = steps.flatMap((step, k) => (step[text] === null ? [] : [k]));
  const tokenAt = tokens && ((k) => (steps[k][text] === null ? "" : tokens[steps[k][text]]));
  const labels = axisLabels(steps.length, width, tokenAt, start + steps[known[0]][text]);
  const there = labels.filter(({ at }) => steps[at]?.[text] !== null);
  return there.map(({ at, label }) => {
    return inSvg("text", { class: marks.includes(at) ? "token marked" : "token", x: x(at), y }, label);
  });
}
