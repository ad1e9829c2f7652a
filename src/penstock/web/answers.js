// What comes out of a model of series or of texts: probabilities of classes or of labels, or numbers of the columns' own size.

// Of outputs (…,) the answer, by its names: those of the classes, the labels or the columns.
export function answersOf({ kind, targets, classes, center, spread }) {
  const names = kind === "class" ? classes : targets;
  const numbers = (outputs) => {
    if (kind === "labels") return outputs.map((value) => 1 / (1 + Math.exp(-value)));
    if (kind === "numbers") return outputs.map((value, k) => value * spread[k] + center[k]);
    const most = Math.max(...outputs);
    const odds = outputs.map((value) => Math.exp(value - most));
    const sum = odds.reduce((a, b) => a + b);
    return odds.map((value) => value / sum);
  };
  return (outputs) => {
    const found = numbers(Array.from(outputs));
    return Object.fromEntries(names.map((name, k) => [name, found[k]]));
  };
}
