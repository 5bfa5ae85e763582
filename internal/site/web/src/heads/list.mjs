// All heads, or those whose texts or name hold what is typed.

import { el, replace } from "../dom.mjs";
import { state, images, part } from "../state.mjs";
import { setQuery } from "../router.mjs";
import { numbersOf } from "../parts.mjs";
import { heads, headCard } from "./heads.mjs";
import { textButton } from "./live.mjs";

const SORTS = { place: "layer and head", norm: "mean norm", share: "share of the feature", explained: "explained variance" };

export async function headsList({ query }) {
  const [all] = await Promise.all([heads(), images()]);
  const input = el("input", { type: "search", value: query.get("q") || "", id: "search-words", autocomplete: "off", spellcheck: "false", placeholder: part("texts").present ? "part of a text, or a head" : "a head" });
  const keys = Object.keys(SORTS).filter((k) => k === "place" || all.some((h) => h[k] !== null));
  const sort = el("select", {}, keys.map((k) => el("option", { value: k, selected: k === query.get("sort") }, SORTS[k])));
  const status = el("p", { role: "status", "aria-live": "polite", class: "result-count" });
  const holder = el("div", { class: "cards" });
  let found = all;
  const run = () => {
    const q = input.value.trim().toLowerCase();
    found = all.filter((h) => !q || h.name === q || h.name.startsWith(`${q}h`) || h.lower.some((t) => t.includes(q)));
    const by = sort.value;
    if (by !== "place") found = [...found].sort((a, b) => (b[by] ?? -Infinity) - (a[by] ?? -Infinity) || a.head - b.head);
    replace(status, `${found.length.toLocaleString("en")} of ${all.length.toLocaleString("en")} heads`);
    replace(holder, found.map(headCard));
    setQuery({ q: input.value, sort: by === "place" ? "" : by });
  };
  input.addEventListener("input", run);
  sort.addEventListener("change", run);
  return {
    title: input.value ? `Heads for “${input.value}”` : "Heads",
    heading: "Heads",
    nodes: [
      el("form", { class: "search-form", role: "search", "aria-label": "find heads", on: { submit: (e) => e.preventDefault() } },
        el("label", { class: "wide" }, part("texts").present ? "Text or head " : "Head ", input), el("label", {}, "Order ", sort)),
      el("div", { class: "status-line" }, status, numbersOf({ name: "heads", columns: ["head", "norm", "share", "explained", "texts"], rows: () => found.map((h) => [h.name, h.norm, h.share, h.explained, h.texts.join("; ")]) })),
      state.live ? textButton(input) : null,
      holder,
    ],
    focus: () => input,
    shown: run,
  };
}
