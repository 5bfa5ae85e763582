// Two models or collections: which pairs moved, appeared, died.

import { el } from "../dom.mjs";
import { part, images, unitName, pairName } from "../state.mjs";
import { load } from "../data.mjs";
import { index, wordsOf, imagesOf } from "../index.mjs";
import { section, note, facts, figure, count, even, evenSigned } from "../parts.mjs";
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
  const there = (pair) => (pair < 0 ? "" : pairName(pair, moved.there_names));
  const list = (heading, text, items, of = items.length) => section(`${heading} (${of.toLocaleString("en")})`, {}, el("p", { class: "quiet" }, text),
    items.length === 0 ? note("None.") : figure("", {
      name: heading.toLowerCase(), columns: ["here", "there", "similarity", "shift (sd here)", "norm here", "norm there"],
      rows: items.map((s) => [s.here < 0 ? "" : unitName(s.here), there(s.there), s.similarity, s.shift, s.norm_here, s.norm_there]),
    }, el("div", { class: "cards" }, cards(ix, items.slice(0, 60), there)),
    items.length > 60 ? note(`The first 60 of ${count(items.length, "pair")}; the CSV has all.`) : null));
  return {
    title: `Compared with ${moved.there}`,
    heading: `Compared with ${moved.there}`,
    nodes: [
      el("p", { class: "lead-line" }, BY[moved.by] || ""),
      facts([
        ["here", moved.here], ["there", moved.there], ["images in both", moved.shared.toLocaleString("en")],
        ...(moved.other_files > 0 ? [["equal names, other files", moved.other_files.toLocaleString("en")]] : []),
        ["alive here", `${moved.here_alive.toLocaleString("en")} of ${count(moved.here_pairs, "pair")}`],
        ["alive there", `${moved.there_alive.toLocaleString("en")} of ${count(moved.there_pairs, "pair")}`],
      ]),
      note("A pair is alive if its mean norm is 1 % of the largest or more; one whose norm merely crosses that, and is not halved, counts as alive on both sides. Similarity is the correlation of scores on the images that both have, or with fewer than 10 of them the cosine of directions. ",
        "The shift is the mean score there less that here, in standard deviations of the scores here."),
      list("Moved", `Pairs that are alive on both sides and differ by more than rounding; those that differ most come first. ${count(moved.same, "pair")} do not${moved.shared < 10 ? ", as far as direction, mean and deviation tell" : ""}.`, moved.moved, moved.differ),
      list("Appeared", "Pairs that are alive there only.", moved.appeared),
      list("Died", "Pairs that are alive here only.", moved.died),
    ],
  };
}

// cards are those of pairs that moved, with numbers of even length.
function cards(ix, items, there) {
  const write = {
    similarity: even(items.map((s) => s.similarity)), shift: evenSigned(items.map((s) => s.shift)), norm: even(items.flatMap((s) => [s.norm_here, s.norm_there])),
  };
  return items.map((s) => card(ix, s, there(s.there), write));
}

function card(ix, s, there, write) {
  const values = s.similarity < 0.9995 ? [["similarity", write.similarity(s.similarity)]] : [];
  if (s.shift) values.push(["shift", write.shift(s.shift)]);
  values.push(["norm", `${write.norm(s.norm_here)} → ${write.norm(s.norm_there)}`]);
  if (s.here >= 0) return unitCard(s.here, wordsOf(ix, s.here), imagesOf(ix, s.here), there && there !== unitName(s.here) ? [["there", there], ...values] : values);
  return el("article", { class: "card" }, el("div", { class: "card-head" }, el("span", { class: "unit" }, there),
    el("span", { class: "card-values" }, el("span", {}, "norm there ", el("b", {}, write.norm(s.norm_there))))));
}
