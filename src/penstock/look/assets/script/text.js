// The text: every token shaded by how strongly it was written, and under it a bar for its weight in the chosen state.

const BAR = 15; // pixels of a full bar; the room for it is in page.css
const MOST_UP = 400; // tokens looked through for the line above or below

function buildText(text) {
  const list = make("div", {
    className: "text",
    id: `text-${text}`,
    role: "listbox",
    tabIndex: 0,
    "aria-multiselectable": "true",
    "aria-orientation": "horizontal",
  });
  // its own direction, which is not the text's
  const before = make("span", { className: "before", dir: "auto", "aria-hidden": "true" });
  list.append(before);
  const view = { list, before, shown: [], tokens: [], selected: [] };
  fitTokens(view, text);
  list.dir = "auto"; // not before, as each of thousands would have all asked for their direction

  const tokenAt = (event) => {
    const [, of, t] = event.target.id?.match(/^t(\d)-(\d+)$/) ?? [];
    return Number(of) === text ? Number(t) : null;
  };
  let pointer;
  list.addEventListener("pointerdown", (event) => {
    pointer = event.pointerType;
    const t = tokenAt(event);
    if (pointer === "mouse" && event.button === 0 && t !== null) choosePosition(text, t, { extend: event.shiftKey });
  });
  list.addEventListener("pointermove", (event) => {
    const t = tokenAt(event);
    if (t === null) return hideTip();
    if (event.pointerType !== "mouse") return;
    if (event.buttons === 1 && t !== choice.positions[text]) choosePosition(text, t, { extend: true });
    showTip(event, () => tokenTip(text, t));
  });
  list.addEventListener("pointerleave", hideTip);
  list.addEventListener("click", (event) => {
    const t = tokenAt(event);
    if (pointer !== "mouse" && t !== null) choosePosition(text, t, { extend: event.shiftKey });
  });
  list.addEventListener("keydown", (event) => {
    const leftwards = getComputedStyle(list).direction === "rtl";
    positionKey(event, text, (t, way) => otherLine(view.tokens, t, way), leftwards);
  });

  return { element: list, update: (changed) => updateText(text, view, changed) };
}

// Of another text the elements stay whose tokens stayed, before and after what is new: to lay them out anew takes longest.
function fitTokens({ list, shown, tokens }, text) {
  const trace = traces[text];
  const next = trace.tokens.map((token, t) => (isUnknown(trace, t) ? `unknown ${token}` : token));
  const most = Math.min(shown.length, next.length);
  let [start, end] = [0, 0];
  while (start < most && shown[start] === next[start]) start++;
  while (end < most - start && shown.at(-1 - end) === next.at(-1 - end)) end++;
  const option = make("span", { role: "option", "aria-selected": "false" });
  const made = trace.tokens.slice(start, next.length - end).map((token, k) => {
    const element = option.cloneNode(); // there may be thousands
    element.id = `t${text}-${start + k}`;
    const kind = token in NAMED ? NAMED[token] : BYTE_PART.test(token) ? "part" : "";
    element.className = isUnknown(trace, start + k) ? `${kind} unknown`.trim() : kind;
    element.textContent = token in NAMED ? token : sign(token);
    return element;
  });
  const after = tokens[shown.length - end];
  if (after) after.before(...made);
  else list.append(...made);
  for (const gone of tokens.splice(start, shown.length - start - end, ...made)) gone.remove();
  shown.splice(0, shown.length, ...next);
  for (let t = next.length - end; t < next.length; t++) tokens[t].id = `t${text}-${t}`;
}

// Whether the model never saw the character.
function isUnknown(trace, t) {
  return trace.ids ? trace.ids[t] === trace.unknown : Boolean(trace.unseen?.includes(t));
}

// What a span of the text says, to be copied.
function textOf(text, [from, to]) {
  return traces[text].tokens.slice(from, to + 1).filter((token) => !BYTE_PART.test(token)).join("");
}

function updateText(text, view, changed) {
  const trace = traces[text];
  const layer = layerOf(text);
  if (changed.has("traces")) fitTokens(view, text);
  if (changed.has("language")) {
    view.before.textContent = say("before");
    view.before.title = say("beforeLong");
  }
  if (changed.has("traces") || changed.has("language")) {
    view.tokens.forEach((element, t) => {
      const name = visible(trace.tokens[t]) + (isUnknown(trace, t) ? `, ${say("unknown")}` : "");
      if (name !== trace.tokens[t] && isNew(element, "name", name)) element.ariaLabel = name;
    });
  }
  if (changed.has("traces") || changed.has("layer")) {
    const at = layer.reverse ? view.list.lastChild : view.list.firstChild;
    if (at !== view.before) layer.reverse ? at.after(view.before) : at.before(view.before);
  }
  if (changed.has("layer") || changed.has("unit") || changed.has("theme")) {
    const written = writtenOf(text);
    const range = writtenRange();
    view.tokens.forEach((element, t) => {
      const colour = scales.text.css[writtenShade(written[t], range)];
      if (isNew(element, "shade", colour)) element.style.backgroundColor = colour;
    });
  }
  if (["positions", "layer", "unit", "bars", "theme"].some((name) => changed.has(name))) {
    const heights = barHeights(rowOf(text, choice.bars));
    [view.before, ...view.tokens].forEach((element, k) => {
      const height = Math.round(2 * BAR * Math.abs(heights[k])) / 2;
      const colour = heights[k] < 0 ? "var(--against)" : "var(--bar)";
      const drawn = height ? `inset 0 -${height}px 0 ${colour}` : "";
      if (isNew(element, "bar", drawn)) element.style.boxShadow = drawn;
    });
  }
  if (changed.has("positions") || changed.has("span") || changed.has("text")) select(text, view);
}

// Marks the chosen position and the span, and nothing else than what changes.
function select(text, view) {
  const t = choice.positions[text];
  for (const element of view.selected) {
    element.classList.remove("chosen", "spanned");
    element.setAttribute("aria-selected", "false");
  }
  const [from, to] = choice.span && choice.text === text ? choice.span : [t, t];
  view.selected = view.tokens.slice(from, to + 1);
  for (const element of view.selected) {
    if (from < to) element.classList.add("spanned");
    element.setAttribute("aria-selected", "true");
  }
  const chosen = view.tokens[t];
  chosen.classList.add("chosen");
  if (!view.selected.includes(chosen)) view.selected.push(chosen);
  view.list.setAttribute("aria-activedescendant", chosen.id);
  requestAnimationFrame(() => scrollWithin(view.list, chosen)); // once all is laid out
}

function scrollWithin(list, chosen) {
  if (list.scrollHeight <= list.clientHeight) return;
  const top = chosen.offsetTop - list.offsetTop;
  if (top < list.scrollTop) list.scrollTop = top - 8;
  if (top + 56 > list.scrollTop + list.clientHeight) list.scrollTop = top + 56 - list.clientHeight;
}

// The nearest token on the line above (way −1) or below.
function otherLine(tokens, t, way) {
  const { offsetTop, offsetLeft } = tokens[t];
  const between = (s) => Math.abs(tokens[s].offsetLeft - offsetLeft);
  let line, best;
  for (let s = t + way; tokens[s] && Math.abs(s - t) < MOST_UP; s += way) {
    const top = tokens[s].offsetTop;
    if (Math.abs(top - offsetTop) < 8) continue;
    line ??= top;
    if (Math.abs(top - line) >= 8) break;
    if (best === undefined || between(s) < between(best)) best = s;
  }
  return best ?? t;
}

// Square roots, so that small weights are seen: weights of 1, contributions of the largest.
function barHeights(row) {
  const most = choice.bars === "contributions" ? largest(row) || 1 : 1;
  return row.map((value) => Math.sign(value) * Math.sqrt(Math.abs(value) / most));
}

function largest(row) {
  return row.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

function tokenTip(text, t) {
  const trace = traces[text];
  const row = rowOf(text, choice.bars);
  const lines = [`${say("position")} ${counted(text, t)}` + (trace.tokens ? `: ${isolated(visible(trace.tokens[t]))}` : "")];
  if (isUnknown(trace, t)) lines.push(say("unknown"));
  lines.push(`${say("writeStrength")}: ${share(writtenOf(text)[t])}`);
  if (choice.bars === "contributions") lines.push(`${say("contribution")}: ${signed(row[t + 1])}`);
  else lines.push(`${say("weight")}: ${share(row[t + 1])}`);
  if (trace.surprise) lines.push(`${say("surprise")}: ${bits(trace.surprise[t])} ${say("bits")}`);
  return lines;
}
