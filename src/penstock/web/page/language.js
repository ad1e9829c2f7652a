// A language model goes on with a text, as fast as it can be read, and shows what its gates do.

const A_FRAME = 2; // tokens written between two pictures
const LENGTH = 10_000; // tokens of a text, after which it rests
const STEPS = 160; // columns of the picture
const UNITS = 64; // rows of it, at most

function showLanguage(model) {
  byId("language").hidden = false;
  const picture = gatePicture(byId("gates"), Math.min(model.config.hidden_size, UNITS));
  const temperature = byId("temperature");
  const top = model.config.num_layers - 1;
  const shown = model.numbers === "float32"; // gates in whole numbers stay inside
  document.querySelector("figure").hidden = !shown;
  let writing = null;

  function stop() {
    writing = null;
    byId("write").textContent = "Write";
  }

  function start() {
    const prompt = byId("prompt").value;
    const text = make("span", "");
    byId("written").replaceChildren(make("span", prompt, { className: "given" }), text);
    picture.clear();
    const seen = shown ? (layer, { update }) => layer === top && picture.column(update) : undefined;
    const mine = (writing = model.generate(prompt, { length: LENGTH, temperature: Number(temperature.value), seen }));
    byId("write").textContent = "Stop";
    const frame = () => {
      if (writing !== mine) return;
      for (let k = 0; k < A_FRAME; k++) {
        const { value, done } = mine.next();
        if (done) return stop();
        text.append(value);
      }
      byId("written").scrollTop = byId("written").scrollHeight;
      picture.draw();
      requestAnimationFrame(frame);
    };
    frame();
  }

  byId("language").addEventListener("submit", (event) => {
    event.preventDefault();
    if (writing) stop();
    else start();
  });
  byId("prompt").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    start();
  });
  temperature.addEventListener("input", () => {
    byId("temperature-value").value = Number(temperature.value).toFixed(2);
  });
}

// The update gates (rows,) of the last steps: 1 keeps, 0 writes.
function gatePicture(canvas, rows) {
  canvas.width = STEPS;
  canvas.height = rows;
  const context = canvas.getContext("2d");
  let columns = [];
  const colourOf = (name) => getComputedStyle(document.querySelector(name)).color;
  return {
    clear() {
      columns = [];
    },
    column(update) {
      columns.push(update.slice(0, rows));
      if (columns.length > STEPS) columns.shift();
    },
    draw() {
      const [keeps, writes] = [".keeps", ".writes"].map(colourOf);
      context.clearRect(0, 0, STEPS, rows);
      columns.forEach((update, x) => {
        for (let y = 0; y < rows; y++) {
          context.globalAlpha = Math.abs(2 * update[y] - 1);
          context.fillStyle = update[y] > 0.5 ? keeps : writes;
          context.fillRect(x, y, 1, 1);
        }
      });
    },
  };
}
