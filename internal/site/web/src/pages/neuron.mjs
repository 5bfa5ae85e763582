// One neuron: its images, then a row for each head that reads it strongly.

import { el } from "../dom.mjs";
import { address } from "../router.mjs";
import { state, images, headName, neuronName, unitName, parseUnit } from "../state.mjs";
import { neuronFile, neuronRecord, pairRecord } from "../neuron.mjs";
import { section, facts, format, even, withDeviation, wordsLine, wordsText, figure, note, zeroWeights } from "../parts.mjs";
import { what } from "../terms.mjs";
import { wall } from "../thumbs.mjs";
import { histogram } from "../charts.mjs";
import { pinButton } from "../pins.mjs";

export async function neuronPage({ rest }) {
  const unit = parseUnit(/^\d+$/.test(rest) ? `n${rest}` : rest);
  if (!unit || unit.neuron < 0) throw new Error(`${rest}: not a neuron of this model, which has ${state.overview.model.neurons}`);
  const { neuron } = unit;
  const [source] = await Promise.all([neuronFile(neuron), images()]);
  const r = neuronRecord(source);
  const { heads, neurons } = state.overview.model;
  const name = neuronName(neuron);
  const rows = Array.from({ length: heads }, (_, head) => ({ head, r: pairRecord(source, head) })).sort((a, b) => b.r.normMean - a.r.normMean);
  const strong = rows.filter((x, i) => i < 12);
  const norm = even(rows.map((x) => x.r.normMean));
  return {
    title: `${name}: ${wordsText(r.words.slice(0, 3))}`,
    unit: name,
    heading: [el("span", { class: "unit-name" }, name), pinButton(name)],
    lead: r.words.length ? wordsLine(r.words.slice(0, 4)) : null,
    nodes: [
      facts([
        ["mean norm", withDeviation(r.norm.mean, r.norm.deviation), "norm"],
        ["largest norm", format(r.norm.largest)],
        ["polysemanticity", format(r.polysemanticity, 3), "polysemanticity"],
      ]),
      section("The neuron's strongest images", { what: "neuron" }, el("p", { class: "quiet" }, "By the norm of what all heads together add", what("norm", ".")),
        figure("", { name: `images-${name}`, columns: ["image", "norm"], rows: r.strongest.map((x) => [state.images.names[x.image], x.value]) },
          wall(r.strongest, `strongest images of ${name}`, { twelve: true }))),
      section("As each head reads it", { what: "pair" },
        el("p", { class: "quiet" }, "Heads by mean norm, the strongest first. Marked “new”: images that the neuron's own row lacks.", what("adds")),
        strong.map(({ head, r: p }) => el("div", { class: "head-row", "data-unit": unitName(head * neurons + neuron) },
          el("div", { class: "head-row-name" },
            el("a", { class: "unit", href: address(["p", unitName(head * neurons + neuron)]) }, unitName(head * neurons + neuron)),
            el("div", {}, wordsLine(p.words.slice(0, 3))),
            el("div", { class: "quiet" }, `mean norm ${norm(p.normMean)}`)),
          p.zero ? zeroWeights() : wall(p.strongest.map((x) => ({ ...x, mark: x.adds ? "new" : null })), `strongest images of ${unitName(head * neurons + neuron)}`, { labels: false, twelve: true }))),
        rows.length > strong.length ? note("The other heads: ", rows.slice(strong.length).map(({ head, r: p }) => [" ", el("a", { href: address(["p", unitName(head * neurons + neuron)]), title: `mean norm ${norm(p.normMean)}` }, headName(head)), p.zero ? " (weights of zero)" : ""]), ".") : null),
      el("div", { class: "columns two" },
        section("Ordinary images", { what: "quantiles" }, [...r.quantiles].reverse().map((q) => el("div", { class: "quantile" },
          el("h3", {}, `${Math.round(100 * q.share)} %`), wall(q.items, `${name} at ${Math.round(100 * q.share)} %`, { small: true, labels: false }))),
        el("div", { class: "quantile" }, el("h3", {}, "weakest"), wall(r.weakest, `weakest images of ${name}`, { small: true, labels: false }))),
        section("Its norms", { what: "norm" }, histogram(`norms-${name}`, r.histogram, { x: "norm", caption: "Norms of what the neuron adds to each image." }))),
    ],
    move: (by) => {
      const next = neuron + by;
      if (next >= 0 && next < neurons) location.hash = address(["n", next]);
    },
  };
}
