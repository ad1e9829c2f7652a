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

// Whether an element was not given this value before. Its own properties may say the same in other words.
function isNew(element, name, value) {
  element.given ??= {};
  if (element.given[name] === value) return false;
  element.given[name] = value;
  return true;
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
  if (!isNew(element, "legend", [document.documentElement.dataset.theme, label, name, ...values].join())) return;
  const drawn = make("span", { className: "scale" });
  drawn.style.backgroundImage = `linear-gradient(to right, ${scales[name].css.filter((_, k) => k % 15 === 0).join(", ")})`;
  const ticks = values.map((value) => {
    const tick = make("span", {}, String(value).replace("-", "−"));
    tick.style.left = `${100 * at(value)}%`;
    return tick;
  });
  element.replaceChildren(
    make("span", { className: "label" }, label),
    make("span", { className: "scaled", "aria-hidden": "true" }, drawn, make("span", { className: "ticks" }, ...ticks)),
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

// Drawing that can wait: at once what is on the screen, the rest when it comes near or when there is nothing else to do.
const waiting = new Map(); // element: what draws it
let idle = null;
const onScreen = new Set();
const paper = matchMedia("print");
const whenIdle = (work) => (window.requestIdleCallback ? requestIdleCallback(work, { timeout: 500 }) : setTimeout(work, 100));
const watcher = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) onScreen.add(target);
      else onScreen.delete(target);
      if (isIntersecting) drawNow(target);
    }
  },
  { rootMargin: "100px" },
);

function drawSoon(element, draw) {
  watcher.observe(element);
  idle ??= whenIdle(drawNext);
  waiting.set(element, draw);
  document.documentElement.dataset.drawing = "true";
  if (onScreen.has(element) || paper.matches) drawNow(element);
}

function drawNow(element) {
  const draw = waiting.get(element);
  waiting.delete(element);
  draw?.();
  if (!waiting.size) delete document.documentElement.dataset.drawing;
}

function drawNext() {
  const [element] = waiting.keys();
  idle = waiting.size > 1 ? whenIdle(drawNext) : null;
  if (element) drawNow(element);
}

// Of an element that leaves the page.
function drawNever(element) {
  watcher.unobserve(element);
  onScreen.delete(element);
  waiting.delete(element);
}

// Pointing and pressing read the same place: a click's own coordinates are whole pixels, the pointer's are not.
function onPlace(element, point, press) {
  let last = null;
  element.addEventListener("pointerdown", (event) => (last = event));
  element.addEventListener("pointermove", (event) => point((last = event)));
  element.addEventListener("pointerleave", hideTip);
  element.addEventListener("click", (event) => press(last ?? event));
}

let tipOf = null; // the event and the lines of the tip that is shown, and where what it is about stood

// ``lines()`` is asked again when what is chosen changes.
function showTip(event, lines) {
  tipOf = [event, lines, placeOf(event)];
  const tip = byId("tip");
  tip.replaceChildren(...lines().map((line) => make("div", {}, line)));
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  const x = Math.min(event.clientX + 14, innerWidth - width - 8);
  const y = event.clientY + 18 + height > innerHeight ? event.clientY - height - 12 : event.clientY + 18;
  tip.style.transform = `translate(${Math.max(4, x)}px, ${Math.max(4, y)}px)`;
}

function refreshTip() {
  if (tipOf) showTip(...tipOf);
}

function placeOf({ target = document.body }) {
  const { x, y } = target.getBoundingClientRect();
  return `${x} ${y}`;
}

// When what it is about was scrolled away under it.
function hideMovedTip() {
  if (tipOf && placeOf(tipOf[0]) !== tipOf[2]) hideTip();
}

function hideTip() {
  tipOf = null;
  byId("tip").hidden = true;
}
