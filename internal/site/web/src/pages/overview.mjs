// The first page: what this is, and ways in.

import { el, replace, table } from "../dom.mjs";
import { address, go } from "../router.mjs";
import { state, images, part } from "../state.mjs";
import { index } from "../index.mjs";
import { section, facts, note, percent, count, joined, format, even, figure, flags, imageAddress } from "../parts.mjs";
import { what } from "../terms.mjs";
import { form, example } from "../wording.mjs";
import { unitCard } from "../cards.mjs";
import { pairMap } from "../map.mjs";
import { histogram, curves } from "../charts.mjs";

const LISTS = {
  strongest: ["The strongest pairs", "These add most to the image feature, averaged over all images.", "norm", "mean norm"],
  purest: ["The purest pairs", "Their strongest images are most alike: they show one thing. Only the stronger half of the pairs, by mean norm, is listed: a weak pair says little.", "polysemanticity", "polysemanticity"],
  best_described: ["The best described pairs", "Their words predict best which images they respond to.", "spearman", "score"],
};

const HISTOGRAMS = {
  norm: ["Mean norm of pairs", "norm", "mean norm"],
  polysemanticity: ["Polysemanticity of pairs", "polysemanticity", "polysemanticity"],
  score: ["How well words describe pairs", "spearman", "description score"],
};

export async function overview() {
  await images();
  const o = state.overview;
  const { heads, neurons } = o.model;
  const pairs = heads * neurons;
  const lead = form().lead(o.model.name && o.model.name !== "custom" ? `, ${o.model.name},` : "", pairs.toLocaleString("en"));
  const map = el("div", { class: "loading" }, "loading the map…");
  const lists = el("div", {}, o.lists.map((l) => unitList(l, null)));
  // The page is there before the index is, which names words and shades the map.
  const later = index().then((ix) => {
    map.replaceWith(pairMap(ix));
    replace(lists, o.lists.map((l) => unitList(l, ix)));
  });
  return {
    title: "Overview",
    later,
    heading: o.title,
    nodes: [
      el("div", { class: "lead" },
        el("p", {}, "A network of the kind called CLIP", what("clip"), " turns an image into a list of numbers that can be compared with texts. ",
          lead[0], what("neuron"), lead[1], what("head"), lead[2], what("pair", ".")),
        el("p", {}, `These pages show, for every pair, ${joined([`which of ${count(o.data.images, "image")} it responds to`,
          part("words").present ? "words for what it stands for" : "", o.data.classes.length ? "what the model loses without it" : ""])}.`),
        searchForm(pairs)),
      changed(o.data),
      lists,
      section("All pairs at a glance", {}, map),
      accuracy(o),
      section("How pairs differ", {}, el("div", { class: "columns three" }, Object.entries(HISTOGRAMS).map(([key, [caption, term, x]]) =>
        (o.histograms[key] && o.histograms[key].counts.length ? el("div", {}, histogram(`histogram-${key}`, o.histograms[key], { x, caption: [caption, what(term)] })) : null)))),
      section("Model and images", {}, facts([
        ["model", o.model.name], ["image feature", `${o.model.out_dim} numbers`],
        ["pairs", `${heads} heads × ${neurons.toLocaleString("en")} neurons = ${pairs.toLocaleString("en")}`, "pair"],
        o.model.input_size ? ["image size", `${o.model.input_size} × ${o.model.input_size} pixels`] : null,
        o.model.precision ? ["precision", o.model.precision] : null,
        ["images", `${o.data.images.toLocaleString("en")}${o.data.name ? `, ${o.data.name}` : ""}`],
        o.data.classes.length ? ["classes", o.data.classes.length] : null,
        o.data.groups.length ? ["groups", o.data.groups.length] : null,
        ["weights, SHA-256", el("code", { class: "hash" }, o.model.weights_sha256)],
      ]), note("Every file that this was made from, with its hash and command: ", el("a", { href: "#/about" }, "about this report"), ".")),
      lacking(o),
    ],
  };
}

// changed warns of images that are shown beside the numbers of others.
export function changed({ changed: n, changed_images: which = [] }) {
  if (!n) return null;
  const most = 20;
  const links = which.slice(0, most).map((i) => el("a", { href: imageAddress(state.images.names[i]) }, state.images.names[i]));
  return el("p", { class: "note changed", role: "note" },
    n === 1 ? "One image changed since its scores were collected; the numbers are those of the earlier one"
      : `${n.toLocaleString("en")} images changed since their scores were collected; the numbers are those of the earlier ones`,
    links.length ? ": " : "", links.map((a, i) => [i ? ", " : "", a]), which.length > most ? ` and ${(which.length - most).toLocaleString("en")} more` : "",
    ".", which.length ? " They are marked “changed” wherever they are drawn." : "");
}

function searchForm(pairs) {
  const input = el("input", { type: "search", name: "q", placeholder: part("words").present ? `yellow, stripes, ${example()} …` : `${example()} …`, "aria-label": part("words").present ? "search pairs by word or name" : "search pairs by name", autocomplete: "off" });
  return el("form", { class: "big-search", role: "search", "aria-label": "pairs", on: { submit: (e) => {
    e.preventDefault();
    go(address(["s"], { q: input.value }));
  } } },
  input, el("button", { type: "submit" }, "Search"),
  el("span", { class: "quiet" }, "or ", el("a", { href: "#/s" }, `browse all ${pairs.toLocaleString("en")} pairs`), ", ",
    el("a", { href: "#/h" }, "the heads"), ", ", el("a", { href: "#/i" }, "the images")));
}

function unitList(list, ix) {
  const [heading, explanation, term, unit] = LISTS[list.name] || [list.name, "", null, "value"];
  if (list.units.length === 0) return null;
  const write = even(list.units.slice(0, 6).map((u) => u.value));
  const all = address(["s"], { strongest: { sort: "norm" }, purest: { sort: "purity", norm: 50 }, best_described: { sort: "score" } }[list.name]);
  return section(heading, { what: term }, el("p", { class: "quiet" }, explanation, " ", el("a", { href: all }, "All in this order")),
    el("div", { class: "cards" }, list.units.slice(0, 6).map((u) => unitCard(u.pair, ix ? u.words.map((w) => ({ text: ix.words[w.word], coefficient: w.coefficient })) : [], u.images, [[unit, write(u.value)]]))));
}

function accuracy(o) {
  if (!o.accuracy) return null;
  const a = o.accuracy;
  const curve = [...o.ablation].sort((x, y) => x.share - y.share);
  return section("What the model gets right, and with how few pairs", {},
    el("p", {}, "By the names of the classes, ", el("b", { class: "accuracy" }, percent(a.all, 2)), ` of ${count(a.images, "image")} are classified right`, what("accuracy", ".")),
    curve.length ? curves("ablation", {
      x: "share of units kept, %", y: "accuracy, %", xs: curve.map((c) => 100 * c.share),
      lines: [
        { label: "pairs kept", values: curve.map((c) => 100 * c.pairs), colour: "accent" },
        { label: "neurons kept", values: curve.map((c) => 100 * c.neurons), colour: "warm", dash: [6, 4] },
      ],
      range: [0, 100],
      label: `accuracy by share of units kept: ${curve.map((c) => `${format(100 * c.share, 3)} %: pairs ${percent(c.pairs)}, neurons ${percent(c.neurons)}`).join("; ")}`,
      caption: ["Accuracy when only the strongest units are kept", what("curve"), " Where pairs lie above neurons, pairs are the finer unit."],
    }) : null,
    el("details", {}, el("summary", {}, "Accuracy by class", o.data.groups.length ? " and group" : ""),
      figure("accuracy by class", { name: "accuracy-by-class", columns: ["class", "images", "accuracy"], rows: a.by_class.map((v, i) => [o.data.classes[i], a.class_images[i], v]) },
        table(["class", "images", "accuracy"], a.by_class.map((v, i) => [o.data.classes[i], { n: a.class_images[i] }, { n: a.class_images[i] ? percent(v) : "–" }]), { label: "accuracy by class" })),
      o.data.groups.length && a.by_group?.length
        ? figure("accuracy by group", { name: "accuracy-by-group", columns: ["group", "images", "accuracy"], rows: a.by_group.map((v, i) => [o.data.groups[i], a.group_images[i], v]) },
          table(["group", "images", "accuracy"], a.by_group.map((v, i) => [o.data.groups[i], { n: a.group_images[i] }, { n: a.group_images[i] ? percent(v) : "–" }]), { label: "accuracy by group" })) : null));
}

export function lacking(o) {
  const missing = o.parts.filter((p) => !p.present);
  if (missing.length === 0) return null;
  return section("What this report lacks", {}, el("ul", { class: "plain" }, missing.map((p) => el("li", {}, el("b", {}, p.name.replaceAll("_", " ")), p.need ? [" (needs ", flags(p.need), ")"] : ""))));
}
