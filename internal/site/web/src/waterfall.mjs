// A logit as a sum: bars of pairs for and against it, the rest, the constant, the total.

import { el, svg } from "./dom.mjs";
import { address } from "./router.mjs";
import { unitName } from "./state.mjs";
import { wordsOf } from "./index.mjs";
import { wordsText, figure, format, signed } from "./parts.mjs";
import { fit } from "./charts.mjs";

// waterfall draws steps from zero to the logit of r, an image's record.
export function waterfall(ix, r, name, caption) {
  const pairStep = (p) => ({ pair: p.pair, text: unitName(p.pair), words: wordsText(wordsOf(ix, p.pair).slice(0, 2)), value: p.part });
  const steps = [
    { text: "constant", words: "biases, the same for every image", value: r.constant },
    ...r.for.map(pairStep),
    { text: "all other pairs", words: "", value: r.rest },
    ...[...r.against].reverse().map(pairStep),
  ];
  let at = 0;
  const bounds = [0];
  for (const s of steps) {
    s.from = at;
    at += s.value;
    s.to = at;
    bounds.push(at);
  }
  const low = Math.min(...bounds);
  const high = Math.max(...bounds);
  const narrow = innerWidth < 640;
  const width = narrow ? 370 : 680;
  const left = narrow ? 150 : 272;
  const rowHeight = 22;
  const scale = (v) => left + ((v - low) / (high - low || 1)) * (width - left - 74);
  const rows = steps.map((s, i) => {
    const y = i * rowHeight;
    const [x0, x1] = [scale(Math.min(s.from, s.to)), scale(Math.max(s.from, s.to))];
    const text = svg("text", { x: left - 8, y: y + 15, "text-anchor": "end", class: s.pair !== undefined ? "link" : null },
      fit(s.words ? `${s.text} ${s.words}` : s.text, left - 12, 12), svg("title", {}, `${s.text} ${s.words}`));
    return svg("g", {},
      s.pair !== undefined ? svg("a", { href: address(["p", s.text]) }, text) : text,
      svg("rect", { x: x0, y: y + 4, width: Math.max(1, x1 - x0), height: rowHeight - 8, class: s.value < 0 ? "bar low" : "bar high" }),
      svg("line", { x1: scale(s.to), x2: scale(s.to), y1: y + 4, y2: y + rowHeight + 4, class: "join" }),
      svg("text", { x: x1 + 5, y: y + 15, class: "value" }, signed(s.value)));
  });
  const y = steps.length * rowHeight;
  const [t0, t1] = [scale(Math.min(0, at)), scale(Math.max(0, at))];
  const total = svg("g", {},
    svg("text", { x: left - 8, y: y + 16, "text-anchor": "end", class: "total" }, "sum = logit"),
    svg("rect", { x: t0, y: y + 4, width: Math.max(1, t1 - t0), height: rowHeight - 8, class: "bar sum" }),
    svg("text", { x: t1 + 5, y: y + 16, class: "value total" }, format(at, 4)));
  return figure(caption, { name, columns: ["part", "value", "sum so far"], rows: [...steps.map((s) => [s.text, s.value, s.to]), ["logit", at, at]] },
    svg("svg", { viewBox: `0 0 ${width} ${y + rowHeight + 6}`, class: "bars waterfall", role: "group", "aria-label": `the logit ${format(at, 4)} as a sum of ${steps.length} parts`, style: { "max-width": `${width + 120}px` } },
        svg("line", { x1: scale(0), x2: scale(0), y1: 0, y2: y + rowHeight, class: "zero" }),
        rows, total));
}
