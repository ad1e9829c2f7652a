// The page of a server: asks which models there are, and lets a person try each as a program would.

const byId = (id) => document.getElementById(id);
const FORMS = { language: "language", text: "texts", states: "bare" }; // all others read rows
const SHOWN = 500; // rows of the table of answers
const OURS = "penstock_"; // before the name of what is answered

let models = [];
let key = ""; // in memory alone
let stopped = null; // what stops the text that is being written
let answering = false;
let text = null; // where it stands: the state, and what is to be read after it
let rows = null; // where the series stands: the state, and how many rows it has read

const chosen = () => models.find(({ id }) => id === byId("model").value);
const count = (value, of) => `${value.toLocaleString("en")} ${of}${value === 1 ? "" : "s"}`;
const temperature = () => Number(byId("temperature").value);

function make(name, content, more = {}) {
  return Object.assign(document.createElement(name), { textContent: content, ...more });
}

// What the server answers. What it refuses is thrown with the sentence that it says.
async function ask(path, body, signal) {
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  const request = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
  let response;
  try {
    response = await fetch(path, { ...request, headers, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server cannot be reached. Does it still run?");
  }
  if (response.ok) return response;
  if (response.status === 401) askForKey();
  const said = await response.json().catch(() => null);
  throw new Error(said?.error?.message ?? `The server answered with the status ${response.status}.`);
}

function askForKey() {
  byId("key").hidden = byId("metrics-key").hidden = false;
  byId("key-value").focus();
}

function say(says, kept = "", wrong = "") {
  byId("says").textContent = says;
  byId("kept").textContent = kept;
  byId("wrong").textContent = wrong;
  byId("wrong").hidden = !wrong;
}

// Does what a button asks for, once at a time, and says what was wrong with it.
async function trying(work) {
  if (answering) return;
  answering = true;
  say("");
  try {
    await work();
  } catch (error) {
    say("", "", error.message);
  }
  answering = false;
}

async function begin() {
  let found;
  try {
    found = await (await ask("v1/models")).json();
  } catch (error) {
    const first = !byId("key").hidden && !key; // the form says it already
    return say("", "", first ? "" : error.message);
  }
  byId("key").hidden = true;
  models = found.data;
  byId("model").replaceChildren(...models.map(({ id }) => make("option", id, { value: id })));
  byId("chosen").hidden = byId("terminal").hidden = false;
  show();
}

function show() {
  const model = chosen();
  const form = FORMS[model.task] ?? "series";
  for (const one of ["language", "texts", "series", "bare"]) byId(one).hidden = one !== form;
  const state = model.state_bytes ? `, a state of ${count(model.state_bytes, "byte")}` : "";
  byId("about").textContent = `${WHAT[model.task] ?? WHAT.steps}: ${count(model.parameters, "weight")}${state}.`;
  document.title = `${model.id} – Penstock`;
  stopped?.abort();
  stopped = text = rows = null;
  byId("write").textContent = "Write";
  byId("write-on").hidden = byId("rows-on").hidden = byId("answers-around").hidden = byId("verdict").hidden = true;
  for (const one of ["written", "answer", "answers"]) byId(one).replaceChildren();
  if (form === "series") byId("rows").value = `${[...(model.keys ?? []), ...model.reads].join(", ")}\n`;
  say("");
  showCommand();
  document.documentElement.dataset.ready = model.id;
}

const WHAT = {
  language: "A GRU that writes text",
  text: "A GRU that answers texts",
  sequence: "A GRU that answers series, after each row the series so far",
  steps: "A GRU that answers each row of a series",
  forecast: "A GRU that forecasts a series after each of its rows",
  states: "A GRU alone",
};

// A language model

function asked() {
  return { model: chosen().id, max_tokens: Number(byId("length").value), temperature: temperature() };
}

// The events of a stream, as they come.
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read().catch((error) => {
      if (error.name === "AbortError") throw error;
      return { done: true };
    });
    if (done) throw new Error("The connection ended before the text did.");
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const content = part.replace(/^data: /, "");
      if (content === "[DONE]") return;
      const event = JSON.parse(content);
      if (event.error) throw new Error(event.error.message);
      yield event;
    }
  }
}

async function write(from) {
  const mine = (stopped = new AbortController());
  const part = make("span", "", { className: "part" });
  const content = part.appendChild(new Text());
  const box = byId("written");
  let frame = 0; // in which the box shows what came last
  const follow = () => {
    frame = 0;
    box.scrollTop = box.scrollHeight;
  };
  if (from.state === undefined) box.replaceChildren(make("span", from.prompt, { className: "given" }));
  box.append(part);
  byId("write").textContent = "Stop";
  byId("write-on").hidden = true;
  say("Writing …");
  const begun = performance.now();
  const body = { ...asked(), ...from, stream: true, return_state: true, stream_options: { include_usage: true } };
  const warnings = new Set();
  let [state, tokens, wrong] = [undefined, 0, ""];
  try {
    for await (const event of events(await ask("v1/completions", body, mine.signal))) {
      for (const warning of event.warnings ?? []) warnings.add(warning);
      tokens = event.usage?.completion_tokens ?? tokens;
      for (const choice of event.choices) {
        content.appendData(choice.text);
        state = choice.state ?? state;
      }
      frame ||= requestAnimationFrame(follow);
    }
  } catch (error) {
    if (error.name !== "AbortError") wrong = error.message;
  }
  if (stopped !== mine) return; // another model was chosen meanwhile
  stopped = null;
  byId("write").textContent = "Write";
  // Without a state, which comes with the end alone, what was written since the one before is read again.
  text = state ? { state, prompt: "" } : { ...from, prompt: from.prompt + part.textContent };
  byId("write-on").hidden = !state && !part.textContent;
  const seconds = (performance.now() - begun) / 1000;
  const rate = `${count(tokens, "token")} in ${seconds.toPrecision(2)} s.`;
  const warned = [...warnings].map((warning) => ` ${warning[0].toUpperCase()}${warning.slice(1)}.`).join("");
  if (wrong) say("", "", wrong);
  else if (state) say(rate + warned, keptSays("text", state));
  else say(`Stopped, and so its state did not come: to go on, the text is read again.${warned}`);
}

function keptSays(what, state) {
  const of = `Where the ${what} stands came back as a state, ${count(state.length, "byte")} as text: this page has it`;
  return `${of}, the server kept nothing. “Go on” sends that state, and not the ${what}.`;
}

byId("language").addEventListener("submit", (event) => {
  event.preventDefault();
  if (stopped) stopped.abort();
  else write({ prompt: byId("prompt").value });
});
byId("prompt").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey) return;
  event.preventDefault();
  if (!stopped) byId("language").requestSubmit();
});
byId("write-on").addEventListener("click", async () => {
  if (stopped || !byId("language").reportValidity()) return;
  byId("write").focus(); // which stops it
  await write(text);
  if (document.activeElement === byId("write") && !byId("write-on").hidden) byId("write-on").focus();
});
byId("temperature").addEventListener("input", () => {
  byId("temperature-value").value = temperature().toFixed(2);
});

// A model of texts

const askedOfText = () => ({ model: chosen().id, texts: [byId("text").value] });

byId("texts").addEventListener("submit", (event) => {
  event.preventDefault();
  trying(async () => {
    const body = askedOfText();
    const { data } = await (await ask("v1/predict", body)).json();
    if (body.model !== chosen().id) return;
    const answers = Object.entries(data[0]);
    const odds = answers.filter(([name]) => /^p\(.*\)$/s.test(name));
    const rest = answers.filter(([name]) => name.startsWith(OURS));
    byId("verdict").hidden = false;
    byId("verdict").replaceChildren(...rest.flatMap(([name, value]) => [`${shortly(name)}: `, make("b", shown(value)), " "]));
    byId("answer").replaceChildren(...odds.flatMap(([name, value]) => bar(name.slice(2, -1), value)));
  });
});

// A line of how likely something is.
function bar(name, value) {
  const line = make("dd", "");
  line.append(make("meter", "", { value: value ?? 0, ariaLabel: name }), make("span", shown(value)));
  return [make("dt", name), line];
}

// A model of rows

// The cells of lines of CSV, by the names in the first; the separator is the one that stands there.
function table(content) {
  const lines = content.split(/\r?\n/).filter((line) => line.trim());
  const separator = ["\t", ";", ","].find((one) => lines[0]?.includes(one)) ?? ",";
  const [names, ...found] = lines.map((line) => cells(line, separator));
  if (!found.length) throw new Error("There are no rows yet: write some below the columns' names.");
  return found.map((row, k) => {
    if (row.length !== names.length) {
      throw new Error(`Row ${k + 1}: expected ${count(names.length, "cell")} as the first line has, got ${row.length}.`);
    }
    return Object.fromEntries(names.map((name, n) => [name, row[n] === "" ? null : row[n]]));
  });
}

function cells(line, separator) {
  const found = [""];
  let quoted = false;
  for (let k = 0; k < line.length; k++) {
    const twice = quoted && line[k] === '"' && line[k + 1] === '"';
    if (line[k] === '"' && !twice) quoted = !quoted;
    else if (line[k] === separator && !quoted) found.push("");
    else found[found.length - 1] += line[k];
    if (twice) k++;
  }
  return found.map((cell) => cell.trim());
}

function askedOfRows() {
  return { model: chosen().id, rows: table(byId("rows").value) };
}

async function answerRows(from) {
  const body = { ...askedOfRows(), return_state: true, ...(from && { state: from.state }) };
  const { data, state } = await (await ask("v1/predict", body)).json();
  if (body.model !== chosen().id) return;
  const before = from?.read ?? 0;
  const names = Object.keys(data[0]);
  if (!from) byId("answers").replaceChildren(line("th", ["row", ...names.map(shortly)]));
  const made = data.slice(-SHOWN).map((answer, k) => {
    const number = before + Math.max(data.length - SHOWN, 0) + k + 1;
    return line("td", [String(number), ...names.map((name) => shown(answer[name]))]);
  });
  byId("answers").append(...made);
  while (byId("answers").rows.length > SHOWN + 1) byId("answers").rows[1].remove();
  rows = { state, read: before + data.length };
  byId("answers-around").hidden = byId("rows-on").hidden = false;
  say(`${count(rows.read, "row")} read.`, keptSays("series", state));
}

function line(kind, content) {
  const made = make("tr", "");
  made.append(...content.map((cell) => make(kind, cell)));
  return made;
}

function shortly(name) {
  return name.startsWith(OURS) ? name.slice(OURS.length) : name;
}

function shown(value) {
  if (Array.isArray(value)) return value.map(shown).join("  ");
  if (typeof value === "number") return String(Number(value.toPrecision(4)));
  return value ?? "–";
}

byId("series").addEventListener("submit", (event) => {
  event.preventDefault();
  trying(() => answerRows(null));
});
byId("rows-on").addEventListener("click", () => trying(() => answerRows(rows)));

// The same from a terminal

function showCommand() {
  const { task } = chosen();
  const [path, body] = [task === "language" ? "completions" : "predict", sent(task)];
  const quoted = JSON.stringify(body).replaceAll("'", "'\\''");
  const header = key ? ' -H "Authorization: Bearer $KEY"' : "";
  const url = new URL(`v1/${path}`, location.href);
  byId("command").textContent = `curl ${url}${header} -d '${quoted}'`;
}

function sent(task) {
  if (task === "language") return { ...asked(), prompt: byId("prompt").value, return_state: true };
  if (task === "text") return askedOfText();
  if (task === "states") return { model: chosen().id, rows: [chosen().reads.map(() => 0)], return_state: true };
  try {
    return { ...askedOfRows(), return_state: true };
  } catch {
    return { model: chosen().id, rows: [], return_state: true };
  }
}

for (const name of ["language", "texts", "series"]) byId(name).addEventListener("input", showCommand);
byId("model").addEventListener("change", show);
byId("key").addEventListener("submit", (event) => {
  event.preventDefault();
  key = byId("key-value").value.trim();
  byId("key-value").value = "";
  begin();
});
begin();
