// One pair: all that is known of it.

import { el, button, replace } from "../dom.mjs";
import { address } from "../router.mjs";
import { state, images, unitName, headName, neuronName, parseUnit } from "../state.mjs";
import { wordsOf, imagesOf } from "../index.mjs";
import { neuronFile, neuronRecord, pairRecord, decodeMaps } from "../neuron.mjs";
import { load } from "../data.mjs";
import { section, facts, format, even, withDeviation, signed, pairLink, neuronLink, headLink, wordsLine, wordsText, wordsFrom, note, figure, zeroWeights } from "../parts.mjs";
import { what } from "../terms.mjs";
import { wall, thumb } from "../thumbs.mjs";
import { histogram, bars } from "../charts.mjs";
import { legend } from "../colours.mjs";
import { pinButton } from "../pins.mjs";
import { compareButton } from "../compare.mjs";
import { dropBox } from "../live/drop.mjs";
import { offButton } from "../live/toggle.mjs";

export async function pairPage({ rest }) {
  const unit = parseUnit(rest);
  if (!unit || unit.pair < 0) throw new Error(`${rest}: not a pair of this model; want a name such as ${unitName(0)}`);
  const { head, neuron, pair } = unit;
  const [source] = await Promise.all([neuronFile(neuron), images()]);
  const r = pairRecord(source, head);
  const name = unitName(pair);
  const words = wordsText(r.words.slice(0, 3));
  const drop = el("div", {});
  if (state.live && !r.zero) dropBox(drop, name, r);
  return {
    title: `${name}: ${words}`,
    unit: name,
    heading: [el("span", { class: "unit-name" }, name), pinButton(name), compareButton(name), state.live ? offButton(name) : null],
    lead: r.words.length ? wordsLine(r.words.slice(0, 4)) : null,
    nodes: [
      facts([
        ["mean norm", withDeviation(r.normMean, r.normSD), "norm"],
        ["largest norm", format(r.normLargest)],
        ["description score", format(r.spearman, 3), "spearman"],
        ["polysemanticity", format(r.polysemanticity, 3), "polysemanticity"],
        ["direction's length", format(r.square === null ? null : Math.sqrt(r.square)), "direction"],
        ["neuron", neuronLink(neuron)],
        ["head", headLink(head)],
      ]),
      el("nav", { class: "siblings", "aria-label": "the same neuron in other heads" }, siblings(source.ix, head, neuron)),
      ...(r.zero ? [zeroWeights()] : of(source, r, head, neuron, name, drop)),
    ],
    move: (by) => step(pair, by),
  };
}

// of are the images of a pair and what its scores and direction say.
function of(source, r, head, neuron, name, drop) {
  return [
    el("div", { class: "columns images-two" }, strongest(source, r, head, neuron, name),
    section("Ordinary images", { what: "quantiles" }, [...r.quantiles].reverse().map((q) => el("div", { class: "quantile" },
      el("h3", {}, `${Math.round(100 * q.share)} %`), wall(q.items, `${name} at ${Math.round(100 * q.share)} % of its ranking`, { small: true }))),
    el("div", { class: "quantile" }, el("h3", {}, "weakest"), wall(r.weakest, `weakest images of ${name}`, { small: true })))),
    el("div", { class: "columns two" },
      described(r, name),
      section("Its scores", { what: "score" },
        r.histogram ? histogram(`scores-${name}`, r.histogram, {
          x: "score", caption: `Scores of ${state.overview.data.images.toLocaleString("en")} images; mean ${format(r.scoreMean, 3)}, standard deviation ${format(r.scoreSD, 3)}.`,
          marks: r.strongest.length ? [{ at: r.strongest[0].value, text: "strongest image" }] : [],
        }) : note("not known"))),
    drop,
    el("div", { class: "columns two" },
      neighbours(source.ix, "Neighbours by direction", "direction_neighbours", r.byDirection, "cosine", name),
      neighbours(source.ix, "Neighbours by scores", "score_neighbours", r.byScores, "correlation", name)),
    classes(r, name),
  ];
}

// step goes to the next pair of the last search, or of the head.
function step(pair, by) {
  const found = state.results;
  const { heads, neurons } = state.overview.model;
  const at = found ? found.indexOf(pair) : -1;
  const next = at >= 0 ? found[at + by] : pair + by;
  if (next !== undefined && next >= 0 && next < heads * neurons) location.hash = address(["p", unitName(next)]);
}

function siblings(ix, head, neuron) {
  const { heads, neurons } = state.overview.model;
  const all = Array.from({ length: heads }, (_, h) => h).sort((a, b) => ix.pairs.norm[b * neurons + neuron] - ix.pairs.norm[a * neurons + neuron]);
  return [el("span", { class: "quiet" }, `${neuronName(neuron)} in `), all.slice(0, 16).map((h) => (h === head
    ? el("a", { "aria-current": "page", href: address(["p", unitName(h * neurons + neuron)]) }, headName(h))
    : el("a", { href: address(["p", unitName(h * neurons + neuron)]), title: wordsText(wordsOf(ix, h * neurons + neuron)) }, headName(h)))),
  el("a", { href: address(["n", neuron]) }, heads > 16 ? `all ${heads} heads` : "side by side")];
}

// strongest is the wall of strongest images, with maps over them on demand.
function strongest(source, r, head, neuron, name) {
  const holder = el("div", {});
  const note = el("div", {});
  const activation = neuronRecord(source).maps;
  const views = [["image", "images"]];
  if (activation.size) views.push(["activation", "activation"], ["attention", "attention"], ["product", "activation × attention"]);
  const show = async (view) => {
    tools.querySelectorAll("button[data-view]").forEach((b) => b.setAttribute("aria-pressed", String(b.dataset.view === view)));
    let maps = null;
    if (view === "activation") maps = activation;
    if (view === "attention" || view === "product") {
      const attention = decodeMaps((await load(`h/${head}`)).maps);
      maps = view === "attention" ? attention : product(activation, attention);
    }
    replace(note, maps ? legend(el, false, ["0", `largest of the image · ${views.find(([v]) => v === view)[1]}`]) : null,
      maps && !r.strongest.some((x) => maps.has(x.image)) ? el("p", { class: "quiet" }, "There are no such maps of these images.") : null);
    replace(holder, wall(r.strongest.map((x) => ({
      ...x, mark: x.adds ? "new" : null, map: maps?.get(x.image) || null,
    })), `strongest images of ${name} (${wordsText(r.words.slice(0, 2))})`));
  };
  const tools = el("div", { class: "tools" }, views.length > 1
    ? [el("span", { class: "segmented", role: "group", "aria-label": "what to show over images" }, views.map(([view, text]) => button(text, () => show(view), { "data-view": view, "aria-pressed": String(view === "image") }))),
      what("activation"), what("attention"), what("product")] : null);
  show("image");
  return section("Its strongest images", {}, el("p", { class: "quiet" }, "Below each: its score", what("score", "."),
    r.strongest.some((x) => x.adds) ? [" Marked “new”: images that are not among the neuron's strongest", what("adds", ".")] : ""), tools, note, figure("", {
    name: `images-${name}`, columns: ["kind", "image", "score", "new"], rows: [["strongest", r.strongest], ...r.quantiles.map((q) => [`${100 * q.share} %`, q.items]), ["weakest", r.weakest]]
      .flatMap(([kind, items]) => items.map((x) => [kind, state.images.names[x.image], x.value, x.adds ?? ""])),
  }, holder));
}

function product(a, b) {
  const out = new Map();
  for (const [image, map] of a) {
    const other = b.get(image);
    if (!other || other.side !== map.side) continue;
    const values = map.values.map((v, i) => v * other.values[i]);
    const most = values.reduce((m, v) => Math.max(m, Math.abs(v)), 0) || 1;
    out.set(image, { side: map.side, values: values.map((v) => v / most) });
  }
  return out;
}

function described(r, name) {
  if (r.words.length === 0) return section("In words", { what: "words" }, note("The report was made without words for components."));
  return section("In words", { what: "words" },
    bars(`words-${name}`, r.words.map((w) => ({ text: w.coefficient < 0 ? `not ${w.text}` : w.text, name: w.text, value: w.coefficient, href: address(["t"], { q: w.text }) })),
      { caption: ["Coefficients of words; together they make the direction. ", wordsFrom()], columns: ["word", "coefficient"], label: `words of ${name} with coefficients` }),
    facts([
      ["left unexplained", format(r.residual, 3), "residual"],
      ["description score", format(r.spearman, 3), "spearman"],
      ["AUC", format(r.auc, 3), "auc"],
      r.firstSpearman !== null ? ["first word alone", `${format(r.firstSpearman, 3)}, AUC ${format(r.firstAUC, 3)}`, "floor"] : null,
    ]));
}

function neighbours(ix, heading, term, near, unit, name) {
  if (near.length === 0) return null;
  const write = even(near.map((x) => x.value));
  return section(heading, { what: term }, figure("", { name: `${unit}-${name}`, columns: ["unit", unit], rows: near.map((x) => [unitName(x.pair), x.value]) },
    el("ul", { class: "near" }, near.map((x) => el("li", {},
      el("span", { class: "near-name" }, pairLink(x.pair), el("span", { class: "value" }, write(x.value))),
      el("span", { class: "near-words" }, wordsLine(wordsOf(ix, x.pair).slice(0, 3), false)),
      el("span", { class: "strip tiny" }, imagesOf(ix, x.pair).map((image) => thumb(image, { labels: false, what: `image of ${unitName(x.pair)}` }))),
      el("a", { class: "small", href: address(["c"], { a: name, b: unitName(x.pair) }), "aria-label": `compare ${name} with ${unitName(x.pair)}` }, "compare"))))));
}

function classes(r, name) {
  const { labels, classes: names } = state.overview.data;
  if (r.highest.length === 0 && r.effects.length === 0) return null;
  return el("div", { class: "columns two" },
    r.highest.length ? section("Mean score by label", {},
      bars(`labels-${name}`, [...r.highest, ...[...r.lowest].reverse().filter((x) => !r.highest.some((y) => y.label === x.label))].map((x) => ({ text: labels[x.label], value: x.value })),
        { caption: "The labels of the highest and of the lowest mean score.", columns: ["label", "mean score"], label: `mean scores of ${name} by label` })) : null,
    r.effects.length ? section("Without this pair", { what: "ablation" },
      bars(`effect-${name}`, r.effects.map((x) => ({ text: names[x.label] ?? labels[x.label], value: x.value })),
        { caption: ["Change of the class's mean logit", what("logit"), " when the pair is ablated."], columns: ["class", "change of mean logit"], label: `effect of ablating ${name} on classes` }),
      note(r.effects.every((x) => !x.accuracy) ? "The accuracy of these classes stays the same." : ["Change of accuracy: ", r.effects.map((x, i) => [i ? ", " : "", `${names[x.label] ?? labels[x.label]} ${signed(100 * x.accuracy, 2)} points`]), "."])) : null);
}

