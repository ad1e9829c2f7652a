// Colour scales, straight lines in OKLab (Ottosson 2020), where equal steps look equally large. One quantity has one scale,
// wherever it stands: gates and the write strength are blue, weights orange, and what may be negative goes from blue to orange
// through the page's own ground, which hardly any colour-blind eye confuses.

const SHADES = 256;

// Ends as OKLCh: lightness 0 … 1, chroma, hue in degrees.
const ENDS = {
  light: {
    gate: [[0.975, 0.008, 250], [0.32, 0.12, 258]],
    weight: [[0.975, 0.008, 70], [0.4, 0.095, 45]],
    signed: [[0.42, 0.13, 255], [0.975, 0.004, 90], [0.5, 0.115, 48]],
  },
  dark: {
    gate: [[0.22, 0.015, 255], [0.92, 0.06, 235]],
    weight: [[0.22, 0.012, 60], [0.9, 0.09, 75]],
    signed: [[0.75, 0.115, 245], [0.2, 0.008, 255], [0.8, 0.12, 65]],
  },
};

const READABLE = 0.42; // of the gates' scale, behind text

let scales = {};

function useTheme(theme) {
  scales = Object.fromEntries(Object.entries(ENDS[theme]).map(([name, ends]) => [name, scale(ends.map(oklab))]));
  const [none, all] = ENDS[theme].gate.map(oklab);
  scales.text = scale([none, none.map((value, axis) => value + READABLE * (all[axis] - value))]);
}

function oklab([L, C, degrees]) {
  const hue = (degrees * Math.PI) / 180;
  return [L, C * Math.cos(hue), C * Math.sin(hue)];
}

// SHADES colours between two ends, or three: as CSS, and packed as ImageData holds them.
function scale(ends) {
  const colours = [];
  for (let i = 0; i < SHADES; i++) {
    const at = (i / (SHADES - 1)) * (ends.length - 1);
    const k = Math.min(Math.floor(at), ends.length - 2);
    colours.push(rgb(ends[k].map((value, axis) => value + (at - k) * (ends[k + 1][axis] - value))));
  }
  return {
    css: colours.map(([r, g, b]) => `rgb(${r} ${g} ${b})`),
    pixels: Uint32Array.from(colours, ([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0),
  };
}

function rgb([L, a, b]) {
  const l = (L + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (L - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (L - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ].map((light) => {
    const value = Math.min(Math.max(light, 0), 1);
    return Math.round(255 * (value <= 0.0031308 ? 12.92 * value : 1.055 * value ** (1 / 2.4) - 0.055));
  });
}

// The shade of a value between 0 and 1.
function shade(value) {
  return Math.max(0, Math.min(SHADES - 1, Math.round(value * (SHADES - 1))));
}
