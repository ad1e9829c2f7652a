// What a small GRU is trained on in a page: three tasks of the lab (penstock.lab), smaller, so that seconds are enough. All
// is drawn by integers and exactly rounded operations alone, so that any other program can draw the same.

export const N = 8; // sequences of a batch

// A task is: D, outputs, the most steps L of a sequence, the longest memory it asks for, Adam's rate, the loss of a naive model
// that knows all but the answer, and ``draw(batch, random)``. A batch is
//   L         steps of every sequence
//   x         (L, N, D)
//   items     (L, N), what a step shows to a reader: a kind, a bit, a word
//   targets   (L, N), the output that is right after a step; −1 where nothing is asked
//   answer    the step after which the task's question is answered
//   against   (N), the one output that the right one is measured against; −1 for all
//   key       (N), the step that the answer depends on
export function newBatch({ D, L }) {
  return {
    L,
    x: new Float64Array(L * N * D),
    items: new Int32Array(L * N),
    targets: new Int32Array(L * N).fill(-1),
    answer: L - 1,
    against: new Int32Array(N).fill(-1),
    key: new Int32Array(N),
  };
}

const ITEMS = 20;
const KINDS = 8;
const NOISE = 0.2;
const DISTANCE = 20;
const LONGEST = 11; // words of a clause

// One mouse among many cats: all items are cats, seen through noise, but one in the first half, which is to be named.
const odd = {
  D: KINDS + 1,
  outputs: KINDS,
  L: ITEMS,
  longest: ITEMS,
  rate: 0.03,
  naive: Math.log(KINDS),
  draw({ x, items, targets, key }, random) {
    items.fill(0);
    for (let n = 0; n < N; n++) {
      key[n] = 2 + random.below(ITEMS / 2 - 2);
      const kind = 1 + random.below(KINDS);
      items[key[n] * N + n] = kind;
      targets[(ITEMS - 1) * N + n] = kind - 1;
    }
    for (let i = 0; i < x.length; i++) x[i] = NOISE * random.normal();
    for (let i = 0; i < items.length; i++) x[i * (KINDS + 1) + items[i]] += 1;
  },
};

// The first of many bits, the only one that is marked, is to be told at the end.
const bit = {
  D: 2,
  outputs: 2,
  L: DISTANCE + 1,
  longest: DISTANCE,
  rate: 0.02,
  naive: Math.log(2),
  draw({ x, items, targets }, random) {
    for (let i = 0; i < items.length; i++) {
      items[i] = random.below(2);
      x[2 * i] = 2 * items[i] - 1;
      x[2 * i + 1] = i < N ? 1 : 0;
    }
    for (let n = 0; n < N; n++) targets[DISTANCE * N + n] = items[n];
  },
};

// The lab's grammar with fewer words: `the cat , which the dogs already hear , was full .` Each word is to be expected; the
// question is the verb's form, of the two that it has. Sentences of a batch are of one length.
const NOUNS = ["cat cats", "dog dogs", "mouse mice", "goose geese", "child children", "fox foxes"];
const VERBS = ["was were", "is are", "sleeps sleep", "sings sing"];
const HEAR = ["hears hear", "sees see"];
const AFTER_BE = ["full", "hungry"];
const AFTER_OTHERS = ["here", "now"];
const ALREADY = ["already", "often"];

export const WORDS = [NOUNS, VERBS, HEAR, AFTER_BE, AFTER_OTHERS, ALREADY, ["and the which slept , ."]]
  .flat()
  .flatMap((words) => words.split(" "));
const [AND, THE, WHICH, SLEPT, COMMA, STOP] = "and the which slept , .".split(" ").map((word) => WORDS.indexOf(word));
// where the words of a list begin
const [NOUN, VERB, HEARS, BE, OTHERS, ADVERB] = [NOUNS, VERBS, HEAR, AFTER_BE, AFTER_OTHERS, ALREADY].map((list) =>
  WORDS.indexOf(list[0].split(" ")[0]),
);

const verb = {
  D: WORDS.length,
  outputs: WORDS.length,
  L: LONGEST + 7, // seven words beside the clause, and the stop, which is expected and not read
  longest: LONGEST,
  rate: 0.03,
  naive: Math.log(2),
  draw(batch, random) {
    const clause = 1 + random.below(LONGEST);
    batch.L = clause + 7;
    batch.answer = clause + 4;
    batch.key.fill(1);
    batch.x.fill(0);
    for (let n = 0; n < N; n++) {
      let t = 0;
      sentence(clause, random, (word) => {
        if (t) batch.targets[(t - 1) * N + n] = word;
        if (t < batch.L) {
          batch.items[t * N + n] = word;
          batch.x[(t * N + n) * this.D + word] = 1;
        }
        t++;
      });
      const right = batch.targets[batch.answer * N + n] - VERB;
      batch.against[n] = VERB + (right ^ 1);
    }
  },
};

// Gives the words of a sentence, one by one.
function sentence(clause, random, put) {
  const number = random.below(2);
  const nouns = Math.floor((clause + 1) / 4);
  put(THE);
  put(NOUN + 2 * random.below(NOUNS.length) + number);
  put(COMMA);
  put(WHICH);
  if (!nouns) {
    for (let k = 1; k < clause; k++) put(ADVERB + random.below(ALREADY.length));
    put(SLEPT);
  }
  // four words a noun, with its `and`; adverbs fill the rest, each after a noun drawn for it
  const adverbs = new Array(nouns).fill(0);
  for (let k = 4 * nouns; nouns && k < clause + 1; k++) adverbs[random.below(nouns)]++;
  for (let k = 0; k < nouns; k++) {
    const other = random.below(2);
    if (k) put(AND);
    put(THE);
    put(NOUN + 2 * random.below(NOUNS.length) + other);
    for (let a = 0; a < adverbs[k]; a++) put(ADVERB + random.below(ALREADY.length));
    put(HEARS + 2 * random.below(HEAR.length) + other);
  }
  put(COMMA);
  const which = random.below(VERBS.length);
  put(VERB + 2 * which + number);
  put(which < 2 ? BE + random.below(AFTER_BE.length) : OTHERS + random.below(AFTER_OTHERS.length));
  put(STOP);
}

export const TASKS = { odd, bit, verb };
