// The page of an exported model: finds the weights, and shows what a model of its kind does.

const byId = (id) => document.getElementById(id);
const PAGES = { language: showLanguage, text: showText, series: showSeries, states: showStates };

begin().catch((error) => {
  byId("says").textContent = `This model cannot be shown: ${error.message}`;
});

async function begin() {
  const model = await penstock.load(await weights());
  PAGES[model.kind](model);
  byId("says").hidden = true;
  document.documentElement.dataset.ready = "true";
}

// From a server the file as it is; a page that is opened from disk may read no file but scripts, so there it is one.
async function weights() {
  if (location.protocol !== "file:") {
    const response = await fetch("model.bin").catch(() => null);
    if (response?.ok) return response.arrayBuffer();
  }
  await new Promise((resolve, reject) => {
    const script = document.createElement("script");
    Object.assign(script, { src: "model.js", onload: resolve });
    script.onerror = () => reject(new Error("model.bin and model.js are not beside this page"));
    document.head.append(script);
  });
  return penstockModel;
}

function make(name, text, more = {}) {
  return Object.assign(document.createElement(name), { textContent: text, ...more });
}

function number(value) {
  return String(Number(value.toPrecision(4)));
}
