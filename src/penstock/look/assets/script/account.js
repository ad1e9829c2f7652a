// What moved the answer: gradient × value of each input column at each row, orange for the answer and blue against it.

const ACCOUNT_ROW = 20; // pixels of a column
const MOST_DRAWN = 24; // columns that are drawn: of more those that moved it most

function buildAccount(text) {
  const trace = traces[text];
  const { account, accountOf } = trace.numeric;
  const R = rowCount(trace);
  const bySum = account.map((row, c) => ({ c, sum: sumOf(row), size: sumOf(row.map(Math.abs)) }))
    .sort((a, b) => Math.abs(b.sum) - Math.abs(a.sum));
  const drawn = [...bySum].sort((a, b) => b.size - a.size).slice(0, MOST_DRAWN).map(({ c }) => c).sort((a, b) => a - b);
  const canvas = make("canvas", { width: R, height: drawn.length });
  const marker = make("div", { className: "marker column" });
  const map = make("div", { className: "account-map", role: "img" }, canvas, marker);
  map.style.height = `${Math.max(40, ACCOUNT_ROW * drawn.length)}px`;
  const gutter = make("div", { className: "account-names", "aria-hidden": "true" });
  const axis = make("div", { className: "axis", "aria-hidden": "true" });
  const says = make("p");
  const sums = make("div");
  const note = make("p", { className: "note" });
  const title = make("h3");
  const most = account.reduce((all, row) => Math.max(all, largest(row.map(Math.abs))), 0) || 1;
  const nameOf = (c) => (trace.numeric.gap && c === account.length - 1 ? say("gap") : channelName(trace, c));
  const steps = trace.length * sizeOf(trace);

  const cellAt = (event) => {
    const box = map.getBoundingClientRect();
    const within = (share, size) => Math.max(0, Math.min(size - 1, Math.floor(share * size)));
    return [drawn[within((event.clientY - box.top) / box.height, drawn.length)], Math.min(R - 1, within((event.clientX - box.left) / box.width, steps))];
  };
  onPlace(
    map,
    (event) => showTip(event, () => {
      const [c, row] = cellAt(event);
      const value = trace.channels[c]?.[row];
      return [
        `${nameOf(c)} · ${rowName(trace, row)}`,
        ...(value === undefined ? [] : [`${say("value")}: ${valueName(trace, c, value)}`]),
        `${say("accountOf")}: ${plain(account[c][row])}`,
      ];
    }),
    (event) => choosePosition(text, Math.floor(cellAt(event)[1] / sizeOf(trace))),
  );

  const draw = () => {
    canvas.style.width = `${(100 * R) / steps}%`;
    paint(canvas, (row, k) => {
      const value = account[drawn[k]][row] / most;
      return scales.signed.pixels[shade(0.5 + 0.5 * Math.sign(value) * Math.sqrt(Math.abs(value)))];
    });
    const ticks = rowTicks(trace, R, trace.length, map.clientWidth || 600, 4);
    placeLabels(axis, ticks, trace.length);
  };
  const update = (changed) => {
    if (changed.has("language")) {
      title.textContent = say("ofSeries", { id: trace.numeric.id });
      const [first] = bySum;
      const about = say(trace.numeric.asked === "forecast" ? "accountOfForecast" : "accountOfAnswer", { of: isolated(accountOf) });
      const top = { column: isolated(nameOf(first.c)), sum: signedPlain(first.sum) };
      says.textContent = [about, ...(bySum.length > 1 ? [say("accountMost", top)] : [])].join(language === "zh" ? "" : " ");
      map.setAttribute("aria-label", says.textContent);
      const count = trace.channelCount + Number(trace.numeric.gap);
      note.textContent = drawn.length < count ? say("columnsShown", { shown: drawn.length, count }) : "";
      gutter.replaceChildren(...drawn.map((c) => make("span", { title: nameOf(c) }, nameOf(c))));
      const longest = Math.abs(first.sum) || 1;
      const rows = bySum.slice(0, LISTED).map(({ c, sum }) => [
        nameOf(c), bar(signedPlain(sum), Math.abs(sum) / longest, sum < 0 ? "against" : ""),
      ]);
      if (bySum.length > 1) sums.replaceChildren(table(say("accountSums"), [say("input"), say("accountSum")], rows));
    }
    if (changed.has("language") || changed.has("theme")) drawSoon(map, draw);
    const t = choice.positions[text];
    Object.assign(marker.style, { left: `${(100 * t) / trace.length}%`, width: `${100 / trace.length}%` });
  };
  const element = make("div", { className: "account" }, title, says, make("div", { className: "account-figure" }, gutter, make("div", {}, map, axis)), note, sums);
  return { element, update, close: () => drawNever(map) };
}

function sumOf(values) {
  return values.reduce((sum, value) => sum + value, 0);
}

function signedPlain(value) {
  return (value > 0 ? "+" : "") + plain(value);
}
