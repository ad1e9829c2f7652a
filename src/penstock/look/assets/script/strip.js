// A numeric sequence: its channels as lines, and under them a strip that stands for the text, with the same shades and bars.

const STRIP_BAR = 40; // pixels of a full bar
const HUES = [250, 50, 160, 330, 95, 205, 20, 285]; // with alternating lightness

function buildStrip(text) {
  const trace = traces[text];
  const { drawn: groups, constant } = trace.numeric ? onScales(trace.channels) : { drawn: [[...trace.channels.keys()]], constant: [] };
  const charts = groups.map((_, k) => make("div", { className: k < groups.length - 1 ? "chart upper" : "chart", role: "img" }));
  const shades = make("canvas", { className: "shades", width: trace.length, height: 1 });
  const bars = make("canvas", { className: "bars", width: trace.length + 1, height: STRIP_BAR });
  const marker = make("div", { className: "marker column" });
  const span = make("div", { className: "marker spanned" });
  const before = make("div", { className: "bar" });
  const name = make("span");
  const room = make("div", { className: "before", "aria-hidden": "true" }, before, name);
  const strip = make(
    "div",
    { className: "strip", id: `text-${text}`, role: "slider", tabIndex: 0, "aria-valuemin": "0" },
    shades,
    bars,
    marker,
    span,
    room,
  );
  strip.setAttribute("aria-valuemax", String(trace.length - 1));
  const note = make("p", { className: "note" });

  const stepAt = (event) => {
    const box = strip.getBoundingClientRect();
    return Math.max(0, Math.min(trace.length - 1, Math.floor(((event.clientX - box.left) / box.width) * trace.length)));
  };
  strip.addEventListener("pointerdown", (event) => choosePosition(text, stepAt(event), { extend: event.shiftKey }));
  strip.addEventListener("pointermove", (event) => {
    if (event.buttons === 1 && event.pointerType === "mouse") choosePosition(text, stepAt(event), { extend: true });
    showTip(event, () => tokenTip(text, stepAt(event)));
  });
  strip.addEventListener("pointerleave", hideTip);
  strip.addEventListener("keydown", (event) => positionKey(event, text));

  const channels = groups.map((of, k) => drawnLines(charts[k], {
    height: groups.length === 1 ? 200 : groups.length < 4 ? 130 : 90,
    bare: k < groups.length - 1,
    lines: () => of.map((c) => ({ label: channelName(trace, c), values: blanks(trace.channels[c]), colour: channelColour(c), said: (value) => valueName(trace, c, value) })),
    position: () => choice.positions[text],
    choose: (t) => choosePosition(text, Math.min(t, trace.length - 1)),
    axis: () => rowAxis(trace),
  }));

  const update = (changed) => {
    const t = choice.positions[text];
    if (changed.has("language")) {
      for (const [k, chart] of charts.entries()) {
        chart.setAttribute("aria-label", `${say("inputs")}: ${groups[k].map((c) => channelName(trace, c)).join(", ")}`);
      }
      strip.setAttribute("aria-label", say("position"));
      const shown = groups.flat().length + constant.length;
      name.textContent = say("before");
      room.title = say("beforeLong");
      const same = constant.slice(0, LISTED).map((c) => `${channelName(trace, c)} ${valueName(trace, c, trace.channels[c].find((value) => value === value) ?? NaN)}`);
      note.textContent = [
        ...(same.length ? [say("columnsConstant", { columns: same.join(language === "zh" ? "，" : ", ") + (constant.length > LISTED ? " …" : "") })] : []),
        ...(shown < trace.channelCount ? [say(trace.numeric ? "columnsShown" : "channelsShown", { shown, count: trace.channelCount })] : []),
      ].join(" ");
    }
    if (changed.has("theme") || changed.has("language")) for (const chart of channels) chart.draw();
    if (changed.has("layer") || changed.has("unit") || changed.has("theme")) {
      const written = writtenOf(text);
      const range = writtenRange();
      paint(shades, (x) => scales.text.pixels[writtenShade(written[x], range)]);
    }
    const heights = barHeights(rowOf(text, choice.bars));
    drawBars(bars, heights.subarray(1));
    before.style.height = `${heights[0] * STRIP_BAR}px`;
    const left = (at) => `${(100 * at) / trace.length}%`;
    Object.assign(marker.style, { left: left(t), width: left(1) });
    span.hidden = !choice.span || choice.text !== text;
    const [from, to] = choice.span ?? [0, 0];
    Object.assign(span.style, { left: left(from), width: left(to - from + 1) });
    strip.setAttribute("aria-valuenow", String(t));
    strip.setAttribute("aria-valuetext", `${say("position")} ${counted(text, t)}`);
    for (const chart of channels) chart.mark();
  };
  return { element: make("div", { className: "sequence" }, ...charts, strip, note), update, close: () => channels.forEach((chart) => chart.close()) };
}

// More pixels than steps, so that a bar keeps its edges.
function drawBars(canvas, heights) {
  const each = Math.max(1, Math.round(1600 / heights.length));
  canvas.width = each * heights.length;
  const context = canvas.getContext("2d");
  context.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--bar");
  heights.forEach((height, t) => {
    const tall = height * STRIP_BAR;
    context.fillRect(t * each, STRIP_BAR - tall, each, tall);
  });
}

function channelName(trace, c) {
  return trace.channelNames?.[c] ?? say("channel", { number: c });
}

function channelColour(c) {
  const dark = document.documentElement.dataset.theme === "dark";
  const [r, g, b] = rgb(oklab([(dark ? 0.76 : 0.52) + (c % 2 ? 0.06 : -0.04), 0.1, HUES[c % HUES.length] + 9 * Math.floor(c / 8)]));
  return `rgb(${r} ${g} ${b})`;
}
