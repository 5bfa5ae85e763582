// Pairs whose words match, in a list that stays quick however long it is.

import { el, replace } from "../dom.mjs";
import { state, images, headName, unitName, parseUnit } from "../state.mjs";
import { index, search, SORTS, wordsOf, imagesOf } from "../index.mjs";
import { setQuery, parse, address as link } from "../router.mjs";
import { numbersOf, wordsText, even } from "../parts.mjs";
import { what } from "../terms.mjs";
import { example } from "../wording.mjs";
import { unitCard } from "../cards.mjs";
import { virtualList } from "../virtual.mjs";
import { liveText } from "../live/text.mjs";

// parseHeads reads "3", "3-5" and "1,4", numbers from 0 or names of heads, as spans [first, last];
// what is no head is left out.
function parseHeads(text) {
  const number = (typed) => {
    if (/^\s*\d+\s*$/.test(typed)) return Number(typed);
    const unit = parseUnit(typed);
    return unit && unit.neuron < 0 ? unit.head : -1;
  };
  return text.split(",").map((part) => {
    const [from, to = from] = part.split("-").map(number);
    return [from, Math.min(to, state.overview.model.heads - 1)];
  }).filter(([from, to]) => from >= 0 && from <= to);
}

// headsOf are the heads of spans; null for all.
const headsOf = (spans) => (spans.length ? new Set(spans.flatMap(([from, to]) => Array.from({ length: to - from + 1 }, (_, i) => from + i))) : null);

function parseRange(text) {
  const m = /^(\d+)-(\d+)$/.exec(text || "");
  return m ? [Number(m[1]), Number(m[2])] : null;
}

const ADDRESS = 250; // milliseconds after the last keystroke until the address follows

export async function searchPage({ query }) {
  const [ix] = await Promise.all([index(), images()]);
  const has = (column) => ix.pairs[column].length > 0;
  const input = el("input", { type: "search", value: query.get("q") || "", id: "search-words", autocomplete: "off", spellcheck: "false", placeholder: `words, or a unit such as ${example()}` });
  const option = (value, text, chosen) => el("option", { value, selected: value === chosen }, text);
  const sortKeys = Object.keys(SORTS).filter((k) => !{ score: !has("score"), purity: !has("polysemanticity"), effect: !has("effect") }[k]);
  const sort = el("select", {}, sortKeys.map((k) => option(k, SORTS[k], query.get("sort") || "match")));
  const { heads } = state.overview.model;
  const spans = parseHeads(query.get("head") || "");
  const given = spans.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(",");
  const head = el("select", {}, option("", "all heads", ""), Array.from({ length: heads }, (_, h) => option(String(h), headName(h), given)));
  if (given && !/^\d+$/.test(given)) head.append(option(given, `heads ${spans.map(([from, to]) => (from === to ? headName(from) : `${headName(from)} to ${headName(to)}`)).join(", ")}`, given));
  const sign = el("select", {}, [["", "either sign"], ["+", "adds its direction"], ["-", "takes it away"]].map(([v, t]) => option(v, t, query.get("sign") || "")));
  const slider = (name, value) => el("input", { type: "range", min: 0, max: 95, step: 5, value: value || 0, "aria-label": name });
  const norm = slider("leave out the weakest share of pairs", query.get("norm"));
  const purity = slider("leave out the least pure share of pairs", query.get("purity"));
  const normText = el("output", {});
  const purityText = el("output", {});
  const neurons = query.get("neuron") || "";
  const clear = neurons ? el("a", { href: "#/s", class: "chip" }, `neurons ${neurons} ×`) : null;
  const status = el("p", { role: "status", "aria-live": "polite", class: "result-count" });
  const live = el("div", {});
  const text = el("p", { class: "text-link", hidden: true });
  let found = new Uint32Array(0);

  const columns = [["norm", "norm"], ["words", "score"], ["poly.", "polysemanticity"]].filter(([, column]) => has(column))
    .map(([name, column]) => [name, ix.pairs[column], even(ix.pairs[column])]);
  const list = virtualList((i) => {
    const p = found[i];
    const values = columns.map(([name, column, write]) => [name, write(column[p])]);
    return unitCard(p, wordsOf(ix, p), imagesOf(ix, p), values);
  }, () => (innerWidth < 640 ? 142 : 94), "pairs found");

  const run = () => {
    const o = { query: input.value, sort: sort.value, heads: headsOf(parseHeads(head.value)), neurons: parseRange(neurons), sign: sign.value, norm: norm.value / 100, purity: purity.value / 100 };
    const started = performance.now();
    found = search(ix, o);
    const most = list.most();
    list.setLength(Math.min(found.length, most));
    state.results = found;
    linkText();
    normText.textContent = norm.value > 0 ? `strongest ${100 - norm.value} %` : "all";
    purityText.textContent = purity.value > 0 ? `purest ${100 - purity.value} %` : "all";
    replace(status, `${found.length.toLocaleString("en")} of ${(heads * state.overview.model.neurons).toLocaleString("en")} pairs`,
      found.length > most ? `; the first ${most.toLocaleString("en")} are listed` : "",
      found.length === 0 ? ". Try a shorter word, or fewer facets. Words are those that describe pairs, not names of images." : "");
    clearTimeout(pending);
    pending = setTimeout(address, ADDRESS);
    state.lastSearch = performance.now() - started;
  };
  // A word of the report has a page of its own, which compares directions with it.
  const linkText = () => {
    const typed = input.value.trim();
    const word = parseUnit(typed) ? -1 : ix.lower.indexOf(typed.toLowerCase());
    text.hidden = word < 0 || !(state.live || word < (state.overview.shards.text_count ?? ix.words.length));
    replace(text, text.hidden ? null : el("a", { href: link(["t"], { q: ix.words[word] }) }, `Pairs closest to the text “${ix.words[word]}”`));
  };
  // Browsers refuse addresses that change at every keystroke.
  let pending = 0;
  const address = () => {
    if (status.isConnected && parse(location.hash).kind === "s") setQuery({ q: input.value, sort: sort.value === "match" ? "" : sort.value, head: head.value, neuron: neurons, sign: sign.value, norm: norm.value > 0 ? norm.value : "", purity: purity.value > 0 ? purity.value : "" });
  };
  for (const control of [sort, head, sign]) control.addEventListener("change", run);
  for (const control of [input, norm, purity]) control.addEventListener("input", run);
  if (state.live) liveText(live, input);

  return {
    title: input.value ? `Pairs for “${input.value}”` : "Pairs",
    heading: "Find pairs",
    nodes: [
      el("form", { class: "search-form", role: "search", "aria-label": "find pairs", on: { submit: (e) => e.preventDefault() } },
        el("label", { class: "wide" }, "Words ", input),
        el("label", {}, "Order ", sort), el("label", {}, "Head ", head),
        has("sign") ? el("label", {}, "Sign ", sign) : null,
        el("label", {}, "Norm ", norm, normText),
        has("polysemanticity") ? el("label", {}, "Purity ", purity, purityText) : null,
        clear),
      el("div", { class: "status-line" }, status,
        numbersOf({ name: "found-pairs", columns: ["unit", "norm", "score", "polysemanticity", "effect", "words"], rows: () => Array.from(found, (p) => [
          unitName(p), ix.pairs.norm[p], ix.pairs.score[p] ?? null, ix.pairs.polysemanticity[p] ?? null, ix.pairs.effect[p] ?? null, wordsText(wordsOf(ix, p))]) }),
        el("span", { class: "quiet" }, "norm", what("norm"), " words", what("spearman"), " poly.", what("polysemanticity"))),
      live, text, list.node,
    ],
    focus: () => input,
    shown: run,
    move: (by) => list.move(by),
  };
}

