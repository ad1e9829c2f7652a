// The story: the moments that tell most (moments.js), each as a sentence with its numbers, a picture and a way to it. It is
// found anew for other traces: at once when the page opens, later when the reader pauses.

const RESTED = 250; // milliseconds without another text: the story is not told between two keys
const CONTEXT = 12; // characters by which a place in the text is named

function buildStory() {
  const list = byId("moments");
  let told = null; // the traces that it was found for
  let moments = [];
  let timer = null;
  let width = 0; // pixels of a picture, known once one was laid out

  const draw = () => {
    byId("story-says").textContent = say(moments.length ? "storySays" : traces.every(isDull) ? "storyDull" : "storyNothing");
    list.replaceChildren(...moments.map(momentCard));
    drawPictures();
    resized.disconnect();
    if (moments.length) resized.observe(list.querySelector(".picture"));
  };
  const drawPictures = () => {
    if (list.ariaBusy === "true" || !width) return;
    list.querySelectorAll(".picture").forEach((picture, k) => picture.replaceChildren(momentPicture(moments[k], width)));
  };
  const resized = new ResizeObserver(([{ contentRect }]) => {
    if (contentRect.width === width) return;
    width = contentRect.width;
    drawPictures();
  });
  const search = (finding) => {
    const until = performance.now() + SLICE;
    let step = finding.next();
    while (!step.done && performance.now() < until) step = finding.next();
    if (!step.done) {
      timer = setTimeout(search, 0, finding);
      return;
    }
    moments = step.value;
    list.ariaBusy = "false";
    draw();
  };
  onChoice((changed) => {
    if (!changed.has("traces") && !changed.has("language")) return;
    if (told === traces) {
      if (list.ariaBusy !== "true") draw();
      return;
    }
    clearTimeout(timer);
    list.ariaBusy = "true"; // what it tells is of other traces
    if (told) timer = setTimeout(() => search(findMoments()), RESTED);
    else search(findMoments());
    told = traces;
  });
}

function momentCard(moment) {
  const { kind, text, from = 0, at } = moment;
  const unit = unitName(moment.layer, moment.unit);
  const name = kind[0].toUpperCase() + kind.slice(1);
  const button = make("button", { type: "button" }, say(`go${name}`, { unit }));
  button.addEventListener("click", () => byId("moments").ariaBusy === "true" || goTo(moment));
  const title = say(`title${name}`, { unit });
  const says = say(`picture${name}`, { unit, from: counted(text, from), at: counted(text, at) });
  const caption = make("figcaption", { className: "note" }, says);
  if (kind === "apart") {
    ["first", "second"].forEach((which, k) => caption.append(" ", make("span", { className: `key of-${k}` }, say(which))));
  }
  return make(
    "li",
    { className: kind },
    make("h3", {}, traces.length > 1 && kind !== "apart" ? say(text ? "storyInSecond" : "storyInFirst", { title }) : title),
    make("p", {}, MOMENT_WORDS[kind](moment, unit).join(language === "zh" ? "" : " ")),
    make("figure", {}, make("div", { className: "picture" }), caption),
    button,
  );
}

// The sentences of each kind of moment.
const MOMENT_WORDS = {
  decides: ({ text, at, from, share, token, rival, logit, margin }, unit) => {
    const trace = traces[text];
    const tokens = { token: quoted(trace.labels[token]), rival: quoted(trace.labels[rival]) };
    const odds = { with: inPercent(oneOfTwo(margin)), without: inPercent(oneOfTwo(margin - logit)) };
    return [
      say(at + 1 < trace.length ? "decidesCame" : "decidesExpected", { at: where(text, at), ...tokens }),
      say("decidesSays", { unit, logit: coarse(logit), ...tokens, ...odds }),
      say("decidesWritten", { share: inPercent(share), distance: at - from, from: where(text, from) }),
    ];
  },
  apart: (moment, name) => {
    const { layer, unit, at, other, from, otherFrom, lasted } = moment;
    const state = (text, t) => coarse(momentValue("apart", text, layer, unit, t));
    const begins = { unit: name, from: where(0, from), first: state(0, from), second: state(1, otherFrom) };
    const then = { distance: lasted, at: where(0, at), firstThen: state(0, at), secondThen: state(1, other) };
    const holds = say("apartHolds", { ...begins, ...then });
    return moment.labels ? [holds, ...forkWords(moment)] : [holds];
  },
  memory: ({ text, at, from, share, half }, unit) => [
    say("memorySays", {
      unit,
      at: where(text, at),
      share: inPercent(share),
      distance: Math.abs(at - from),
      from: where(text, from),
    }),
    say(half === null ? "memoryUsualNone" : half > 1 ? "memoryUsual" : "memoryUsualNow", { half }),
  ],
  hides: ({ text, layer, unit, at, share, usual }, name) => {
    const of = traces[text].layers[layer];
    const reset = of.reset[at * of.units + unit].toFixed(2);
    const state = coarse(pastOf(of, at, traces[text].length)[unit]);
    return [
      say("hidesSays", { at: where(text, at), share: inPercent(share), usual: inPercent(usual) }),
      say("hidesUnit", { unit: name, state, reset }),
    ];
  },
};

// What decides between the two texts' next tokens.
function forkWords({ layer, unit, at, other, rank, labels, all, logit, says, margin }) {
  const tokens = { token: quoted(labels[0]), rival: quoted(labels[1]) };
  const plain = (value) => coarse(value).replace("+", "");
  const speaker = unitName(says.layer, says.unit);
  const parts = { all: plain(all), logit: plain(logit ?? 0), most: plain(says.logit), speaker };
  const same = says.layer === layer && says.unit === unit;
  const came = rank === 2 && at + 1 < traces[0].length && other + 1 < traces[1].length;
  const words = [say(came ? "apartForks" : "apartExpects", tokens), say(same ? "apartSelf" : "apartOther", parts)];
  if (!same || !Number.isFinite(margin)) return words;
  const odds = { with: inPercent(oneOfTwo(margin)), without: inPercent(oneOfTwo(margin - logit)) };
  return [...words, say("apartSwapped", { ...tokens, ...odds })];
}

// A unit's number, and its layer where there are several.
function unitName(layer, unit) {
  const { layers } = traces[0];
  return layers.length > 1 ? say("storyUnit", { unit, layer: layers[layer].name }) : String(unit);
}

// A place in a sentence: what was read last there, or the step's number.
function where(text, t) {
  const { tokens } = traces[text];
  if (!tokens) return say("storyStep", { position: counted(text, t) });
  return say("storyToken", { token: isolated(readUntil(tokens, t)) });
}

// The token and some before it, from the beginning of a word where there is one.
function readUntil(tokens, t) {
  let [before, s] = ["", t];
  while (s > 0 && before.length < CONTEXT) before = seen(tokens[--s].replace(/\s/g, " ")) + before;
  return (s > 0 ? `…${before.replace(/^\S* (?=\S)/, "")}` : before) + sign(tokens[t]);
}

function quoted(token) {
  return say("storyToken", { token: isolated(visible(token)) });
}

function inPercent(value) {
  if (value > 0.995 && value < 1) return "> 99%";
  return value > 0 && value < 0.005 ? "< 1%" : `${Math.round(100 * value)}%`;
}

function coarse(value) {
  const size = Math.abs(value).toFixed(2);
  return Number(size) ? (value < 0 ? "−" : "+") + size : size;
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
  const map = { apart: "map-hidden", hides: "map-reset" }[kind];
  const view = map ? byId(map).querySelector(".map") : byId(`text-${text}`);
  (map ? byId(map) : view.closest("section")).scrollIntoView();
  view.focus({ preventScroll: true });
}
