// The story: the moments that tell most (moments.js), each as a sentence with its numbers, a picture and a way to it. It is
// found anew for other traces: at once when the page opens, later when the reader pauses.

const CONTEXT = 10; // characters by which a place in the text is named

function buildStory() {
  const list = byId("moments");
  let told = null; // the traces that it was found for
  let moments = [];
  let timer = null;

  const draw = () => {
    if (list.inert) return;
    byId("story-says").textContent = say(moments.length ? "storySays" : traces.every(isDull) ? "storyDull" : "storyNothing");
    list.replaceChildren(...moments.map(momentCard));
    drawPictures();
  };
  const drawPictures = () => {
    if (list.inert) return;
    const figures = list.querySelectorAll(".picture");
    moments.forEach((moment, k) => figures[k].replaceChildren(momentPicture(moment, figures[k].clientWidth)));
  };
  const search = (finding) => {
    const until = performance.now() + SLICE;
    let step = finding.next();
    while (!step.done && performance.now() < until) step = finding.next();
    if (!step.done) return (timer = setTimeout(search, 0, finding));
    moments = step.value;
    list.inert = false;
    draw();
  };
  onChoice((changed) => {
    if (!changed.has("language")) return;
    if (told === traces) return draw();
    clearTimeout(timer);
    list.inert = true; // what it tells is of other traces
    if (told) timer = setTimeout(() => search(findMoments()), PAUSE);
    else search(findMoments());
    told = traces;
  });
  new ResizeObserver(drawPictures).observe(list);
}

function momentCard(moment) {
  const { unit } = moment;
  const name = moment.kind[0].toUpperCase() + moment.kind.slice(1);
  const button = make("button", { type: "button" }, say(`go${name}`, { unit }));
  button.addEventListener("click", () => goTo(moment));
  const key = make("figcaption", { className: "note" }, say(`picture${name}`, { unit }));
  if (moment.kind === "apart") {
    ["first", "second"].forEach((which, text) => key.append(" ", make("span", { className: `key of-${text}` }, say(which))));
  }
  return make(
    "li",
    {},
    make("h3", {}, say(`title${name}`, { unit })),
    make("p", {}, MOMENT_WORDS[moment.kind](moment).join(language === "zh" ? "" : " ")),
    make("figure", {}, make("div", { className: "picture" }), key),
    button,
  );
}

// The sentences of each kind of moment.
const MOMENT_WORDS = {
  decides: ({ text, unit, at, from, share, token, rival, logit, margin }) => {
    const trace = traces[text];
    const tokens = { token: quoted(trace.labels[token]), rival: quoted(trace.labels[rival]) };
    const came = say(at + 1 < trace.length ? "decidesCame" : "decidesExpected", { at: where(text, at), ...tokens });
    const without = percent(oneOfTwo(margin - logit));
    const says = say("decidesSays", { ...tokens, unit, logit: signed(logit), with: percent(oneOfTwo(margin)), without });
    const written = { share: percent(share), from: where(text, from), distance: at - from };
    return [came, says, say("decidesWritten", written)];
  },
  apart: ({ layer, unit, at, other, from, otherFrom, lasted, logit, all, labels, margin, swapped }) => {
    const state = (text, t) => signed(traces[text].layers[layer].hidden[t * traces[text].layers[layer].units + unit]);
    const begins = { from: where(0, from), other: where(1, otherFrom), first: state(0, from), second: state(1, otherFrom) };
    const holds = { distance: lasted, at: where(0, at), first: state(0, at), second: state(1, other) };
    const parts = [say("apartBegins", { unit, ...begins }), say("apartHolds", holds)];
    if (!logit) return parts;
    const tokens = { token: quoted(labels[0]), rival: quoted(labels[1]) };
    parts.push(say("apartDecides", { ...tokens, logit: signed(logit), all: signed(all) }));
    if (margin === null) return parts;
    const [before, after] = [percent(oneOfTwo(margin)), percent(oneOfTwo(swapped))];
    return [...parts, say("apartSwapped", { ...tokens, with: before, without: after })];
  },
  memory: ({ text, unit, at, from, share, half }) => {
    const numbers = { unit, at: where(text, at), share: percent(share), from: where(text, from), distance: Math.abs(at - from) };
    return [say("memorySays", numbers), half === null ? "" : say("memoryUsual", { half })];
  },
  hides: ({ text, layer, unit, at, share, usual }) => {
    const of = traces[text].layers[layer];
    const numbers = { unit, reset: number(of.reset[at * of.units + unit]), state: signed(pastOf(of, at, traces[text].length)[unit]) };
    return [say("hidesSays", { at: where(text, at), share: percent(share), usual: percent(usual) }), say("hidesUnit", numbers)];
  },
};

// A place in a sentence: what was read last there, or the step's number.
function where(text, t) {
  const { tokens } = traces[text];
  const place = tokens ? say("storyAt", { read: isolated(readUntil(tokens, t)), position: t }) : say("storyStep", { position: t });
  return traces.length > 1 ? say(text ? "storyOfSecond" : "storyOfFirst", { place }) : place;
}

function readUntil(tokens, t) {
  let [shown, s] = [sign(tokens[t]), t];
  while (s > 0 && shown.length < CONTEXT) shown = seen(tokens[--s].replace(/\s/g, " ")) + shown;
  return s > 0 ? `…${shown}` : shown;
}

function quoted(token) {
  return say("storyToken", { token: isolated(visible(token)) });
}

// Of its own direction, so that it does not turn the sentence around.
function isolated(words) {
  return `\u2068${words}\u2069`;
}

function percent(value) {
  if (value > 0.995 && value < 1) return "> 99%";
  return value > 0 && value < 0.005 ? "< 1%" : `${Math.round(100 * value)}%`;
}

// Chooses what a moment is about and goes to the view that shows it.
function goTo({ kind, text, layer, unit, at, other, from }) {
  const positions = [...choice.positions];
  positions[text] = at;
  const partner = other ?? counterpart(text, at);
  if (partner !== null && traces.length > 1) positions[1 - text] = partner;
  const span = kind === "memory" ? [Math.min(from, at), Math.max(from, at)] : null;
  const shown = traces.length < 2 ? 0 : kind === "hides" ? text : "difference";
  anchor = span ? from : at;
  choose({ text, positions, span, layer, unit, bars: "attention", shown });
  byId("layer").value = String(layer);
  for (const input of document.querySelectorAll("#bars input, #shown input")) {
    input.checked = input.value === String(choice[input.name]);
  }
  const map = { apart: "map-hidden", hides: "map-reset" }[kind];
  const view = map ? byId(map).querySelector(".map") : byId(`text-${text}`);
  (map ? byId(map) : view.closest("section")).scrollIntoView();
  view.focus({ preventScroll: true });
}
