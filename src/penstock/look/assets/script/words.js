// Words and numbers in the reader's language.

let language = /^zh\b/i.test(navigator.language) ? "zh" : "en";

function say(key, values = {}) {
  return WORDS[language][key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

function wordsIntoPage(title) {
  document.documentElement.lang = language === "zh" ? "zh-Hans" : "en";
  document.title = title ? `${title} · ${say("title")}` : say("title");
  for (const element of document.querySelectorAll("[data-word]")) element.textContent = say(element.dataset.word);
  for (const element of document.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", say(element.dataset.label));
  }
}

function share(value) {
  if (!(value > 0)) return Number.isNaN(value) ? "–" : "0";
  return value < 0.001 ? "< 0.001" : value.toFixed(3);
}

function signed(value) {
  return (value < 0 ? "−" : value > 0 ? "+" : "") + Math.abs(value).toFixed(3);
}

function number(value) {
  return value.toFixed(3).replace("-", "−");
}

// In its own unit, of whatever size.
function plain(value) {
  if (value !== value) return "–";
  const size = Math.abs(value);
  const text = size && (size < 0.01 || size >= 1000) ? String(Number(value.toPrecision(5))) : value.toFixed(3);
  return text.replace("-", "−");
}

function bits(value) {
  return value === null ? "–" : value.toFixed(2);
}

function life(layer, unit) {
  const steps = layer.halfLife[unit];
  return steps === Infinity ? "∞" : say("steps", { count: steps < 10 ? steps.toFixed(1) : Math.round(steps) });
}

// No prototype: a text may well hold the token "constructor".
const NAMED = { __proto__: null, " ": "space", "\n": "newline", "\t": "tab", "\r": "carriageReturn", "": "empty" };

// A token as text that can be read: white space by name, bytes as what they are a part of.
function visible(token) {
  if (token in NAMED) return say(NAMED[token]);
  const [, character, part, count] = token.match(BYTE_PART) ?? [];
  if (character) return say("byteOf", { character, part, count });
  const [, bytes] = token.match(BYTES) ?? [];
  return bytes ? say("byte", { bytes }) : seen(token);
}

const BYTES = /^‹([0-9a-f]{2}(?: [0-9a-f]{2})*)›$/; // of no whole character
const BYTE_PART = /^‹(\P{Cc}) ([2-4])\/([2-4])›$/u; // of the character before

// Tokens whose bytes make up characters: the first one of a character shows it, the others say which part they are.
function grouped(tokens) {
  if (!tokens.some((token) => BYTES.test(token))) return tokens;
  const bytes = tokens.flatMap((token, k) => {
    const [, hex] = token.match(BYTES) ?? [];
    return hex ? hex.split(" ").map((byte) => [parseInt(byte, 16), k]) : [[-1, k]];
  });
  const shown = tokens.map((token) => (BYTES.test(token) ? "" : token));
  for (let i = 0; i < bytes.length; ) {
    const [lead, k] = bytes[i];
    const count = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    const whole = bytes.slice(i, i + count);
    const character = lead < 0 ? "" : decoded(whole.map(([byte]) => byte));
    if (character) {
      shown[k] += character;
      for (const [part, [, owner]] of whole.entries()) {
        if (owner !== k && shown[owner] === "") shown[owner] = `‹${character} ${part + 1}/${count}›`;
      }
      i += count;
    } else {
      if (lead >= 0) shown[k] += `‹${lead.toString(16).padStart(2, "0")}›`;
      i++;
    }
  }
  return shown;
}

// "" of what is no character.
function decoded(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(bytes, (byte) => (byte < 0 ? 0xff : byte)));
  } catch {
    return "";
  }
}

// In words of its own direction, so that it does not turn the sentence around.
function isolated(words) {
  return TO_THE_LEFT.test(words) ? `\u2068${words}\u2069` : words;
}

const TO_THE_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

const SIGNS = { __proto__: null, " ": "␣", "\n": "⏎", "\t": "⇥", "\r": "␍", "": "∅" };

// A token in as little room as can be.
function sign(token) {
  return SIGNS[token] ?? (BYTE_PART.test(token) ? "·" : seen(token));
}

// A token with a shape: combining characters on a circle, and characters without a shape, or that turn the text around, by
// their code point as ‹200d›.
function seen(token) {
  const characters = Array.from(token);
  if (characters.length === 1 && /^\p{M}$/u.test(token) && !HIDDEN.test(token)) return "◌" + token;
  const hidden = characters.length === 1 ? HIDDEN : TURNING;
  return characters.map((c) => (hidden.test(c) ? `‹${c.codePointAt(0).toString(16)}›` : c)).join("");
}

const HIDDEN = /^[\p{Cc}\p{Cf}\p{Cs}\p{Cn}\p{Zl}\p{Zp}\u{fe00}-\u{fe0f}]$/u;
const TURNING = /^[\p{Cc}\p{Cs}\u200e\u200f\u202a-\u202e\u2066-\u2069]$/u;
