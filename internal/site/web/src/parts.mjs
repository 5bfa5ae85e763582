// Parts that pages share: sections, facts, figures with their numbers, links to units.

import { el, id, button, append } from "./dom.mjs";
import { address } from "./router.mjs";
import { state, unitName, headName, neuronName, part } from "./state.mjs";
import { what } from "./terms.mjs";

// section is a part of a page with a heading that names it; "what" is a term to explain beside it.
export function section(heading, attributes, ...children) {
  const { what: term, ...others } = attributes || {};
  const name = id("section");
  return el("section", { "aria-labelledby": name, ...others },
    el("div", { class: "heading" }, el("h2", { id: name }, heading), term ? what(term) : null), children);
}

// facts is a list of names and values: [name, value, term].
export function facts(rows) {
  return el("dl", { class: "facts" }, rows.filter((r) => r && r[1] !== "–").map(([name, value, term]) =>
    el("div", {}, el("dt", {}, name, term ? what(term) : null), el("dd", {}, value))));
}

// flags writes options as the command line has them.
export function flags(text) {
  return text.replace(/\{([\w-]+)\}/g, "--$1");
}

export function note(...children) {
  return el("p", { class: "note" }, children);
}

// format writes a number with four digits, or "–" where it is not known.
export function format(value, digits = 4) {
  return even([value], digits)(value);
}

// even returns what writes numbers that stand below or beside each other: all with the decimals that
// give the largest of them its digits. Very large and small ones are written with powers of ten.
export function even(values, digits = 3) {
  let most = 0;
  for (const v of values) if (Number.isFinite(v)) most = Math.max(most, Math.abs(v));
  const powers = most !== 0 && (most >= 1e6 || most < 1e-4);
  const decimals = most === 0 ? 0 : digits - 1 - Number(most.toExponential(digits - 1).split("e")[1]);
  return (value) => {
    if (!Number.isFinite(value)) return "–";
    if (value === 0 && (powers || decimals <= 0)) return "0";
    if (powers) return value.toExponential(2).replace(/-/g, "−");
    const text = decimals < 0 ? String(Number(value.toPrecision(digits))) : value.toFixed(decimals);
    return /[1-9]/.test(text) ? text.replace("-", "−") : text.replace("-", "");
  };
}

// withDeviation is a mean, with its four digits, and the deviation with as many decimals.
export function withDeviation(mean, deviation) {
  const write = even([mean], 4);
  return `${write(mean)} ± ${write(deviation)}`;
}

// evenSigned is even with a plus before what is above zero.
export function evenSigned(values, digits = 3) {
  const write = even(values, digits);
  return (value) => plus(write(value), value);
}

function plus(text, value) {
  return value > 0 && /[1-9]/.test(text) ? `+${text}` : text;
}

export function percent(share, digits = 1) {
  return Number.isFinite(share) ? `${(100 * share).toFixed(digits)} %` : "–";
}

export function signed(value, digits = 3) {
  return plus(format(value, digits), value);
}

export function count(n, one, many) {
  return `${n.toLocaleString("en")} ${n === 1 ? one : many || `${one}s`}`;
}

// joined lists what is not empty: "a, b and c".
export function joined(texts) {
  const all = texts.filter(Boolean);
  return all.length < 2 ? all.join("") : `${all.slice(0, -1).join(", ")} and ${all.at(-1)}`;
}

export function pairLink(pair, query) {
  return el("a", { href: address(["p", unitName(pair)], query), class: "unit" }, unitName(pair));
}

export function neuronLink(neuron) {
  return el("a", { href: address(["n", neuron]), class: "unit" }, neuronName(neuron));
}

export function headLink(head) {
  return el("a", { href: address(["h", head]), class: "unit" }, headName(head));
}

export function imageAddress(name) {
  return address(["i", name]);
}

// wordsLine shows words of a unit, strongest first. A word of negative coefficient is named "not".
// Where no unit has words, it is nothing.
export function wordsLine(words, link = true) {
  if (words.length === 0) return part("words").present ? el("span", { class: "quiet" }, "no words") : null;
  return el("span", { class: "words" }, words.map((w, i) => {
    const text = w.coefficient < 0 ? `not ${w.text}` : w.text;
    return [i ? ", " : "", link ? el("a", { href: address(["t"], { q: w.text }), class: w.coefficient < 0 ? "word negative" : "word" }, text) : text];
  }));
}

// wordsFrom says which words a pair has, or a neuron: coefficients of codes and those that are
// computed without a file are not on one scale.
export function wordsFrom(pairs = true) {
  const codes = state.overview.inputs.filter((i) => i.kind === "codes").map((i) => ({ path: i.path, ...(i.made ? JSON.parse(i.made).code : {}) }));
  const read = codes.find((c) => c.heads === undefined || c.heads > 0 === pairs);
  if (!read) return "Words are computed as by “clipnh describe”.";
  return `Words are from the codes ${read.path}${read.normalize ? `, ${read.method || "omp"}, normalize ${read.normalize}` : ""}.`;
}

// wordsText is the same as plain text, for labels.
export function wordsText(words) {
  return words.map((w) => (w.coefficient < 0 ? `not ${w.text}` : w.text)).join(", ") || "no words";
}

// download gives a file to the browser.
export function download(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const a = el("a", { href: url, download: name });
  document.body.append(a);
  a.click();
  a.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

// csv writes rows; quotes what needs it.
export function csv(columns, rows) {
  const quote = (v) => {
    const text = v === null || v === undefined ? "" : String(v);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [columns, ...rows].map((r) => r.map(quote).join(",")).join("\n") + "\n";
}

// numbersOf is the pair of buttons under a figure. data: {name, columns, rows}.
export function numbersOf(data) {
  const rows = () => (typeof data.rows === "function" ? data.rows() : data.rows);
  return el("span", { class: "numbers" }, "numbers: ",
    button("CSV", () => download(`${data.name}.csv`, "text/csv", csv(data.columns, rows())),
      { class: "link", "aria-label": `CSV of ${data.name}` }),
    " ",
    button("JSON", () => download(`${data.name}.json`, "application/json",
      JSON.stringify(rows().map((r) => Object.fromEntries(data.columns.map((c, i) => [c, r[i]]))), null, 1) + "\n"),
      { class: "link", "aria-label": `JSON of ${data.name}` }));
}

// figure is content with a caption and its numbers one click away.
export function figure(caption, data, ...content) {
  return el("figure", {}, content, el("figcaption", {}, caption, " ", data ? numbersOf(data) : null));
}

// failure says what went wrong, as an alert.
export function failure(error) {
  return el("p", { class: "failure", role: "alert" }, error instanceof Error ? error.message : String(error));
}

export { append };

// zeroWeights says of a pair why nothing is shown of its images.
export function zeroWeights() {
  return note("The weights of this pair are zero, as after ", el("code", {}, "clipnh edit --remove"), ": it adds the same to every image, so none is stronger than another.");
}
