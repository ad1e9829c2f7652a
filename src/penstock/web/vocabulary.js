// Text to token ids and back, as penstock.text.vocabulary: bytes, characters, byte pairs, words.

const UNKNOWN = "\ufffd"; // what a character outside a character vocabulary is read as; id 0

// ``about`` is { kind: "byte" }, { kind: "char", characters }, { kind: "bpe", tokens, merges } or { kind: "word", words }.
// ``encode`` gives { ids, tokens }: each id, and the text that stood for it; ``bytes(id)`` are the UTF-8 of a token.
export function vocabulary(about) {
  if (about.kind === "byte") return bytesAlone();
  if (about.kind === "char") return characters(about.characters);
  if (about.kind === "bpe") return bytePairs(about);
  if (about.kind === "word") return wholeWords(about.words);
  throw new RangeError(`vocabulary: expected byte, char, bpe or word, got ${about.kind}`);
}

function bytesAlone() {
  const bytes = (id) => Uint8Array.of(id);
  const encode = (text) => labelled(Array.from(utf8(text)), bytes);
  return { size: 256, unknown: null, encode, bytes, label: (id) => label(bytes(id)) };
}

function characters(known) {
  const all = [UNKNOWN, ...known];
  const ids = new Map(all.map((character, id) => [character, id]));
  const encode = (text) => {
    const tokens = Array.from(text);
    return { ids: tokens.map((character) => ids.get(character) ?? 0), tokens };
  };
  return { size: all.length, unknown: 0, encode, bytes: (id) => utf8(all[id]), label: (id) => all[id] };
}

// Byte-level byte pairs (Sennrich et al. 2016): words are cut as GPT-2 cuts them, then the earliest merge that was learned is
// made as long as there is one.
function bytePairs({ tokens, merges }) {
  const idOf = new Map(tokens.map((token, id) => [token, id]));
  const rankOf = new Map(merges.map((pair, rank) => [pair.join(" "), rank]));
  const letters = byteLevel();
  const byteOf = new Map(letters.map((letter, byte) => [letter, byte]));
  const bytes = (id) => Uint8Array.from(tokens[id], (letter) => byteOf.get(letter));
  const known = new Map();
  const idsOf = (word) => {
    if (!known.has(word)) known.set(word, merged(Array.from(word), rankOf).map((part) => idOf.get(part)));
    return known.get(word);
  };
  const encode = (text) => {
    const ids = [];
    for (const word of text.toWellFormed().match(CUTS) ?? []) {
      const spelled = Array.from(utf8(word), (byte) => letters[byte]).join("");
      for (let k = 0; k < spelled.length; k += LONGEST) ids.push(...idsOf(spelled.slice(k, k + LONGEST)));
    }
    return labelled(ids, bytes);
  };
  return { size: tokens.length, unknown: null, encode, bytes, label: (id) => label(bytes(id)) };
}

const CUTS = /'(?:s|t|re|ve|m|ll|d)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;
const LONGEST = 256; // letters of one word that are merged together

function merged(parts, rankOf) {
  for (;;) {
    let [best, at] = [Infinity, -1];
    for (let k = 0; k + 1 < parts.length; k++) {
      const rank = rankOf.get(`${parts[k]} ${parts[k + 1]}`) ?? Infinity;
      if (rank < best) [best, at] = [rank, k];
    }
    if (at < 0) return parts;
    const pair = [parts[at], parts[at + 1]];
    for (let k = at; k + 1 < parts.length; k++) {
      if (parts[k] === pair[0] && parts[k + 1] === pair[1]) parts.splice(k, 2, pair.join(""));
    }
  }
}

// Words with the space before them, as penstock.text.words cuts them; one without an id is spelled in bytes.
function wholeWords(known) {
  const spelled = known.map(utf8);
  const ids = new Map(known.map((word, k) => [word, 256 + k]));
  const bytes = (id) => (id < 256 ? Uint8Array.of(id) : spelled[id - 256]);
  const idsOf = (word) => {
    if (ids.has(word)) return [ids.get(word)];
    if (word[0] === " " && ids.has(word.slice(1))) return [32, ids.get(word.slice(1))]; // as where a line begins
    return Array.from(utf8(word));
  };
  const encode = (text) => labelled((text.toWellFormed().match(WORDS) ?? []).flatMap(idsOf), bytes);
  return { size: 256 + known.length, unknown: null, encode, bytes, label: (id) => label(bytes(id)) };
}

const WORDS = (() => {
  const han = "\\u2e80-\\u2fdf\\u3040-\\u30ff\\u3400-\\u4dbf\\u4e00-\\u9fff\\uf900-\\ufaff\\u{20000}-\\u{3ffff}";
  const letter = `(?:(?![${han}])[\\p{L}\\p{N}_])`;
  const ending = "['’](?:s|t|re|ve|m|ll|d)(?![\\p{L}\\p{N}_])";
  const space = "(?:(?!\\ufeff)[\\s\\x1c-\\x1f\\x85])"; // as Python has it
  const sign = `(?:(?!${space})[^\\p{L}\\p{N}_])`;
  return new RegExp(`${ending}| ?(?:${letter}+(?:\\p{M}+${letter}*)*|[${han}]|${sign})|${space}`, "gu");
})();

// The letter that stands for each byte: visible Latin-1 for itself, the others for what follows U+00FF.
function byteLevel() {
  const visible = (byte) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(visible(byte) ? byte : next++));
}

function labelled(ids, bytes) {
  return { ids, tokens: ids.map((id) => label(bytes(id))) };
}

// Bytes as text; where they are no whole character, as ‹e4 b8›.
function label(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return `‹${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ")}›`;
  }
}

function utf8(text) {
  return new TextEncoder().encode(text);
}
