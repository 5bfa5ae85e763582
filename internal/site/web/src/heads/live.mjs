// Answers by heads that are computed now: an image of the collection or one's own with classes, and any text.

import { el, button, replace } from "../dom.mjs";
import { address, go } from "../router.mjs";
import { state, images } from "../state.mjs";
import { section, figure, note, even, percent, format } from "../parts.mjs";
import { what } from "../terms.mjs";
import { face, wall, thumb } from "../thumbs.mjs";
import { sumOf } from "../waterfall.mjs";
import { byGroup } from "../groups.mjs";
import { get, post, need, waiting, parts } from "../live/api.mjs";
import { explainedBy } from "../live/image.mjs";
import { classChoice, headMaps } from "../live/heads.mjs";
import { heads, headAddress } from "./heads.mjs";

const MAPS = 12; // of the strongest heads

// rest is what no head adds.
const rest = () => (state.overview.model.layer_heads ? { rest: "MLPs", words: "and the first class token" } : { rest: "constant", words: "biases, the same for every image" });

// answer shows what heads add to the logit of a class of an image. square makes one of the image.
function answer(all, name, a, square) {
  const words = new Map(all.map((h) => [h.name, h.texts.slice(0, 2).join("; ")]));
  const bar = (p) => ({ href: headAddress(p.head), text: p.head, words: words.get(p.head), value: p.part });
  return [
    explainedBy(name, a, sumOf(a, bar, { noun: "head", ...rest() }, `asked-logit-${name}`, `What each head adds to the logit of “${a.target}”: all parts sum to ${format(a.sum, 5)}; the logit is ${format(a.logit, 5)}.`)),
    headMaps(a, name, square),
  ];
}

// question is a form for classes and one of them, which asks when it is sent.
function question(id, ask, ...more) {
  const classes = el("input", { type: "text", id: `${id}-classes`, placeholder: "dog, cat, boat", autocomplete: "off" });
  const chosen = classChoice(() => ask(), `${id}-class`);
  const form = el("form", { class: "search-form", on: { submit: (e) => {
    e.preventDefault();
    chosen.forget(classes.value.trim());
    ask();
  } } }, el("label", { class: "wide" }, "Classes of your own, with commas between ", classes), more, chosen.label);
  parts().then((p) => p.classes?.length && (classes.placeholder = p.classes.slice(0, 4).join(", ")), () => {}); // need() says so
  return { form, chosen, values: () => ({ classes: classes.value.trim(), class: chosen.value(), maps: MAPS }) };
}

// askImage asks about an image of the collection.
export function askImage(box, image) {
  const result = el("div", { "aria-live": "polite" });
  const ask = () => waiting(result, Promise.all([get(`image/${image}`, q.values()), heads()]), ([a, all]) => {
    q.chosen.offer(a.classes);
    return answer(all, image, a, (text) => face(image, text));
  });
  const q = question("asked", ask, el("button", { type: "submit" }, "Ask"));
  const holder = el("div", {});
  box.append(section("Why its class", { class: "live", what: "waterfall" }, holder));
  need(holder, "image", () => {
    parts().then((p) => (p.classes?.length ? ask() : replace(result, note("Type classes to see which heads decide between them."))));
    return [q.form, result];
  });
}

// askOwn asks about an image of one's own.
export function askOwn(box) {
  const result = el("div", { "aria-live": "polite" });
  let image = null;
  const ask = () => {
    if (!image) {
      replace(result, note("Choose an image first."));
      return;
    }
    waiting(result, Promise.all([post("drop", q.values(), image), heads(), preview(image)]), ([a, all, square]) => {
      q.chosen.offer(a.classes);
      return [el("p", { class: "quiet" }, image.name), answer(all, "sent", a, square)];
    });
  };
  const take = (f) => {
    if (!f) return;
    image = f;
    ask();
  };
  const file = el("input", { type: "file", accept: "image/*", id: "drop-file", class: "visually-hidden", on: { change: () => take(file.files[0]) } });
  const zone = el("div", { class: "drop" }, "Drop an image here, or ", el("label", { for: "drop-file", class: "button" }, "choose one"), file,
    el("p", { class: "quiet" }, "It is examined on this machine and not kept."));
  const over = (is) => (e) => {
    e.preventDefault();
    zone.classList.toggle("over", is);
  };
  zone.addEventListener("dragover", over(true));
  zone.addEventListener("dragleave", over(false));
  zone.addEventListener("drop", (e) => {
    over(false)(e);
    take(e.dataTransfer.files[0]);
  });
  const q = question("own", ask, el("button", { type: "submit" }, "Ask"));
  const holder = el("div", {});
  box.append(section("An image of yours", { class: "live", what: "waterfall" }, holder));
  need(holder, "drop", () => [q.form, zone, result]);
}

// preview gives what makes squares of an image that is sent.
async function preview(image) {
  const bitmap = await createImageBitmap(image).catch(() => null); // a format that the browser cannot show, but the explorer can
  return (text) => {
    const box = el("span", { class: "face", role: "img", "aria-label": text });
    if (!bitmap) {
      box.classList.add("lacking");
      return box;
    }
    const side = Math.min(bitmap.width, bitmap.height);
    const canvas = el("canvas", { class: "sent", width: 224, height: 224, "aria-hidden": "true" });
    canvas.getContext("2d").drawImage(bitmap, (bitmap.width - side) / 2, (bitmap.height - side) / 2, side, side, 0, 0, 224, 224);
    box.append(canvas);
    return box;
  };
}

// textButton offers to take what was typed in search as a text of any kind.
export function textButton(input) {
  return el("p", { class: "live" }, button("Embed this text now", () => input.value.trim() && go(address(["t"], { q: input.value.trim() }))),
    el("span", { class: "quiet" }, " any text: the heads whose additions differ most along it, and the nearest images"));
}

// headsText is the page of a text.
export async function headsText({ query }) {
  if (!state.live) throw new Error("Texts are compared with heads in the explorer only: clipnh explore REPORT");
  const [all] = await Promise.all([heads(), images()]);
  const q = (query.get("q") || "").trim();
  const input = el("input", { type: "search", value: q, id: "text-words", autocomplete: "off", placeholder: "any text" });
  const box = el("div", {});
  if (q) {
    need(box, "text", () => {
      const result = el("div", {}, "…");
      waiting(result, get("text", { q }), (a) => near(all, a));
      return result;
    });
  }
  return {
    title: q ? `“${q}”` : "Texts",
    heading: q ? `“${q}”` : "Texts",
    nodes: [
      el("p", { class: "lead-line" }, "The heads whose additions to images differ most along a text", what("along", ","), " and the images nearest to it."),
      el("form", { class: "search-form", role: "search", "aria-label": "texts", on: { submit: (e) => {
        e.preventDefault();
        go(address(["t"], { q: input.value.trim() }));
      } } }, el("label", { class: "wide" }, "Text ", input), el("button", { type: "submit" }, "Show")),
      box,
    ],
  };
}

function near(all, a) {
  const [deviation, mean] = [even(a.heads.map((h) => h.deviation)), even(a.heads.map((h) => h.mean))];
  const texts = new Map(all.map((h) => [h.name, h.texts.slice(0, 3).join("; ")]));
  return [
    section("Heads that tell images apart by it", { what: "along" },
      el("p", { class: "quiet" }, "By how far what a head adds along the text differs over the images, as a standard deviation. Explained is the share of the variance of all that the head adds. The images are those to which it adds most along the text."),
      figure("", { name: "text-heads", columns: ["head", "deviation", "mean", "explained"], rows: a.heads.map((h) => [h.head, h.deviation, h.mean, h.explained]) },
        el("div", { class: "cards" }, a.heads.map((h) => el("article", { class: "card", "data-unit": h.head, "aria-label": h.head },
          el("div", { class: "card-head" }, el("a", { href: headAddress(h.head), class: "unit" }, h.head),
            el("span", { class: "card-values" }, [["deviation", deviation(h.deviation)], ["mean", mean(h.mean)], ["explained", percent(h.explained)]].map(([text, v]) => el("span", {}, `${text} `, el("b", {}, v))))),
          el("div", { class: "card-words" }, texts.get(h.head)),
          el("div", { class: "strip" }, h.images.map((x) => thumb(x.image, { labels: false, what: `${h.head} along “${a.text}”` })))))))),
    a.images.length ? section("Images nearest to it", { what: "cosine" }, figure("", { name: "text-images", columns: ["image", "cosine"], rows: a.images.map((x) => [state.images.names[x.image], x.cosine]) },
      wall(a.images.map((x) => ({ image: x.image, value: x.cosine })), "images near the text"))) : null,
    byGroup(a.groups),
  ];
}
