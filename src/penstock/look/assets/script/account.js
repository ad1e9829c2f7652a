// What moved the answer: gradient × value of each input column at each row, orange for the answer and blue against it.

const ACCOUNT_ROW = 20; // pixels of a column

function buildAccount(text) {
  const trace = traces[text];
  const { account, accountOf } = trace.numeric;
  const R = rowCount(trace);
  const names = account.map((_, c) => c);
  const canvas = make("canvas", { width: R, height: account.length });
  const marker = make("div", { className: "marker column" });
  const map = make("div", { className: "account-map", role: "img" }, canvas, marker);
  map.style.height = `${Math.max(40, ACCOUNT_ROW * account.length)}px`;
  const gutter = make("div", { className: "account-names", "aria-hidden": "true" });
  const axis = make("div", { className: "axis", "aria-hidden": "true" });
  const says = make("p");
  const sums = make("div");
  const title = make("h3");
  const most = account.reduce((all, row) => Math.max(all, largest(row.map(Math.abs))), 0) || 1;
  const nameOf = (c) => (trace.numeric.gap && c === account.length - 1 ? say("gap") : channelName(trace, c));
  const steps = trace.length * sizeOf(trace);

  const cellAt = (event) => {
    const box = map.getBoundingClientRect();
    const within = (share, size) => Math.max(0, Math.min(size - 1, Math.floor(share * size)));
    return [within((event.clientY - box.top) / box.height, account.length), Math.min(R - 1, within((event.clientX - box.left) / box.width, steps))];
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
    paint(canvas, (row, c) => scales.signed.pixels[shade(0.5 + 0.5 * Math.sign(account[c][row]) * Math.sqrt(Math.abs(account[c][row]) / most))]);
    const ticks = rowTicks(trace, R, trace.length, map.clientWidth || 600, 4);
    placeLabels(axis, ticks, trace.length);
  };
  const update = (changed) => {
    if (changed.has("language")) {
      title.textContent = say("ofSeries", { id: trace.numeric.id });
      const of = bySum();
      const [first] = of;
      const about = say(trace.numeric.asked === "forecast" ? "accountOfForecast" : "accountOfAnswer", { of: isolated(accountOf) });
      const most = { column: isolated(nameOf(first.c)), sum: signedPlain(first.sum) };
      says.textContent = [about, ...(of.length > 1 ? [say("accountMost", most)] : [])].join(language === "zh" ? "" : " ");
      map.setAttribute("aria-label", says.textContent);
      gutter.replaceChildren(...names.map((c) => make("span", { title: nameOf(c) }, nameOf(c))));
      const top = largest(of.map(({ sum }) => Math.abs(sum))) || 1;
      const rows = of.slice(0, LISTED).map(({ c, sum }) => [
        nameOf(c), bar(signedPlain(sum), Math.abs(sum) / top, sum < 0 ? "against" : ""),
      ]);
      if (of.length > 1) sums.replaceChildren(table(say("accountSums"), [say("input"), say("accountSum")], rows));
    }
    if (changed.has("language") || changed.has("theme")) drawSoon(map, draw);
    const t = choice.positions[text];
    Object.assign(marker.style, { left: `${(100 * t) / trace.length}%`, width: `${100 / trace.length}%` });
  };
  const bySum = () => account.map((row, c) => ({ c, sum: row.reduce((sum, value) => sum + value, 0) }))
    .sort((a, b) => Math.abs(b.sum) - Math.abs(a.sum));
  const element = make("div", { className: "account" }, title, says, make("div", { className: "account-figure" }, gutter, make("div", {}, map, axis)), sums);
  return { element, update, close: () => drawNever(map) };
}

function signedPlain(value) {
  return (value > 0 ? "+" : "") + plain(value);
}
