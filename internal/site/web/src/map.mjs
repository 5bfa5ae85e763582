// The map of all pairs: a row for each head, a column for each neuron, as dark as the
// pair's value. Dragging over it, or typing a range, lists the pairs within.

import { el, svg } from "./dom.mjs";
import { state, headName, neuronName, unitName } from "./state.mjs";
import { address, go } from "./router.mjs";
import { figure, format, wordsText } from "./parts.mjs";
import { sequentialMap, legend } from "./colours.mjs";
import { wordsOf } from "./index.mjs";

const LEFT = 44;
const BOTTOM = 34;

// options: heads, the heads shown (all unless given).
export function pairMap(ix, options = {}) {
  const { heads: allHeads, neurons } = state.overview.model;
  const heads = options.heads || Array.from({ length: allHeads }, (_, h) => h);
  const columns = {
    norm: ["mean norm", ix.pairs.norm],
    score: ["description score", ix.pairs.score],
    polysemanticity: ["polysemanticity", ix.pairs.polysemanticity],
  };
  const known = Object.entries(columns).filter(([, [, c]]) => c.length > 0);
  const box = el("div", { class: "pairmap" });
  const canvas = el("canvas", { "aria-hidden": "true" });
  const overlay = svg("svg", { class: "axes", "aria-hidden": "true" });
  const tip = el("div", { class: "tip", hidden: true });
  box.append(canvas, overlay, tip);
  const select = el("select", {}, known.map(([key, [text]]) => el("option", { value: key }, text)));
  const scale = el("span", { class: "scale" });
  let width = 0;
  let rowHeight = 0;
  let drag = null;

  const draw = () => {
    const [text, values] = columns[select.value];
    const range = extent(values, heads, neurons);
    rowHeight = Math.max(8, Math.min(40, Math.round(360 / heads.length)));
    const height = heads.length * rowHeight;
    const plot = width - LEFT - 2;
    box.style.height = `${height + BOTTOM}px`;
    canvas.style.width = `${plot}px`;
    canvas.style.height = `${height}px`;
    paint(canvas, values, heads, neurons, range, plot);
    axes(overlay, width, height, rowHeight, heads, neurons);
    scale.replaceChildren(legend(el, false, [format(range[0], 2), `${format(range[1], 2)} ${text}`]));
  };
  const observer = new ResizeObserver(() => {
    if (!box.isConnected) {
      observer.disconnect();
      document.removeEventListener("clipnh-theme", redraw);
      return;
    }
    if (box.clientWidth > 0 && box.clientWidth !== width) {
      width = box.clientWidth;
      draw();
    }
  });
  const redraw = () => width > 0 && box.isConnected && draw();
  document.addEventListener("clipnh-theme", redraw);
  observer.observe(box);
  select.addEventListener("change", draw);

  const at = (e) => {
    const r = box.getBoundingClientRect();
    const plot = width - LEFT - 2;
    const n = Math.floor(((e.clientX - r.left - LEFT) / plot) * neurons);
    const h = Math.floor((e.clientY - r.top) / rowHeight);
    return { n: Math.max(0, Math.min(neurons - 1, n)), row: Math.max(0, Math.min(heads.length - 1, h)), x: e.clientX - r.left, y: e.clientY - r.top };
  };
  box.addEventListener("pointerdown", (e) => {
    if (e.button !== 0) return;
    drag = { from: at(e), to: at(e), rect: svg("rect", { class: "brush" }) };
    overlay.append(drag.rect);
    box.setPointerCapture(e.pointerId);
    e.preventDefault();
  });
  box.addEventListener("pointermove", (e) => {
    const here = at(e);
    if (drag) {
      drag.to = here;
      const [x0, x1] = [drag.from.x, here.x].sort((a, b) => a - b);
      const [y0, y1] = [drag.from.y, here.y].sort((a, b) => a - b);
      Object.entries({ x: x0, y: y0, width: x1 - x0, height: y1 - y0 }).forEach(([k, v]) => drag.rect.setAttribute(k, v));
      return;
    }
    const pair = heads[here.row] * neurons + here.n;
    tip.hidden = here.x < LEFT || here.y > heads.length * rowHeight;
    tip.textContent = `${unitName(pair)}: ${wordsText(wordsOf(ix, pair))}, ${columns[select.value][0]} ${format(columns[select.value][1][pair], 3)}`;
    tip.style.left = `${Math.min(here.x + 12, Math.max(0, width - 260))}px`;
    tip.style.top = `${here.y + 16}px`;
  });
  box.addEventListener("pointerleave", () => (tip.hidden = true));
  box.addEventListener("pointerup", () => {
    if (!drag) return;
    const { from, to } = drag;
    drag.rect.remove();
    drag = null;
    if (Math.abs(from.x - to.x) < 4 && Math.abs(from.y - to.y) < 4) {
      go(address(["p", unitName(heads[from.row] * neurons + from.n)]));
      return;
    }
    const rows = [from.row, to.row].sort((a, b) => a - b);
    const cols = [from.n, to.n].sort((a, b) => a - b);
    list(heads[rows[0]], heads[rows[1]], cols[0], cols[1]);
  });
  const list = (h0, h1, n0, n1) => go(address(["s"], { head: h0 === h1 ? h0 : `${h0}-${h1}`, neuron: `${n0}-${n1}`, sort: "norm" }));

  const range = (name, max, value) => el("input", { type: "number", min: 0, max, value, "aria-label": name, inputmode: "numeric" });
  const choice = (name, chosen) => el("select", { "aria-label": name },
    Array.from({ length: allHeads }, (_, h) => el("option", { value: h, selected: h === chosen }, headName(h))));
  const inputs = [
    choice("first head", heads[0]), choice("last head", heads.at(-1)),
    range("first neuron", neurons - 1, 0), range("last neuron", neurons - 1, neurons - 1),
  ];
  const form = el("form", { class: "ranges", on: { submit: (e) => {
    e.preventDefault();
    const v = inputs.map((i) => Number(i.value));
    list(v[0], v[1], v[2], v[3]);
  } } },
  "Heads ", inputs[0], " to ", inputs[1], ", neurons ", inputs[2], " to ", inputs[3], " ", el("button", { type: "submit" }, "List these pairs"));
  return el("div", {},
    el("div", { class: "tools" }, el("label", {}, "Shade by ", select), scale),
    figure("Each cell is a pair. Click one to open it; drag over an area to list its pairs.", {
      name: "pairs", columns: ["unit", "head", "neuron", ...known.map(([, [text]]) => text), "words"],
      rows: () => heads.flatMap((h) => Array.from({ length: neurons }, (_, n) => {
        const p = h * neurons + n;
        return [unitName(p), headName(h), neuronName(n), ...known.map(([, [, c]]) => c[p]), wordsText(wordsOf(ix, p))];
      })),
    }, box), form);
}

function extent(values, heads, neurons) {
  let low = Infinity;
  let high = -Infinity;
  for (const h of heads) {
    for (let i = h * neurons; i < (h + 1) * neurons; i++) {
      if (values[i] < low) low = values[i];
      if (values[i] > high) high = values[i];
    }
  }
  return [Math.min(low, 0), high];
}

// paint gives each pixel the largest value of the neurons that it covers.
function paint(canvas, values, heads, neurons, [low, high], plot) {
  const columns = Math.max(1, Math.min(neurons, Math.floor(plot * devicePixelRatio)));
  canvas.width = columns;
  canvas.height = heads.length;
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(columns, heads.length);
  const map = sequentialMap();
  const span = high > low ? high - low : 1;
  const peaks = new Float32Array(columns);
  heads.forEach((h, row) => {
    peaks.fill(-Infinity);
    for (let n = 0; n < neurons; n++) {
      const c = Math.floor((n * columns) / neurons);
      const v = values[h * neurons + n];
      if (v > peaks[c]) peaks[c] = v;
    }
    for (let c = 0; c < columns; c++) {
      const i = 4 * (row * columns + c);
      pixels.data.set(map[Math.max(0, Math.min(255, Math.round((255 * (peaks[c] - low)) / span)))], i);
      pixels.data[i + 3] = 255;
    }
  });
  context.putImageData(pixels, 0, 0);
}

function axes(overlay, width, height, rowHeight, heads, neurons) {
  overlay.setAttribute("viewBox", `0 0 ${width} ${height + BOTTOM}`);
  overlay.setAttribute("width", width);
  overlay.setAttribute("height", height + BOTTOM);
  const every = Math.ceil(14 / rowHeight);
  const labels = heads.map((h, i) => (i % every ? null : svg("text", { x: LEFT - 6, y: (i + 0.5) * rowHeight + 4, "text-anchor": "end" }, headName(h)))).filter(Boolean);
  const wanted = Math.max(2, Math.floor((width - LEFT) / 90));
  const step = nice(neurons / wanted);
  for (let n = 0; n < neurons; n += step) {
    const x = LEFT + (n / neurons) * (width - LEFT - 2);
    labels.push(svg("line", { x1: x, x2: x, y1: height, y2: height + 4 }), svg("text", { x, y: height + 16, "text-anchor": n ? "middle" : "start" }, n));
  }
  labels.push(svg("text", { x: width - 4, y: height + 31, "text-anchor": "end", class: "title" }, "neuron"));
  overlay.replaceChildren(...labels);
}

function nice(step) {
  const power = 10 ** Math.floor(Math.log10(step));
  return Math.max(1, [1, 2, 5, 10].map((m) => m * power).find((m) => m >= step));
}

