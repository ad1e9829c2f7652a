// Puts the page together and starts it.

const SHORT = 300; // tokens that leave room for the position's numbers below them; of a longer text they stand beside it

async function start() {
  const data = await unpackAll();
  const shown = data.live ? await openLive(data.live) : data.traces;
  if (!shown.length) return startTraining(data.title);
  if (shown[0].numeric) document.querySelector(".lead").dataset.word = "leadSeries";
  buildChoices();
  onChoice((changed) => ofTraces.forEach((view) => view.update(changed)));
  buildSurprise();
  buildMaps();
  buildCircuit();
  buildPair();
  buildStory();
  buildUnits();
  buildZoom();
  buildConfusion(data.confusion);
  buildCurve(data.curve);
  switches(data.title);
  onChoice(refreshTip);
  addEventListener("scroll", hideMovedTip, { capture: true, passive: true });
  document.addEventListener("copy", copySpan);
  showTraces(shown);
  if (live) fillTexts();
  if (live) buildTraining();
  buildTake();
  buildAddress(byId("data").dataset.identity);
  document.documentElement.dataset.ready = "true";
}

// A page without a trace: what learns in it alone.
function startTraining(title) {
  document.body.className = "alone";
  switches(title);
  buildTraining();
  redraw("theme", "language");
  buildAddress(byId("data").dataset.identity);
  document.documentElement.dataset.ready = "true";
}

let ofTraces = []; // the views of each text, built anew for one more or one less

// Shows one trace, or two to compare, in place of those shown before.
function showTraces(next) {
  const before = traces;
  const focused = document.activeElement?.id;
  hideTip();
  waiting.clear(); // nothing draws what is gone
  traces = next;
  for (const trace of traces) if (trace.tokens) trace.tokens = grouped(trace.tokens);
  fitChoice(before);
  align();
  const spoken = Boolean(traces[0].expected);
  const pair = traces.length > 1;
  for (const element of [byId("bars"), ...document.querySelectorAll(".language")]) element.hidden = !spoken;
  for (const element of document.querySelectorAll(".numeric")) element.hidden = !traces[0].numeric;
  for (const id of ["pair", "shown"]) byId(id).hidden = !pair;
  const fits = before.length === traces.length;
  if (!fits) buildReadings();
  byId("texts").className = pair ? "pair" : traces[0].length > SHORT ? "long" : "short";
  redraw("traces", ...(fits ? [] : ["theme", "language"]));
  if (focused && document.activeElement.id !== focused) byId(focused)?.focus();
}

function buildReadings() {
  const pair = traces.length > 1;
  for (const view of ofTraces) view.close?.();
  const readings = traces.map((_, text) => [traces[0].tokens ? buildText(text) : buildStrip(text), buildPosition(text)]);
  const triangles = traces.map((_, text) => buildTriangle(text));
  byId("texts").replaceChildren(...readings.map((parts, text) => {
    const name = pair ? [make("h3", { id: `name-${text}` })] : [];
    return make("div", { className: "reading" }, ...name, ...parts.map((view) => view.element));
  }));
  byId("triangles").replaceChildren(...triangles.map((view) => view.element));
  const numeric = traces[0].numeric ? traces.map((_, text) => [buildAnswer(text), buildAccount(text)]) : [];
  byId("answers").replaceChildren(...numeric.map(([answer]) => answer.element));
  byId("accounts").replaceChildren(...numeric.map(([, account]) => account.element));
  ofTraces = [...readings.flat(), ...triangles, ...numeric.flat()];
}

function buildChoices() {
  const layers = byId("layer");
  layers.addEventListener("change", () => choose({ layer: Number(layers.value), unit: null }));
  byId("bars").addEventListener("change", (event) => choose({ bars: event.target.value }));
  byId("all-units").addEventListener("click", () => choose({ unit: null }));
  byId("no-span").addEventListener("click", () => choose({ span: null }));
  byId("spanning").addEventListener("click", () => {
    anchor = choice.positions[choice.text];
    choose({ spanning: !choice.spanning });
  });
  onChoice((changed) => {
    const layer = layerOf(mainText());
    byId("all-units").hidden = choice.unit === null;
    byId("no-span").hidden = choice.span === null;
    byId("spanning").setAttribute("aria-pressed", String(choice.spanning));
    byId("units").textContent =
      choice.unit === null
        ? say("ofAllUnits", { count: layer.units })
        : say("ofUnit", { unit: choice.unit, life: choice.unit !== null && lifeInWords(layer, choice.unit) });
    for (const kind of ["before", "after"]) {
      for (const equation of document.querySelectorAll(`math.${kind}`)) equation.toggleAttribute("hidden", layer.form !== kind);
    }
    if (changed.has("traces") || changed.has("language")) nameAll(layers);
    layers.value = String(choice.layer);
    for (const input of document.querySelectorAll("#bars input, #shown input")) {
      input.checked = input.value === String(choice[input.name]);
    }
    if (["language", "theme", "layer", "unit"].some((name) => changed.has(name))) legendOfShades();
    legendOfBars();
  });
}

function lifeInWords(layer, unit) {
  return layer.halfLife[unit] === Infinity ? `∞, ${say("never")}` : life(layer, unit);
}

function nameAll(layers) {
  layers.replaceChildren(
    ...traces[0].layers.map((layer, k) =>
      make("option", { value: String(k) }, layer.name + (layer.reverse ? ` (${say("reverse")})` : "")),
    ),
  );
  const kind = traces[0].tokens ? "Text" : "Sequence";
  const title = say(traces[0].tokens ? "text" : "sequence");
  byId("text-title").textContent = title;
  if (traces[0].numeric) explainAnswer();
  byId("keys").textContent = say(traces[0].tokens ? "keys" : "sliderKeys");
  traces.forEach((_, text) => {
    const held = live && isHeld() ? (text ? "asHeld" : "asItIs") : null;
    const name = traces.length > 1 ? say(held ?? (text ? "second" : "first") + kind) : title;
    if (traces.length > 1) byId(`name-${text}`).textContent = name;
    byId(`text-${text}`).setAttribute("aria-label", name);
  });
}

// The shades are spread over what is there; the numbers say what that is.
function legendOfShades() {
  const [least, most] = writtenRange();
  const digits = most - least < 0.1 ? 3 : 2;
  const values = [least, (least + most) / 2, most].map((value) => value.toFixed(digits));
  drawLegend(byId("legend-write"), say("legendWrite"), "text", values, (value) => (value - least) / (most - least));
  const unknown = traces.reduce((sum, trace) => sum + (trace.tokens ?? []).filter((_, t) => isUnknown(trace, t)).length, 0);
  const off = traces.flatMap((trace) => trace.layers.map((layer) => layer.rounded?.off ?? {}));
  const worst = (name) => Math.max(0, ...off.map((of) => of[name] ?? 0));
  byId("rounded").hidden = !worst("gates");
  byId("rounded").textContent = say("rounded", { gates: worst("gates"), candidate: worst("candidate"), hidden: worst("hidden") });
  byId("unknown").hidden = !unknown;
  byId("unknown").textContent = say("unknownSays", { count: unknown });
}

// A span is copied as its text; what is selected elsewhere as ever.
function copySpan(event) {
  const other = event.target.closest?.("input, textarea") || !getSelection().isCollapsed;
  if (other || !choice.span || !traces[choice.text].tokens) return;
  event.clipboardData.setData("text/plain", textOf(choice.text, choice.span));
  event.preventDefault();
}

// Bars as high as those under the text, with their numbers.
function legendOfBars() {
  const contributions = choice.bars === "contributions";
  const values = contributions ? [] : [0.01, 0.1, 0.5, 1];
  const examples = values.map((value) => {
    const drawn = make("span", { className: "example" });
    drawn.style.height = `${BAR * Math.sqrt(value)}px`;
    return make("span", { className: "sample", "aria-hidden": "true" }, drawn, make("span", {}, String(value)));
  });
  const most = contributions ? number(largest(rowOf(choice.text, "contributions"))) : "";
  const label = contributions ? say("legendContributions", { most }) : say("legendAttention");
  byId("legend-bars").replaceChildren(
    make("span", { className: "label" }, label),
    make("span", { className: "samples" }, ...examples),
  );
}

// Language and theme: the system's until the reader chooses. On paper the page is light.
function switches(title) {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let wanted = null;
  const useWanted = () => {
    root.dataset.theme = paper.matches ? "light" : (wanted ?? (dark.matches ? "dark" : "light"));
    useTheme(root.dataset.theme);
  };
  const name = () => {
    wordsIntoPage(title);
    byId("of").textContent = title;
    byId("language").textContent = say("other");
    byId("language").lang = language === "zh" ? "en" : "zh-Hans";
    byId("theme").textContent = say(root.dataset.theme === "dark" ? "light" : "dark");
  };
  const anew = () => {
    useWanted();
    name();
    redraw("theme", "language");
  };
  byId("language").addEventListener("click", () => {
    language = language === "zh" ? "en" : "zh";
    anew();
  });
  byId("theme").addEventListener("click", () => {
    wanted = root.dataset.theme === "dark" ? "light" : "dark";
    anew();
  });
  dark.addEventListener("change", anew);
  paper.addEventListener("change", anew);
  useWanted();
  name();
}

start().catch((error) => document.body.prepend(make("p", { role: "alert" }, `${say("failed")} ${error}`)));
