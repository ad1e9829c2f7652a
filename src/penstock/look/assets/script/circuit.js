// The circuit alive: what every wire carries at the chosen step, how far the gates stand, and a part's equation with its
// numbers. The drawing is in the page already (penstock.look.circuit); here it is given its values.

const BINS = 14;
const BIN = 4; // units of the drawing, as all lengths here
const STRIP = 16;
const SLUICE = { width: 18, height: 48 };
const STAGES = ["gates", "candidate", "state"];
const STEPS = {
  before: { gates: "Gates", candidate: "CandidateBefore", state: "State" },
  after: { gates: "Gates", candidate: "CandidateAfter", state: "State" },
};
const BETWEEN = new Set(["reset", "update", "complement"]); // 0 … 1; all else lies within −1 … 1

function buildCircuit() {
  const box = byId("circuit");
  const parts = [...box.querySelectorAll(".part")];
  let chosen = parts.at(-1); // whose equation is shown: the new state's, until another one is pointed at
  let values;

  const explain = (part) => {
    drawNow(box); // what still waits
    chosen = part;
    for (const other of parts) other.classList.toggle("chosen", other === chosen);
    const [name, equation] = explained(chosen, values);
    byId("circuit-says").replaceChildren(make("strong", {}, name), " ", equation);
  };
  const tip = (part, at) => showTip(at, () => explained(part, values));
  // For the keyboard, where the drawing is empty; after the scrolling that hides tips.
  const tipOfFocused = () => {
    requestAnimationFrame(() => {
      if (chosen !== document.activeElement || !chosen.matches(":focus-visible")) return;
      const { left, top, width, height } = box.querySelector("svg").getBoundingClientRect();
      tip(chosen, { target: chosen, clientX: left + 0.26 * width, clientY: top + 0.7 * height });
    });
  };
  for (const part of parts) {
    part.addEventListener("pointermove", (event) => {
      if (event.pointerType !== "mouse") return;
      explain(part);
      tip(part, event);
    });
    part.addEventListener("pointerleave", hideTip);
    part.addEventListener("click", () => explain(part));
    part.addEventListener("focus", () => {
      if (part.matches(":focus-visible")) explain(part);
      tipOfFocused();
    });
    part.addEventListener("blur", hideTip);
  }
  // It speaks while the focus is inside; else the position's own announcement is enough.
  box.addEventListener("focusin", () => byId("circuit-says").setAttribute("aria-live", "polite"));
  box.addEventListener("focusout", () => byId("circuit-says").setAttribute("aria-live", "off"));
  box.addEventListener("keydown", (event) => unitKey(event) || positionKey(event, choice.text));

  let stage = STAGES.at(-1);
  const draw = () => {
    values = carried();
    const { form } = layerOf(choice.text);
    const reached = STAGES.slice(0, STAGES.indexOf(stage) + 1);
    for (const element of box.querySelectorAll("[data-since]")) {
      const { since, until, form: of = form } = element.dataset;
      element.toggleAttribute("hidden", !reached.includes(since) || reached.includes(until) || of !== form);
    }
    const steps = reached.map((step) => say(`circuitStep${STEPS[form][step]}`));
    byId("circuit-steps").textContent = steps.join(" ");
    byId("circuit-told").replaceChildren(...notation(steps.at(-1)));
    byId("circuit-step").replaceChildren(...stepInWords());
    for (const part of parts) drawPart(part, values[part.dataset.part] ?? null);
    box.querySelector(".token").textContent = inputInWords();
    explain(chosen);
    tipOfFocused();
  };
  byId("circuit-stage").addEventListener("change", (event) => {
    stage = event.target.value;
    chosen = parts.findLast((part) => part.dataset.since === stage);
    draw();
  });
  onChoice((changed) => {
    if (["text", "positions", "layer", "unit", "theme", "language"].some((name) => changed.has(name))) drawSoon(box, draw);
  });
}

// What the parts carry at the chosen step, each as (H,); null where the page does not hold it.
function carried() {
  const layer = layerOf(choice.text);
  const t = choice.positions[choice.text];
  const H = layer.units;
  const at = (values, step) => values.subarray(step * H, (step + 1) * H);
  const [update, complement, reset, candidate] = ["keep", "write", "reset", "candidate"].map((name) => at(layer[name], t));
  const before = layer.reverse ? t + 1 : t - 1;
  const first = before < 0 || before === traces[choice.text].length;
  const previous = layer.entered.has(t) ? new Float32Array(H) : first ? layer.initial : at(layer.hidden, before);
  const times = (a, b) => a.map((value, unit) => value * b[unit]);
  return {
    previous,
    reset,
    update,
    shown: layer.form === "before" ? times(reset, previous) : null,
    candidate,
    kept: times(update, previous),
    complement,
    written: times(complement, candidate),
    hidden: at(layer.hidden, t),
  };
}

// Of the chosen unit, or the mean over all.
function carriedValue(values) {
  return choice.unit === null ? values.reduce((sum, value) => sum + value, 0) / values.length : values[choice.unit];
}

function drawPart(part, values) {
  const { part: name } = part.dataset;
  const value = values && carriedValue(values);
  part.setAttribute("aria-label", values ? `${say(part.dataset.label)}: ${number(value)}` : say(part.dataset.label));
  // One unit's wires are as thick and deep as its values are large.
  const strength = values && choice.unit !== null ? Math.min(1, Math.abs(value)) : null;
  const depth = 0.5 + 0.5 * strength;
  const colours = BETWEEN.has(name) ? scales.gate : scales.signed;
  const at = BETWEEN.has(name) ? depth : 0.5 + (Math.sign(value) * depth) / 2;
  for (const drawn of part.querySelectorAll(".wire, .tip")) {
    const colour = strength === null ? "" : colours.css[shade(at)];
    if (drawn.matches(".tip")) drawn.style.fill = colour;
    else Object.assign(drawn.style, { stroke: colour, strokeWidth: strength === null ? "" : 1.2 + 5 * strength });
  }
  const shown = part.querySelector(".number");
  if (!shown) return;
  shown.textContent = values ? number(value) : "";
  const low = BETWEEN.has(name) ? 0 : -1;
  const counts = values && choice.unit === null ? histogram(values, low) : [];
  const most = Math.max(...counts);
  const level = part.querySelector(".level");
  if (level) {
    const { width, height } = SLUICE;
    const each = height / BINS;
    const bars = counts.map((count, k) => `M0 ${height - k * each}h${(width * count) / most}v${-each}H0z`).join("");
    part.querySelector(".bars").setAttribute("d", bars || `M0 ${height}h${width}v${-height * value}H0z`);
    level.style.transform = `translateY(${height * (1 - value)}px)`;
  } else {
    const bars = counts.map((count, k) => `M${k * BIN} ${STRIP}v${(-STRIP * count) / most}h${BIN}V${STRIP}z`).join("");
    part.querySelector(".bars").setAttribute("d", bars);
    const mean = (BINS * BIN * (value - low)) / (1 - low);
    part.querySelector(".axis").setAttribute("d", bars && `M0 ${STRIP}h${BINS * BIN}M${mean} ${STRIP + 4}V0`);
  }
}

// How many of the values lie in each of BINS equal parts of low … 1.
function histogram(values, low) {
  const counts = new Array(BINS).fill(0);
  for (const value of values) counts[Math.max(0, Math.min(BINS - 1, Math.floor((BINS * (value - low)) / (1 - low))))]++;
  return counts;
}

// A part's name, and its equation with the numbers put in: of the unit, or the means over all. The mean of a product is not the
// product of the means, which are therefore not put in there; that of a sum is their sum.
function explained(part, values) {
  const { part: name, label: word, [layerOf(choice.text).form]: equation } = part.dataset;
  const of = Object.fromEntries(Object.entries(values).map(([key, all]) => [key, all && number(carriedValue(all))]));
  const one = choice.unit !== null;
  const numbers = {
    input: inputInWords(),
    shown: of.shown ? (one ? `${of.reset} ⊙ ${of.previous} = ` : "") + of.shown : `${of.reset} ⊙ (…)`,
    kept: (one ? `${of.update} ⊙ ${of.previous} = ` : "") + of.kept,
    complement: `1 − ${of.update} = ${of.complement}`,
    written: (one ? `${of.complement} ⊙ ${of.candidate} = ` : "") + of.written,
    hidden: one
      ? `${of.update} ⊙ ${of.previous} + ${of.complement} ⊙ ${of.candidate} = ${of.hidden}`
      : `${of.kept} + ${of.written} = ${of.hidden}`,
  };
  const whose = one ? `${say("unit")} ${choice.unit}` : say("circuitMean", { count: layerOf(choice.text).units });
  const title = name === "input" ? say(word) : `${say(word)} · ${whose}`;
  return [`${title}:`, make("span", {}, ...notation(`${equation} = ${numbers[name] ?? of[name]}`))];
}

// h_{t−1} as elements: the letter in italics, the index below the line.
function notation(text) {
  return text.split(/([A-Za-z]_(?:\{[^}]*\}|\w))/).map((piece, k) => {
    if (k % 2 === 0) return piece;
    return make("span", {}, make("i", {}, piece[0]), make("sub", {}, piece.slice(1).replace(/[_{}]/g, "")));
  });
}

function inputInWords() {
  const trace = traces[choice.text];
  const t = choice.positions[choice.text];
  if (!trace.tokens) return trace.channels.slice(0, 3).map((_, c) => readLast(trace, c, t)).join(", ");
  const characters = [...visible(trace.tokens[t])];
  return `‘${characters.slice(0, 20).join("")}${characters.length > 20 ? "…" : ""}’`;
}

function stepInWords() {
  const trace = traces[choice.text];
  const t = choice.positions[choice.text];
  const which = traces.length > 1 ? `${say((choice.text ? "second" : "first") + (trace.tokens ? "Text" : "Sequence"))}, ` : "";
  const token = trace.tokens ? [" ", inContext(trace, t)] : [];
  const unit = choice.unit === null ? "" : `, ${say("unit")} ${choice.unit}`;
  return [`${which}${say("position")} ${counted(choice.text, t)}`, ...token, ` · ${layerOf(choice.text).name}${unit}`];
}
