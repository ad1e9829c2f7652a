// What a model of texts or of series answers, as it is typed.

const ZONE = /(Z|[+-]\d\d:?\d\d)$/i; // after a clock's time; without one it is UTC, as in training
const CELLS = /\s*[,;\t]\s*/;
const SHOWN = 500; // rows of the table of answers

function showText(model) {
  byId("text").hidden = false;
  const box = byId("read");
  const show = () => byId("answer").replaceChildren(...(box.value ? bars(model, model.predict(box.value)) : []));
  box.addEventListener("input", show);
}

// A line for each answer: its name, a bar where it is a probability, its value.
function bars({ answer: { kind } }, answer) {
  return Object.entries(answer).flatMap(([name, value]) => {
    const line = make("dd", "");
    if (kind !== "numbers") line.append(make("meter", "", { value, ariaLabel: name }));
    line.append(make("span", number(value)));
    return [make("dt", name), line];
  });
}

function showSeries(model) {
  showRows(example(model), (text) => answersTo(model, text));
}

// A bare GRU answers with its units' states.
function showStates(model) {
  const { input_size: D } = model.config;
  const columns = Array.from({ length: D }, (_, k) => `x${k}`);
  const read = (text) => {
    const state = model.state();
    return rowsIn(text).slice(1).map((cells) => ({ ...Array.from(model.step(Float32Array.from(cells, Number), state)) }));
  };
  showRows([columns, columns.map(() => "0"), columns.map(() => "1")].map((cells) => cells.join(", ")).join("\n"), read);
}

function showRows(begun, answersOf) {
  byId("series").hidden = false;
  const box = byId("rows");
  box.value = begun;
  const show = () => {
    let [answers, says] = [[], ""];
    try {
      answers = answersOf(box.value);
    } catch (error) {
      says = error.message;
    }
    byId("answers").replaceChildren(...(says ? [] : lines(answers)));
    byId("series-says").textContent = says;
  };
  box.addEventListener("input", show);
  show();
}

// The names of the columns, and rows of numbers of the usual size.
function example({ features: { columns, scaling }, time }) {
  const usual = columns.map(({ categories }, k) => categories?.[0] ?? number(scaling.center[k]));
  const moment = (t) => (time.name ? [time.dated ? `2026-01-0${t}` : String(t)] : []);
  const names = [...(time.name ? [time.name] : []), ...columns.map(({ name }) => name)];
  return [names, ...[1, 2, 3].map((t) => [...moment(t), ...usual])].map((cells) => cells.join(", ")).join("\n");
}

function answersTo(model, text) {
  const [header, ...rows] = rowsIn(text);
  const state = model.state();
  return rows.map((cells) => {
    const row = Object.fromEntries(header.map((name, k) => [name, cells[k]]));
    return model.step(row, state, timeOf(model, row));
  });
}

function rowsIn(text) {
  return text.split("\n").filter((line) => line.trim()).map((line) => line.trim().split(CELLS));
}

function timeOf({ time }, row) {
  if (!time.name) return undefined;
  const cell = row[time.name] ?? "";
  if (!time.dated) return cell === "" ? NaN : Number(cell);
  const zoned = !cell.includes(":") || ZONE.test(cell);
  return Date.parse(cell.replace(" ", "T") + (zoned ? "" : "Z"));
}

function lines(answers) {
  const line = (kind, cells) => {
    const made = make("tr", "");
    made.append(...cells.map((cell) => make(kind, cell)));
    return made;
  };
  const names = Object.keys(answers[0] ?? {});
  const rows = answers.map((answer, t) => line("td", [String(t + 1), ...names.map((name) => number(answer[name]))]));
  return [line("th", ["row", ...names]), ...rows.slice(-SHOWN)];
}
