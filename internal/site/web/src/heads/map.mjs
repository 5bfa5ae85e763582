// All heads as a table of layers and heads, shaded by a number.

import { el } from "../dom.mjs";
import { state } from "../state.mjs";
import { section, figure, format, percent } from "../parts.mjs";
import { swatch } from "../charts.mjs";
import { what } from "../terms.mjs";
import { headAddress, valuesOf } from "./heads.mjs";

const MEASURES = {
  norm: ["mean norm", "norm", (v) => format(v, 2)],
  share: ["share of the feature", "share", (v) => percent(v, 0)],
  explained: ["explained variance", "explained", (v) => percent(v, 0)],
};

// headTable is the figure of one measure that is known of some heads.
function headTable(all, key, caption, text) {
  const { layer_heads: each } = state.overview.model;
  const per = each || all.length;
  const most = Math.max(...all.map((h) => Math.abs(h[key] ?? 0))) || 1;
  const rows = Array.from({ length: Math.ceil(all.length / per) }, (_, l) => all.slice(l * per, (l + 1) * per));
  return figure(caption, { name: `heads-${key}`, columns: ["head", key], rows: all.map((h) => [h.name, h[key]]) },
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `heads by ${MEASURES[key][0]}` },
      el("table", { class: "headmap" },
        el("thead", {}, el("tr", {}, el("th", { scope: "col" }, each ? "layer" : ""), Array.from({ length: per }, (_, h) => el("th", { scope: "col" }, `h${h}`)))),
        el("tbody", {}, rows.map((row, l) => el("tr", {}, el("th", { scope: "row" }, each ? l : ""), row.map((h) => {
          const known = h[key] !== null;
          return el("td", {}, el("a", {
            href: headAddress(h.name), title: [h.name, ...valuesOf(h).map((v) => v.join(" ")), ...h.texts.slice(0, 3)].join(" · "), "aria-label": known ? `${h.name}: ${text(h[key])}` : h.name,
          }, el("i", { class: "cell", "aria-hidden": "true", style: { "background-color": known ? swatch(h[key] / most) : "transparent" } }), known ? text(h[key]) : "–"));
        })))))));
}

// headMaps has a table for each number that is known.
export function headMaps(all) {
  const known = Object.entries(MEASURES).filter(([key]) => all.some((h) => h[key] !== null));
  return section("All heads at a glance", {}, el("div", { class: "headmaps" }, known.map(([key, [name, term, text]]) => headTable(all, key, [`Heads by ${name}`, what(term)], text))));
}
