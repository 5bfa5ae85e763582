// Curves and histograms drawn by uPlot, and bars as SVG.

import { el, svg } from "./dom.mjs";
import { colour } from "./theme.mjs";
import { figure, format, even } from "./parts.mjs";
import { diverging, css } from "./colours.mjs";

// chart makes a box that draws with uPlot, and draws again when its width or the theme changes.
// options(width) gives uPlot's options; label says what the chart shows, for those who do not see it.
export function chart(label, height, options, data) {
  const box = el("div", { class: "chart", role: "img", "aria-label": label, style: { height: `${height}px` } });
  let plot = null;
  let width = 0;
  const draw = () => {
    plot?.destroy();
    plot = new uPlot({ width, height, legend: { show: false }, ...options() }, data, box);
  };
  const observer = new ResizeObserver(() => {
    if (!box.isConnected) {
      observer.disconnect();
      document.removeEventListener("clipnh-theme", onTheme);
      return;
    }
    const w = Math.floor(box.clientWidth);
    if (w > 0 && w !== width) {
      width = w;
      draw();
    }
  });
  const onTheme = () => width > 0 && box.isConnected && draw();
  document.addEventListener("clipnh-theme", onTheme);
  observer.observe(box);
  return box;
}

function axis(label, extra) {
  return {
    label, labelSize: 20, labelFont: "12px system-ui, sans-serif", font: "11px system-ui, sans-serif", stroke: colour("text-quiet"),
    grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line"), width: 1, size: 4 }, ...extra,
  };
}

// histogram draws counts over equal bins, with the figure's numbers. marks: [{at, text}] are vertical lines.
export function histogram(name, h, { x, caption, height = 150, marks = [] }) {
  const bins = h.counts.length;
  const width = (h.high - h.low) / bins;
  const centres = Array.from({ length: bins }, (_, i) => h.low + (i + 0.5) * width);
  const total = h.counts.reduce((a, b) => a + b, 0);
  const most = h.counts.indexOf(Math.max(...h.counts));
  const label = `histogram of ${x}: ${total.toLocaleString("en")} values from ${format(h.low)} to ${format(h.high)}, most around ${format(centres[most])}`
    + marks.map((m) => `; ${m.text} at ${format(m.at)}`).join("");
  const options = () => ({
    cursor: { show: false },
    scales: { x: { time: false, range: [h.low, h.high > h.low ? h.high : h.low + 1] }, y: { range: (u, min, max) => [0, max || 1] } },
    axes: [axis(x, { size: 26 }), axis(null, { size: 44 })],
    series: [{}, {
      fill: colour("accent-soft"), stroke: colour("accent"), width: 1, points: { show: false },
      paths: uPlot.paths.bars({ size: [1, Infinity], align: 0 }),
    }],
    hooks: { draw: [(u) => drawMarks(u, marks)] },
  });
  return figure(caption, {
    name, columns: ["from", "to", "count"], rows: Array.from(h.counts, (c, i) => [h.low + i * width, h.low + (i + 1) * width, c]),
  }, chart(label, height, options, [centres, Array.from(h.counts)]));
}

function drawMarks(u, marks) {
  const { ctx } = u;
  for (const m of marks) {
    const x = Math.round(u.valToPos(m.at, "x", true));
    if (x < u.bbox.left || x > u.bbox.left + u.bbox.width) continue;
    ctx.save();
    ctx.strokeStyle = colour("warm");
    ctx.fillStyle = colour("text");
    ctx.lineWidth = 2 * devicePixelRatio;
    ctx.beginPath();
    ctx.moveTo(x, u.bbox.top);
    ctx.lineTo(x, u.bbox.top + u.bbox.height);
    ctx.stroke();
    ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
    const right = x > u.bbox.left + u.bbox.width * 0.7;
    ctx.textAlign = right ? "right" : "left";
    ctx.fillText(m.text, x + (right ? -5 : 5) * devicePixelRatio, u.bbox.top + 12 * devicePixelRatio);
    ctx.restore();
  }
}

// curves draws lines over x. lines: [{label, values, colour}]. numbers, if given, are offered in place of what is drawn.
export function curves(name, { x, y, xs, lines, caption, label, height = 240, xValues, yValues, range, numbers }) {
  const options = () => ({
    cursor: { drag: { x: false, y: false }, points: { size: 7 } },
    scales: { x: { time: false }, y: { range: range || ((u, min, max) => [Math.min(0, min), max]) } },
    axes: [axis(x, { size: 26, values: xValues }), axis(y, { size: 50, values: yValues })],
    series: [{ label: x }, ...lines.map((l) => ({
      label: l.label, stroke: colour(l.colour), width: 2, points: { show: true, size: 6, fill: colour(l.colour) },
      dash: l.dash,
    }))],
  });
  return figure(caption, { name, ...(numbers ?? { columns: [x, ...lines.map((l) => l.label)], rows: xs.map((v, i) => [v, ...lines.map((l) => l.values[i])]) }) },
    el("div", { class: "key" }, lines.map((l) => el("span", {},
      el("i", { class: l.dash ? "dash" : "", style: { "border-color": `var(--${l.colour})` }, "aria-hidden": "true" }), l.label))),
    chart(label, height, options, [xs, ...lines.map((l) => l.values)]));
}

// points draws one dot for each pair of numbers.
export function points(name, { x, y, xs, ys, names, caption, label, height = 320, onPick }) {
  const order = Array.from(xs.keys()).sort((a, b) => xs[a] - xs[b]);
  const options = () => ({
    cursor: { drag: { x: false, y: false }, points: { size: 9 } },
    scales: { x: { time: false }, y: {} },
    axes: [axis(x, { size: 26 }), axis(y, { size: 50 })],
    series: [{}, { stroke: colour("accent"), paths: () => null, points: { show: true, size: 6, width: 1, fill: colour("accent-soft") } }],
    hooks: onPick ? { ready: [(u) => u.over.addEventListener("click", () => u.cursor.idx != null && onPick(order[u.cursor.idx]))] } : {},
  });
  return figure(caption, { name, columns: ["image", x, y], rows: order.map((i) => [names[i], xs[i], ys[i]]) },
    chart(label, height, options, [order.map((i) => xs[i]), order.map((i) => ys[i])]));
}

// bars draws horizontal bars from zero as SVG, with text. items: [{text, value, href, title}]; numbers as for curves.
export function bars(name, items, { caption, columns, label, digits = 3, numbers }) {
  const narrow = innerWidth < 640;
  const width = narrow ? 370 : 560;
  const height = 24;
  const most = Math.max(...items.map((i) => Math.abs(i.value)), 1e-12);
  const negative = items.some((i) => i.value < 0);
  const textWidth = narrow ? 128 : 190;
  const left = textWidth + (negative ? 60 : 0);
  const span = negative ? (width - textWidth - 120) / 2 : width - textWidth - 60;
  const zero = negative ? left + span : left;
  const write = even(items.map((i) => i.value), digits);
  const rows = items.map((item, i) => {
    const w = (Math.abs(item.value) / most) * span;
    const y = i * height;
    const at = item.value < 0 ? zero - w : zero;
    const text = svg("text", { x: textWidth - 8, y: y + 16, "text-anchor": "end", class: item.href ? "link" : null }, fit(item.text, textWidth - 12, 13), svg("title", {}, item.title || item.text));
    return svg("g", {},
      item.href ? svg("a", { href: item.href }, text) : text,
      svg("rect", { x: at, y: y + 4, width: Math.max(w, 1), height: height - 8, rx: 2, class: item.value < 0 ? "bar low" : "bar high" }),
      svg("text", { x: item.value < 0 ? at - 5 : at + w + 5, y: y + 16, "text-anchor": item.value < 0 ? "end" : "start", class: "value" }, write(item.value)));
  });
  const picture = svg("svg", { viewBox: `0 0 ${width} ${items.length * height + 4}`, class: "bars", role: "group", "aria-label": label, style: { "max-width": `${width}px` } },
    svg("line", { x1: zero, x2: zero, y1: 0, y2: items.length * height, class: "zero" }), rows);
  return figure(caption, { name, ...(numbers ?? { columns, rows: items.map((i) => [i.name ?? i.text, i.value]) }) }, picture);
}

export function cut(text, length) {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}

// fit cuts a text to a width in pixels at a size of the page's font.
export function fit(text, width, size) {
  fit.context ||= document.createElement("canvas").getContext("2d");
  fit.context.font = `${size}px ${getComputedStyle(document.body).fontFamily}`;
  let short = text;
  for (let length = text.length; length > 1 && fit.context.measureText(short).width > width; length--) short = cut(text, length - 1);
  return short;
}

// swatch is the colour of a value from -1 to 1, as CSS.
export const swatch = (x) => css(diverging(x));
