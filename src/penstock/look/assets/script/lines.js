// Lines over the positions, by uPlot, with a mark at the chosen one.

const AXIS = 52; // pixels left of the lines; the strip of a numeric sequence keeps the same
const PAPER = 640;

// ``lines()`` gives [{ label, values, colour }], ``position()`` what to mark, ``choose(t)`` follows a click. ``named()`` gives the
// steps, the token of each or null, its name, and the first step's number; ``axis()`` more: where each value stands, in steps,
// the range of that, what is written below it, and the name of each value. ``mark()`` is another place to mark.
function drawnLines(element, { height, lines, position, choose, named, axis: placed = () => stepAxis(named), mark: also = () => null, ...look }) {
  const { unit = () => "", fromZero = false, range = null, bands = () => [], bare = false, most = 8 } = look;
  let chart = null;
  const marker = make("div", { className: "marker line" });
  const second = make("div", { className: "marker line decided" });
  // on paper, whose width no element has yet when the charts are drawn for it
  const width = () => Math.max(200, Math.floor(paper.matches ? Math.min(PAPER, element.clientWidth) : element.clientWidth));

  const draw = () => drawSoon(element, drawAll);

  function drawAll() {
    chart?.destroy();
    const shown = lines();
    const style = getComputedStyle(document.documentElement);
    const ink = style.getPropertyValue("--muted");
    const axis = {
      stroke: ink,
      grid: { stroke: style.getPropertyValue("--grid"), width: 1 },
      ticks: { show: false },
      font: `12px ${style.getPropertyValue("--sans")}`,
    };
    const { xs, range: across } = placed();
    const labels = (drawn) => placed().ticks(drawn.bbox.width / devicePixelRatio); // of what is shown by then
    chart = new uPlot(
      {
        width: width(),
        height,
        padding: [8, 8, 0, 0],
        legend: { show: shown.length <= most },
        cursor: { drag: { x: false, y: false }, y: false, points: { size: 6 } },
        scales: {
          x: { time: false, range: () => across },
          ...(range && { y: { range: () => range } }),
          ...(fromZero && { y: { range: (_, low, high) => [0, (high || 1) * 1.05] } }),
        },
        axes: [
          {
            ...axis,
            size: bare ? 4 : 28,
            splits: (drawn) => labels(drawn).map(({ at }) => at),
            values: (drawn) => labels(drawn).map(({ label }) => (bare ? "" : label)),
          },
          { ...axis, size: AXIS },
        ],
        series: [
          { label: say("position"), value: (_, x, __, k) => (k === null ? "–" : placed().name(k)) },
          ...shown.map((line) => ({
            label: line.label,
            stroke: line.colour,
            width: line.thin || shown.length > 8 ? 1 : 1.5,
            dash: line.dash,
            spanGaps: true,
            points: { show: line.dots || xs.length < 2 },
            value: (_, value) => (value == null ? "–" : line.said?.(value) ?? `${plain(value)} ${unit()}`),
          })),
        ],
        bands: bands(),
        hooks: { draw: [mark] }, // scales are known only then
      },
      [xs, ...shown.map((line) => line.values)],
      element,
    );
    chart.over.append(marker, second);
    chart.over.addEventListener("click", () => {
      const t = Math.round(chart.posToVal(chart.cursor.left, "x"));
      if (t >= 0 && t < across[1] + 0.5) choose(t);
    });
  }

  function mark() {
    if (!chart || waiting.has(element)) return; // it is marked when it is drawn
    for (const [line, t] of [[marker, position()], [second, also()]]) {
      line.hidden = t === null;
      if (t !== null) line.style.left = `${chart.valToPos(t, "x")}px`;
    }
  }

  const resized = new ResizeObserver(() => {
    if (!chart || chart.width === width()) return;
    chart.setSize({ width: width(), height });
    mark();
  });
  resized.observe(element);
  const close = () => {
    resized.disconnect();
    drawNever(element);
    chart?.destroy();
  };
  return { draw, mark, close };
}

// A value a step.
function stepAxis(named) {
  const [count, tokenAt, name, start] = named();
  const xs = Float64Array.from({ length: count }, (_, t) => t);
  return { xs, range: [-0.5, count - 0.5], ticks: (width) => axisLabels(count, width, tokenAt, start), name };
}

function buildSurprise() {
  const colours = ["--gate", "--bar"];
  const chart = drawnLines(byId("surprise"), {
    height: 170,
    fromZero: true,
    unit: () => say("bits"),
    lines: () => traces.map((trace, text) => ({
      label: traces.length > 1 ? say(text ? "secondText" : "firstText") : say("surprise"),
      values: columns.map((pair) => trace.surprise[pair[text]] ?? null),
      colour: getComputedStyle(document.documentElement).getPropertyValue(colours[text]),
      dash: text ? [5, 3] : undefined,
    })),
    position: chosenColumn,
    choose: chooseColumn,
    named: namedColumns,
  });
  onChoice((changed) => {
    if (!traces[0].surprise) return;
    if (["traces", "theme", "language"].some((name) => changed.has(name))) chart.draw();
    else chart.mark();
  });
}
