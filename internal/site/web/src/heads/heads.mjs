// The heads of a report of heads, and the parts that its pages share.

import { el } from "../dom.mjs";
import { address } from "../router.mjs";
import { load } from "../data.mjs";
import { part } from "../state.mjs";
import { format, percent } from "../parts.mjs";
import { thumb } from "../thumbs.mjs";

let once = null;

// heads gives all heads: [{head, name, norm, share, explained, texts, images, along, lower}].
export function heads() {
  once ||= load("heads").then((file) => file.heads.map((h, head) => ({ ...h, head, lower: h.texts.map((t) => t.toLowerCase()) })));
  return once;
}

export function headAddress(name) {
  return address(["h", name]);
}

// valuesOf are a head's numbers, by name.
export function valuesOf(h) {
  const values = [["mean norm", format(h.norm, 3)]];
  if (h.share !== null) values.push(["share", percent(h.share)]);
  if (h.explained !== null) values.push(["explained", percent(h.explained)]);
  return values;
}

const SHOWN = 3; // texts of a card

// headCard shows a head: its first texts, its numbers, and the images at the head of its ranking.
export function headCard(h) {
  return cardOf(h, valuesOf(h));
}

// cardOf shows a head with some numbers, by name.
export function cardOf(h, values) {
  const texts = h.texts.slice(0, SHOWN).join("; ");
  return el("article", { class: "card", "data-unit": h.name, "aria-label": texts ? `${h.name}: ${texts}` : h.name },
    el("div", { class: "card-head" },
      el("a", { href: headAddress(h.name), class: "unit" }, h.name),
      el("span", { class: "card-values" }, values.map(([text, v]) => el("span", {}, `${text} `, el("b", {}, v))))),
    el("div", { class: "card-words" }, texts || (part("texts").present ? el("span", { class: "quiet" }, "no texts") : null)),
    el("div", { class: "strip" }, h.images.slice(0, 4).map((image, i) => thumb(image, { labels: false, what: `image ${i + 1} of ${h.name}` }))));
}

// ranked says by what the images of a head are ranked.
export const ranked = (h) => (h.along ? "along its first text" : "by norm");
