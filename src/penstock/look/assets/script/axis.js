// What stands below the columns of a map or a chart: every token where there is room, else words where they stand, else
// positions.

const LETTER = 6.7; // pixels of a letter, or half of a Chinese character
const LONGEST_WORD = 12;
const APART = 8; // pixels between two words
const ROUND = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000];

// [{ at, label }], ``at`` in columns. ``tokenAt(column)`` is null for a sequence of numbers, whose steps begin at ``start``.
function axisLabels(count, width, tokenAt, start = 0) {
  const each = width / count;
  if (!tokenAt) return roundSteps(count, each, start);
  const signs = Array.from({ length: count }, (_, column) => sign(tokenAt(column)));
  if (each >= LETTER && signs.every((token) => wide(token) <= each - 1)) return signs.map((label, at) => ({ at, label }));
  const labels = [];
  let free = 0; // pixels from which on there is room
  for (const { from, to, word } of words(Array.from(signs.keys(), (column) => tokenAt(column)))) {
    const half = wide(word) / 2;
    const middle = Math.max(half, Math.min(width - half, ((from + to + 1) / 2) * each));
    if (middle - half < free) continue;
    labels.push({ at: middle / each - 0.5, label: word });
    free = middle + half + APART;
  }
  return labels;
}

function roundSteps(count, each, start) {
  const step = ROUND.find((steps) => steps * each >= 44) ?? 5000;
  const labels = [];
  for (let at = (step - (start % step)) % step; at < count; at += step) labels.push({ at, label: String(at + start) });
  return labels;
}

// Stretches without white space between them, each no longer than a word may be.
function* words(tokens) {
  let [from, word] = [0, ""];
  for (let column = 0; column <= tokens.length; column++) {
    const token = tokens[column] ?? " ";
    if (word && (!token || /^\s/.test(token) || word.length >= LONGEST_WORD)) {
      yield { from, to: column - 1, word: Array.from(word).slice(0, LONGEST_WORD).join("") };
      word = "";
    }
    if (!word) from = column;
    word += /^\s*$/.test(token) || BYTE_PART.test(token) ? "" : sign(token.trim());
  }
}

function wide(label) {
  return Array.from(label).reduce((sum, c) => sum + (/[\u1100-\u11ff\u2e80-\uffef]/.test(c) ? 2 : 1), 0) * LETTER;
}

function placeLabels(axis, labels, count) {
  axis.replaceChildren(...labels.map(({ at, label }) => {
    const placed = make("span", {}, label);
    placed.style.left = `${(100 * (at + 0.5)) / count}%`;
    return placed;
  }));
}
