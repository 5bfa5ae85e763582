// One image, and the heads that show it.

import { el } from "../dom.mjs";
import { state } from "../state.mjs";
import { section, facts, note } from "../parts.mjs";
import { imageShown } from "../shown.mjs";
import { imagesPage } from "../pages/images.mjs";
import { heads, headCard, ranked } from "./heads.mjs";
import { askImage, askOwn } from "./live.mjs";

export async function headsImage(route) {
  if (route.rest === "") return withOwn(await imagesPage(route));
  const [all, { image, name, square, changed, label, group, move }] = await Promise.all([heads(), imageShown(route.rest)]);
  const of = all.filter((h) => h.images.includes(image)).sort((a, b) => a.images.indexOf(image) - b.images.indexOf(image) || a.head - b.head);
  const live = el("div", {});
  if (state.live) askImage(live, image);
  return {
    title: name,
    heading: name,
    nodes: [
      changed,
      el("div", { class: "image-top" }, el("div", { class: "image-box" }, square), facts([label, group])),
      live,
      section("Heads that show it first", {}, of.length
        ? [el("p", { class: "quiet" }, `It is among the images to which these heads add most, ${of.every((h) => h.along) ? ranked(of[0]) : "along their first text, or by norm where they have none"}.`), el("div", { class: "cards" }, of.map(headCard))]
        : note("It is not among the first images of any head.")),
    ],
    move,
  };
}

// withOwn adds to the page of images, in the explorer, one's own.
function withOwn(page) {
  if (!state.live) return page;
  const box = el("div", {});
  askOwn(box);
  return { ...page, nodes: [box, ...page.nodes] };
}
