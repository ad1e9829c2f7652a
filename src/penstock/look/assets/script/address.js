// What was chosen stands in the address, after #: it can be sent, and gone back from.

let pageId = ""; // of this page's data: a link of another page does not fit
const REST = 300; // milliseconds
let pending = null; // { hash, kind } that is to be written
let newest = null; // the kind of the history's newest entry
let resting;

function buildAddress(id) {
  pageId = id;
  onChoice((changed) => {
    const kind = [...changed].filter((name) => name in choice).sort().join();
    if (kind && changed.size < Object.keys(choice).length) changedAddress(kind);
  });
  addEventListener("popstate", followAddress);
  byId("copy-link").addEventListener("click", () => {
    writeAddress();
    copy(location.href, "copied");
  });
  followAddress();
}

// The address follows when the hand rests, as writing it holds up the picture. Changes of the same kind, one after another,
// are one entry of the history.
function changedAddress(kind = "live") {
  if (!pageId) return;
  if (pending && pending.kind !== kind) writeAddress();
  pending = { hash: "#" + inAddress(), kind };
  clearTimeout(resting);
  resting = setTimeout(writeAddress, REST);
}

function writeAddress() {
  clearTimeout(resting);
  if (pending && pending.hash !== location.hash) {
    history[pending.kind === newest ? "replaceState" : "pushState"](null, "", pending.hash);
    newest = pending.kind;
  }
  pending = null;
}

function inAddress() {
  const said = new URLSearchParams({ of: pageId });
  if (!byId("training").hidden) said.set("train", Object.values(trainingSettings()).join(" "));
  if (!traces.length) return said.toString();
  said.set("at", choice.positions.join(" "));
  said.set("in", choice.text);
  said.set("layer", choice.layer);
  said.set("bars", choice.bars);
  said.set("shown", choice.shown);
  if (choice.unit !== null) said.set("unit", choice.unit);
  if (choice.span) said.set("span", choice.span.join(" "));
  if (!live) return said.toString();
  live.texts.forEach((_, k) => said.append("text", wholeText(k)));
  said.set("held", heldText());
  for (const { gate, layer, units, value, from, to } of live.holds) {
    said.append("hold", [gate, layer, units?.join("+") ?? "all", value, from, to ?? "end"].join(" "));
  }
  if (live.form) said.set("form", live.form);
  said.set("temperature", byId("temperature").value);
  return said.toString();
}

// Shows what the address says, be it a part; where it cannot be, the page stays as it is and says so.
function followAddress() {
  byId("address-says").textContent = "";
  if (!location.hash.includes("=")) return;
  const said = new URLSearchParams(location.hash.slice(1));
  try {
    if ((said.get("of") ?? pageId) !== pageId) return void (byId("address-says").textContent = say("addressOther"));
    if (said.has("train") && !byId("training").hidden) trainingFromAddress(said.get("train"));
    if (said.has("text") && live) liveFromAddress(said);
    if (said.has("at") && traces.length) choose(choiceFrom(said));
    else if (said.has("train")) byId("training").scrollIntoView();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    byId("address-says").textContent = say("addressDamaged", { what: error.message });
  }
  pending = newest = null;
}

function choiceFrom(said) {
  const positions = numbers(said, "at", traces.length, (k) => traces[k].length - 1);
  const [text] = numbers(said, "in", 1, () => traces.length - 1);
  const [layer] = numbers(said, "layer", 1, () => traces[0].layers.length - 1);
  const unit = said.has("unit") ? numbers(said, "unit", 1, () => traces[0].layers[layer].units - 1)[0] : null;
  const span = said.has("span") ? numbers(said, "span", 2, () => traces[text].length - 1) : null;
  const bars = oneOf(said, "bars", traces[0].tokens ? ["attention", "contributions"] : ["attention"]);
  const shown = oneOf(said, "shown", traces.length > 1 ? ["0", "1", "difference"] : ["0"]);
  if (span && span[0] > span[1]) throw new RangeError("span");
  return { positions, text, layer, unit, span, bars, shown: shown === "difference" ? shown : Number(shown) };
}

function liveFromAddress(said) {
  const texts = said.getAll("text");
  if (!texts.length || texts.length > 2 || texts.some((text) => !text)) throw new RangeError("text");
  const { num_layers: K, hidden_size: H, reset } = live.model.config;
  const holds = said.getAll("hold").map((text) => {
    const [gate, layer, whom, value, from, to] = text.split(" ");
    const units = whom === "all" ? null : unitsNamed(whom?.replaceAll("+", ",") ?? "x", H);
    const known = ["update", "reset", "state"].includes(gate) && whole(layer, K - 1) && whole(from) && (to === "end" || whole(to));
    if (!known || units === undefined || !(Math.abs(Number(value)) <= 1)) throw new RangeError("hold");
    return { gate, layer: Number(layer), units, value: Number(value), from: Number(from), to: to === "end" ? null : Number(to) };
  });
  const form = said.get("form");
  if (form !== null && !(["before", "after"].includes(form) && form !== reset)) throw new RangeError("form");
  const temperature = Number(said.get("temperature") ?? 1);
  if (!(temperature >= 0 && temperature <= 2)) throw new RangeError("temperature");
  const [text] = said.has("held") ? numbers(said, "held", 1, () => texts.length - 1) : [0];
  stopWriting();
  Object.assign(live, { texts, holds, form, text, more: [[], []] });
  byId("temperature").value = temperature;
  byId("temperature").dispatchEvent(new Event("input"));
  refresh();
}

function numbers(said, name, count, last) {
  const values = (said.get(name) ?? "").split(" ");
  if (values.length !== count || !values.every((value, k) => whole(value, last(k)))) throw new RangeError(name);
  return values.map(Number);
}

function whole(text, last = Number.MAX_SAFE_INTEGER) {
  return /^\d{1,15}$/.test(text) && Number(text) <= last;
}

function oneOf(said, name, known) {
  if (!known.includes(said.get(name))) throw new RangeError(name);
  return said.get(name);
}

// To the clipboard; where a page may not write there, into a box to be copied from.
async function copy(text, key) {
  const says = byId("address-says");
  try {
    await navigator.clipboard.writeText(text);
    says.textContent = say(key);
  } catch {
    const box = make("input", { readOnly: true, value: text, "aria-label": say("copyThis") });
    says.replaceChildren(`${say("copyThis")} `, box);
    box.select();
  }
}
