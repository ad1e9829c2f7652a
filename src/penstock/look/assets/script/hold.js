// Gates that are held: what the text would have become. Each hold is { gate, layer, units, value, from, to }: ``gate`` is
// update, reset or state; ``units`` null for all; steps ``from`` … ``to``, null without an end.

// For each step what the model's ``step`` takes. A state that is set is written whole: z = 0, and the value as candidate.
function heldBy(holds, model, form) {
  let known = { key: null };
  return (t) => {
    const active = holds.filter(({ from, to }) => t >= from && (to === null || t <= to));
    const key = active.map((hold) => holds.indexOf(hold)).join();
    if (known.key !== key) known = { key, how: { held: heldLayers(active, model), form: form ?? undefined } };
    return known.how;
  };
}

function heldLayers(holds, { layers }) {
  return layers.map(({ units: H }, k) => {
    const held = {};
    const set = (gate, units, value) => {
      held[gate] ??= new Float64Array(H).fill(NaN);
      for (const unit of units ?? everyUnit(H)) held[gate][unit] = value;
    };
    for (const { gate, layer, units, value } of holds) {
      if (layer !== k) continue;
      if (gate === "state") {
        set("update", units, 0);
        set("candidate", units, value);
      } else set(gate, units, value);
    }
    return held;
  });
}

// The first hold, or the other form, says of which text.
function changeHolds(change) {
  if (!isHeld()) live.text = choice.text;
  Object.assign(live, change);
  live.more[1] = [];
  refresh();
}

function hold(...added) {
  changeHolds({ holds: [...live.holds, ...added] });
}

function otherForm() {
  return live.model.config.reset === "before" ? "after" : "before";
}

function swapForm() {
  changeHolds({ form: live.form ? null : otherForm() });
}

function buildHolds() {
  const form = byId("hold");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const units = unitsNamed(form.elements.units.value, live.model.config.hidden_size);
    byId("hold-says").textContent = units === undefined ? say("holdUnits", { last: live.model.config.hidden_size - 1 }) : "";
    if (units === undefined) return form.elements.units.focus();
    const at = choice.positions[choice.text];
    const [from, to] = { here: [at, null], now: [at, at], all: [0, null] }[form.elements.when.value];
    hold({ gate: form.elements.gate.value, layer: choice.layer, units, value: Number(form.elements.value.value), from, to });
  });
  const range = () => {
    const { gate, value } = form.elements;
    value.min = gate.value === "state" ? "-1" : "0";
    byId("hold-value").textContent = number(Number(value.value));
  };
  form.addEventListener("input", range);
  range();
  byId("let-go").addEventListener("click", () => changeHolds({ holds: [], form: null }));
  onChoice(() => {
    if (choice.unit !== null && document.activeElement !== form.elements.units) form.elements.units.value = String(choice.unit);
    listHolds();
    askWhat();
  });
}

// "all" or nothing: null; "3, 7-9": [3, 7, 8, 9]; undefined for what is neither.
function unitsNamed(text, H) {
  const trimmed = text.trim().toLowerCase();
  if (trimmed === "" || Object.values(WORDS).some((words) => words.all === trimmed)) return null;
  const units = [];
  for (const part of trimmed.split(/[,，、\s]+/)) {
    const [, first, last = first] = part.match(/^(\d+)(?:[-–](\d+))?$/) ?? [];
    if (first === undefined || Number(first) > Number(last) || Number(last) >= H) return undefined;
    for (let unit = Number(first); unit <= Number(last); unit++) units.push(unit);
  }
  return units;
}

function listHolds() {
  byId("holds").hidden = !isHeld();
  const without = (k) => changeHolds({ holds: live.holds.filter((_, other) => other !== k) });
  const items = live.holds.map((held, k) => holdItem(inWords(held), () => without(k)));
  if (live.form) items.push(holdItem(say("holdsForm", { form: live.form, own: live.model.config.reset }), swapForm));
  byId("hold-list").replaceChildren(...items);
}

function holdItem(words, remove) {
  const button = make("button", { type: "button", "aria-label": `${say("letThisGo")}: ${words}` }, "×");
  button.addEventListener("click", remove);
  return make("li", {}, words, " ", button);
}

function inWords({ gate, layer, units, value, from, to }) {
  const whom = units === null ? say("heldAll") : say("heldUnits", { units: units.join(", ") });
  const when = to === null ? (from ? say("heldFrom", { from }) : say("heldAlways")) : say("heldAt", { from, to });
  const of = live.model.config.num_layers > 1 ? say("heldLayer", { layer }) : "";
  return say(`held_${gate}`, { whom, value: number(value), when, of });
}

// The questions, about what is chosen.
function askWhat() {
  const { layer } = choice;
  const t = choice.positions[choice.text];
  const trace = traces[choice.text];
  const unit = choice.unit ?? mostSpeaking(trace, t, layer);
  const token = visible(trace.tokens[t]);
  const everywhere = { layer, units: null, from: 0, to: null };
  const questions = [
    ["askNeverHid", {}, () => hold({ ...everywhere, gate: "reset", value: 1 })],
    ["askOnlyPresent", {}, () => hold({ ...everywhere, gate: "reset", value: 0 })],
    ["askForgot", { unit, token, position: t }, () => hold({ gate: "update", layer, units: [unit], value: 0, from: t, to: t })],
    ["askAllForgot", { token, position: t }, () => hold({ ...everywhere, gate: "update", value: 0, from: t, to: t })],
    ["askKept", { unit, token, position: t }, () => hold({ gate: "update", layer, units: [unit], value: 1, from: t, to: null })],
    ["askNothingWritten", { token, position: t }, () => hold({ ...everywhere, gate: "update", value: 1, from: t })],
    ["askPlain", {}, () => hold({ ...everywhere, gate: "reset", value: 1 }, { ...everywhere, gate: "update", value: 0 })],
    ["askOtherForm", { form: otherForm() }, swapForm],
  ];
  byId("questions").replaceChildren(
    ...questions.map(([key, values, answer]) => {
      const button = make("button", { type: "button" }, say(key, values));
      button.addEventListener("click", answer);
      return make("li", {}, button);
    }),
  );
}

// The unit of a layer whose state speaks loudest for or against the prediction at t.
function mostSpeaking(trace, t, k) {
  const layer = trace.layers[k];
  const H = layer.units;
  const from = trace.direction[t] * H;
  const loud = Float64Array.from({ length: H }, (_, u) => Math.abs(layer.hidden[t * H + u] * trace.directions[from + u]));
  return largestFirst(loud)[0];
}
