// The first page of a report of heads.

import { el } from "../dom.mjs";
import { address, go } from "../router.mjs";
import { state, images, part } from "../state.mjs";
import { section, facts, note, count } from "../parts.mjs";
import { what } from "../terms.mjs";
import { example } from "../wording.mjs";
import { lacking, changed } from "../pages/overview.mjs";
import { heads, headCard } from "./heads.mjs";
import { headMaps } from "./map.mjs";

const FIRST = 6; // heads of a list

export async function headsOverview() {
  const [all] = await Promise.all([heads(), images()]);
  const o = state.overview;
  const name = o.model.name && o.model.name !== "custom" ? `, ${o.model.name},` : "";
  const spanned = all.filter((h) => h.explained !== null).sort((a, b) => b.explained - a.explained || a.head - b.head);
  const strongest = [...all].sort((a, b) => b.norm - a.norm || a.head - b.head);
  return {
    title: "Overview",
    heading: o.title,
    nodes: [
      el("div", { class: "lead" },
        el("p", {}, "A network of the kind called CLIP", what("clip"), ` turns an image into a list of numbers that can be compared with texts. What the one shown here${name} says about an image is the sum of what its ${count(all.length, "head")}`, what("head", o.model.layer_heads ? "," : ""),
          o.model.layer_heads ? " its MLPs and the class token that enters the first layer add." : " add."),
        el("p", {}, `These pages show, for each head, to which of ${count(o.data.images, "image")} it adds most`, part("texts").present ? [", and the texts", what("texts"), " that span what it adds"] : "", "."),
        searchForm(all),
        state.live ? note("These pages answer now: which heads an image has its class from, on its page and for one of yours on that of ", el("a", { href: "#/i" }, "the images"), "; which heads tell images apart by ", el("a", { href: "#/t" }, "any text"), "; and what the model says without ",
          el("a", { href: "#/toggle" }, "some heads"), ". Labels of pixels are by pairs, and pages of heads have none.") : null),
      changed(o.data),
      headMaps(all),
      spanned.length ? list("Best explained by texts", "explained", "Their texts explain most of the variance of what they add.", "explained", spanned) : null,
      list("The strongest heads", "norm", "These add most to the image feature, averaged over all images.", "norm", strongest),
      section("Model and images", {}, facts([
        ["model", o.model.name], ["image feature", `${o.model.out_dim} numbers`],
        ["heads", o.model.layer_heads ? `${all.length / o.model.layer_heads} layers × ${o.model.layer_heads} = ${all.length}` : all.length, "head"],
        o.model.input_size ? ["image size", `${o.model.input_size} × ${o.model.input_size} pixels`] : null,
        o.model.precision ? ["precision", o.model.precision] : null,
        ["images", `${o.data.images.toLocaleString("en")}${o.data.name ? `, ${o.data.name}` : ""}`],
        ["weights, SHA-256", el("code", { class: "hash" }, o.model.weights_sha256)],
      ]), note("Every file that this was made from, with its hash and command: ", el("a", { href: "#/about" }, "about this report"), ".")),
      lacking(o),
    ],
  };
}

function list(heading, term, text, sort, sorted) {
  return section(heading, { what: term }, el("p", { class: "quiet" }, text, " ", el("a", { href: address(["s"], { sort }) }, "All in this order")),
    el("div", { class: "cards" }, sorted.slice(0, FIRST).map(headCard)));
}

function searchForm(all) {
  const texts = part("texts").present;
  const input = el("input", { type: "search", name: "q", placeholder: texts ? `a text, or a head such as ${example()} …` : `${example()} …`, "aria-label": texts ? "search heads by text or name" : "search heads by name", autocomplete: "off" });
  return el("form", { class: "big-search", role: "search", "aria-label": "heads", on: { submit: (e) => {
    e.preventDefault();
    go(address(["s"], { q: input.value }));
  } } }, input, el("button", { type: "submit" }, "Search"),
  el("span", { class: "quiet" }, "or ", el("a", { href: "#/s" }, `browse all ${count(all.length, "head")}`), ", ", el("a", { href: "#/i" }, "the images")));
}
