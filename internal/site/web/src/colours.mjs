// Colour maps that people with any colour vision can read: one from blue over the
// background to orange for values of both signs, one in a single hue for values from zero.

import { isDark } from "./theme.mjs";

const DIVERGING = {
  light: { low: [33, 102, 172], zero: [247, 247, 247], high: [200, 80, 10] },
  dark: { low: [90, 160, 235], zero: [38, 42, 48], high: [250, 150, 60] },
};
const SEQUENTIAL = {
  light: { zero: [243, 245, 248], high: [11, 64, 128] },
  dark: { zero: [30, 34, 40], high: [150, 205, 255] },
};

const mix = (a, b, t) => a.map((v, i) => Math.round(v + (b[i] - v) * t));

// diverging is the colour of x from -1 to 1.
export function diverging(x) {
  const map = DIVERGING[isDark() ? "dark" : "light"];
  const t = Math.min(1, Math.abs(x));
  return mix(map.zero, x < 0 ? map.low : map.high, t);
}

// sequentialMap gives the colours of 0 to 1 in 256 steps.
export function sequentialMap() {
  const map = SEQUENTIAL[isDark() ? "dark" : "light"];
  return Array.from({ length: 256 }, (_, i) => mix(map.zero, map.high, Math.sqrt(i / 255)));
}

export const css = ([r, g, b]) => `rgb(${r} ${g} ${b})`;

// paintMap draws values of S x S, from -1 to 1, over an image: transparent at zero.
export function paintMap(canvas, side, values, both) {
  canvas.width = side;
  canvas.height = side;
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(side, side);
  const map = DIVERGING.light;
  for (let i = 0; i < side * side; i++) {
    const v = Math.max(-1, Math.min(1, values[i]));
    const colour = both ? (v < 0 ? map.low : map.high) : [255, 60, 0];
    pixels.data.set(colour, 4 * i);
    pixels.data[4 * i + 3] = Math.round(215 * Math.min(1, Math.abs(v)));
  }
  context.putImageData(pixels, 0, 0);
}

// legend shows what colours of a map mean: from -limit over zero to limit, or from zero on.
export function legend(el, both, texts) {
  return el("div", { class: "legend" },
    el("span", {}, texts[0]),
    el("span", { class: both ? "ramp both" : "ramp one", "aria-hidden": "true" }, both ? el("i", {}, "0") : null),
    el("span", {}, texts[1]));
}
