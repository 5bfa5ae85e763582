// An image of one's own, dropped on a pair: its score, and where that lies among all images.

import { el, replace } from "../dom.mjs";
import { facts, format, section } from "../parts.mjs";
import { histogram } from "../charts.mjs";
import { index } from "../index.mjs";
import { post, need, waiting } from "./api.mjs";
import { explained } from "./image.mjs";

export function dropBox(box, unit, r) {
  const result = el("div", { "aria-live": "polite" });
  const file = el("input", { type: "file", accept: "image/*", id: "drop-file", class: "visually-hidden", on: { change: () => file.files[0] && send(file.files[0]) } });
  const zone = el("div", { class: "drop" }, "Drop an image here, or ", el("label", { for: "drop-file", class: "button" }, "choose one"), file,
    el("p", { class: "quiet" }, "It is examined on this machine and not kept."));
  const send = (image) => waiting(result, Promise.all([post("drop", { unit }, image), index()]), ([a, ix]) => answer(unit, r, a, ix, image));
  zone.addEventListener("dragover", (e) => {
    e.preventDefault();
    zone.classList.add("over");
  });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (e) => {
    e.preventDefault();
    zone.classList.remove("over");
    if (e.dataTransfer.files[0]) send(e.dataTransfer.files[0]);
  });
  const holder = el("div", {});
  box.append(section("An image of yours", { class: "live" }, holder));
  need(holder, "drop", () => [zone, result]);
}

function answer(unit, r, a, ix, image) {
  const preview = el("canvas", { class: "square-map", role: "img", "aria-label": `the image ${image.name}` });
  createImageBitmap(image).then((bitmap) => {
    const side = Math.min(bitmap.width, bitmap.height);
    preview.width = 224;
    preview.height = 224;
    preview.getContext("2d").drawImage(bitmap, (bitmap.width - side) / 2, (bitmap.height - side) / 2, side, side, 0, 0, 224, 224);
  }, () => replace(preview)); // a format that the browser cannot show, but the explorer can
  return [
    el("div", { class: "columns two" }, preview, el("div", {}, a.unit ? [facts([["score", format(a.unit.score), "score"], ["rank", `${a.unit.rank.toLocaleString("en")} of ${a.unit.of.toLocaleString("en")} images`]]),
      r.histogram ? histogram(`dropped-${unit}`, r.histogram, { x: "score", caption: "Where it lies among the images of the collection.", marks: [{ at: a.unit.score, text: "this image" }] }) : null] : null)),
    a.classes ? explained(ix, "dropped", a) : null,
  ];
}
