// One image, and the heads that show it.

import { el } from "../dom.mjs";
import { section, facts, note } from "../parts.mjs";
import { imageShown } from "../shown.mjs";
import { imagesPage } from "../pages/images.mjs";
import { heads, headCard, ranked } from "./heads.mjs";

export async function headsImage(route) {
  if (route.rest === "") return imagesPage(route);
  const [all, { image, name, square, changed, label, group, move }] = await Promise.all([heads(), imageShown(route.rest)]);
  const of = all.filter((h) => h.images.includes(image)).sort((a, b) => a.images.indexOf(image) - b.images.indexOf(image) || a.head - b.head);
  return {
    title: name,
    heading: name,
    nodes: [
      changed,
      el("div", { class: "image-top" }, el("div", { class: "image-box" }, square), facts([label, group])),
      section("Heads that show it first", {}, of.length
        ? [el("p", { class: "quiet" }, `It is among the images to which these heads add most, ${of.every((h) => h.along) ? ranked(of[0]) : "along their first text, or by norm where they have none"}.`), el("div", { class: "cards" }, of.map(headCard))]
        : note("It is not among the first images of any head.")),
    ],
    move,
  };
}
