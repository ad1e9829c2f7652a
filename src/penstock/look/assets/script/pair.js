// Two sequences, aligned: where and in which units they differ.

function buildPair() {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);
  const chart = drawnLines(byId("apart"), {
    height: 190,
    fromZero: true,
    lines: () => [
      { label: `|Δh| ${say("hidden")}`, values: positionsApart("hidden"), colour: colour("--bar") },
      { label: `|Δz| ${say("update")}`, values: positionsApart("update"), colour: colour("--gate"), dash: [6, 3] },
      { label: `|Δr| ${say("reset")}`, values: positionsApart("reset"), colour: colour("--muted"), dash: [2, 3] },
    ],
    position: chosenColumn,
    choose: chooseColumn,
    named: namedColumns,
  });
  onChoice((changed) => {
    if (traces.length < 2) return;
    if (changed.has("theme") || changed.has("language") || changed.has("layer")) chart.draw();
    else chart.mark();
    if (changed.has("language") || changed.has("layer")) listApart();
  });
}

// The mean over units of the absolute difference, by aligned column; null where one has no counterpart.
function positionsApart(name) {
  const [a, b] = [layerOf(0)[name], layerOf(1)[name]];
  const H = layerOf(0).units;
  return columns.map(([s, t]) => {
    if (s === null || t === null) return null;
    let sum = 0;
    for (let u = 0; u < H; u++) sum += Math.abs(b[t * H + u] - a[s * H + u]);
    return sum / H;
  });
}

// The mean over aligned columns of the absolute difference, by unit.
function unitsApart(a, b) {
  const H = layerOf(0).units;
  const sum = new Float64Array(H);
  const matched = columns.filter(([s, t]) => s !== null && t !== null);
  for (const [s, t] of matched) for (let u = 0; u < H; u++) sum[u] += Math.abs(b[t * H + u] - a[s * H + u]);
  return sum.map((value) => value / Math.max(1, matched.length));
}

function listApart() {
  const byPosition = positionsApart("hidden").map((value) => value ?? 0);
  const byUnit = unitsApart(layerOf(0).hidden, layerOf(1).hidden);
  const header = (name) => [say(name), say("meanDifference")];
  const rows = (values, button) => {
    const most = Math.max(...values) || 1;
    const some = largestFirst(values).slice(0, LISTED).filter((k) => values[k] > 0);
    return some.map((k) => [button(k), bar(share(values[k]), values[k] / most)]);
  };
  const positions = rows(byPosition, (k) => place(0, columns[k][0]));
  byId("positions-apart").replaceChildren(
    positions.length ? table(say("positionsApart"), header("position"), positions) : make("p", {}, say("identical")),
  );
  const units = rows(byUnit, unitButton);
  byId("units-apart").replaceChildren(...(units.length ? [table(say("unitsApart"), header("unit"), units)] : []));
}
