// What heads add to the logit of a class, place by place.

import { el, replace } from "../dom.mjs";
import { images, imageNumber, state, ofHeads } from "../state.mjs";
import { section, figure, note, facts, format, percent, signed, evenSigned } from "../parts.mjs";
import { what } from "../terms.mjs";
import { face } from "../thumbs.mjs";
import { paintMap, legend } from "../colours.mjs";
import { get, need, waiting, parts } from "./api.mjs";
import { switchedOff, whileShown } from "./off.mjs";

// nowhere is what a head adds at no place: [its name, the number].
const nowhere = (m) => (m.class_token === undefined ? ["position embedding", m.position] : ["class token", m.class_token]);

// mapped is a square with the map of a head over it; a value of most has the strongest colour.
function mapped(square, m, side, most) {
  const canvas = el("canvas", { class: "map", "aria-hidden": "true" });
  paintMap(canvas, side, m.places.map((v) => v / most), true);
  square.append(canvas);
  return square;
}

// headMaps shows the maps of heads in an answer about an image, each over a square that make(text) makes;
// null where there are none.
export function headMaps(a, name, make) {
  const maps = a.explanation?.head_maps?.maps || [];
  if (maps.length === 0) return null;
  const side = a.places.side;
  const most = Math.max(...maps.flatMap((m) => m.places.map(Math.abs))) || 1;
  const part = evenSigned(maps.map((m) => m.part));
  return el("div", { class: "head-maps" },
    el("h3", {}, "By heads ", what("head_map")),
    el("p", { class: "quiet" }, `What the heads of the largest parts add to the logit of “${a.target}”, and where they find it.`),
    figure("", { name: `heads-${name}`, columns: ["head", "part", "share", nowhere(maps[0])[0], "row", "column", "place"], rows: () => rows(maps, side) },
      el("ul", { class: "wall" }, maps.map((m) => el("li", { "data-head": m.head },
        el("span", { class: "thumb" }, mapped(make(`what each place adds through ${m.head}`), m, side, most),
          el("span", { class: "below" }, el("span", { class: "value" }, part(m.part)), el("span", { class: "label unit" }, m.head)))))),
      legend(el, true, [signed(-most), `${signed(most)} of the logit`])));
}

// rows have a line for each head and place.
function rows(maps, side) {
  return maps.flatMap((m) => m.places.map((v, i) => [m.head, m.part, m.share, nowhere(m)[1], Math.floor(i / side), i % side, v]));
}

// liveHead asks what one head adds to a class of an image. first is the image that is looked at unless
// another is named.
export function liveHead(box, head, first) {
  const image = el("input", { type: "text", id: "head-image", size: 32, autocomplete: "off" });
  const typed = el("input", { type: "text", id: "head-classes", placeholder: "dog, cat, boat", autocomplete: "off" });
  const chosen = classChoice(() => ask(), "head-class");
  const result = el("div", { "aria-live": "polite" });
  const ask = async () => {
    const number = image.value.trim() ? imageNumber(image.value.trim()) : first;
    if (number < 0) {
      replace(result, note(`${image.value.trim()}: no image of this collection has this name.`));
      return;
    }
    await waiting(result, get(`image/${number}`, { classes: typed.value.trim(), class: chosen.value(), heads: head, list: 0, off: ofHeads() ? "" : switchedOff().join(",") }), (a) => {
      chosen.offer(a.classes);
      return one(a, number);
    });
  };
  const form = el("form", { class: "search-form", on: { submit: (e) => {
    e.preventDefault();
    chosen.forget(typed.value.trim());
    ask();
  } } }, el("label", {}, "Image ", image), el("label", { class: "wide" }, "with classes of your own, commas between ", typed), el("button", { type: "submit" }, "Ask"), chosen.label);
  const holder = el("div", {});
  box.append(section("What it adds to a class", { class: "live", what: "head_map" }, holder));
  Promise.all([images(), parts()]).then(([, p]) => {
    image.placeholder = state.images.names[first] ?? "";
    if (p.classes?.length) typed.placeholder = p.classes.slice(0, 4).join(", ");
  }).catch(() => {}); // need() says so
  const content = el("div", {}, form, result);
  need(holder, "image", () => {
    queueMicrotask(() => whileShown(content, async () => {
      const p = await parts();
      if (p.classes?.length || typed.value.trim()) ask();
      else replace(result, note("Type classes to see what this head adds to them."));
    }));
    return content;
  });
}

// one shows the map of the only head of an answer, and its numbers.
function one(a, image) {
  const [m] = a.explanation.head_maps.maps;
  const most = Math.max(...m.places.map(Math.abs)) || 1;
  const square = face(image, `what each place of ${a.name} adds through ${m.head}`, true);
  const [where, elsewhere] = nowhere(m);
  const part = evenSigned([m.part], 4);
  return el("div", { class: "columns two" },
    figure("", { name: `head-${m.head}-${image}`, columns: ["head", "part", "share", where, "row", "column", "place"], rows: () => rows([m], a.places.side) },
      el("div", { class: "image-box" }, mapped(square, m, a.places.side, most), legend(el, true, [signed(-most), `${signed(most)} of the logit`]))),
    el("div", {},
      el("p", {}, `Of the logit of “${a.target}”, ${format(a.logit)}, on ${a.name}:`),
      facts([[`${m.head} adds`, el("b", { class: "head-part" }, part(m.part)), "logit"], ["share of the logit", m.share === null ? "–" : percent(m.share)],
        ["at the places", part(m.part - elsewhere)], [`${where}, at no place`, part(elsewhere)]])));
}

// classChoice is a list of the classes of the last answer, of which one is explained.
export function classChoice(ask, id) {
  const select = el("select", { id, on: { change: ask } });
  const label = el("label", { hidden: true }, "Class to explain ", select);
  let asked = "";
  const option = (value, text) => el("option", { value }, text);
  replace(select, option("", "of the largest logit"));
  return {
    label,
    value: () => select.value,
    // forget goes back to the first class where other classes were typed.
    forget(classes) {
      if (classes !== asked) replace(select, option("", "of the largest logit"));
      asked = classes;
    },
    offer(classes) {
      const now = select.value;
      replace(select, option("", "of the largest logit"), classes.map((c) => option(c.class, c.class)));
      select.value = classes.some((c) => c.class === now) ? now : "";
      label.hidden = false;
    },
  };
}
