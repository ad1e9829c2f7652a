// The text of a live page: typed, compared with a second one, and written on by the model, a token at a time.

const STEADY = 400; // tokens of a text after each of which one token is written between two pictures; of a longer one more

function buildLive() {
  const boxes = [0, 1].map((k) => byId(`live-text-${k}`));
  boxes.forEach((box, k) => {
    box.addEventListener("input", (event) => {
      stopWriting();
      live.texts[k] = box.value;
      live.more = [[], []];
      refresh(event.timeStamp);
    });
  });
  byId("second").addEventListener("click", () => {
    stopWriting();
    if (live.texts.length > 1) live.texts.pop();
    else live.texts.push(live.texts[0]);
    live.more = [[], []];
    refresh();
    byId(`live-text-${live.texts.length - 1}`).focus();
  });
  byId("write").addEventListener("click", () => (live.writing ? stopWriting() : startWriting()));
  byId("write-one").addEventListener("click", () => {
    stopWriting();
    writeOn(1);
    refresh();
  });
  byId("step-back").addEventListener("click", stepBack);
  const temperature = byId("temperature");
  const showTemperature = () => (byId("temperature-value").textContent = Number(temperature.value).toFixed(2));
  temperature.addEventListener("input", () => {
    showTemperature();
    changedAddress();
  });
  showTemperature();
  onChoice(nameLive);
}

function nameLive(changed) {
  if (changed && !changed.has("language")) return;
  byId("write").textContent = say(live.writing ? "stop" : "write");
  byId("second").textContent = say(live.texts.length > 1 ? "oneText" : "addText");
  const { num_layers: K, hidden_size: H, reset, vocabulary_size: V } = live.model.config;
  byId("hold").elements.units.placeholder = say("all");
  byId("live-model").textContent = say("liveModel", { K, H, V, form: say(`form_${reset}`) });
}

// What stands in the boxes: the text and, where one box shows one trace, what was written after it.
function fillTexts() {
  byId("live-box-1").hidden = live.texts.length < 2;
  live.texts.forEach((_, k) => {
    const box = byId(`live-text-${k}`);
    const whole = wholeText(k);
    if (box.value !== whole) box.value = whole;
  });
  nameLive();
}

function wholeText(k) {
  return live.texts[k] + (isHeld() ? "" : written(live.more[k]));
}

function written(ids) {
  return Array.from(web.text(live.model, ids)).join("");
}

function startWriting() {
  live.writing = true;
  nameLive();
  const frame = () => {
    if (!live.writing) return;
    writeOn(Math.ceil(traces[0].length / STEADY));
    refresh();
    if (Math.max(...traces.map((trace) => trace.length)) >= MOST_LIVE) stopWriting();
    else setTimeout(() => requestAnimationFrame(frame), 0);
  };
  frame();
}

function stopWriting() {
  live.writing = false;
  nameLive();
}

// So many tokens after each text that is shown, drawn by the same random numbers in each.
function writeOn(count) {
  const temperature = Number(byId("temperature").value);
  traces.forEach((trace, k) => {
    const how = isHeld() && k ? heldBy(live.holds, live.model, live.form) : undefined;
    const random = () => chance(live.more[k].length);
    for (let i = 0, logP = live.model.expect(trace.top); i < count; i++) {
      const id = web.draw(logP, { temperature, unknown: trace.unknown }, random);
      live.more[k].push(id);
      if (i + 1 < count) logP = live.model.step(id, trace.state, how?.(trace.length + i));
    }
  });
}

// A number in [0, 1) that belongs to the n-th token written: the same one each time (splitmix32).
function chance(n) {
  let bits = Math.imul(n + 1, 0x9e3779b9);
  bits = Math.imul(bits ^ (bits >>> 16), 0x21f0aaad);
  bits = Math.imul(bits ^ (bits >>> 15), 0x735a2d97);
  return ((bits ^ (bits >>> 15)) >>> 0) / 2 ** 32;
}

function stepBack() {
  stopWriting();
  traces.forEach((_, k) => {
    if (live.more[k].length) live.more[k].pop();
    else if (!isHeld() || k === 0) {
      const of = isHeld() ? heldText() : k;
      live.texts[of] = Array.from(live.texts[of]).slice(0, -1).join("");
    }
  });
  refresh();
}
