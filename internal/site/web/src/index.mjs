// The index of all units: columns that lists, facets, the map of pairs and search read.

import { load, numbers, indices } from "./data.mjs";
import { state, parseUnit } from "./state.mjs";

export const SORTS = {
  match: "match",
  norm: "mean norm",
  score: "description score",
  purity: "purest first",
  effect: "effect on classes",
  unit: "head and neuron",
};

let once = null;

// index loads and decodes the data file once.
export function index() {
  once ||= load("index").then((file) => ({
    words: file.words,
    lower: file.words.map((w) => w.toLowerCase()),
    pairs: columns(file.pairs),
    neurons: columns(file.neurons),
  }));
  return once;
}

function columns(file) {
  return {
    norm: numbers(file.norm),
    polysemanticity: numbers(file.polysemanticity),
    score: numbers(file.score),
    sign: numbers(file.sign),
    effect: numbers(file.effect),
    words: indices(file.words),
    coefficients: numbers(file.coefficients),
    images: indices(file.images),
    orders: {},
  };
}

// each is how many entries a column has of a unit: of few images, few.
const each = (column, columnsOf) => column.length / columnsOf.norm.length;

// wordsOf are the first words of a unit, strongest first: [{text, coefficient}].
export function wordsOf(ix, pair, columnsOf = ix.pairs) {
  const out = [];
  const count = each(columnsOf.words, columnsOf);
  for (let at = pair * count; at < (pair + 1) * count; at++) {
    const w = columnsOf.words[at];
    if (w >= 0) out.push({ word: w, text: ix.words[w], coefficient: columnsOf.coefficients[at] });
  }
  return out;
}

export function imagesOf(ix, pair, columnsOf = ix.pairs) {
  const count = each(columnsOf.images, columnsOf);
  return Array.from(columnsOf.images.subarray(pair * count, (pair + 1) * count)).filter((i) => i >= 0);
}

// order lists all pairs by a column. It is made once for each, so that a search only
// walks it and drops what does not match.
function order(ix, sort) {
  const { pairs } = ix;
  if (pairs.orders[sort]) return pairs.orders[sort];
  const count = state.overview.model.heads * state.overview.model.neurons;
  const out = new Uint32Array(count);
  for (let i = 0; i < count; i++) out[i] = i;
  const key = { norm: pairs.norm, score: pairs.score, purity: pairs.polysemanticity, effect: pairs.effect }[sort];
  if (key && key.length > 0) {
    const sign = sort === "purity" ? 1 : -1;
    const value = sort === "effect" ? (i) => Math.abs(key[i]) : (i) => key[i];
    out.sort((a, b) => sign * (value(a) - value(b)) || a - b);
  }
  pairs.orders[sort] = out;
  return out;
}

// How much of a word's coefficient counts for a query: words that are the query, that have
// its parts as words of their own ("yellow sky"), and that have them within words ("yellowish").
const IS = 1;
const HAS = 0.75;
const WITHIN = 0.5;

// matches gives words that hold every part of the query the share of their coefficient that counts, others 0.
function matches(ix, query) {
  const marks = new Float32Array(ix.words.length);
  const parts = query.split(/\s+/).filter(Boolean);
  for (let w = 0; w < marks.length; w++) {
    const text = ix.lower[w];
    if (!parts.every((p) => text.includes(p))) continue;
    const spaced = ` ${text} `;
    marks[w] = text === query ? IS : parts.every((p) => spaced.includes(` ${p} `)) ? HAS : WITHIN;
  }
  return marks;
}

// search lists pairs, as {pairs: Uint32Array}. Options: query (words, or a unit's name), sort,
// heads (Set or null), neurons ([from, to] or null), sign ("+", "-" or ""), norm and purity (the share of
// pairs, from 0 to 1, that are left out at the low end), image (only of those whose first images include it).
//
// It goes over the pairs as they lie in memory and marks those that match, then lists the
// marked ones in order: reading columns in order of norm would miss the cache at each pair.
export function search(ix, o) {
  const { neurons } = state.overview.model;
  const query = (o.query || "").trim().toLowerCase();
  const unit = query ? parseUnit(query) : null;
  const marks = query && !unit ? matches(ix, query) : null;
  const sort = o.sort === "match" || !o.sort ? (marks ? "match" : "norm") : o.sort;
  const all = order(ix, sort === "match" ? "norm" : sort);
  const weight = scratch(ix, all.length);
  const heads = unit && unit.head >= 0 ? new Set([unit.head]) : o.heads;
  let [from, to] = o.neurons || [0, neurons - 1];
  if (unit && unit.neuron >= 0) [from, to] = [Math.max(from, unit.neuron), Math.min(to, unit.neuron)];
  to = Math.min(to, neurons - 1);
  const filters = { sign: o.sign && ix.pairs.sign.length > 0 ? o.sign : "", least: o.norm > 0 ? quantile(ix, "norm", o.norm) : null, most: o.purity > 0 ? quantile(ix, "purity", 1 - o.purity) : null };
  for (let h = 0; h * neurons < all.length; h++) {
    if (heads && !heads.has(h)) continue;
    mark(ix, weight, marks, h * neurons + from, h * neurons + to, filters);
  }
  const out = new Uint32Array(all.length);
  let found = 0;
  for (let i = 0; i < all.length; i++) if (weight[all[i]] > NONE) out[found++] = all[i];
  const list = out.subarray(0, found);
  return sort === "match" && marks ? byWeight(list, weight) : list;
}

const NONE = -Infinity; // the weight of pairs that do not match

// scratch is a column of NONE, the same at each call.
function scratch(ix, length) {
  if (ix.weight?.length !== length) ix.weight = new Float32Array(length);
  return ix.weight.fill(NONE);
}

// mark gives pairs from first to last that match a weight: the coefficients of the words that
// match, as a share of the magnitudes of the pair's first coefficients, times its mean norm.
// A word that says what the pair is not counts against it, so the weight may be negative.
// Without a query it is 0.
function mark({ pairs }, weight, marks, first, last, { sign, least, most }) {
  const count = each(pairs.words, pairs);
  for (let p = first; p <= last; p++) {
    if (least !== null && pairs.norm[p] < least) continue;
    if (most !== null && pairs.polysemanticity[p] > most) continue;
    if (sign && (pairs.sign[p] > 0 ? "+" : "-") !== sign) continue;
    if (!marks) {
      weight[p] = 0;
      continue;
    }
    let matched = false;
    let sum = 0;
    let all = 0;
    for (let k = p * count; k < (p + 1) * count; k++) {
      const w = pairs.words[k];
      if (w < 0) continue;
      const coefficient = pairs.coefficients[k];
      all += Math.abs(coefficient);
      if (marks[w] === 0) continue;
      matched = true;
      sum += marks[w] * coefficient;
    }
    if (matched) weight[p] = all > 0 ? (sum / all) * pairs.norm[p] : 0;
  }
}

const BUCKETS = 2048;

// byWeight orders pairs by descending weight in 2048 steps between the least and the largest, and keeps
// their order within a step. Comparing all of them takes longer than a keystroke may.
function byWeight(list, weight) {
  let least = Infinity;
  let most = -Infinity;
  for (let i = 0; i < list.length; i++) {
    const w = weight[list[i]];
    if (w < least) least = w;
    if (w > most) most = w;
  }
  const step = (most - least) / (BUCKETS - 1) || 1;
  const bucket = (p) => Math.floor((most - weight[p]) / step);
  const starts = new Uint32Array(BUCKETS + 1);
  for (let i = 0; i < list.length; i++) starts[bucket(list[i]) + 1]++;
  for (let b = 0; b < BUCKETS; b++) starts[b + 1] += starts[b];
  const sorted = new Uint32Array(list.length);
  for (let i = 0; i < list.length; i++) sorted[starts[bucket(list[i])]++] = list[i];
  return sorted;
}

function quantile(ix, sort, share) {
  const all = order(ix, sort);
  const column = sort === "purity" ? ix.pairs.polysemanticity : ix.pairs.norm;
  if (column.length === 0) return null;
  const at = sort === "purity" ? Math.floor(share * (all.length - 1)) : Math.floor((1 - share) * (all.length - 1));
  return column[all[at]];
}
