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

function bits(value) {
  return value === null ? "–" : value.toFixed(2);
}

function life(layer, unit) {
  const steps = layer.halfLife[unit];
  return steps === Infinity ? "∞" : say("steps", { count: steps < 10 ? steps.toFixed(1) : Math.round(steps) });
}

// No prototype: a text may well hold the token "constructor".
const NAMED = { __proto__: null, " ": "space", "\n": "newline", "\t": "tab", "\r": "carriageReturn", "": "empty" };

// A token as text that can be read: white space by name.
function visible(token) {
  return token in NAMED ? say(NAMED[token]) : seen(token);
}

const SIGNS = { __proto__: null, " ": "␣", "\n": "⏎", "\t": "⇥", "\r": "␍", "": "∅" };

// A token in as little room as can be.
function sign(token) {
  return SIGNS[token] ?? seen(token);
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
