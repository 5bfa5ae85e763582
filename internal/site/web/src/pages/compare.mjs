// Two units side by side, and a scatter of their scores.

import { el, table } from "../dom.mjs";
import { address, go } from "../router.mjs";
import { state, images, unitName, parseUnit } from "../state.mjs";
import { neuronFile, pairRecord } from "../neuron.mjs";
import { section, facts, format, even, wordsLine, note, figure } from "../parts.mjs";
import { wall } from "../thumbs.mjs";
import { points } from "../charts.mjs";
import { liveScores } from "../live/api.mjs";

export async function comparePage({ query }) {
  const names = [query.get("a") || "", query.get("b") || ""];
  const units = names.map((n) => parseUnit(n));
  const form = chooser(names);
  for (const [i, u] of units.entries()) {
    if (names[i] && (!u || u.pair < 0)) throw new Error(`${names[i]}: not a pair of this model; want a name such as ${unitName(0)}`);
  }
  if (units.some((u) => !u)) {
    return { title: "Compare", heading: "Compare two pairs", nodes: [note("Name two pairs, or press c on the pages of two pairs."), form] };
  }
  await images();
  const both = await Promise.all(units.map(async (u) => ({ u, name: unitName(u.pair), r: pairRecord(await neuronFile(u.neuron), u.head) })));
  const [a, b] = both;
  const shared = await sharedScores(a, b);
  const common = a.r.strongest.filter((x) => b.r.strongest.some((y) => y.image === x.image)).length;
  return {
    title: `${a.name} and ${b.name}`,
    heading: `${a.name} and ${b.name}`,
    nodes: [
      form,
      el("div", { class: "columns two compare" }, both.map((x) => section(el("a", { class: "unit", href: address(["p", x.name]) }, x.name), {},
        el("p", { class: "lead-line" }, wordsLine(x.r.words.slice(0, 4))),
        facts([["mean norm", format(x.r.normMean), "norm"], ["description score", format(x.r.spearman, 3), "spearman"], ["polysemanticity", format(x.r.polysemanticity, 3), "polysemanticity"]]),
        figure("", { name: `images-${x.name}`, columns: ["image", "score"], rows: x.r.strongest.map((i) => [state.images.names[i.image], i.value]) }, wall(x.r.strongest, `strongest images of ${x.name}`, { small: true }))))),
      el("div", { class: "columns two" }, section("Their words", { what: "words" }, wordTable(a, b)),
      section("Their scores", { what: "score" },
        el("p", {}, `${common} of the ${a.r.strongest.length} strongest images are the same.`, shared.correlation !== null ? ` The correlation of scores is ${format(shared.correlation, 3)}.` : ""),
        shared.images.length > 1 ? points(`scores-${a.name}-${b.name}`, {
          x: `score of ${a.name}`, y: `score of ${b.name}`, xs: shared.xs, ys: shared.ys, names: shared.images.map((i) => state.images.names[i]),
          label: `scatter of the scores of ${a.name} and ${b.name} on ${shared.images.length} images`,
          caption: shared.all ? "One dot an image; click one to open it." : `Only the ${shared.images.length} images that the pages of both units list. ${why()}`,
          onPick: (i) => go(address(["i", state.images.names[shared.images[i]]])),
        }) : note(`The pages of both units list ${shared.images.length ? "one image" : "no image"} in common, too few for a scatter. ${why()}`))),
    ],
  };
}

// why says why not all images are drawn.
function why() {
  const { model, data } = state.overview;
  const scores = model.heads * model.neurons * data.images;
  return `All ${scores.toLocaleString("en")} scores would make the report too large: clipnh explore, given its folder, draws all images.`;
}

function chooser(names) {
  const inputs = names.map((n, i) => el("input", { type: "text", value: n, "aria-label": i ? "second pair" : "first pair", size: 12, autocomplete: "off", placeholder: unitName(i) }));
  return el("form", { class: "search-form", on: { submit: (e) => {
    e.preventDefault();
    go(address(["c"], { a: inputs[0].value.trim(), b: inputs[1].value.trim() }));
  } } }, el("label", {}, "First ", inputs[0]), el("label", {}, "Second ", inputs[1]), el("button", { type: "submit" }, "Compare"));
}

function wordTable(a, b) {
  const texts = [...new Set([...a.r.words, ...b.r.words].map((w) => w.text))];
  const of = (x, text) => x.r.words.find((w) => w.text === text)?.coefficient ?? null;
  const rows = texts.map((t) => [t, of(a, t), of(b, t)]);
  const write = even(rows.flatMap((r) => r.slice(1)));
  return figure("Coefficients; empty where a word is not among the eight of the pair.", { name: `words-${a.name}-${b.name}`, columns: ["word", a.name, b.name], rows },
    table(["word", a.name, b.name], rows.map(([t, x, y]) => [t, { n: x === null ? "" : write(x) }, { n: y === null ? "" : write(y) }]), { label: "words of both pairs" }));
}

// sharedScores gives the scores of both on the same images: all where they are known, else those listed.
async function sharedScores(a, b) {
  let [x, y] = [a.r.scores, b.r.scores];
  if ((!x || !y) && state.live) [x, y] = await Promise.all([liveScores(a.name), liveScores(b.name)]);
  let out;
  if (x && y) {
    out = { images: Array.from(x, (_, i) => i), xs: Array.from(x), ys: Array.from(y), all: true };
  } else {
    const known = (r) => new Map([...r.strongest, ...r.quantiles.flatMap((q) => q.items), ...r.weakest].map((h) => [h.image, h.value]));
    const [ka, kb] = [known(a.r), known(b.r)];
    const list = [...ka.keys()].filter((i) => kb.has(i));
    out = { images: list, xs: list.map((i) => ka.get(i)), ys: list.map((i) => kb.get(i)), all: false };
  }
  const near = a.r.byScores.find((n) => n.pair === b.u.pair) || b.r.byScores.find((n) => n.pair === a.u.pair);
  out.correlation = near ? near.value : out.all ? correlation(out.xs, out.ys) : null;
  return out;
}

function correlation(x, y) {
  const mean = (v) => v.reduce((s, t) => s + t, 0) / v.length;
  const [mx, my] = [mean(x), mean(y)];
  let [xy, xx, yy] = [0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    xy += (x[i] - mx) * (y[i] - my);
    xx += (x[i] - mx) ** 2;
    yy += (y[i] - my) ** 2;
  }
  return xx > 0 && yy > 0 ? xy / Math.sqrt(xx * yy) : null;
}

