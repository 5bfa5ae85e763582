// A segmentation: which class has each pixel.

import { el } from "../dom.mjs";
import { table } from "../dom.mjs";
import { bytes } from "../data.mjs";
import { figure, percent } from "../parts.mjs";
import { failure } from "../parts.mjs";

// Colours that differ for every colour vision (after Okabe and Ito), again from the start beyond eight.
const COLOURS = [[0, 114, 178], [230, 159, 0], [0, 158, 115], [204, 121, 167], [86, 180, 233], [213, 94, 0], [240, 228, 66], [120, 120, 120]];

// segmentation draws an answer {labels: PNG of class numbers in base64, classes: [{class, share}]} over a square of the image.
export function segmentation(a, square) {
  const canvas = el("canvas", { class: "map crisp", "aria-hidden": "true" });
  square.classList.add("large");
  square.append(canvas);
  const problem = el("div", {});
  draw(canvas, a.labels ?? a.png).catch((err) => problem.append(failure(err)));
  return [el("div", { class: "image-box" }, square, problem),
    figure("Share of the pixels that each class has.", { name: "segmentation", columns: ["class", "share"], rows: a.classes.map((c) => [c.class, c.share]) },
      table(["class", "share of pixels"], a.classes.map((c, i) => [
        el("span", {}, el("i", { class: "swatch", "aria-hidden": "true", style: { background: `rgb(${COLOURS[i % COLOURS.length].join(" ")})` } }), c.class), { n: percent(c.share) }]), { label: "shares of pixels" }))];
}

async function draw(canvas, base64) {
  const bitmap = await createImageBitmap(new Blob([bytes(base64)], { type: "image/png" }), { colorSpaceConversion: "none" });
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  const context = canvas.getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const pixels = context.getImageData(0, 0, bitmap.width, bitmap.height);
  for (let i = 0; i < pixels.data.length; i += 4) {
    const colour = COLOURS[pixels.data[i] % COLOURS.length];
    pixels.data.set(colour, i);
    pixels.data[i + 3] = 170;
  }
  context.putImageData(pixels, 0, 0);
}
