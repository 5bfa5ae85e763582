// A logit as a sum: what each listed pair adds, and how that, the other pairs and the constant sum to it.

import { el, svg } from "./dom.mjs";
import { address } from "./router.mjs";
import { unitName, wording } from "./state.mjs";
import { wordsOf } from "./index.mjs";
import { wordsText, figure, format, even, evenSigned, count } from "./parts.mjs";
import { fit } from "./charts.mjs";

const ROW = 22; // pixels

// waterfall draws the parts of the logit of r, an image's record.
export function waterfall(ix, r, name, caption) {
  const bar = (p) => ({ href: address(["p", unitName(p.pair)]), text: unitName(p.pair), words: wordsText(wordsOf(ix, p.pair).slice(0, 2)), value: p.part });
  const { rest, rest_of: words } = wording();
  return sumOf(r, bar, { noun: "pair", rest, words }, name, caption);
}

// sumOf draws the parts of the logit of r, which has the units for and against it, the rest of these and
// what belongs to none; said has the noun of units, and the name of that rest. Bars of units have a scale of
// their own: beside the sum of all the others they could not be seen.
export function sumOf(r, bar, said, name, caption) {
  const one = (p) => ({ ...bar(p), from: 0, to: p.part });
  const units = [...r.for.map(one), ...[...r.against].reverse().map(one)];
  const steps = sumSteps(r, said);
  const logit = steps.at(-1).to;
  return figure(caption, { name, columns: ["part", "value"], rows: [...units, ...steps].map((s) => [s.text, s.value]) },
    units.length ? [el("p", { class: "quiet" }, `The ${said.noun}s that add and take away most:`), bars(units, 3, `what each listed ${said.noun} adds to the logit`)] : null,
    el("p", { class: "quiet" }, "All parts, on a scale of their own; each bar begins where the one above it ends:"),
    bars(steps, 4, `the logit ${format(logit, 4)} as a sum of ${steps.length - 1} parts`));
}

// sumSteps are the parts of a logit, each from where the one before ends, and the logit from zero.
function sumSteps(r, { noun, rest, words }) {
  const total = (parts) => parts.reduce((sum, p) => sum + p.part, 0);
  const steps = [
    { text: rest, words, value: r.constant },
    r.for.length ? { text: count(r.for.length, noun), words: "listed, for", value: total(r.for) } : null,
    r.against.length ? { text: count(r.against.length, noun), words: "listed, against", value: total(r.against) } : null,
    r.rest_heads === 0 ? null : { text: `all other ${noun}s`, words: "", value: r.rest },
  ].filter(Boolean);
  let at = 0;
  for (const s of steps) {
    s.from = at;
    at += s.value;
    s.to = at;
  }
  return [...steps, { text: "sum = logit", words: "", value: at, from: 0, to: at, sum: true }];
}

// bars draws steps below each other, over one scale that holds zero; the largest has so many digits.
function bars(steps, digits, label) {
  const numbers = steps.map((s) => s.value);
  const [plain, signed] = [even(numbers, digits), evenSigned(numbers, digits)];
  const ends = steps.flatMap((s) => [s.from, s.to]);
  const low = Math.min(0, ...ends);
  const high = Math.max(0, ...ends);
  const narrow = innerWidth < 640;
  const width = narrow ? 370 : 680;
  const left = narrow ? 150 : 272;
  const values = 74; // the room for numbers
  const scale = (v) => left + values + ((v - low) / (high - low || 1)) * (width - left - values - 4);
  const rows = steps.map((s, i) => {
    const y = i * ROW;
    const [x0, x1] = [scale(Math.min(s.from, s.to)), scale(Math.max(s.from, s.to))];
    const next = steps[i + 1];
    const text = svg("text", { x: left - 8, y: y + 15, "text-anchor": "end", class: s.href ? "link" : s.sum ? "total" : null },
      fit(s.words ? `${s.text} ${s.words}` : s.text, left - 12, 12), svg("title", {}, `${s.text} ${s.words}`));
    return svg("g", {},
      s.href ? svg("a", { href: s.href }, text) : text,
      svg("text", { x: left + values - 14, y: y + 15, "text-anchor": "end", class: s.sum ? "value total" : "value" }, s.sum ? plain(s.value) : signed(s.value)),
      svg("rect", { x: x0, y: y + 4, width: Math.max(1, x1 - x0), height: ROW - 8, class: `bar ${s.sum ? "sum" : s.value < 0 ? "low" : "high"}` }),
      next && next.from === s.to ? svg("line", { x1: scale(s.to), x2: scale(s.to), y1: y + 4, y2: y + ROW + 4, class: "join" }) : null);
  });
  const height = steps.length * ROW;
  return svg("svg", { viewBox: `0 0 ${width} ${height + 6}`, class: "bars waterfall", role: "group", "aria-label": label, style: { "max-width": `${width + 120}px` } },
    svg("line", { x1: scale(0), x2: scale(0), y1: 0, y2: height, class: "zero" }), rows);
}
