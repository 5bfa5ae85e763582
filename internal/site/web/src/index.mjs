// The index of all units: columns that lists, facets, the map of pairs and search read.

import { load, numbers, indices } from "./data.mjs";
import { state, parseUnit } from "./state.mjs";

export const SORTS = {
  relevance: "best match",
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

const WORDS = 4;
const IMAGES = 4;

// wordsOf are the first words of a unit, strongest first: [{text, coefficient}].
export function wordsOf(ix, pair, columnsOf = ix.pairs) {
  const out = [];
  for (let k = 0; k < WORDS; k++) {
    const w = columnsOf.words[pair * WORDS + k] ?? -1;
    if (w >= 0) out.push({ word: w, text: ix.words[w], coefficient: columnsOf.coefficients[pair * WORDS + k] });
  }
  return out;
}

export function imagesOf(ix, pair, columnsOf = ix.pairs) {
  return Array.from(columnsOf.images.subarray(pair * IMAGES, pair * IMAGES + IMAGES)).filter((i) => i >= 0);
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

// matches marks words that hold every part of the query: 3 the query itself, 2 a word that starts with it, 1 another.
function matches(ix, query) {
  const marks = new Uint8Array(ix.words.length);
  const parts = query.split(/\s+/).filter(Boolean);
  for (let w = 0; w < marks.length; w++) {
    const text = ix.lower[w];
    if (!parts.every((p) => text.includes(p))) continue;
    marks[w] = text === query ? 3 : text.startsWith(query) ? 2 : 1;
  }
  return marks;
}

// search lists pairs, as {pairs: Uint32Array}. Options: query (words, or a unit's name), sort,
// heads (Set or null), neurons ([from, to] or null), sign ("+", "-" or ""), norm and purity (the share of
// pairs, from 0 to 1, that are left out at the low end), image (only of those whose first images include it).
export function search(ix, o) {
  const { neurons } = state.overview.model;
  const { pairs } = ix;
  const query = (o.query || "").trim().toLowerCase();
  const unit = query ? parseUnit(query) : null;
  const marks = query && !unit ? matches(ix, query) : null;
  const sort = o.sort === "relevance" || !o.sort ? (marks ? "relevance" : "norm") : o.sort;
  const all = order(ix, sort === "relevance" ? "norm" : sort);
  const least = o.norm > 0 ? quantile(ix, "norm", o.norm) : null;
  const most = o.purity > 0 ? quantile(ix, "purity", 1 - o.purity) : null;
  const out = new Uint32Array(all.length);
  const weight = marks ? new Float32Array(all.length) : null;
  let found = 0;
  for (let i = 0; i < all.length; i++) {
    const p = all[i];
    if (unit) {
      if (unit.head >= 0 && Math.floor(p / neurons) !== unit.head) continue;
      if (unit.neuron >= 0 && p % neurons !== unit.neuron) continue;
    }
    let mark = 0;
    if (marks) {
      for (let k = 0; k < WORDS; k++) {
        const w = pairs.words[p * WORDS + k];
        if (w < 0 || marks[w] === 0) continue;
        const c = Math.abs(pairs.coefficients[p * WORDS + k]) * marks[w];
        if (c > mark) mark = c;
      }
      if (mark === 0) continue;
      weight[p] = mark;
    }
    if (o.heads && !o.heads.has(Math.floor(p / neurons))) continue;
    if (o.neurons && (p % neurons < o.neurons[0] || p % neurons > o.neurons[1])) continue;
    if (o.sign && pairs.sign.length > 0 && (pairs.sign[p] > 0 ? "+" : "-") !== o.sign) continue;
    if (least !== null && pairs.norm[p] < least) continue;
    if (most !== null && pairs.polysemanticity[p] > most) continue;
    out[found++] = p;
  }
  const list = out.subarray(0, found);
  if (sort === "relevance" && marks) list.sort((a, b) => weight[b] - weight[a] || a - b);
  return list;
}

function quantile(ix, sort, share) {
  const all = order(ix, sort);
  const column = sort === "purity" ? ix.pairs.polysemanticity : ix.pairs.norm;
  if (column.length === 0) return null;
  const at = sort === "purity" ? Math.floor(share * (all.length - 1)) : Math.floor((1 - share) * (all.length - 1));
  return column[all[at]];
}
