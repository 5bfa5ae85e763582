// One image, and the heads that show it.

import { el } from "../dom.mjs";
import { address } from "../router.mjs";
import { state, images, imageNumber, imageLabel, imageGroup } from "../state.mjs";
import { section, facts, note } from "../parts.mjs";
import { face } from "../thumbs.mjs";
import { imagesPage } from "../pages/images.mjs";
import { heads, headCard, ranked } from "./heads.mjs";
import { askImage, askOwn } from "./live.mjs";

export async function headsImage(route) {
  if (route.rest === "") return withOwn(await imagesPage(route));
  const [all] = await Promise.all([heads(), images()]);
  const image = imageNumber(route.rest);
  if (image < 0) throw new Error(`${route.rest}: no image of this collection has this name`);
  const name = state.images.names[image];
  const of = all.filter((h) => h.images.includes(image)).sort((a, b) => a.images.indexOf(image) - b.images.indexOf(image) || a.head - b.head);
  const square = face(image, [name, imageLabel(image)].filter(Boolean).join(", "));
  square.classList.add("large");
  const live = el("div", {});
  if (state.live) askImage(live, image);
  return {
    title: name,
    heading: name,
    nodes: [
      state.changed.has(image) ? el("p", { class: "note changed", role: "note" }, "This image changed since its scores were collected: it is drawn as it is now, and all numbers are those of the earlier one.") : null,
      el("div", { class: "image-top" }, el("div", { class: "image-box" }, square),
        facts([imageLabel(image) ? ["label", imageLabel(image)] : null, imageGroup(image) ? ["group", imageGroup(image)] : null])),
      live,
      section("Heads that show it first", {}, of.length
        ? [el("p", { class: "quiet" }, `It is among the images to which these heads add most, ${of.every((h) => h.along) ? ranked(of[0]) : "along their first text, or by norm where they have none"}.`), el("div", { class: "cards" }, of.map(headCard))]
        : note("It is not among the first images of any head.")),
    ],
    move: (by) => {
      const next = state.images.names[image + by];
      if (next !== undefined) location.hash = address(["i", next]);
    },
  };
}

// withOwn adds to the page of images, in the explorer, one's own.
function withOwn(page) {
  if (!state.live) return page;
  const box = el("div", {});
  askOwn(box);
  return { ...page, nodes: [box, ...page.nodes] };
}
