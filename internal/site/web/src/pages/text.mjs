// A text: the pairs that stand for it, the images nearest to it, and how near the groups of images are.

import { el, replace, button } from "../dom.mjs";
import { address, go } from "../router.mjs";
import { state, images, unitName, part } from "../state.mjs";
import { load } from "../data.mjs";
import { index, wordsOf, imagesOf } from "../index.mjs";
import { section, figure, flags, even, note } from "../parts.mjs";
import { what } from "../terms.mjs";
import { wall } from "../thumbs.mjs";
import { unitCard } from "../cards.mjs";
import { byGroup } from "../groups.mjs";
import { textAnswer } from "../live/text.mjs";

const MOST = 200; // words listed at once

export async function textPage({ query }) {
  const [ix] = await Promise.all([index(), images()]);
  const q = (query.get("q") || "").trim();
  const input = el("input", { type: "search", value: q, id: "text-words", autocomplete: "off", list: null, placeholder: state.live ? "any text" : "one of the report's words" });
  const form = el("form", { class: "search-form", role: "search", "aria-label": "texts", on: { submit: (e) => {
    e.preventDefault();
    go(address(["t"], { q: input.value.trim() }));
  } } }, el("label", { class: "wide" }, "Text ", input), el("button", { type: "submit" }, "Show"));
  const result = el("div", {});
  const word = ix.lower.indexOf(q.toLowerCase());
  const { text_count: listed } = state.overview.shards;
  if (q && word >= 0 && word < (listed ?? ix.words.length)) {
    const per = state.overview.shards.texts;
    const shard = await load(`t/${Math.floor(word / per)}`);
    replace(result, record(ix, shard.texts[word - shard.first]));
  } else if (q && state.live) {
    textAnswer(result, q, (answer) => record(ix, answer));
  } else if (q && word >= 0) {
    replace(result, note(`The report has no list for “${ix.words[word]}”, which is a word of few pairs: `, el("a", { href: address(["s"], { q: ix.words[word] }) }, "pairs described by it"), "."));
  } else if (q) {
    replace(result, note(`“${q}” is not among the report's ${ix.words.length.toLocaleString("en")} words. The explorer (`, el("code", {}, "clipnh explore"), ") takes any text. Words that contain it:"), vocabulary(ix, q));
  } else if (part("words").present) {
    replace(result, vocabulary(ix, ""));
  } else if (!state.live) {
    replace(result, note("This report has no words", part("words").need ? [": they need ", flags(part("words").need)] : "", ". The explorer (", el("code", {}, "clipnh explore"), ") takes any text."));
  }
  return {
    title: q ? `“${q}”` : "Texts",
    heading: q ? `“${q}”` : "Texts",
    nodes: [
      el("p", { class: "lead-line" }, q ? ["The pairs whose direction", what("direction"), " is nearest to this text, and its nearest images."]
        : part("words").present ? "Each word of the report, with the pairs that stand for it. Choose one or type it." : "The pairs whose direction is nearest to a text, and its nearest images."),
      part("words").present || state.live ? form : null, result],
  };
}

// record shows what is near a text. The explorer answers in the same form.
export function record(ix, r) {
  const [cosine, norm] = [even(r.pairs.map((p) => p.cosine)), even(r.pairs.map((p) => p.norm))];
  return [
    section("Pairs that stand for it", { what: "cosine" }, figure("", { name: "text-pairs", columns: ["unit", "cosine", "mean norm"], rows: r.pairs.map((p) => [unitName(p.pair), p.cosine, p.norm]) },
      el("div", { class: "cards" }, r.pairs.map((p) => unitCard(p.pair, wordsOf(ix, p.pair), imagesOf(ix, p.pair), [["cosine", cosine(p.cosine)], ["mean norm", norm(p.norm)]]))))),
    r.images?.length ? section("Images nearest to it", { what: "cosine" }, figure("", { name: "text-images", columns: ["image", "cosine"], rows: r.images.map((x) => [state.images.names[x.image], x.cosine]) },
      wall(r.images.map((x) => ({ image: x.image, value: x.cosine })), "images near the text"))) : null,
    byGroup(r.groups ?? r.years?.map((y) => ({ group: y.year, mean: y.mean, images: y.images }))), // years: of reports of older builds
  ];
}

function vocabulary(ix, q) {
  const lower = q.toLowerCase();
  const found = ix.words.filter((w, i) => !lower || ix.lower[i].includes(lower));
  const holder = el("ul", { class: "vocabulary" });
  let limit = MOST;
  const more = button("", () => {
    limit += MOST;
    draw();
  });
  const draw = () => {
    replace(holder, found.slice(0, limit).map((w) => el("li", {}, el("a", { href: address(["t"], { q: w }) }, w))));
    more.hidden = found.length <= limit;
    more.textContent = `Show more of ${found.length.toLocaleString("en")} words`;
  };
  draw();
  return [found.length ? holder : note("There are none."), more];
}
