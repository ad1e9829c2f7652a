// Rows to what a GRU reads, as penstock.series.features has it, by the same operations: numbers scaled, missing ones carried on
// and faded, categories as one of so many. Letters: C columns that are read, D features.

// ``memory`` is a Float64Array (1 + 2 C,): the time of the row before, when each column was last seen, its value then.
export function features({ columns, scaling: { center, spread }, step, gap }) {
  const C = columns.length;
  const places = columns.map(({ categories, kept }) => categories?.map((name) => kept.indexOf(name)));
  const sizes = columns.map(({ categories, kept, misses }) => (categories ? kept.length + 1 : misses ? 3 : 1));

  // Writes the features of the next row to ``out`` (D,). ``row`` (C,): numbers, NaN where missing, codes of categories;
  // ``time`` where steps have times.
  function next(row, time, memory, out) {
    const seen = memory.subarray(1, 1 + C);
    const last = memory.subarray(1 + C);
    const first = Number.isNaN(memory[0]);
    const moment = step === null ? (first ? 0 : memory[0] + 1) : time;
    if (first) memory.fill(moment, 0, 1 + C);
    let at = 0;
    for (let k = 0; k < C; at += sizes[k++]) {
      const value = row[k];
      const there = !Number.isNaN(value);
      if (places[k]) {
        out.fill(0, at, at + sizes[k]);
        if (there) out[at + place(places[k], value, sizes[k])] = 1;
        continue;
      }
      const since = (moment - seen[k]) / (step ?? 1);
      if (there) {
        out[at] = last[k] = (value - center[k]) / spread[k];
        seen[k] = moment;
      } else out[at] = last[k] * Math.exp(-columns[k].rate * since);
      if (columns[k].misses) {
        out[at + 1] = there ? 1 : 0;
        out[at + 2] = Math.log1p(since);
      }
    }
    if (gap) out[at] = Math.log1p((moment - memory[0]) / (step ?? 1));
    memory[0] = moment;
  }
  const begin = (memory) => memory.fill(NaN, 0, 1 + C).fill(0, 1 + C);
  return { next, begin, memory: 1 + 2 * C, size: sizes.reduce((a, b) => a + b, gap ? 1 : 0) };
}

function place(places, code, count) {
  const found = places[Math.trunc(code)] ?? -1;
  return found < 0 ? count - 1 : found;
}

// A row (C,) of numbers out of what a caller has: an array by the columns' order or an object by their names, of numbers,
// text and, where something is missing, null, undefined, "" or NaN.
export function rowOf(columns, given) {
  if (Array.isArray(given) || ArrayBuffer.isView(given)) {
    if (given.length !== columns.length) throw new RangeError(`row: expected (C=${columns.length},), got (${given.length},)`);
    return columns.map((column, k) => cell(column, given[k]));
  }
  return columns.map((column) => {
    if (!(column.name in given)) throw new RangeError(`row: expected ${column.name}, got ${Object.keys(given).join(", ")}`);
    return cell(column, given[column.name]);
  });
}

function cell({ name, categories }, value) {
  if (value === null || value === undefined || value === "" || Number.isNaN(value)) return NaN;
  if (categories && typeof value === "string") {
    const code = categories.indexOf(value);
    return code < 0 ? categories.length : code;
  }
  const number = Math.fround(Number(value));
  if (!Number.isFinite(number)) throw new RangeError(`row: ${name}: expected a number, got ${value}`);
  return number;
}
