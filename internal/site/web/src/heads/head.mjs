// One head: its texts, and the images to which it adds most and least.

import { el } from "../dom.mjs";
import { state, images, part, wording } from "../state.mjs";
import { load, numbers, QUANTILES } from "../data.mjs";
import { section, facts, format, note, percent, figure } from "../parts.mjs";
import { what } from "../terms.mjs";
import { histogram } from "../charts.mjs";
import { legend } from "../colours.mjs";
import { thumb, wall } from "../thumbs.mjs";
import { heads, headAddress } from "./heads.mjs";
import { headsList } from "./list.mjs";
import { liveHead } from "../live/heads.mjs";
import { offButton } from "../live/toggle.mjs";

export async function headRecord(route) {
  const { rest } = route;
  if (rest === "") return headsList(route);
  const [all] = await Promise.all([heads(), images()]);
  const at = all.findIndex((h) => h.name === rest.toLowerCase());
  const head = at >= 0 ? at : /^\d+$/.test(rest) && Number(rest) < all.length ? Number(rest) : -1;
  if (head < 0) throw new Error(`${rest}: not a head of this model, which has ${all[0].name} to ${all.at(-1).name}`);
  const r = await load(`h/${head}`);
  const { name } = r;
  const maps = decode(r);
  const live = el("div", {});
  if (state.live) liveHead(live, name, (r.along ?? r.norm).strongest[0]?.image ?? 0);
  return {
    title: r.texts.length ? `${name}: ${r.texts.slice(0, 2).map((t) => t.text).join("; ")}` : name,
    heading: [el("span", { class: "unit-name" }, name), state.live ? offButton(name) : null],
    lead: r.texts.length ? r.texts.slice(0, 4).map((t) => t.text).join("; ") : null,
    nodes: [
      facts([
        ["mean norm", `${format(r.norm.mean)} ± ${format(r.norm.deviation, 3)}`, "norm"],
        ["largest norm", format(r.norm.largest)],
        r.share !== null ? ["share of the feature", percent(r.share, 2), "share"] : null,
        r.explained !== null ? ["explained variance", percent(r.explained), "explained"] : null,
      ]),
      el("nav", { class: "siblings", "aria-label": "heads of the same layer" }, siblings(all, head)),
      r.along ? ranking(`Along “${r.texts[0].text}”`, "along", `along “${r.texts[0].text}”`, r.along, name, maps, r.texts[0].text) : null,
      live,
      texts(r, name),
      ranking("By norm", "norm", "norm", r.norm, name, r.along ? null : maps, null),
    ],
    move: (by) => {
      if (all[head + by]) location.hash = headAddress(all[head + by].name);
    },
  };
}

function siblings(all, head) {
  const per = state.overview.model.layer_heads || all.length;
  const first = Math.floor(head / per) * per;
  return all.slice(first, first + per).map((h) => el("a", { href: headAddress(h.name), class: "unit", "aria-current": h.head === head ? "page" : null }, h.name));
}

// texts lists a head's texts in the order in which they were taken, each with its images.
function texts(r, name) {
  if (r.texts.length === 0) {
    return section("Its texts", { what: "texts" }, note(part("texts").present ? "The file of texts has none for this head: textspan spans the heads of the last layers." : "The report was made without texts of heads."));
  }
  const known = r.texts.some((t) => t.explained !== null);
  return section("Its texts", { what: "texts" }, figure(known ? ["In the order in which they were found. The bar is the variance", what("explained"), " that a text explains together with those before it.",
    r.texts.some((t) => t.images.length) ? [" The images are those to which the head adds most along the text", what("along", ".")] : ""] : "In the order in which they were found.", {
    name: `texts-${name}`, columns: ["text", "explained", "image", "along"], rows: r.texts.flatMap((t) => (t.images.length ? t.images : [null]).map((x) => [t.text, t.explained, x ? state.images.names[x.image] : null, x ? x.value : null])),
  }, el("ol", { class: "phrases" }, r.texts.map((t, i) => el("li", {},
    el("span", { class: "phrase" }, el("b", {}, t.text)),
    t.explained !== null ? el("span", { class: "phrase-share" }, el("span", { class: "track", "aria-hidden": "true" }, el("i", { style: { width: `${100 * Math.max(0, Math.min(1, t.explained))}%` } })), percent(t.explained)) : null,
    t.images.length ? el("span", { class: "strip tiny" }, t.images.map((x) => thumb(x.image, { labels: false, what: `${name} along “${t.text}”` }))) : null)))));
}

// ranking shows the images of both ends and of the middle, and how the numbers are spread.
function ranking(heading, term, x, r, name, maps, text) {
  const mapped = (items) => items.map((i) => ({ ...i, map: maps?.get(i.image) }));
  const shown = maps && r.strongest.some((i) => maps.has(i.image));
  return section(heading, { what: term }, el("div", { class: "columns images-two" },
    el("div", {},
      el("h3", {}, "strongest", shown ? what("head_map") : null),
      wall(mapped(r.strongest), `${name} ${x}, strongest`),
      shown ? legend(el, text !== null, [text !== null ? `−${format(maps.limit, 2)}` : "0", format(maps.limit, 2)]) : null,
      shown ? note(text !== null ? `Where the head reads what it adds: the places and the ${wording().token} sum to the number.` : "The length of what the head adds by each place.") : null),
    el("div", {},
      [...QUANTILES.keys()].reverse().map((q) => el("div", { class: "quantile" }, el("h3", {}, `${Math.round(100 * QUANTILES[q])} %`), wall(r.quantiles[q] ?? [], `${name} ${x} at ${Math.round(100 * QUANTILES[q])} %`, { small: true }))),
      el("div", { class: "quantile" }, el("h3", {}, "weakest"), wall(mapped(r.weakest), `${name} ${x}, weakest`, { small: true })),
      histogram(`${term}-${name}`, r.histogram, {
        x: text === null ? "norm" : "part along the text", caption: `${state.overview.data.images.toLocaleString("en")} images; mean ${format(r.mean, 3)}, median ${format(r.median, 3)}, standard deviation ${format(r.deviation, 3)}.`,
      }))));
}

// decode gives maps by image, image -> {side, values from -1 to 1, both}, which are strongest at the 99th
// percentile of all sizes, their limit.
function decode(r) {
  const out = new Map();
  if (!r.maps?.images.length) return out;
  const values = numbers(r.maps.values);
  const sizes = Float32Array.from(values, Math.abs).sort();
  out.limit = sizes[Math.floor((sizes.length * 99) / 100)] || 1;
  const each = r.maps.side ** 2;
  r.maps.images.forEach((image, i) => out.set(image, {
    side: r.maps.side, values: values.subarray(i * each, (i + 1) * each).map((v) => v / out.limit), both: r.along !== null,
  }));
  return out;
}
