// All images with a thumbnail, in the explorer those that it draws too, filtered by name and label.

import { el, replace, button } from "../dom.mjs";
import { state, images, imageLabel } from "../state.mjs";
import { setQuery } from "../router.mjs";
import { wall } from "../thumbs.mjs";
import { parts } from "../live/api.mjs";
import { howToDraw, howText } from "../live/picture.mjs";

const STEP = 120;

export async function imagesPage({ query }) {
  const [im, how] = await Promise.all([images(), howToDraw().catch(() => null)]);
  const drawn = state.live && (await parts().catch(() => ({}))).thumbs?.on;
  const shown = drawn ? [...im.names.keys()] : [...state.places.keys()];
  const input = el("input", { type: "search", value: query.get("q") || "", placeholder: "part of a name or label", autocomplete: "off" });
  const status = el("p", { role: "status", "aria-live": "polite", class: "result-count" });
  const holder = el("div", {});
  let limit = STEP;
  const run = () => {
    const q = input.value.trim().toLowerCase();
    const found = shown.filter((i) => !q || im.names[i].toLowerCase().includes(q) || imageLabel(i).toLowerCase().includes(q));
    replace(status, `${found.length.toLocaleString("en")} of ${shown.length.toLocaleString("en")} images${drawn ? "" : " with a thumbnail"}`);
    replace(holder, wall(found.slice(0, limit).map((image) => ({ image })), "images", { named: true }),
      found.length > limit ? button(`Show ${Math.min(STEP, found.length - limit)} more`, () => {
        limit += STEP;
        run();
      }) : null);
    setQuery({ q: input.value });
  };
  input.addEventListener("input", () => {
    limit = STEP;
    run();
  });
  return {
    title: "Images",
    heading: "Images",
    nodes: [
      el("form", { class: "search-form", role: "search", "aria-label": "images", on: { submit: (e) => e.preventDefault() } }, el("label", { class: "wide" }, "Name or label ", input)),
      status,
      shown.length < im.names.length && how ? howText([`The collection has ${im.names.length.toLocaleString("en")} images; thumbnails are kept of those that some unit shows. ${how[0]}`, how[1]]) : null,
      holder,
    ],
    shown: run,
  };
}
