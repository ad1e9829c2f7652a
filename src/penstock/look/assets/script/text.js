// The text: every token shaded by how strongly it was written, and under it a bar for its weight in the chosen state.

const BAR = 15; // pixels of a full bar; the room for it is in page.css
const MOST_UP = 400; // tokens looked through for the line above or below

function buildText(text) {
  const trace = traces[text];
  const list = make("div", {
    className: "text",
    id: `text-${text}`,
    role: "listbox",
    tabIndex: 0,
    dir: "auto",
    "aria-multiselectable": "true",
    "aria-orientation": "horizontal",
  });
  const option = make("span", { role: "option", "aria-selected": "false" });
  const tokens = trace.tokens.map((token, t) => {
    const element = option.cloneNode(); // there may be thousands
    element.id = `t${text}-${t}`;
    const kind = token in NAMED ? NAMED[token] : BYTE_PART.test(token) ? "part" : "";
    element.className = isUnknown(trace, t) ? `${kind} unknown`.trim() : kind;
    element.textContent = shownInText(token);
    return element;
  });
  // its own direction, which is not the text's
  const before = make("span", { className: "before", dir: "auto", "aria-hidden": "true" });
  list.append(...tokens);

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
    positionKey(event, text, (t, way) => otherLine(tokens, t, way), leftwards);
  });

  const view = { list, tokens, before, shades: [], bars: [], selected: [] };
  return { element: list, update: (changed) => updateText(text, view, changed) };
}

function shownInText(token) {
  return token in NAMED ? token : sign(token);
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
  if (changed.has("language")) {
    view.before.textContent = say("before");
    view.before.title = say("beforeLong");
    view.tokens.forEach((element, t) => {
      const name = visible(trace.tokens[t]);
      const unknown = isUnknown(trace, t) ? `, ${say("unknown")}` : "";
      if (name + unknown !== trace.tokens[t]) element.setAttribute("aria-label", name + unknown);
    });
  }
  if (changed.has("layer")) layer.reverse ? view.list.append(view.before) : view.list.prepend(view.before);
  if (changed.has("layer") || changed.has("unit") || changed.has("theme")) {
    const written = writtenOf(text);
    const range = writtenRange();
    view.tokens.forEach((element, t) => {
      const colour = scales.text.css[writtenShade(written[t], range)];
      setOnce(view.shades, t, colour, (value) => (element.style.backgroundColor = value));
    });
  }
  if (["positions", "layer", "unit", "bars", "theme"].some((name) => changed.has(name))) {
    const heights = barHeights(rowOf(text, choice.bars));
    [view.before, ...view.tokens].forEach((element, k) => {
      const height = Math.round(2 * BAR * Math.abs(heights[k])) / 2;
      const colour = heights[k] < 0 ? "var(--against)" : "var(--bar)";
      const drawn = height ? `inset 0 -${height}px 0 ${colour}` : "none";
      setOnce(view.bars, k, drawn, (value) => (element.style.boxShadow = value));
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

function setOnce(known, k, value, set) {
  if (known[k] === value) return;
  known[k] = value;
  set(value);
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
