// The rows of a series. A step of the model reads one of them or several: a chart of rows has steps on its axis, so that it
// stands above what is drawn step by step.

const TICKS = [...ROUND, 5000, 10000, 20000, 50000];

function sizeOf(trace) {
  return trace.numeric?.size ?? 1;
}

function rowCount(trace) {
  return trace.rowCount ?? trace.length;
}

// The first and the last row of a step.
function rowsOf(trace, t) {
  const size = sizeOf(trace);
  return [t * size, Math.min((t + 1) * size, rowCount(trace)) - 1];
}

// Where a row stands on an axis of steps.
function placeOfRow(trace, row) {
  const size = sizeOf(trace);
  return (row + 0.5) / size - 0.5;
}

// Its number in the whole series, of which a part may be shown.
function countedRow(trace, row) {
  return row + (trace.numeric?.first ?? trace.start ?? 0);
}

function rowName(trace, row) {
  const { when, clock } = trace.numeric ?? {};
  const time = clock ? `${clock} ${when?.[row]}` : when?.[row];
  return when?.[row] ? `${countedRow(trace, row)} (${time})` : String(countedRow(trace, row));
}

// An axis of so many rows for ``drawnLines``; more than the trace has where a forecast goes on.
function rowAxis(trace, count = rowCount(trace)) {
  const xs = Float64Array.from({ length: count }, (_, row) => placeOfRow(trace, row));
  const end = Math.max(trace.length - 0.5, placeOfRow(trace, count - 0.5));
  return { xs, range: [-0.5, end], ticks: (width) => rowTicks(trace, count, end + 0.5, width), name: (row) => rowName(trace, row) };
}

// Dates stand at midnight where there is one: it is the shorter to write. ``left`` is the room before the first row.
function rowTicks(trace, count, steps, width, left = AXIS) {
  const when = trace.numeric?.when;
  const label = (row) => when?.[row] || String(countedRow(trace, row));
  const each = width / (steps * sizeOf(trace));
  const all = Array.from({ length: count }, (_, row) => row);
  const days = all.filter((row) => /^\d+-\d+-\d+$/.test(label(row)));
  const some = days.length > 3 ? days : all;
  const room = Math.max(...[some[0], some[some.length >> 1], some.at(-1)].map((row) => wide(label(row)))) + 16;
  const every = TICKS.find((rows) => rows * each * (some.at(-1) - some[0]) >= room * (some.length - 1)) ?? count;
  return some
    .filter((row, k) => k % every === 0 && (row + 0.5) * each + room / 2 < width + 16 && (row + 0.5) * each + left > room / 2 - 8)
    .map((row) => ({ at: placeOfRow(trace, row), label: label(row) }));
}

// A number, or the name of a category.
function valueName(trace, c, value) {
  return trace.numeric?.levels[channelName(trace, c)]?.[value] ?? plain(value);
}

// The value of a column in a step's last row, which its state has just read.
function readLast(trace, c, t) {
  return valueName(trace, c, trace.channels[c][rowsOf(trace, t)[1]]);
}

// The values of a column in all rows of a step.
function readIn(trace, c, t) {
  const [first, last] = rowsOf(trace, t);
  const values = Array.from(trace.channels[c].subarray(first, last + 1), (value) => valueName(trace, c, value));
  return values.length > 4 ? `${values.slice(0, 2).join(", ")}, … ${values.at(-1)}` : values.join(", ");
}

// What a step reads, in words; nothing where a step is a row without a time.
function rowsInWords(trace, t) {
  const [first, last] = rowsOf(trace, t);
  if (first === last) return trace.numeric?.when ? say("rowRead", { row: rowName(trace, first) }) : "";
  return say("rowsRead", { first: rowName(trace, first), last: rowName(trace, last) });
}

const MOST_CHARTS = 16; // of columns that cannot be read on one scale
const TOGETHER = 4; // a column is drawn with others while their range is no larger than this many of the smallest's

// Lines that can be read on one scale, as lists of their numbers; and those of one value, of which no line tells anything.
function onScales(lines) {
  const [groups, constant] = [[], []];
  for (const [c, values] of lines.entries()) {
    let [low, high] = [Infinity, -Infinity];
    for (const value of values) if (value === value) [low, high] = [Math.min(low, value), Math.max(high, value)];
    const spread = high - low;
    if (!(spread > 0)) {
      constant.push(c);
      continue;
    }
    const fits = (group) =>
      Math.max(group.high, high) - Math.min(group.low, low) <= TOGETHER * Math.min(group.spread, spread) && group.of.length < 8;
    const group = groups.find(fits);
    if (!group) groups.push({ low, high, spread, of: [c] });
    else {
      group.of.push(c);
      Object.assign(group, { low: Math.min(group.low, low), high: Math.max(group.high, high), spread: Math.min(group.spread, spread) });
    }
  }
  if (!groups.length) return { drawn: [[...lines.keys()]], constant: [] };
  return { drawn: groups.map((group) => group.of).slice(0, MOST_CHARTS), constant };
}
