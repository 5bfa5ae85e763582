// What switching units off does to one image: its classes, and its map of places.

import { el, table } from "../dom.mjs";
import { state, imageNumber, ofHeads } from "../state.mjs";
import { section, note, figure, even, percent } from "../parts.mjs";
import { what } from "../terms.mjs";
import { face } from "../thumbs.mjs";
import { placesMap } from "./image.mjs";

// chosenImage is a form that asks for an image and classes, what it asks of the explorer, and
// how the answer is shown. Without a name the image is the one on which the first unit that is
// off is strongest, as units say it.
export function chosenImage(units, ask) {
  const image = el("input", { type: "text", id: "toggle-image", size: 32, autocomplete: "off" });
  const typed = el("input", { type: "text", id: "toggle-classes", placeholder: "dog, cat, boat", autocomplete: "off" });
  const form = el("form", { class: "search-form", hidden: true, on: { submit: (e) => {
    e.preventDefault();
    ask();
  } } }, el("label", {}, "Look at image ", image), el("label", { class: "wide" }, "with classes of your own, commas between ", typed), el("button", { type: "submit" }, "Ask"));
  return {
    form,
    // question returns {image, classes} of a request, or {image: null, missing} and why.
    question(off, parts) {
      const classes = texts(typed.value);
      if (parts.classes?.length) typed.placeholder = parts.classes.slice(0, 4).join(", ");
      const name = image.value.trim();
      const number = name ? imageNumber(name) : units.image(off[0]) ?? 0;
      if (number < 0) return { image: null, classes: null, missing: `${name}: no image of this collection has this name` };
      if (classes.length && !parts.text?.on) return { image: null, classes: null, missing: `classes of one's own: ${parts.text?.reason || "the explorer embeds no texts"}` };
      if (!classes.length && !parts.classes?.length) {
        return { image: null, classes: null, missing: parts.text?.on ? "type classes to see what changes for an image" : `classes: give {imagenet-zeroshot-path}, or to type some: ${parts.text?.reason || "the explorer embeds no texts"}` };
      }
      image.placeholder = state.images.names[number];
      return { image: number, classes: classes.length ? classes : null };
    },
    answer(a, asked) {
      return section("One image", { class: "one-image", what: "logit" }, asked.missing ? note(`Not shown: ${asked.missing}.`) : !a.image ? note(`Not shown: ${a.accuracy_reason}.`) : moved(a.image));
    },
  };
}

// texts are those between commas; one in quotes may have commas.
function texts(line) {
  return [...line.matchAll(/\s*(?:"([^"]*)"|([^,]+))\s*(?:,|$)/g)].map((m) => (m[1] ?? m[2]).trim()).filter(Boolean);
}

// moved shows an image before and after.
function moved(x) {
  const was = new Map(x.before.classes.map((c) => [c.name, c]));
  const first = new Set([...x.before.classes.slice(0, 5), ...x.after.classes.slice(0, 5)].map((c) => c.name));
  const rows = x.after.classes.map((c) => [c.name, was.get(c.name).logit, c.logit, was.get(c.name).probability, c.probability]);
  const logit = even(rows.filter((r) => first.has(r[0])).flatMap((r) => [r[1], r[2]]), 4);
  const maps = x.before.places && x.after.places ? [x.before.places, x.after.places] : [];
  const most = Math.max(...maps.flatMap((m) => m.parts.map(Math.abs)), 0) || 1;
  const square = face(x.image, x.name, maps.length === 0);
  return el("div", {},
    el("div", { class: maps.length ? "columns three" : null }, square,
      maps.map((m, i) => el("div", {}, el("p", { class: "quiet" }, i ? "after" : "before", `: what each place adds to the logit of “${x.class}”`, what("places")), placesMap({ side: m.rows, parts: m.parts }, most)))),
    el("p", { class: "quiet" }, x.name),
    maps.length || ofHeads() ? null : note("The map of places needs the model and the images."),
    figure("The first classes before and after.", { name: `toggled-${x.image}`, columns: ["class", "logit before", "logit", "probability before", "probability"], rows },
      table(["class", "logit before", "logit", "probability before", "probability"], rows.filter((r) => first.has(r[0])).map(([name, before, after, p0, p1]) =>
        [name, { n: logit(before) }, { n: logit(after) }, { n: percent(p0) }, { n: percent(p1) }]), { label: "classes of the image" })));
}
