// The heads: all of them, and one.

import { el } from "../dom.mjs";
import { address } from "../router.mjs";
import { state, images, headName, unitName, parseUnit, wording } from "../state.mjs";
import { load } from "../data.mjs";
import { index, wordsOf, imagesOf } from "../index.mjs";
import { decodeMaps } from "../neuron.mjs";
import { section, facts, format, even, note, percent, wordsLine, figure } from "../parts.mjs";
import { what } from "../terms.mjs";
import { form } from "../wording.mjs";
import { unitCard } from "../cards.mjs";
import { pairMap } from "../map.mjs";
import { bars } from "../charts.mjs";
import { wall } from "../thumbs.mjs";
import { paintMap, legend } from "../colours.mjs";
import { liveHead } from "../live/heads.mjs";

export async function headPage({ rest }) {
  if (rest === "") return headsPage();
  const unit = parseUnit(/^\d+$/.test(rest) ? `h${rest}` : rest);
  const { heads } = state.overview.model;
  const head = /^\d+$/.test(rest) ? Number(rest) : unit && unit.neuron < 0 ? unit.head : -1;
  if (head < 0 || head >= heads) throw new Error(`${rest}: not a head of this model, which has ${heads}`);
  const [file, ix] = await Promise.all([load(`h/${head}`), index(), images()]);
  const name = headName(head);
  const side = Math.round(Math.sqrt(file.attention?.length || 0));
  const maps = decodeMaps(file.maps);
  const norm = even(file.strongest.map((u) => u.value));
  const live = el("div", {});
  if (state.live) liveHead(live, name, maps.keys().next().value ?? file.strongest[0]?.images?.[0] ?? 0);
  return {
    title: name,
    heading: [el("span", { class: "unit-name" }, name)],
    nodes: [
      el("p", { class: "lead-line" }, "A head", what("head"), form().head()),
      file.words?.length ? section("What it is about", { what: "words" },
        bars(`words-${name}`, file.words.slice(0, 12).map((w) => ({ text: ix.words[w.word], value: w.norm, href: address(["s"], { q: ix.words[w.word], head }), title: `${ix.words[w.word]}: first word of ${w.pairs} pairs` })), {
          caption: "First words of its pairs, by the sum of the pairs' mean norms.", columns: ["word", "sum of mean norms"], label: `words of ${name}`,
        })) : null,
      side > 0 ? section("Where it attends", { what: "attention" }, el("div", { class: "columns two" },
        figure(`Mean attention over ${side} × ${side} places of the images shown; the rest, ${percent(file.sink)}, goes to the ${wording().token}.`, {
          name: `attention-${name}`, columns: ["row", "column", "attention"], rows: Array.from(file.attention, (v, i) => [Math.floor(i / side), i % side, v]),
        }, attentionMap(side, file.attention, name), legend(el, false, ["0", format(Math.max(...file.attention), 2)])),
        facts([[`attention to the ${wording().token}`, percent(file.sink), "sink"]])),
      maps.size ? [el("h3", {}, "On images"), wall([...maps.keys()].slice(0, 12).map((image) => ({ image, map: maps.get(image) })), `attention of ${name}`, { labels: false })] : null) : null,
      live,
      section("Its pairs", { what: "pair" }, pairMap(ix, { heads: [head] })),
      section("Its strongest pairs", { what: "norm" },
        el("p", { class: "quiet" }, el("a", { href: address(["s"], { head, sort: "norm" }) }, "All its pairs in this order")),
        el("div", { class: "cards" }, file.strongest.map((u) => unitCard(u.pair, wordsOf(ix, u.pair), u.images?.length || u.zero ? u.images.slice(0, 4) : imagesOf(ix, u.pair), [["mean norm", norm(u.value)], ...(u.zero ? [["weights", "zero"]] : [])])))),
    ],
    move: (by) => {
      if (head + by >= 0 && head + by < heads) location.hash = address(["h", head + by]);
    },
  };
}

function attentionMap(side, values, name) {
  const most = Math.max(...values) || 1;
  const canvas = el("canvas", { class: "square-map", role: "img", "aria-label": `mean attention of ${name} over ${side} by ${side} places; the strongest has ${format(most, 3)}` });
  paintMap(canvas, side, values.map((v) => v / most), false);
  return canvas;
}

async function headsPage() {
  const ix = await index();
  const { heads, neurons } = state.overview.model;
  const rows = Array.from({ length: heads }, (_, h) => {
    let sum = 0;
    let best = h * neurons;
    for (let p = h * neurons; p < (h + 1) * neurons; p++) {
      sum += ix.pairs.norm[p];
      if (ix.pairs.norm[p] > ix.pairs.norm[best]) best = p;
    }
    return { h, mean: sum / neurons, best };
  });
  const norm = even(rows.map((r) => r.mean));
  return {
    title: "Heads",
    heading: "Heads",
    nodes: [
      el("p", { class: "lead-line" }, "Each head", what("head"), form().heads()),
      el("ul", { class: "list" }, rows.map(({ h, mean, best }) => el("li", { "data-unit": headName(h) },
        el("a", { class: "unit", href: address(["h", h]) }, headName(h)),
        el("span", {}, `mean norm of its pairs ${norm(mean)}`),
        el("span", {}, "strongest: ", el("a", { class: "unit", href: address(["p", unitName(best)]) }, unitName(best)), " ", wordsLine(wordsOf(ix, best).slice(0, 3)))))),
      note("The map on the ", el("a", { href: "#/" }, "first page"), " shows all of them side by side."),
    ],
  };
}
