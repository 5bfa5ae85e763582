// Cards of units: name, words, thumbnails, a button that pins.

import { el } from "./dom.mjs";
import { address } from "./router.mjs";
import { unitName, part } from "./state.mjs";
import { wordsLine, wordsText, format } from "./parts.mjs";
import { thumb } from "./thumbs.mjs";
import { pinButton } from "./pins.mjs";

// unitCard shows a pair. values: [[name, number, or text that is even with those of other cards]].
export function unitCard(pair, words, images, values) {
  const name = unitName(pair);
  return el("article", { class: "card", "data-unit": name, "aria-label": part("words").present ? `${name}: ${wordsText(words)}` : name },
    el("div", { class: "card-head" },
      el("a", { href: address(["p", name]), class: "unit" }, name),
      el("span", { class: "card-values" }, values.map(([text, v]) => el("span", {}, `${text} `, el("b", {}, typeof v === "string" ? v : format(v, 3))))),
      pinButton(name)),
    el("div", { class: "card-words" }, wordsLine(words)),
    el("div", { class: "strip" }, images.map((image, i) => thumb(image, { labels: false, what: `image ${i + 1} of ${name}` }))));
}
