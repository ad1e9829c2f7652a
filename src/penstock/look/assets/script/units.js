// The list of all units: found by number, sorted by what they do. Only the rows in sight are drawn.

const UNIT_ROW = 26; // pixels
const UNIT_ROWS = 9; // in sight

// What stands beside a unit, and what units can be sorted by.
const UNIT_COLUMNS = {
  halfLife: {
    of: () => layerOf(mainText()).halfLife,
    says: (value, unit) => life(layerOf(mainText()), unit),
    length: (value) => value / traces[mainText()].length,
  },
  apartMean: {
    there: () => traces.length > 1,
    of: () => unitsApart(layerOf(0).hidden, layerOf(1).hidden),
    says: share,
    length: (value, most) => value / most,
  },
  toLogit: {
    there: () => Boolean(traces[0].readOut?.includes(choice.layer)),
    of: () => unitLogits(choice.text),
    says: signed,
    length: (value, most) => Math.abs(value) / most,
  },
};

// What each unit of the layer adds to the logit of what came next, measured against the mean over the vocabulary.
function unitLogits(text) {
  const trace = traces[text];
  const { units: H, hidden } = layerOf(text);
  const t = choice.positions[text];
  return Float64Array.from({ length: H }, (_, unit) => directionAt(trace, t, H, unit) * hidden[t * H + unit]);
}

function buildUnits() {
  const [finder, list, search, sorting] = ["unit-finder", "unit-list", "find-unit", "sort-units"].map(byId);
  const rows = make("div", { className: "rows" });
  list.append(rows);
  let columnsShown = []; // [name, values, the largest]
  let units = []; // in their order, of those that were searched for
  let by = "halfLife";
  let scrolled = 0; // kept, as asking the list lays the page out anew

  const read = (name) => {
    const values = UNIT_COLUMNS[name].of();
    return [name, values, largest(values.filter(Number.isFinite)) || 1];
  };
  const sort = () => {
    const [, values] = columnsShown.find(([name]) => name === by) ?? [];
    const wanted = search.value.trim();
    const all = values ? largestFirst(values.map(Math.abs)) : Array.from(everyUnit(layerOf(0).units));
    units = all.filter((unit) => String(unit).startsWith(wanted));
    if (wanted) units.sort((a, b) => (String(b) === wanted) - (String(a) === wanted));
    list.hidden = !units.length;
    byId("no-unit").textContent = units.length ? "" : say("noSuchUnit", { last: layerOf(0).units - 1 });
    rows.style.height = `${UNIT_ROW * units.length}px`;
    list.style.height = `${UNIT_ROW * Math.min(UNIT_ROWS, units.length) + 2}px`;
  };
  const drawRows = () => {
    const first = Math.max(0, Math.floor(scrolled / UNIT_ROW) - 1);
    const inSight = units.slice(first, first + UNIT_ROWS + 3);
    rows.replaceChildren(...inSight.map((unit, k) => unitRow(unit, first + k, units.length, columnsShown)));
    if (inSight.includes(choice.unit)) list.setAttribute("aria-activedescendant", `unit-${choice.unit}`);
    else list.removeAttribute("aria-activedescendant");
  };
  const scrollTo = (top) => {
    list.scrollTop = top;
    scrolled = list.scrollTop;
  };
  const follow = () => {
    const top = UNIT_ROW * units.indexOf(choice.unit);
    if (top < 0) return;
    if (top < scrolled) scrollTo(top);
    if (top + UNIT_ROW > scrolled + UNIT_ROW * UNIT_ROWS) scrollTo(top - UNIT_ROW * (UNIT_ROWS - 1));
  };
  const drawAll = () => {
    const there = Object.keys(UNIT_COLUMNS).filter((name) => UNIT_COLUMNS[name].there?.() ?? true);
    columnsShown = there.map(read);
    const names = [...there, "byNumber"];
    if (!names.includes(by)) by = "halfLife";
    sorting.replaceChildren(...names.map((value) => make("option", { value }, say(value))));
    sorting.value = by;
    byId("unit-head").replaceChildren(...["unit", ...there].map((name) => make("span", {}, say(name))));
    finder.style.setProperty("--columns", there.length);
    drawMoved();
  };
  // after another position was chosen
  const drawMoved = () => {
    const k = columnsShown.findIndex(([name]) => name === "toLogit");
    if (k >= 0) columnsShown[k] = read("toLogit");
    byId("to-logit").hidden = k < 0;
    const trace = traces[choice.text];
    const t = choice.positions[choice.text];
    const token = k < 0 ? "" : quoted(trace.labels[trace.spokenFor[t]]);
    byId("to-logit").textContent = say("toLogitOf", { token, position: counted(choice.text, t) });
    sort();
    follow();
    drawRows();
  };
  const pick = (rank) => choose({ unit: units[Math.max(0, Math.min(units.length - 1, rank))] });

  list.addEventListener("scroll", () => {
    scrolled = list.scrollTop;
    drawRows();
  });
  list.addEventListener("click", (event) => {
    const row = event.target.closest("[role=option]");
    if (row) choose({ unit: Number(row.dataset.unit) });
  });
  list.addEventListener("keydown", (event) => {
    const page = UNIT_ROWS - 1;
    const by = { ArrowUp: -1, ArrowDown: 1, PageUp: -page, PageDown: page, Home: -Infinity, End: Infinity }[event.key];
    if (!by || event.ctrlKey || event.metaKey || event.altKey) return positionKey(event, choice.text);
    pick(units.indexOf(choice.unit) + by);
    event.preventDefault();
  });
  search.addEventListener("input", () => {
    sort();
    scrollTo(0);
    drawRows();
  });
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && units.length) pick(0);
  });
  sorting.addEventListener("change", () => {
    by = sorting.value;
    sort();
    scrollTo(0);
    follow();
    drawRows();
  });
  onChoice((changed) => {
    if (["language", "layer", "shown"].some((name) => changed.has(name))) return drawSoon(finder, drawAll);
    if (waiting.has(finder)) return;
    if (["positions", "text", "unit"].some((name) => changed.has(name))) drawSoon(finder, drawMoved);
  });
}

function unitRow(unit, rank, count, columnsShown) {
  const row = make("div", { role: "option", id: `unit-${unit}`, "aria-selected": String(unit === choice.unit) });
  row.setAttribute("aria-setsize", String(count));
  row.setAttribute("aria-posinset", String(rank + 1));
  row.dataset.unit = unit;
  row.style.top = `${UNIT_ROW * rank}px`;
  const spoken = [`${say("unit")} ${unit}`];
  row.append(make("span", {}, String(unit)));
  for (const [name, values, most] of columnsShown) {
    const { says, length } = UNIT_COLUMNS[name];
    const text = says(values[unit], unit);
    spoken.push(`${say(name)} ${text}`);
    row.append(bar(text, length(values[unit], most), name === "halfLife" ? "gate" : values[unit] < 0 ? "against" : ""));
  }
  row.setAttribute("aria-label", spoken.join(", "));
  return row;
}
