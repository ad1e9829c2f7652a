// A pair, aligned: [position in the first, position in the second] a column, null where there is no counterpart.
let columns = [];

function align() {
  const [first, second = { length: 0 }] = traces;
  if (first.tokens && second.tokens) columns = fewestChanges(first.tokens, second.tokens);
  else columns = Array.from({ length: Math.max(first.length, second.length) }, (_, t) => inBoth(t, first, second));
}

function inBoth(t, first, second) {
  return [t < first.length ? t : null, t < second.length ? t : null];
}

function counterpart(text, t) {
  return columns.find((pair) => pair[text] === t)[1 - text];
}

// The chosen position as a column, and the other way round.
function chosenColumn() {
  return columns.findIndex((pair) => pair[choice.text] === choice.positions[choice.text]);
}

function chooseColumn(column) {
  const text = columns[column][choice.text] === null ? 1 - choice.text : choice.text;
  choosePosition(text, columns[column][text]);
}

// For an axis: how many columns, the token of each, its name, and the first one's number.
function namedColumns() {
  const tokenAt = (column) => {
    const [s, t] = columns[column];
    return s === null ? traces[1].tokens[t] : traces[0].tokens[s];
  };
  const name = (column) => {
    const names = traces.map((_, text) => {
      const t = columns[column][text];
      return t === null ? "–" : positionName(text, t);
    });
    return names.join(" / ");
  };
  return [columns.length, traces[0].tokens && tokenAt, name, traces[0].start];
}

const [PAIRED, FIRST_ALONE, SECOND_ALONE] = [0, 1, 2];

// The alignment with the fewest tokens replaced, left out or put in (Levenshtein 1966; Wagner and Fischer 1974). A token that
// replaces another is its counterpart.
function fewestChanges(a, b) {
  const wide = b.length + 1;
  const steps = new Uint8Array((a.length + 1) * wide); // how the best way to i tokens of a and j of b came there
  let above = Uint16Array.from({ length: wide }, (_, j) => j); // the changes needed
  steps.fill(SECOND_ALONE, 0, wide);
  for (let i = 1; i <= a.length; i++) {
    const here = new Uint16Array(wide);
    here[0] = i;
    steps[i * wide] = FIRST_ALONE;
    for (let j = 1; j < wide; j++) {
      const paired = above[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      const first = above[j] + 1;
      const second = here[j - 1] + 1;
      here[j] = Math.min(paired, first, second);
      steps[i * wide + j] = here[j] === paired ? PAIRED : here[j] === first ? FIRST_ALONE : SECOND_ALONE;
    }
    above = here;
  }
  const found = [];
  for (let i = a.length, j = b.length; i || j; ) {
    const step = steps[i * wide + j];
    found.push([step === SECOND_ALONE ? null : --i, step === FIRST_ALONE ? null : --j]);
  }
  return found.reverse();
}
