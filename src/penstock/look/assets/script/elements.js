// Elements. All text goes in as text, never as markup.

function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function byId(id) {
  return document.getElementById(id);
}

// A table with a caption; rows are arrays of text or elements, the first of which names the row.
function table(caption, header, rows) {
  const cell = (tag, value, scope) => {
    const made = make(tag, scope ? { scope } : {});
    made.append(value);
    return made;
  };
  return make(
    "table",
    {},
    make("caption", {}, caption),
    make("thead", {}, make("tr", {}, ...header.map((name) => cell("th", name, "col")))),
    make(
      "tbody",
      {},
      ...rows.map((row) => make("tr", {}, ...row.map((value, k) => (k ? cell("td", value) : cell("th", value, "row"))))),
    ),
  );
}

// A number with a bar behind it, of a length between 0 and 1.
function bar(text, length, kind = "") {
  const drawn = make("span", { className: `bar ${kind}` });
  drawn.style.width = `${(100 * Math.max(0, Math.min(1, length))).toFixed(1)}%`;
  return make("span", { className: "barred" }, drawn, make("span", {}, text));
}

// A scale, with numbers below it. ``at`` says where a value stands on it, between 0 and 1.
function drawLegend(element, label, name, values, at) {
  const canvas = make("canvas", { width: SHADES, height: 1, className: "scale" });
  paint(canvas, (x) => scales[name].pixels[x]);
  const ticks = values.map((value) => {
    const tick = make("span", {}, String(value).replace("-", "−"));
    tick.style.left = `${100 * at(value)}%`;
    return tick;
  });
  element.replaceChildren(
    make("span", { className: "label" }, label),
    make("span", { className: "scaled", "aria-hidden": "true" }, canvas, make("span", { className: "ticks" }, ...ticks)),
  );
}

// Fills a canvas, pixel by pixel.
function paint(canvas, colour) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  const pixels = new Uint32Array(image.data.buffer);
  for (let y = 0, i = 0; y < canvas.height; y++) for (let x = 0; x < canvas.width; x++, i++) pixels[i] = colour(x, y);
  context.putImageData(image, 0, 0);
}

function showTip(event, lines) {
  const tip = byId("tip");
  tip.replaceChildren(...lines.map((line) => make("div", {}, line)));
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  const x = Math.min(event.clientX + 14, innerWidth - width - 8);
  const y = event.clientY + 18 + height > innerHeight ? event.clientY - height - 12 : event.clientY + 18;
  tip.style.transform = `translate(${Math.max(4, x)}px, ${Math.max(4, y)}px)`;
}

function hideTip() {
  byId("tip").hidden = true;
}
