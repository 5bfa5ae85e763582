// Pinned units with notes.

import { el, button, replace } from "../dom.mjs";
import { address, go } from "../router.mjs";
import { images, parseUnit } from "../state.mjs";
import { index, wordsOf, imagesOf } from "../index.mjs";
import { note, download, wordsLine } from "../parts.mjs";
import { all, save, parse } from "../pins.mjs";
import { thumb } from "../thumbs.mjs";

export async function listPage({ rest }) {
  const name = rest || "pins";
  const [ix] = await Promise.all([index(), images()]);
  const holder = el("div", {});
  const say = el("p", { role: "status", "aria-live": "polite" });
  const draw = () => replace(holder, content(ix, name, draw, say));
  draw();
  return {
    title: `List ${name}`,
    heading: name === "pins" ? "Pinned units" : `List “${name}”`,
    nodes: [note("Lists and notes are kept in this browser only. Export them to share them or to keep them safe."), say, holder],
  };
}

function content(ix, name, draw, say) {
  const lists = all();
  const items = lists[name] || [];
  const update = (next) => {
    save({ ...all(), [name]: next });
    draw();
  };
  const file = el("input", { type: "file", accept: "application/json,.json", class: "visually-hidden", id: "import-lists", on: { change: async () => {
    try {
      const given = parse(await file.files[0].text());
      const merged = all();
      for (const [n, list] of Object.entries(given)) {
        const have = merged[n] || [];
        merged[n] = [...have.filter((i) => !list.some((g) => g.unit === i.unit)), ...list];
      }
      save(merged);
      draw();
      say.textContent = `Imported ${Object.keys(given).length} lists.`;
    } catch (err) {
      say.textContent = `${file.files[0].name}: not imported: ${err.message}`;
    }
  } } });
  const other = el("input", { type: "text", "aria-label": "name of a new list", placeholder: "new list", size: 14 });
  return [
    el("div", { class: "tools" },
      el("nav", { "aria-label": "lists", class: "chips" }, Object.keys(lists).map((n) => el("a", { href: address(["list", n]), class: "chip", "aria-current": n === name ? "page" : null }, `${n} (${lists[n].length})`))),
      el("form", { class: "inline", on: { submit: (e) => {
        e.preventDefault();
        const n = other.value.trim();
        if (!n) return;
        save({ [n]: [], ...all() });
        go(address(["list", n]));
      } } }, other, el("button", { type: "submit" }, "Make")),
      button("Export JSON", () => download("clipnh-lists.json", "application/json", JSON.stringify(all(), null, 1) + "\n")),
      el("label", { for: "import-lists", class: "button" }, "Import JSON"), file,
      items.length ? button("Compare the first two", () => go(address(["c"], { a: items[0].unit, b: items[1]?.unit || "" }))) : null),
    items.length === 0 ? note("Nothing is pinned here. Press ☆ beside a unit, or the key p.") : el("ol", { class: "pinned" }, items.map((item, i) => pinned(ix, item, {
      note: (text) => save({ ...all(), [name]: (all()[name] || []).map((x, k) => (k === i ? { ...x, note: text } : x)) }),
      remove: () => update(items.filter((_, k) => k !== i)),
      move: (to) => update(items.map((x, k) => (k === i ? items[to] : k === to ? items[i] : x)).filter(Boolean)),
      up: i > 0 ? i - 1 : -1,
      lists: Object.keys(lists).filter((n) => n !== name),
      copy: (to) => {
        const l = all();
        l[to] = [...(l[to] || []).filter((x) => x.unit !== item.unit), item];
        save(l);
        draw();
      },
    }))),
  ];
}

function pinned(ix, item, act) {
  const unit = parseUnit(item.unit);
  const text = el("textarea", { rows: 2, "aria-label": `note on ${item.unit}`, placeholder: "note", on: { input: () => act.note(text.value) } });
  text.value = item.note;
  const columns = unit && unit.pair < 0 ? ix.neurons : ix.pairs;
  const at = unit ? (unit.pair >= 0 ? unit.pair : unit.neuron) : -1;
  const known = unit && at >= 0;
  return el("li", { "data-unit": item.unit },
    el("div", { class: "card-head" },
      known ? el("a", { class: "unit", href: address(unit.pair >= 0 ? ["p", item.unit] : ["n", unit.neuron]) }, item.unit) : el("span", { class: "unit" }, `${item.unit} (not of this model)`),
      act.up >= 0 ? button("↑", () => act.move(act.up), { class: "small", "aria-label": `move ${item.unit} up` }) : null,
      act.lists.length ? el("select", { class: "small", "aria-label": `copy ${item.unit} to a list`, on: { change: (e) => e.target.value && act.copy(e.target.value) } }, el("option", { value: "" }, "copy to …"), act.lists.map((n) => el("option", { value: n }, n))) : null,
      button("remove", act.remove, { class: "small", "aria-label": `remove ${item.unit}` })),
    known ? el("div", {}, wordsLine(wordsOf(ix, at, columns))) : null,
    known ? el("div", { class: "strip" }, imagesOf(ix, at, columns).map((image) => thumb(image, { labels: false, what: `image of ${item.unit}` }))) : null,
    text);
}
