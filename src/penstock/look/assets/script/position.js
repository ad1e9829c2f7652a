// The chosen position in words and numbers: what was expected, what came, and where the state was written.

const LISTED = 8;

function buildPosition(text) {
  const panel = make("div", { className: "position", id: `position-${text}` });
  const update = () => {
    const trace = traces[text];
    const t = choice.positions[text];
    const heading = say(layerOf(text).reverse ? "readFromEndAt" : "afterPosition", { position: counted(text, t) });
    panel.replaceChildren(
      make(
        "div",
        {},
        make("h3", {}, heading, ...(trace.tokens ? [" ", inContext(trace, t)] : [])),
        ...(trace.numeric ? [make("p", { className: "note" }, rowsInWords(trace, t))] : []),
        ...(trace.expected ? expectation(trace, t) : []),
        ...(trace.channels ? [inputTable(trace, t)] : []),
      ),
      choice.bars === "contributions" ? contributionTable(text) : attentionTable(text),
    );
    if (text === choice.text) announce(text);
  };
  return { element: panel, update };
}

function expectation(trace, t) {
  const came = t + 1 < trace.length;
  const rows = trace.expected[t].map((label, k) => {
    const p = trace.probabilities[t][k];
    const name = tokenName(trace.labels[label]);
    if (came && label === trace.spokenFor[t]) name.classList.add("came");
    return [name, bar(share(p ?? NaN), p ?? 0)];
  });
  const parts = [];
  if (trace.surprise[t] !== null) {
    parts.push(make("p", { className: "note" }, say("tokenSurprise", { bits: bits(trace.surprise[t]) })));
  }
  parts.push(table(say("expected"), [say("token"), say("probability")], rows));
  const next = make("p", { className: "next" });
  if (!came) next.append(say("nothingNext"));
  else {
    const token = tokenName(trace.tokens[t + 1]);
    token.classList.add("came");
    next.append(`${say("cameNext")}: `, token, ` · ${bits(trace.surprise[t + 1])} ${say("bits")}`);
  }
  parts.push(next);
  return parts;
}

// White space by its name, which is not to be taken for a token.
function tokenName(token) {
  return make("bdi", { className: token in NAMED ? "token named" : "token" }, visible(token));
}

function inputTable(trace, t) {
  const listed = [...trace.channels.keys()];
  // those that say something first
  if (trace.numeric) listed.sort((a, b) => Number(isSame(trace.channels[a])) - Number(isSame(trace.channels[b])));
  const rows = listed.slice(0, LISTED).map((c) => [channelName(trace, c), readIn(trace, c, t)]);
  return table(say("values"), [say("input"), say("value")], rows);
}

function isSame(values) {
  return values.every((value) => value === values[0]);
}

function attentionTable(text) {
  const row = rowOf(text, "attention");
  const most = largest(row);
  const rows = largestFirst(row).slice(0, LISTED).filter((k) => row[k] > 0);
  if (!rows.includes(0)) rows.push(0); // what came before always
  return table(say("writtenAt"), [say("position"), say("weight")], rows.map((k) => [
    place(text, k - 1),
    bar(share(row[k]), row[k] / most),
  ]));
}

function contributionTable(text) {
  const trace = traces[text];
  const t = choice.positions[text];
  const row = rowOf(text, "contributions");
  const most = largest(row);
  const rows = largestFirst(row.map(Math.abs)).slice(0, LISTED).filter((k) => row[k] !== 0);
  const token = `‘${visible(trace.labels[trace.spokenFor[t]])}’`;
  const caption = say(t + 1 < trace.length ? "spokeFor" : "spokeForTop", { token });
  return table(caption, [say("position"), say("contribution")], rows.map((k) => [
    place(text, k - 1),
    bar(signed(row[k]), Math.abs(row[k]) / most, row[k] < 0 ? "against" : ""),
  ]));
}

// A step as a button that chooses it; −1 is what came before.
function place(text, t) {
  if (t < 0) return make("span", { className: "muted", title: say("beforeLong") }, say("before"));
  const button = make("button", { type: "button", className: "place" }, make("span", { className: "number" }, String(counted(text, t))));
  if (traces[text].tokens) button.append(" ", inContext(traces[text], t));
  button.addEventListener("click", () => {
    choosePosition(text, t);
    byId(`text-${text}`).focus();
  });
  return button;
}

// A token among its neighbours, which single characters need to be recognised by.
function inContext(trace, t) {
  const flat = (from, to) => trace.tokens.slice(from, to).filter((token) => !BYTE_PART.test(token))
    .map((token) => seen(token.replace(/\s/g, " "))).join("");
  return make(
    "bdi",
    { className: "context" },
    make("span", { className: "muted" }, Array.from(flat(Math.max(0, t - 6), t)).slice(-12).join("")),
    make("strong", {}, sign(trace.tokens[t])),
    make("span", { className: "muted" }, Array.from(flat(t + 1, t + 4)).slice(0, 6).join("")),
  );
}

function announce(text) {
  const trace = traces[text];
  const layer = layerOf(text);
  const t = choice.positions[text];
  const row = rowOf(text, "attention");
  const name = (s) => (s < 0 ? say("before") : positionName(text, s));
  const most = largestFirst(row).slice(0, 3).filter((k) => row[k] > 0).map((k) => `${name(k - 1)} (${share(row[k])})`);
  const parts = [
    say("announce", {
      position: counted(text, t),
      token: trace.tokens ? visible(trace.tokens[t]) : trace.channels.slice(0, 3).map((_, c) => readLast(trace, c, t)).join(", "),
      write: share(writtenOf(text)[t]),
      most: most.join(", "),
    }),
  ];
  if (trace.surprise && t + 1 < trace.length) parts.push(say("announceNext", { bits: bits(trace.surprise[t + 1]) }));
  if (choice.unit !== null) parts.unshift(say("announceUnit", { unit: choice.unit, life: life(layer, choice.unit) }));
  if (choice.span) {
    const kept = held(layer, choice.span);
    const unit = largestFirst(kept)[0];
    parts.unshift(say("announceSpan", { from: counted(text, choice.span[0]), to: counted(text, choice.span[1]), unit, share: share(kept[unit]) }));
  }
  byId("announcement").textContent = parts.join(" ");
}
