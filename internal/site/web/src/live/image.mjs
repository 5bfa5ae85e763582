// An image with classes of one's own, without pairs that are switched off, and segmented.

import { el, button, replace, table } from "../dom.mjs";
import { section, percent, even, signed, figure, note } from "../parts.mjs";
import { waterfall } from "../waterfall.mjs";
import { face } from "../thumbs.mjs";
import { paintMap, legend } from "../colours.mjs";
import { get, post, need, waiting, parts } from "./api.mjs";
import { switchedOff, whileShown } from "./off.mjs";
import { segmentation } from "./segment.mjs";
import { editLine } from "./edited.mjs";
import { classChoice, headMaps } from "./heads.mjs";

const HEADS = 12; // whose maps are shown

export function liveImage(box, image, r, ix) {
  const classes = el("input", { type: "text", id: "typed-classes", placeholder: "dog, cat, boat", autocomplete: "off" });
  const result = el("div", { "aria-live": "polite" });
  const segmented = el("div", { "aria-live": "polite" });
  const chosen = classChoice(() => ask(true), "explained-class");
  // Without classes, asked says whether those of the collection are wanted.
  const ask = (asked) => {
    const off = switchedOff();
    const typed = classes.value.trim();
    if (!typed && off.length === 0 && !asked) {
      replace(result, note("Type classes, or ask without any for those of the collection; switch pairs off on their pages to see what changes."));
      return;
    }
    waiting(result, get(`image/${image}`, { classes: typed, class: chosen.value(), off: off.join(","), maps: HEADS }), (a) => {
      chosen.offer(a.classes);
      return [explained(ix, image, a), headMaps(a, image, (text) => face(image, text))];
    });
  };
  const content = el("div", {}, el("form", { class: "search-form", on: { submit: (e) => {
    e.preventDefault();
    chosen.forget(classes.value.trim());
    ask(true);
  } } }, el("label", { class: "wide" }, "Classes of your own, with commas between ", classes), el("button", { type: "submit" }, "Ask"),
  button("Segment by these", () => segment()), chosen.label), result, segmented);
  const segment = () => need(segmented, "segment", () => {
    const inner = el("div", {}, "…");
    waiting(inner, post("segment", { classes: classes.value.trim(), image }), (a) => segmentation(a, face(image, "the image", true)));
    return inner;
  });
  const holder = el("div", {});
  box.append(section("Ask about it", { class: "live" }, holder));
  need(holder, "image", () => {
    queueMicrotask(() => whileShown(content, () => ask(false)));
    return content;
  });
  parts().then((p) => {
    if (p.classes?.length && !classes.value) classes.placeholder = p.classes.slice(0, 4).join(", ");
  }).catch(() => {}); // need() has said so
}

// explained shows an answer about one image, as clipnh explain gives it.
export function explained(ix, name, a) {
  return explainedBy(name, a, a.for && a.classes[0] ? waterfall(ix, a, `asked-logit-${name}`, `What each pair adds to the logit of “${a.target || a.classes[0].class}”.`) : null);
}

// explainedBy is explained with the sum of the logit, however it is drawn.
export function explainedBy(name, a, sum) {
  const top = a.classes[0];
  const off = top?.before !== undefined;
  const rows = a.classes.map((c) => [c.class, c.logit, c.probability, ...(off ? [c.before_logit, c.before] : [])]);
  const logit = even(rows.slice(0, 10).flatMap((r) => [r[1], r[3]]), 4);
  const map = a.places ? placesMap(a.places) : null;
  return el("div", { class: "columns two" }, el("div", {},
    figure("", { name: `asked-${name}`, columns: ["class", "logit", "probability", ...(off ? ["logit before", "probability before"] : [])], rows },
      table(["class", ...(off ? ["logit before"] : []), "logit", ...(off ? ["probability before"] : []), "probability"], rows.slice(0, 10).map(([name, now, probability, logitBefore, before]) => [name,
        ...(off ? [{ n: logit(logitBefore) }] : []), { n: logit(now) }, ...(off ? [{ n: percent(before) }] : []), { n: percent(probability) }]), { label: "classes" })),
    map), el("div", {}, sum,
    editLine(a)));
}

// placesMap draws what places add; a value of most has the strongest colour.
export function placesMap(places, most = Math.max(...places.parts.map(Math.abs)) || 1) {
  const canvas = el("canvas", { class: "square-map", role: "img", "aria-label": "map of places: what each adds to the logit" });
  paintMap(canvas, places.side, places.parts.map((v) => v / most), true);
  return el("div", {}, canvas, legend(el, true, [signed(-most), `${signed(most)} of the logit`]));
}

