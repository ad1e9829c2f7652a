// A small GRU that learns in the page: a worker trains (penstock.web, trainer.js), this draws what it reports.

const CURVE = 260; // pixels
const MOST_POINTS = 400; // of the curve; of more, two become one
const RECENT = 0.03; // the weight of the last step in the numbers shown
const CLEARLY = 0.9; // of the naive loss: below this it is beaten, and not by chance

const blank = () => ({
  worker: null,
  naive: 0,
  words: [],
  running: false,
  steps: 0,
  each: 1, // steps of a point of the curve
  sums: [], // of the loss over these steps
  loss: 0, // recent
  right: 0,
  rate: 0,
  beaten: null, // at which step
  read: null, // how the sequence shown is read now
});
let learning = blank();
let sequence = 0;
let curve = null;
let workerSource = null;

function buildTraining() {
  byId("training").hidden = false;
  byId("train-settings").addEventListener("change", () => {
    beginTraining();
    changedAddress("train");
  });
  byId("train-settings").addEventListener("submit", (event) => event.preventDefault());
  byId("train-run").addEventListener("click", () => runTraining(!learning.running));
  byId("train-step").addEventListener("click", () => {
    runTraining(false);
    learning.worker?.postMessage({ steps: 1 });
  });
  byId("train-again").addEventListener("click", beginTraining);
  byId("train-other").addEventListener("click", () => learning.worker?.postMessage({ read: ++sequence }));
  for (const gate of ["update", "reset"]) {
    const canvas = byId(`train-${gate}`);
    onPlace(canvas, (event) => showTip(event, () => trainingTip(canvas, gate, event)), () => {});
  }
  onChoice((changed) => {
    if (changed.has("theme") || changed.has("language")) drawTraining(true);
  });
  drawTraining();
  new ResizeObserver(() => curve?.setSize({ width: curveWidth(), height: CURVE })).observe(byId("train-curve"));
  new IntersectionObserver(([{ isIntersecting }], seen) => {
    if (!isIntersecting) return;
    seen.disconnect();
    beginTraining();
  }).observe(byId("training"));
}

// From the seed on; what ran goes on running.
function beginTraining() {
  const { running } = learning;
  learning.worker?.terminate();
  learning = blank();
  const failed = () => (byId("train-status").textContent = say("trainFailed"));
  try {
    workerSource ??= URL.createObjectURL(new Blob([TRAINER], { type: "text/javascript" }));
    learning.worker = new Worker(workerSource);
  } catch {
    return failed();
  }
  learning.worker.onerror = failed;
  learning.worker.onmessage = ({ data }) => {
    if (data.words) Object.assign(learning, data);
    else heardOfTraining(data);
  };
  const settings = trainingSettings();
  const begin = { ...settings, width: Number(settings.width), seed: Math.trunc(Number(settings.seed)) };
  learning.worker.postMessage({ begin, read: sequence });
  runTraining(running);
  drawTraining(true);
}

function trainingSettings() {
  return Object.fromEntries(new FormData(byId("train-settings")));
}

// "odd 16 before none 1", as it stands in the address.
function trainingFromAddress(said) {
  const fields = [...byId("train-settings").elements];
  const values = said.split(" ");
  const known = ({ options, max }, value) => (options ? [...options].some((o) => o.value === value) : whole(value, Number(max)));
  if (values.length !== fields.length || !fields.every((field, k) => known(field, values[k]))) throw new RangeError("train");
  if (Object.values(trainingSettings()).join(" ") === said) return;
  fields.forEach((field, k) => (field.value = values[k]));
  if (learning.worker) beginTraining();
}

function runTraining(running) {
  if (learning.running !== running) learning.worker?.postMessage({ run: running });
  learning.running = running;
  byId("train-run").textContent = say(running ? "trainPause" : "trainStart");
}

function heardOfTraining({ answer, right, rate, read }) {
  answer.forEach((loss, k) => {
    const share = Math.max(RECENT, 1 / (learning.steps + 1)); // at first the mean of all
    learning.loss += share * (loss - learning.loss);
    learning.right += share * (right[k] - learning.right);
    if (learning.steps % learning.each === 0) learning.sums.push(0);
    learning.sums[learning.sums.length - 1] += loss;
    learning.steps++;
    if (learning.sums.length === MOST_POINTS && learning.steps % learning.each === 0) halvePoints();
    if (learning.steps > 1 / RECENT && learning.loss < CLEARLY * learning.naive) learning.beaten ??= learning.steps;
  });
  Object.assign(learning, { rate, read });
  drawTraining();
}

function halvePoints() {
  learning.sums = Array.from({ length: MOST_POINTS / 2 }, (_, k) => learning.sums[2 * k] + learning.sums[2 * k + 1]);
  learning.each *= 2;
}

function drawTraining(anew = false) {
  byId("train-run").textContent = say(learning.running ? "trainPause" : "trainStart");
  if (!learning.worker) return;
  const { steps, loss, right, rate, naive, beaten } = learning;
  if (anew) {
    curve?.destroy();
    curve = newCurve();
    drawLegend(byId("train-legend"), say("trainShades"), "gate", [0, 0.5, 1], (value) => value);
    byId("train-task-says").textContent = say(`train_${trainingSettings().task}`);
  }
  byId("train-steps").textContent = steps.toLocaleString();
  byId("train-loss-now").textContent = steps ? loss.toFixed(3) : "–";
  byId("train-right").textContent = steps ? percent(right) : "–";
  byId("train-rate").textContent = rate ? Math.round(rate).toLocaleString() : "–";
  const status = beaten ? "trainBeaten" : steps ? "trainRunning" : "trainReady";
  const said = say(status, { naive: naive.toFixed(2), step: (beaten ?? 0).toLocaleString() });
  if (naive && byId("train-status").textContent !== said) byId("train-status").textContent = said; // spoken once
  drawCurve();
  if (learning.read) drawRead(learning.read);
}

function percent(value) {
  return `${(100 * value).toFixed(value < 0.1 && value > 0 ? 1 : 0)}%`;
}

function curveWidth() {
  return Math.max(200, byId("train-curve").clientWidth);
}

function newCurve() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name);
  const axis = { stroke: colour("--muted"), grid: { stroke: colour("--grid"), width: 1 }, ticks: { show: false } };
  const font = `12px ${colour("--sans")}`;
  return new uPlot(
    {
      width: curveWidth(),
      height: CURVE,
      padding: [8, 12, 0, 0],
      legend: { live: false },
      cursor: { show: false },
      scales: {
        x: { time: false, range: (_, low, high) => [0, Math.max(high ?? 0, 100)] },
        y: { range: (_, low, high) => [0, 1.1 * Math.max(high ?? 0, learning.naive)] },
      },
      axes: [
        { ...axis, font, size: 24, label: say("trainStep"), labelFont: font, labelSize: 18, labelGap: 0 },
        { ...axis, font, size: AXIS },
      ],
      series: [
        {},
        { label: say("trainLoss"), stroke: colour("--ink"), width: 1.5, points: { show: false } },
        { label: say("trainNaive"), stroke: colour("--bar"), width: 1.5, dash: [6, 4], points: { show: false } },
      ],
    },
    [[], [], []],
    byId("train-curve"),
  );
}

function drawCurve() {
  const { sums, each, steps, naive, loss } = learning;
  const at = sums.map((_, k) => Math.min(steps, (k + 1) * each));
  const means = sums.map((sum, k) => sum / (at[k] - k * each));
  const last = Math.max(100, steps);
  curve.setData([[0, ...at, last], [null, ...means, null], [naive, ...at.map(() => naive), naive]]);
  const said = { step: steps, loss: loss.toFixed(3), naive: naive.toFixed(2) };
  byId("train-curve").setAttribute("role", "img");
  byId("train-curve").setAttribute("aria-label", say("trainCurveSays", said));
}

// Of the items of a sequence.
function trainingWords() {
  return { odd: say("trainKinds").split(" "), bit: ["0", "1"], verb: learning.words }[trainingSettings().task];
}

// One sequence as the model reads it: what it holds of each step where it answers, and its gates.
function drawRead({ items, update, reset, shares, best, chances, answer, key, right }) {
  const { task } = trainingSettings();
  const words = trainingWords();
  const named = (output) => words[task === "odd" ? output + 1 : output];
  const guess = chances.indexOf(Math.max(...chances));
  const L = items.length;
  const H = update.length / L;
  const labels = items.map((item, t) => {
    const kinds = [t === key && "tells", t === answer && "answer", t > answer && "after"].filter(Boolean);
    return make("span", { className: kinds.join(" ") }, words[item]);
  });
  byId("train-labels").replaceChildren(...labels);
  byId("train-labels").classList.toggle("short", words.every((word) => word.length === 1));
  byId("train-shares").replaceChildren(...Array.from(shares, (value, t) => {
    const drawn = make("span", { className: t === key ? "tells" : "" });
    drawn.style.height = `${100 * Math.sqrt(value)}%`;
    return make("span", {}, drawn);
  }));
  for (const [name, gate] of [["update", update], ["reset", reset]]) {
    const canvas = byId(`train-${name}`);
    canvas.width = L;
    canvas.height = H;
    paint(canvas, (t, unit) => scales.gate.pixels[shade(gate[t * H + H - 1 - unit])]); // the longest memory at the top
  }
  const values = { right: named(right), guess: named(guess), chance: percent(chances[guess]) };
  const held = { key: words[items[key]], share: percent(shares[key]), best: percent(best), equal: percent(1 / (answer + 1)) };
  byId("train-says").textContent = say(task === "verb" ? "trainSaysVerb" : "trainSays", { ...values, ...held });
}

// The gate of the unit at the step that is pointed at.
function trainingTip(canvas, gate, { clientX, clientY }) {
  if (!learning.read) return [];
  const { left, top, width, height } = canvas.getBoundingClientRect();
  const within = (at, count) => Math.max(0, Math.min(count - 1, Math.floor(at * count)));
  const t = within((clientX - left) / width, canvas.width);
  const unit = canvas.height - 1 - within((clientY - top) / height, canvas.height);
  const value = learning.read[gate][t * canvas.height + unit];
  const sign = { update: "z", reset: "r" }[gate];
  return [`${say("unit")} ${unit} · ${trainingWords()[learning.read.items[t]]}`, `${sign} ${number(value)}`];
}
