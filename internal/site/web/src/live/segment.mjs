// A segmentation: which class has each pixel.

import { el, table } from "../dom.mjs";
import { base64Bytes } from "./api.mjs";
import { figure, percent, failure } from "../parts.mjs";

// segmentation draws an answer {png, classes: [{class, colour, share}]} over a square of the image. The PNG has
// the colour of each pixel's class.
export function segmentation(a, square) {
  const canvas = el("canvas", { class: "map crisp", "aria-hidden": "true" });
  square.classList.add("large");
  square.append(canvas);
  const problem = el("div", {});
  draw(canvas, a.png).catch((err) => problem.append(failure(err)));
  return el("div", { class: "columns two" }, el("div", { class: "image-box" }, square, problem),
    figure("Share of the pixels that each class has.", { name: "segmentation", columns: ["class", "share"], rows: a.classes.map((c) => [c.class, c.share]) },
      table(["class", "share of pixels"], a.classes.map((c) => [
        el("span", {}, el("i", { class: "swatch", "aria-hidden": "true", style: { background: c.colour } }), c.class), { n: percent(c.share) }]), { label: "shares of pixels" })));
}

async function draw(canvas, base64) {
  const bitmap = await createImageBitmap(new Blob([base64Bytes(base64)], { type: "image/png" }), { colorSpaceConversion: "none" });
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  const context = canvas.getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const pixels = context.getImageData(0, 0, bitmap.width, bitmap.height);
  for (let i = 3; i < pixels.data.length; i += 4) pixels.data[i] = 165;
  context.putImageData(pixels, 0, 0);
}
