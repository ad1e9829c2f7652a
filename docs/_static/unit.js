// One hidden unit, by hand: the reader moves its gates, step by step, and sees its state and where that was written.
//
//   <div class="unit" data-words="cat cat mouse" data-x="1 1 -1" data-unit="1.5 0.9 0" data-gates="z r" data-says="cat mouse"
//     data-choices='[["name", {"z": 0, "r": [1, 1, 0]}]]'></div>
//
// data-unit has the weights of input and state and the initial state; data-gates the sliders, W for the weights of z; data-says
// what a positive and what a negative last state would mean; the first of the choices is there at first.
"use strict";

const UNIT_WORDS = {
  en: {
    start: "start", z: "z: what is kept", r: "r: what is shown of the past", h: "h: the state",
    share: "Of the last state, written here", step: "{gate} at step {t}, {word}",
    weight: "Weight W of the input", bias: "Bias b",
  },
  zh: {
    start: "开始", z: "z：保留多少", r: "r：露出多少过去", h: "h：隐状态",
    share: "最后的状态中在这一步写入的份额", step: "第 {t} 步（{word}）的 {gate}",
    weight: "输入的权重 W", bias: "偏置 b",
  },
};

const sigmoid = (a) => 1 / (1 + Math.exp(-a));
const shown = (number) => number.toFixed(2).replace("-", "−");
const factor = (number) => (number < 0 ? `(${shown(number)})` : shown(number));

/** States and candidates of the unit h = z h' + (1 − z) tanh(w x + u r h'), and each step's share of the last state. */
function runUnit({ x, z, r, w, u, h }) {
  const steps = x.map((now, t) => {
    const before = h;
    const n = Math.tanh(w * now + u * r[t] * before);
    h = z[t] * before + (1 - z[t]) * n;
    return { before, n, h };
  });
  let kept = 1;
  const shares = x.map((_, k) => {
    const t = x.length - 1 - k;
    const share = (1 - z[t]) * kept;
    kept *= z[t];
    return share;
  });
  return { steps, shares: [...shares, kept].reverse() }; // the first is the initial state's
}

/** A new element inside another. */
function put(parent, tag, settings = {}, text = "") {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(settings)) element.setAttribute(name, value);
  element.append(text);
  parent.append(element);
  return element;
}

function slider(parent, label, from, to, changed) {
  const input = put(parent, "input", { type: "range", min: from, max: to, step: 0.01, "aria-label": label });
  input.addEventListener("input", () => changed(Number(input.value)));
  return input;
}

function drawUnit(figure) {
  const say = UNIT_WORDS[document.documentElement.lang.slice(0, 2)] ?? UNIT_WORDS.en;
  const numbers = (name, otherwise) => (figure.dataset[name] ?? otherwise).split(" ").map(Number);
  const words = figure.dataset.words.split(" ");
  const [w, u, h] = numbers("unit", "1.5 0.9 0");
  const gates = figure.dataset.gates.split(" ");
  const all = (value) => (Array.isArray(value) ? [...value] : words.map(() => value));
  const unit = { x: numbers("x"), z: all(0), r: all(1), w, u, h };
  const choices = JSON.parse(figure.dataset.choices ?? "[]");
  let chosen = words.length - 1;

  const buttons = choices.map(([name, setting]) => {
    const button = put(figure, "button", { type: "button" }, name);
    button.addEventListener("click", () => choose(setting));
    return button;
  });
  const [W, b] = gates.includes("W") ? [[say.weight, "W"], [say.bias, "b"]].map(([label, name]) => {
    const line = put(figure, "label", { class: "weight" }, `${label} `);
    const input = slider(line, label, -8, 8, () => draw());
    return { input, said: put(line, "output"), name };
  }) : [];

  const scroll = put(figure, "div", { class: "steps", tabindex: 0, role: "group", "aria-label": words.join(" ") });
  scroll.style.setProperty("--steps", words.length + 1);
  const row = (name, cell) => {
    if (name) put(scroll, "div", { class: "name" }, name);
    return [-1, ...words.keys()].map((t) => cell(put(scroll, "div", { class: "cell" }), t));
  };
  row("", (cell, t) => put(cell, "b", {}, words[t] ?? say.start));
  const sliders = gates.filter((gate) => gate !== "W").map((gate) => [gate, row(say[gate], (cell, t) => {
    if (t < 0) return null;
    const label = say.step.replace("{gate}", gate).replace("{t}", t + 1).replace("{word}", words[t]);
    const input = slider(cell, label, 0, 1, (value) => { unit[gate][t] = value; chosen = t; draw(); });
    input.disabled = gate === "z" && Boolean(W);
    input.addEventListener("focus", () => { chosen = t; draw(); });
    return { input, said: put(cell, "span") };
  })]);
  const states = row(say.h, (cell) => ({ bar: put(cell, "i", { class: "state" }), said: put(cell, "span") }));
  const shares = row(say.share, (cell) => ({ bar: put(cell, "i", { class: "share" }), said: put(cell, "span") }));
  const says = figure.dataset.says && put(figure, "output", { class: "says" });
  const sums = put(figure, "output", { class: "sums" });

  function choose(setting) {
    for (const gate of ["z", "r"]) if (gate in setting) unit[gate] = all(setting[gate]);
    if ("x" in setting) unit.x = setting.x;
    for (const each of W ? [W, b] : []) each.input.value = setting[each.name];
    draw(setting);
  }

  function draw(setting) {
    choices.forEach(([, each], k) => buttons[k].setAttribute("aria-pressed", each === setting));
    for (const each of W ? [W, b] : []) each.said.value = Number(each.input.value).toFixed(1);
    if (W) unit.z = unit.x.map((now) => sigmoid(Number(W.input.value) * now + Number(b.input.value)));
    const { steps, shares: written } = runUnit(unit);
    for (const [gate, inputs] of sliders) {
      inputs.slice(1).forEach(({ input, said }, t) => {
        input.value = unit[gate][t];
        said.textContent = unit[gate][t].toFixed(2);
      });
    }
    states.forEach(({ bar, said }, k) => {
      const state = k ? steps[k - 1].h : h;
      bar.style.setProperty("--from", Math.min(state, 0));
      bar.style.setProperty("--size", Math.abs(state));
      said.textContent = shown(state);
    });
    shares.forEach(({ bar, said }, k) => {
      bar.style.setProperty("--size", written[k]);
      said.textContent = `${Math.round(written[k] * 100)}%`;
    });
    if (says) { // what a reader of the last state would answer
      const first = sigmoid(4 * steps.at(-1).h), [one, other] = figure.dataset.says.split(" ");
      says.textContent = `→ ${first > 0.5 ? one : other} (${Math.round(Math.max(first, 1 - first) * 100)}%)`;
    }
    const { before, n, h: after } = steps[chosen], [z, r, x] = ["z", "r", "x"].map((each) => unit[each][chosen]);
    sums.textContent = `t = ${chosen + 1}: ${words[chosen]}\n`
      + `n = tanh(${w} · ${factor(x)} + ${u} · ${r.toFixed(2)} · ${factor(before)}) = ${shown(n)}\n`
      + `h = ${z.toFixed(2)} · ${factor(before)} + ${(1 - z).toFixed(2)} · ${factor(n)} = ${shown(after)}`;
  }

  choose(choices[0]?.[1] ?? {});
}

document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("div.unit").forEach(drawUnit));
