// What a model of series answered: after each row, what would be the answer if the series ended there; or a forecast with its
// interval. In words, and as lines above which the chosen step is marked.

function buildAnswer(text) {
  const trace = traces[text];
  const { asked, answers, surprise } = trace.numeric;
  const apart = asked === "numbers" && !surprise; // each on a scale that fits it
  const groups = apart ? onScales(answers).drawn.concat(onScales(answers).constant.map((k) => [k])) : [null];
  const name = make("h3");
  const says = make("p", { className: "answer-says" });
  const charts = groups.map(() => make("div", { className: "chart", role: "img" }));
  const style = (variable) => getComputedStyle(document.documentElement).getPropertyValue(variable);
  const count = asked === "forecast" ? rowCount(trace) + trace.numeric.answers[0].length : rowCount(trace);
  const drawn = groups.map((of, g) => drawnLines(charts[g], {
    height: groups.length > 1 ? 150 : 220,
    most: 12,
    axis: () => rowAxis(trace, count),
    lines: () => answerLines(trace, style, of),
    ...(surprise && { fromZero: true }),
    ...(!surprise && (asked === "class" || asked === "labels") && { range: [0, 1.02] }),
    bands: () => (asked === "forecast" ? [{ series: [2, 3], fill: style("--gate-soft") }] : []),
    position: () => choice.positions[text],
    choose: (t) => choosePosition(text, Math.min(t, trace.length - 1)),
    mark: () => (asked === "class" && trace.numeric.whole ? placeOfRow(trace, trace.numeric.decided) : null),
  }));
  const update = (changed) => {
    if (changed.has("language")) {
      name.textContent = say("ofSeries", { id: trace.numeric.id });
      says.textContent = answerInWords(trace).join(language === "zh" ? "" : " ");
      for (const chart of charts) chart.setAttribute("aria-label", says.textContent);
    }
    for (const lines of drawn) {
      if (changed.has("theme") || changed.has("language")) lines.draw();
      else lines.mark();
    }
  };
  const close = () => drawn.forEach((lines) => lines.close());
  return { element: make("div", { className: "answer" }, name, says, ...charts), update, close };
}

// ``of`` says which of the numbers, where they stand apart.
function answerLines(trace, style, of) {
  const { asked, names, answers, truths, surprise } = trace.numeric;
  if (asked === "forecast") {
    const behind = (values) => [...Array(rowCount(trace)).fill(null), ...values];
    const [low, middle, high] = answers;
    const known = [...trace.channels[0], ...Array(middle.length).fill(null)];
    return [
      { label: names[0], values: blanks(known), colour: style("--ink") },
      { label: say("quantile", { q: 0.9 }), values: behind(high), colour: style("--gate"), thin: true },
      { label: say("quantile", { q: 0.1 }), values: behind(low), colour: style("--gate"), thin: true },
      { label: say("median"), values: behind(middle), colour: style("--gate") },
      ...(truths[0].some((value) => value === value)
        ? [{ label: say("truth"), values: behind(blanks(truths[0])), colour: style("--ink"), dash: [4, 3] }]
        : []),
    ];
  }
  if (surprise) return [{ label: say("surprise"), values: surprise, colour: style("--gate") }];
  const which = of ?? [...answers.keys()];
  const told = which.map((k) => ({ label: names[k], values: answers[k], colour: channelColour(k) }));
  if (asked !== "numbers") return told;
  const true_ = which.map((k) => ({
    label: say("truthOf", { name: names[k] }),
    values: blanks(truths[k]),
    colour: channelColour(k),
    dash: [4, 3],
  }));
  return [...told, ...true_.filter((line) => line.values.some((value) => value !== null))];
}

// null in the place of NaN, where a line has a gap.
function blanks(values) {
  return Array.from(values, (value) => (value === value ? value : null));
}

function answerInWords(trace) {
  const { numeric } = trace;
  if (numeric.asked === "forecast") return forecastInWords(trace);
  if (numeric.surprise) return surpriseInWords(trace);
  const last = rowCount(trace) - 1;
  if (numeric.asked === "class") {
    const k = numeric.names.indexOf(numeric.told);
    const told = { told: isolated(numeric.told), p: inPercent(numeric.answers[k][last]) };
    if (!numeric.whole) return [say("answerClassLast", told)];
    const truth = numeric.truth === null ? [] : [numeric.truth === numeric.told ? say("answerRight") : say("answerWrong", { truth: isolated(numeric.truth) })];
    const { decided } = numeric;
    const where = { row: rowName(trace, decided), last: countedRow(trace, last), share: inPercent((decided + 1) / (last + 1)) };
    const when = decided === 0 ? say("decidedFirst") : decided === last ? say("decidedLast") : say("decidedAt", where);
    return [say("answerClass", told), ...truth, when];
  }
  const listed = numeric.names.slice(0, LISTED).map((name, k) => {
    const value = numeric.answers[k][last];
    const truth = numeric.truths[k]?.[last];
    const told = `${isolated(name)} ${numeric.asked === "labels" ? inPercent(value) : plain(value)}`;
    return truth === truth && truth !== undefined ? say("toldAndTrue", { told, truth: plain(truth) }) : told;
  });
  return [say(numeric.whole ? "answerIs" : "answerAtLast", { row: rowName(trace, last), listed: listed.join(language === "zh" ? "，" : ", ") })];
}

function forecastInWords(trace) {
  const { names, answers, truths } = trace.numeric;
  const [low, , high] = answers;
  const known = Array.from(truths[0].keys()).filter((k) => truths[0][k] === truths[0][k]);
  const inside = known.filter((k) => low[k] <= truths[0][k] && truths[0][k] <= high[k]).length;
  const after = rowName(trace, rowCount(trace) - 1);
  return [
    say("answerForecast", { count: low.length, name: isolated(names[0]), after }),
    ...(known.length ? [say("forecastInside", { inside, known: known.length })] : []),
  ];
}

function surpriseInWords(trace) {
  const { surprise, asked, leastExpected: row } = trace.numeric;
  if (row === null) return [say("answerNext")];
  const size = say(asked === "numbers" ? "inSpreads" : "inBits", { size: surprise[row].toFixed(2) });
  return [say("answerNext"), say("leastExpected", { row: rowName(trace, row), size })];
}

function explainAnswer() {
  const { asked, next, whole } = traces[0].numeric;
  const kind = next ? "next" : asked === "forecast" ? "forecast" : asked === "class" && whole ? "class" : whole ? "whole" : "steps";
  byId("answer-explained").textContent = say(`answerSays_${kind}`);
  byId("answer-caution").textContent = say(`answerSaysNot_${kind}`);
}

// Of all series of the file, how often each class was answered for each.
function buildConfusion(confusion) {
  byId("confusion").hidden = !confusion;
  if (!confusion) return;
  onChoice((changed) => {
    if (!changed.has("language") && !changed.has("theme")) return;
    const { classes, counts } = confusion;
    const cells = counts.map((row) => {
      const sum = row.reduce((all, count) => all + count, 0);
      return row.map((count) => bar(String(count), sum ? count / sum : 0, "gate"));
    });
    const right = counts.reduce((sum, row, k) => sum + row[k], 0);
    const all = counts.flat().reduce((sum, count) => sum + count, 0);
    byId("confusion").replaceChildren(
      make("h3", {}, say("confusion")),
      make("p", {}, say("confusionSays", { right, all, share: inPercent(right / all) })),
      make("div", { className: "scrolled", tabIndex: 0, role: "region", "aria-label": say("confusion") },
        table(say("confusionRows"), [say("truth"), ...classes], classes.map((name, k) => [name, ...cells[k]]))),
    );
  });
}

// The losses of a run, step by step.
function buildCurve(curve) {
  byId("curve").hidden = !curve;
  if (!curve) return;
  const xs = [...new Set([...curve.steps, ...curve.heldOutSteps])].sort((a, b) => a - b);
  const placed = (steps, values) => {
    const of = new Map(steps.map((step, k) => [step, values[k]]));
    return xs.map((x) => of.get(x) ?? null);
  };
  const style = (variable) => getComputedStyle(document.documentElement).getPropertyValue(variable);
  const last = xs.at(-1);
  const ticks = (width) => {
    const every = TICKS.concat(1e5, 2e5, 5e5, 1e6, 1e7).find((steps) => (steps / last) * width >= 60) ?? last;
    return Array.from({ length: Math.floor(last / every) + 1 }, (_, k) => ({ at: k * every, label: String(k * every) }));
  };
  const chart = drawnLines(byId("curve-lines"), {
    height: 200,
    axis: () => ({ xs, range: [0, last * 1.01], ticks, name: (k) => String(Math.round(xs[k])) }),
    lines: () => [
      { label: say("curveTraining"), values: placed(curve.steps, curve.losses), colour: style("--muted"), thin: true },
      { label: say("curveHeldOut"), values: placed(curve.heldOutSteps, curve.heldOutLosses), colour: style("--gate"), dots: true },
    ],
    position: () => null,
    choose: () => {},
  });
  onChoice((changed) => {
    if (!changed.has("language") && !changed.has("theme")) return;
    const best = Math.min(...curve.heldOutLosses);
    const at = curve.heldOutSteps[curve.heldOutLosses.indexOf(best)];
    const means = curve.each > 1 ? [say("curveMeans", { each: curve.each })] : [];
    byId("curve-says").textContent = [
      ...(curve.heldOutLosses.length ? [say("curveSays", { best: plain(best), at: Math.round(at), last: Math.round(last) })] : []),
      ...means,
    ].join(language === "zh" ? "" : " ");
    byId("curve-lines").setAttribute("aria-label", say("curve"));
    chart.draw();
  });
}
