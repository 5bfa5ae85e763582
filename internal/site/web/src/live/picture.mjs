// Thumbnails that the report has none of. The explorer draws them, if it has the images.

import { el, replace } from "../dom.mjs";
import { state } from "../state.mjs";
import { note } from "../parts.mjs";
import { parts, refusal } from "./api.mjs";

const SHARP = 336; // pixels of the large square of an image
const TRIES = 5; // where the explorer is busy
const AGAIN = 2000; // milliseconds until then

// picture fills the square of an image that has no thumbnail in the report.
export function picture(box, image, large) {
  if (!state.live) {
    absent(box);
    return;
  }
  parts().then((p) => (p.thumbs?.on ? ask(box, image, { size: large ? SHARP : null }) : absent(box)), () => absent(box));
}

// sharpen puts a larger picture over the thumbnail of a large square.
export function sharpen(box, image) {
  if (!state.live) return;
  parts().then((p) => p.thumbs?.on && ask(box, image, { size: SHARP, over: true }), () => {});
}

// ask loads a picture. Over a thumbnail it may fail without a word.
function ask(box, image, options, tries = TRIES) {
  const query = new URLSearchParams();
  if (options.size) query.set("size", options.size);
  if (options.changed) query.set("changed", "true");
  const at = `thumb/${image}${query.size ? `?${query}` : ""}`;
  const img = el("img", { class: "picture", alt: "", loading: "lazy", decoding: "async", src: `api/${at}` });
  img.addEventListener("error", () => {
    img.remove();
    failed(box, image, options, tries, at);
  }, { once: true });
  if (options.changed) img.addEventListener("load", () => box.dispatchEvent(new CustomEvent("clipnh-drawn-changed")), { once: true });
  box.prepend(img); // below maps
}

// failed finds out why there is no picture, which an <img> does not say.
async function failed(box, image, options, tries, at) {
  const why = await refusal(at).catch((err) => ({ error: err.message }));
  if (why?.kind === "changed" && !options.changed) {
    markChanged(box);
    ask(box, image, { ...options, changed: true }, tries);
    return;
  }
  const later = why === null || why.kind === "busy" || why.kind === "loading";
  if (later && tries > 1) {
    setTimeout(() => box.isConnected && ask(box, image, options, tries - 1), AGAIN);
    return;
  }
  if (!options.over) lacks(box, why?.error || "the browser cannot show it");
}

// lacks says in a square why it is empty.
function lacks(box, why) {
  box.classList.add("lacking");
  box.title = why;
  box.setAttribute("aria-label", `${box.getAttribute("aria-label")}, no thumbnail: ${why}`);
  box.append(el("span", { class: "why" }, why));
}

// absent marks a square that stays empty; what could be done is said once on a page.
function absent(box) {
  box.classList.add("lacking", "absent");
  box.append("no thumbnail");
}

// markChanged marks the square of an image that is not the one that was collected.
export function markChanged(box) {
  if (box.classList.contains("changed")) return;
  box.classList.add("changed");
  box.setAttribute("aria-label", `${box.getAttribute("aria-label")}, changed since its scores were collected`);
  box.append(el("span", { class: "stale", title: "This image changed since its scores were collected: the numbers are those of the earlier one." }, "changed"));
}

// howToDraw says how images without a thumbnail get one: [text, command]; null where they have one.
export async function howToDraw() {
  const lacking = `The report has no thumbnail of ${state.overview.thumbs ? "some" : "its"} images`;
  if (!state.live) return [`${lacking}. The explorer draws them:`, "clipnh explore DIR --data-path PATH"];
  const p = await parts();
  return p.thumbs?.on ? null : [`${lacking}, and none is drawn: ${p.thumbs?.reason || "the explorer does not offer it"}`, null];
}

// howNote is a note with that, which shows where a page has such a square.
export function howNote() {
  const box = el("div", { class: "how-to-draw" });
  howToDraw().then((how) => how && replace(box, howText(how)), () => {}); // other parts of the page say so
  return box;
}

export const howText = ([text, command]) => note(text, command ? [" ", el("code", {}, command), "."] : null);
