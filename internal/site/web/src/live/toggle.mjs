// Units switched off: what the model then gets right, and the command that makes that model.

import { el, button, replace, table } from "../dom.mjs";
import { address } from "../router.mjs";
import { state, parseUnit, images, ofHeads } from "../state.mjs";
import { index, wordsOf, imagesOf } from "../index.mjs";
import { note, figure, percent, facts, wordsLine, evenSigned } from "../parts.mjs";
import { what } from "../terms.mjs";
import { example } from "../wording.mjs";
import { chosenImage } from "./chosen.mjs";
import { post, need, waiting, parts } from "./api.mjs";
import { switchedOff, flip, clear, isOff, whileShown } from "./off.mjs";
import { editLine } from "./edited.mjs";
import { headUnits } from "../heads/off.mjs";

// pairUnits are what can be switched off: its noun, whether a text names one, the page of one, what it is
// in words, and the image on which it is strongest.
async function pairUnits() {
  const ix = await index();
  const pair = (unit) => parseUnit(unit).pair;
  return {
    noun: "pair",
    is: (text) => (parseUnit(text)?.pair ?? -1) >= 0,
    page: (unit) => address(["p", unit]),
    words: (unit) => wordsLine(wordsOf(ix, pair(unit)).slice(0, 3)),
    image: (unit) => imagesOf(ix, pair(unit))[0],
  };
}

// offButton switches a unit off and on again.
export function offButton(unit) {
  const node = button("", () => flip(unit), { class: "small off" });
  document.addEventListener("clipnh-off", function follow() {
    if (!node.isConnected) document.removeEventListener("clipnh-off", follow);
    else draw();
  });
  const draw = () => {
    node.textContent = isOff(unit) ? "switched off" : "switch off";
    node.setAttribute("aria-pressed", String(isOff(unit)));
    node.setAttribute("aria-label", isOff(unit) ? `switched off: ${unit}` : `switch off ${unit}`);
  };
  draw();
  return node;
}

export async function togglePage({ query }) {
  if (!state.live) throw new Error(`${ofHeads() ? "Heads" : "Pairs"} can be switched off in the explorer only: clipnh explore REPORT`);
  const [units] = await Promise.all([ofHeads() ? headUnits() : pairUnits(), images()]);
  for (const unit of (query.get("off") || "").split(",").filter(Boolean)) if (!isOff(unit)) flip(unit);
  const box = el("div", {});
  need(box, "toggle", () => controls(units));
  const many = `${units.noun}s`;
  const heading = `${many[0].toUpperCase()}${many.slice(1)} switched off`;
  return {
    title: heading,
    heading,
    nodes: [el("p", { class: "lead-line" }, `What the model gets right without some ${many}, and what it then says of an image`, what("ablation", "."), ` Switch ${many} off on their pages, or name them here.`), box],
  };
}

function controls(units) {
  const holder = el("div", {});
  const result = el("div", { "aria-live": "polite" });
  const by = el("select", { on: { change: () => ask() } }, el("option", { value: "mean" }, "their mean"), el("option", { value: "zero" }, "zero"));
  const input = el("input", { type: "text", placeholder: example(), size: 12, autocomplete: "off" });
  const error = el("span", { role: "alert" });
  const form = el("form", { class: "search-form", on: { submit: (e) => {
    e.preventDefault();
    const unit = input.value.trim().toLowerCase();
    const known = units.is(unit);
    error.textContent = known ? "" : `${input.value}: not a ${units.noun} of this model`;
    if (known && !isOff(unit)) flip(unit);
    input.value = "";
  } } }, el("label", {}, "Switch off ", input), el("button", { type: "submit" }, "Add"), el("label", {}, "and replace them by ", by), error);
  const ask = () => {
    const off = switchedOff();
    one.form.hidden = off.length === 0;
    if (off.length === 0) {
      replace(result, note(`No ${units.noun} is switched off.`));
      return;
    }
    waiting(result, parts().then(async (p) => {
      const asked = one.question(off, p);
      const a = await post("toggle", {}, { off, by: by.value, image: asked.image, classes: asked.classes });
      return [a, p, asked];
    }), ([a, p, asked]) => [collection(a, p.classes), one.answer(a, asked), editLine(a)]);
  };
  const one = chosenImage(units, () => ask());
  const box = el("div", {}, form, holder, one.form, result);
  whileShownLater(box, () => {
    const off = switchedOff();
    replace(holder, off.length ? [el("ul", { class: "list" }, off.map((u) => el("li", { "data-unit": u },
      el("a", { class: "unit", href: units.page(u) }, u), units.words(u), button("switch on", () => flip(u), { class: "small", "aria-label": `switch on ${u}` })))),
    off.length > 1 ? button("Switch all on", clear) : null] : null);
    ask();
  });
  return box;
}

// whileShownLater waits until the box is part of the page.
function whileShownLater(box, draw) {
  queueMicrotask(() => whileShown(box, draw));
}

function collection(a, classes) {
  const { groups } = state.overview.data;
  const rows = (names, before, after) => names.map((n, i) => [n, before[i], after[i], after[i] - before[i]]);
  const changed = (r) => r.filter((x) => x[3] !== 0).sort((x, y) => Math.abs(y[3]) - Math.abs(x[3]));
  const points = (r) => evenSigned(changed(r).slice(0, 20).map((x) => 100 * x[3]));
  const show = (title, r, write = points(r)) => figure(`Accuracy by ${title}, where it changes most.`, { name: `accuracy-by-${title}`, columns: ["name", "before", "after", "change"], rows: r },
    changed(r).length === 0 ? note(`The accuracy of no ${title} changes.`) : table([title, "before", "after", "change, points"], changed(r).slice(0, 20).map(([n, b, c, d]) => [n, { n: percent(b) }, { n: percent(c) }, { n: write(100 * d) }]), { label: `accuracy by ${title}` }));
  return [
    a.before ? facts([
      ["accuracy before", percent(a.before.all, 2), "accuracy"], ["after", el("b", { class: "accuracy-after" }, percent(a.after.all, 2))],
      a.after.worst_group ? ["worst group after", `${a.after.worst_group.name} ${percent(a.after.worst_group.accuracy)}`] : null,
    ]) : note(`The accuracy over all images is not known: ${a.accuracy_reason || "the explorer does not say why"}.`),
    a.before?.by_class ? show("class", rows(classes, a.before.by_class, a.after.by_class)) : null,
    a.before?.by_group?.length ? show("group", rows(groups, a.before.by_group, a.after.by_group)) : null,
  ];
}
