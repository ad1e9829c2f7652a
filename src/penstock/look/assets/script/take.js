// What can be taken along from the page: its numbers as CSV, its maps as a picture.

const MOST_ROWS = 500_000; // of a CSV; of more, a unit has to be chosen first

function buildTake() {
  byId("copy-numbers").addEventListener("click", () => {
    const units = unitsOf(choice.text).length;
    const rows = units * traces.reduce((sum, trace) => sum + trace.length, 0);
    if (rows > MOST_ROWS) byId("address-says").textContent = say("tooManyNumbers", { rows });
    else copy(numbersAsText(), "copied");
  });
  byId("save-picture").addEventListener("click", savePicture);
}

// A row a text, position and unit, of the chosen layer: all units, or the one that is chosen.
function numbersAsText() {
  const quoted = (token) => `"${token.replaceAll('"', '""')}"`;
  const lines = ["text,position,token,layer,unit,reset,update,candidate,hidden"];
  traces.forEach((trace, text) => {
    const layer = layerOf(text);
    for (let t = 0; t < trace.length; t++) {
      for (const unit of unitsOf(text)) {
        const i = t * layer.units + unit;
        const gates = [layer.reset[i], layer.keep[i], layer.candidate[i], layer.hidden[i]];
        const token = trace.tokens ? quoted(trace.tokens[t]) : "";
        lines.push([text, t, token, choice.layer, unit, ...gates.map((value) => value.toPrecision(7))].join(","));
      }
    }
  });
  return lines.join("\n") + "\n";
}

const MARGIN = 24;

// The four maps below each other, with their names, as one PNG.
function savePicture() {
  const boxes = MAPS.map(({ name }) => byId(`map-${name}`).querySelector(".map"));
  boxes.forEach(drawNow);
  const style = getComputedStyle(document.documentElement);
  const [wide, tall] = [1200, 300];
  const whole = make("canvas", { width: wide + 2 * MARGIN, height: MAPS.length * (tall + 2 * MARGIN) + MARGIN });
  const context = whole.getContext("2d");
  context.fillStyle = style.getPropertyValue("--ground");
  context.fillRect(0, 0, whole.width, whole.height);
  context.fillStyle = style.getPropertyValue("--ink");
  context.font = `600 16px ${style.getPropertyValue("--sans")}`;
  boxes.forEach((box, k) => {
    const top = MARGIN + k * (tall + 2 * MARGIN);
    context.fillText(say(MAPS[k].name), MARGIN, top + 14);
    context.imageSmoothingEnabled = false;
    context.drawImage(box.querySelector("canvas"), MARGIN, top + MARGIN, wide, tall);
  });
  whole.toBlob((blob) => {
    const link = make("a", { href: URL.createObjectURL(blob), download: "penstock.png" });
    link.click();
    URL.revokeObjectURL(link.href);
  });
}
