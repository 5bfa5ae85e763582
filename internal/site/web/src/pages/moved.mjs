// Two models or collections: which pairs moved, appeared, died.

import { el } from "../dom.mjs";
import { state, part, images } from "../state.mjs";
import { load } from "../data.mjs";
import { index, wordsOf, imagesOf } from "../index.mjs";
import { section, note, facts, figure, count } from "../parts.mjs";
import { unitName } from "../state.mjs";
import { unitCard } from "../cards.mjs";

const BY = {
  pair: "Both have the same architecture: each pair is compared with the pair of the same head and neuron.",
  direction: "The architectures differ: each pair is compared with the pair whose direction is nearest.",
  scores: "The architectures differ: each pair is compared with the pair whose scores on the same images correlate most.",
};

export async function movedPage() {
  if (!part("comparison").present) {
    return {
      title: "What moved", heading: "What moved",
      nodes: [note("This report was not compared with another one. ", el("code", {}, "clipnh report --with OTHER"), " builds one that is.")],
    };
  }
  const [moved, ix] = await Promise.all([load("moved"), index(), images()]);
  const list = (heading, text, items) => section(`${heading} (${items.length.toLocaleString("en")})`, {}, el("p", { class: "quiet" }, text),
    items.length === 0 ? note("None.") : figure("", {
      name: heading.toLowerCase(), columns: ["here", "there", "similarity", "norm here", "norm there"],
      rows: items.map((s) => [s.here < 0 ? "" : unitName(s.here), s.there < 0 ? "" : s.there, s.similarity, s.norm_here, s.norm_there]),
    }, el("div", { class: "cards" }, items.slice(0, 60).map((s) => (s.here < 0
      ? el("article", { class: "card" }, el("div", { class: "card-head" }, `number ${s.there} of the other`, el("span", { class: "card-values" }, el("span", {}, "norm there ", s.norm_there.toPrecision(3)))))
      : unitCard(s.here, wordsOf(ix, s.here), imagesOf(ix, s.here), [["similarity", s.similarity], ["norm", s.norm_here], ["there", s.norm_there]])))),
    items.length > 60 ? note(`The first 60 of ${count(items.length, "pair")}; the CSV has all.`) : null));
  return {
    title: `Compared with ${moved.other}`,
    heading: `Compared with ${moved.other}`,
    nodes: [
      el("p", { class: "lead-line" }, BY[moved.by] || ""),
      facts([["this report", state.overview.title], ["the other", moved.other], ["images in both", moved.shared.toLocaleString("en")]]),
      list("Moved", "Pairs that do something else there, the least similar first.", moved.moved),
      list("Appeared", "Pairs of this report without a counterpart there.", moved.appeared),
      list("Died", "Pairs of the other report without a counterpart here.", moved.died),
    ],
  };
}
