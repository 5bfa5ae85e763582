// The file of a neuron, decoded: what pages of pairs, neurons and comparisons read.

import { load, numbers, indices, present, QUANTILES } from "./data.mjs";
import { index } from "./index.mjs";
import { hits } from "./thumbs.mjs";
import { state } from "./state.mjs";

const K = { strongest: 12, weakest: 4, quantiles: 4 };

export async function neuronFile(neuron) {
  const [file, ix] = await Promise.all([load(`n/${neuron}`), index()]);
  return { file, ix };
}

// neuronRecord is the neuron itself.
export function neuronRecord({ file, ix }) {
  const strongest = { images: indices(file.strongest.images), values: numbers(file.strongest.values) };
  const weakest = { images: indices(file.weakest.images), values: numbers(file.weakest.values) };
  const quantiles = { images: indices(file.quantiles.images), values: numbers(file.quantiles.values) };
  return {
    strongest: hits(strongest.images, strongest.values, 0, K.strongest),
    weakest: hits(weakest.images, weakest.values, 0, K.weakest),
    quantiles: quantileHits(quantiles, 0),
    norm: file.norm,
    words: file.words.map((w) => ({ word: w.word, text: ix.words[w.word], coefficient: w.coefficient })),
    histogram: file.histogram,
    polysemanticity: file.polysemanticity,
    maps: decodeMaps(file.maps),
  };
}

function quantileHits(q, unit) {
  const each = Math.min(K.quantiles, state.overview.data.images);
  return QUANTILES.map((share, i) => ({ share, items: hits(q.images, q.values, (unit * QUANTILES.length + i) * each, each) }));
}

// pairRecord is the pair of a head.
export function pairRecord({ file, ix }, head) {
  const p = file.pairs;
  const images = state.overview.data.images;
  const at = (column) => {
    const v = numbers(column);
    return v.length > head ? v[head] : null;
  };
  // A column has as many entries of each head as there are: of few labels, images or pairs, few.
  const { heads } = state.overview.model;
  const row = (column, decode) => {
    const all = decode(column);
    const each = all.length / heads;
    return all.subarray(head * each, (head + 1) * each);
  };
  const list = (h) => {
    const all = indices(h.images);
    const each = all.length / heads;
    return hits(all, numbers(h.values), head * each, each);
  };
  const words = row(p.words, indices);
  const coefficients = row(p.coefficients, numbers);
  const bins = p.histogram.counts ? numbers(p.histogram.counts) : [];
  const perHead = bins.length / heads;
  const near = (n) => {
    const pairs = row(n.pairs, indices);
    const values = row(n.values, numbers);
    return Array.from(pairs, (pair, i) => ({ pair, value: values[i] })).filter((x) => x.pair >= 0);
  };
  const adds = at(p.adds) ?? 0;
  const zip = (names, values) => {
    const i = row(names, indices);
    const v = row(values, numbers);
    return Array.from(i, (label, k) => ({ label, value: v[k] })).filter((x) => x.label >= 0);
  };
  const effects = zip(p.ablation.classes, p.ablation.logit);
  const accuracies = row(p.ablation.accuracy, numbers);
  return {
    square: at(p.square), zero: at(p.square) === 0, cross: at(p.cross), constant: at(p.constant),
    normMean: at(p.norm_mean), normSD: at(p.norm_deviation), normLargest: at(p.norm_largest),
    scoreMean: at(p.score_mean), scoreSD: at(p.score_deviation),
    strongest: list(p.strongest).map((x, i) => ({ ...x, adds: Boolean((adds >> i) & 1) })),
    weakest: list(p.weakest),
    quantiles: quantileHits({ images: indices(p.quantiles.images), values: numbers(p.quantiles.values) }, head),
    words: Array.from(words, (word, i) => ({ word, text: ix.words[word], coefficient: coefficients[i] })).filter((w) => w.word >= 0),
    residual: at(p.residual), spearman: at(p.spearman), auc: at(p.auc), firstSpearman: at(p.first_spearman), firstAUC: at(p.first_auc),
    polysemanticity: at(p.polysemanticity),
    histogram: bins.length ? { low: at(p.histogram.low), high: at(p.histogram.high), counts: Array.from(bins.subarray(head * perHead, (head + 1) * perHead)) } : null,
    byDirection: near(p.by_direction),
    byScores: near(p.by_scores),
    highest: zip(p.label_means.highest, p.label_means.high),
    lowest: zip(p.label_means.lowest, p.label_means.low),
    effects: effects.map((e, i) => ({ ...e, accuracy: accuracies[i] })),
    scores: present(p.scores) ? numbers(p.scores).subarray(head * images, (head + 1) * images) : null,
  };
}

// decodeMaps gives maps by image: image -> {side, values from -1 to 1}.
export function decodeMaps(maps) {
  const out = new Map();
  if (!maps) return out;
  const raw = numbers(maps.values);
  const each = maps.side * maps.side;
  maps.images.forEach((image, i) => out.set(image, {
    side: maps.side, scale: maps.scale[i], values: Float32Array.from(raw.subarray(i * each, (i + 1) * each), (v) => v / 255),
  }));
  return out;
}
