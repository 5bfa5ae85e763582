// Two models or collections: which heads moved, appeared, died.

import { el } from "../dom.mjs";
import { part, images } from "../state.mjs";
import { load } from "../data.mjs";
import { section, note, facts, figure, count, even, percent } from "../parts.mjs";
import { what } from "../terms.mjs";
import { heads, cardOf } from "./heads.mjs";

const BY = {
  head: "Both have the same architecture: each head is compared with the head of the same name.",
  means: "Both have the same architecture: each head is compared with the head of the same name, by its mean alone, as few images are in both.",
  cka: "The architectures differ: each head is compared with the head that is most alike on the same images.",
};

export async function headsMoved() {
  if (!part("comparison").present) {
    return {
      title: "What moved", heading: "What moved",
      nodes: [note("This report was not compared with another one. ", el("code", {}, "clipnh report --with OTHER"), " builds one that is.")],
    };
  }
  const [moved, all] = await Promise.all([load("moved"), heads(), images()]);
  const similarity = moved.by === "means" ? "cosine" : "CKA";
  const columns = ["here", "there", similarity, "shift (rms here)", "norm here", "norm there", "share of norms here", "share of norms there"];
  const list = (heading, text, items, of = items.length) => section(`${heading} (${of.toLocaleString("en")})`, {}, el("p", { class: "quiet" }, text),
    items.length === 0 ? note("None.") : figure("", {
      name: heading.toLowerCase(), columns,
      rows: items.map((s) => [s.here_name, s.there_name, s.similarity, s.shift, s.norm_here, s.norm_there, s.norm_share_here, s.norm_share_there]),
    }, el("div", { class: "cards" }, cards(all, items.slice(0, 60), similarity, moved.by === "cka")),
    items.length > 60 ? note(`The first 60 of ${count(items.length, "head")}; the CSV has all.`) : null));
  return {
    title: `Compared with ${moved.there}`,
    heading: `Compared with ${moved.there}`,
    nodes: [
      el("p", { class: "lead-line" }, BY[moved.by] || "", moved.by === "means" ? null : [" CKA says how alike two heads are", what("cka"), "."]),
      facts([
        ["here", moved.here], ["there", moved.there], ["images in both", moved.shared.toLocaleString("en")],
        moved.other_files > 0 ? ["equal names, other files", moved.other_files.toLocaleString("en")] : null,
        ["alive here", `${moved.here_alive.toLocaleString("en")} of ${count(moved.here_heads, "head")}`],
        ["alive there", `${moved.there_alive.toLocaleString("en")} of ${count(moved.there_heads, "head")}`],
        moved.chance === null ? null : ["CKA by chance", even([moved.chance], 2)(moved.chance)],
      ]),
      note("A head is alive if its mean norm is 1 % of the largest or more. ",
        moved.by === "cka" ? "A head that has no match of a CKA of 0.25 has died, or appeared. “Of norms” is the share of its mean norm in the sum of those of all heads. " : "The shift is the distance of the means, over the root mean square distance of single images from their mean here. ",
        moved.chance === null ? null : "By chance, with the images there in a random order, 95 % of the heads find no match of a larger CKA than the one above."),
      list("Moved", `Heads that are ${moved.by === "cka" ? "matched" : "alive on both sides"} and differ by more than rounding; those that differ most come first. ${count(moved.same, "head")} ${moved.same === 1 ? "does" : "do"} not.`, moved.moved, moved.differ),
      list("Appeared", "Heads that are alive there only.", moved.appeared),
      list("Died", "Heads that are alive here only.", moved.died),
    ],
  };
}

// cards are those of heads that moved, with numbers of even length. Norms of two architectures are not
// on one scale: shares of them are shown.
function cards(all, items, similarity, matched) {
  const alike = even(items.map((s) => s.similarity));
  const shift = even(items.map((s) => s.shift ?? 0));
  const norm = even(items.flatMap((s) => [s.norm_here, s.norm_there]));
  const size = (s, side) => (matched ? percent(s[`norm_share_${side}`]) : norm(s[`norm_${side}`]));
  const sized = matched ? "of norms" : "norm";
  return items.map((s) => {
    const values = [[s.here >= 0 && s.there >= 0 ? similarity : `largest ${similarity}`, alike(s.similarity)]];
    if (s.here >= 0 && s.there >= 0 && s.here_name !== s.there_name) values.unshift(["there", s.there_name]);
    if (s.shift !== null) values.push(["shift", shift(s.shift)]);
    if (s.here >= 0) return cardOf(all[s.here], [...values, [sized, s.there >= 0 ? `${size(s, "here")} → ${size(s, "there")}` : size(s, "here")]]);
    return el("article", { class: "card" }, el("div", { class: "card-head" }, el("span", { class: "unit" }, s.there_name),
      el("span", { class: "card-values" }, [...values, [`${sized} there`, size(s, "there")]].map(([text, v]) => el("span", {}, `${text} `, el("b", {}, v))))));
  });
}
