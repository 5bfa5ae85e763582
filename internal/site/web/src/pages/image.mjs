// One image: its classes, why the first of them wins, and what is near it.

import { el, replace, button } from "../dom.mjs";
import { state, unitName, headName } from "../state.mjs";
import { index, wordsOf, imagesOf } from "../index.mjs";
import { decodeMaps } from "../neuron.mjs";
import { imageRecord } from "../record.mjs";
import { section, facts, format, even, evenSigned, percent, figure, note, pairLink, wordsLine, signed } from "../parts.mjs";
import { what } from "../terms.mjs";
import { wall, thumb } from "../thumbs.mjs";
import { imageShown } from "../shown.mjs";
import { paintMap, legend } from "../colours.mjs";
import { waterfall } from "../waterfall.mjs";
import { imagesPage } from "./images.mjs";
import { liveImage } from "../live/image.mjs";

export async function imagePage(route) {
  if (route.rest === "") return imagesPage(route);
  const { image, name, square, changed, label, group, move } = await imageShown(route.rest);
  const [ix, r] = await Promise.all([index(), imageRecord(image)]);
  const { classes } = state.overview.data;
  const top = r.classes[0];
  const deviations = evenSigned(r.strongest.slice(0, 12).map((s) => s.deviations), 2);
  const live = el("div", {});
  if (state.live) liveImage(live, image, r, ix);
  return {
    title: name,
    heading: name,
    nodes: [
      changed,
      el("div", { class: "image-top" },
        mapped(square, r),
        el("div", {},
          facts([
            label,
            group,
            top ? ["the model says", el("b", {}, classes[top.class], label ? (classes[top.class] === label[1] ? " ✓ right" : " ✗ wrong") : "")] : null,
            ["length of the feature", format(r.feature_norm)],
          ]),
          r.classes.length ? classTable(r, classes, name) : note("The report was made without class embeddings."))),
      el("div", { class: "columns two" }, top ? section(`Why “${classes[top.class]}”`, { what: "waterfall" }, waterfall(ix, r, `logit-${image}`,
        `What each pair adds to the logit of “${classes[top.class]}”: all parts sum to ${format(r.sum, 5)}; the logit is ${format(r.logit, 5)}.`)) : null,
      r.strongest.length ? section("Pairs that respond to it most", { what: "score" }, el("p", { class: "quiet" }, "By how far the score on this image is from the pair's mean score, in standard deviations over all images."),
        figure("", { name: `pairs-${image}`, columns: ["unit", "score", "deviations"], rows: r.strongest.map((s) => [unitName(s.pair), s.score, s.deviations]) },
          el("ul", { class: "near" }, r.strongest.slice(0, 12).map((s) => el("li", { "data-unit": unitName(s.pair) },
            el("span", { class: "near-name" }, pairLink(s.pair), el("span", { class: "value", title: "standard deviations from the mean score" }, `${deviations(s.deviations)} sd`)),
            el("span", { class: "near-words" }, wordsLine(wordsOf(ix, s.pair).slice(0, 3), false)),
            el("span", { class: "strip tiny" }, imagesOf(ix, s.pair).map((i) => thumb(i, { labels: false, what: `image of ${unitName(s.pair)}` })))))))) : null),
      live,
      r.nearest.length ? section("Nearest images", { what: "cosine" }, el("p", { class: "quiet" }, "By the cosine of image features."),
        figure("", { name: `nearest-${image}`, columns: ["image", "cosine"], rows: r.nearest.map((x) => [state.images.names[x.image], x.cosine]) },
          wall(r.nearest.map((x) => ({ image: x.image, value: x.cosine })), `images near ${name}`))) : null,
    ],
    move,
  };
}

function classTable(r, classes, name) {
  const most = r.classes[0].probability || 1;
  const logit = even(r.classes.slice(0, 8).map((c) => c.logit), 4);
  return figure("", { name: `classes-${name}`, columns: ["class", "logit", "probability"], rows: r.classes.map((c) => [classes[c.class], c.logit, c.probability]) },
    el("table", { class: "classes" }, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "class"), el("th", { scope: "col", class: "number" }, "logit", what("logit")), el("th", { scope: "col", class: "number" }, "probability", what("probability")))),
      el("tbody", {}, r.classes.slice(0, 8).map((c) => el("tr", {}, el("th", { scope: "row" }, classes[c.class]), el("td", { class: "number" }, logit(c.logit)),
        el("td", { class: "number share" }, el("span", { class: "share-bar", "aria-hidden": "true", style: { width: `${(100 * c.probability) / most}%` } }), el("span", { class: "share-text" }, percent(c.probability))))))));
}

// mapped is the image, with the map of places or a head's attention over it on demand.
function mapped(square, r) {
  const under = el("div", {});
  const attention = r.attention ? decodeMaps(r.attention) : new Map();
  const tools = el("div", { class: "tools" });
  const show = (map, both, texts) => {
    square.querySelector("canvas")?.remove();
    replace(under);
    if (!map) return;
    const canvas = el("canvas", { class: "map", "aria-hidden": "true" });
    paintMap(canvas, map.side, map.values, both);
    square.append(canvas);
    replace(under, legend(el, both, texts));
  };
  const pressed = (b) => tools.querySelectorAll("button[aria-pressed]").forEach((x) => x.setAttribute("aria-pressed", String(x === b)));
  const plain = button("image", () => { pressed(plain); show(null); }, { "aria-pressed": "true" });
  const buttons = [plain];
  if (r.places) {
    const most = Math.max(...r.places.parts.map(Math.abs)) || 1;
    const map = { side: r.places.side, values: r.places.parts.map((v) => v / most) };
    const b = button("map of places", () => { pressed(b); show(map, true, [signed(-most), `${signed(most)} of the logit`]); }, { "aria-pressed": "false" });
    buttons.push(b);
  }
  append(tools, buttons, r.places, attention, pressed, show);
  return el("div", { class: "image-box" }, square, buttons.length > 1 || attention.size ? tools : null, under);
}

function append(tools, buttons, places, attention, pressed, show) {
  tools.append(el("span", { class: "segmented", role: "group", "aria-label": "what to show over the image" }, buttons));
  if (places) tools.append(what("places"));
  if (attention.size === 0) return;
  const select = el("select", { "aria-label": "attention of a head" }, el("option", { value: "" }, "attention of …"), [...attention.keys()].map((h) => el("option", { value: h }, headName(h))));
  select.addEventListener("change", () => {
    pressed(select.value === "" ? buttons[0] : null);
    const map = select.value === "" ? null : attention.get(Number(select.value));
    show(map, false, ["0", map ? `${format(map.scale, 2)} of the attention of ${headName(Number(select.value))}` : ""]);
  });
  tools.append(select);
}
