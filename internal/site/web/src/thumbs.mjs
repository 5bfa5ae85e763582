// Thumbnails: squares of sheets, each a link to its image, with a map over it on demand.

import { el } from "./dom.mjs";
import { state, imageLabel } from "./state.mjs";
import { imageAddress, even } from "./parts.mjs";
import { paintMap } from "./colours.mjs";
import { picture, sharpen, markChanged } from "./live/picture.mjs";

// face is the square of an image, without a link; a large one is a sharper picture in the explorer.
export function face(image, alt, large = false) {
  const { thumbs } = state.overview;
  const place = state.places.get(image);
  const box = el("span", { class: large ? "face large" : "face", role: "img", "aria-label": alt });
  if (state.changed.has(image)) markChanged(box);
  if (!thumbs || place === undefined) {
    picture(box, image, large);
    return box;
  }
  if (large) sharpen(box, image);
  const perSheet = thumbs.columns * thumbs.rows;
  const sheet = Math.floor(place / perSheet);
  const x = (place % perSheet) % thumbs.columns;
  const y = Math.floor((place % perSheet) / thumbs.columns);
  const along = (i, n) => (n > 1 ? `${(100 * i) / (n - 1)}%` : "0%");
  const last = sheet === thumbs.sheets - 1;
  const total = state.places.size;
  // The last sheet may have fewer rows than the others.
  const rows = last ? Math.ceil((total - sheet * perSheet) / thumbs.columns) : thumbs.rows;
  box.style.backgroundImage = `url("thumbs/${String(sheet).padStart(3, "0")}.jpg")`;
  box.style.backgroundSize = `${thumbs.columns * 100}% ${rows * 100}%`;
  box.style.backgroundPosition = `${along(x, thumbs.columns)} ${along(y, rows)}`;
  return box;
}

// thumb is an image with what is said below it. Options: value (a number, as a text to show), what (said in its
// label, such as "image 1 of h3n149: yellow"), mark (a short text), map ({side, values, both}), named (its
// file name where it has no label).
export function thumb(image, options = {}) {
  const name = state.images?.names[image] ?? `image ${image}`;
  const label = imageLabel(image);
  const below = options.labels === false ? "" : label || (options.named ? name.slice(name.lastIndexOf("/") + 1) : "");
  const alt = [options.what, name, label].filter(Boolean).join(", ");
  const box = face(image, alt);
  if (options.map) {
    const canvas = el("canvas", { class: "map", "aria-hidden": "true" });
    paintMap(canvas, options.map.side, options.map.values, options.map.both);
    box.append(canvas);
  }
  return el("a", {
    class: options.mark ? "thumb marked" : "thumb", href: imageAddress(name), title: [name, label].filter(Boolean).join(" · "),
  },
  box,
  options.mark ? el("span", { class: "mark" }, options.mark) : null,
  options.value !== undefined || below
    ? el("span", { class: "below" },
      options.value !== undefined ? el("span", { class: "value" }, options.value) : null,
      below ? el("span", { class: label ? "label" : "label name" }, el("bdi", {}, below)) : null)
    : null);
}

// wall is a row of thumbnails that wraps. items: [{image, value, mark, map}].
export function wall(items, whatFor, options = {}) {
  if (items.length === 0) return el("p", { class: "quiet" }, "no images");
  const write = even(items.map((item) => item.value));
  return el("ul", { class: ["wall", options.small ? "small" : "", options.twelve ? "twelve" : ""].join(" ").trim() }, items.map((item, i) =>
    el("li", {}, thumb(item.image, { ...options, ...item, value: item.value === undefined ? undefined : write(item.value), what: `${whatFor}, image ${i + 1}` }))));
}

// hits makes items of columns: count images from position first on.
export function hits(images, values, first, count) {
  const out = [];
  for (let i = first; i < first + count && i < images.length; i++) {
    if (images[i] >= 0) out.push({ image: images[i], value: values[i] });
  }
  return out;
}
