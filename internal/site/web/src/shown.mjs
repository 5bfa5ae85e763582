// What pages of an image have alike, whatever the report is of.

import { el, replace } from "./dom.mjs";
import { address } from "./router.mjs";
import { state, images, imageNumber, imageLabel, imageGroup } from "./state.mjs";
import { face } from "./thumbs.mjs";

// imageShown is the image that an address names: its number, name and square, a note where it has
// changed, what is known of it, and how to move to others.
export async function imageShown(rest) {
  await images();
  const image = imageNumber(rest);
  if (image < 0) throw new Error(`${rest}: no image of this collection has this name`);
  const name = state.images.names[image];
  const square = face(image, [name, imageLabel(image)].filter(Boolean).join(", "), true);
  const changed = el("div", {});
  const said = () => replace(changed, el("p", { class: "note changed", role: "note" }, "This image changed since its scores were collected: it is drawn as it is now, and all numbers are those of the earlier one."));
  if (state.changed.has(image)) said();
  square.addEventListener("clipnh-drawn-changed", said);
  return {
    image, name, square, changed,
    label: imageLabel(image) ? ["label", imageLabel(image)] : null,
    group: imageGroup(image) ? ["group", imageGroup(image)] : null,
    move: (by) => {
      const next = state.images.names[image + by];
      if (next !== undefined) location.hash = address(["i", next]);
    },
  };
}
