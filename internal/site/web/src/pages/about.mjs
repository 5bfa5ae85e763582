// What the report was made from, and what each number means.

import { el } from "../dom.mjs";
import { state, ofHeads } from "../state.mjs";
import { section, note, figure, flags } from "../parts.mjs";
import { terms } from "../terms.mjs";
import { form } from "../wording.mjs";
import { SHORTCUTS } from "../keys.mjs";

export async function aboutPage() {
  const { inputs, parts } = state.overview;
  return {
    title: "About",
    heading: "About this report",
    nodes: [
      section("What each number means", {}, el("dl", { class: "terms" }, Object.values(terms()).map(([name, text]) => el("div", {}, el("dt", {}, name), el("dd", {}, text))))),
      section("The files it was made from", {}, el("p", {}, "Each with its SHA-256, what its manifest says it was made from, and a command that makes it again. The command is put together from the manifest. A file that is known by its hash only, and is not one of these, has a word in capitals, such as SCORES, in its place."),
        figure("", { name: "inputs", columns: ["kind", "path", "sha256", "made_from", "a_command"], rows: inputs.map((i) => [i.kind, i.path, i.sha256, i.made ?? "", i.command]) },
          el("ul", { class: "inputs" }, inputs.map((i) => el("li", {},
            el("div", {}, el("b", {}, i.path), " ", el("span", { class: "quiet" }, i.kind)),
            el("div", { class: "hash" }, i.sha256),
            i.command ? el("pre", { tabindex: "0", role: "region", "aria-label": `a command that makes a file such as ${i.path}` }, el("code", {}, i.command)) : null,
            i.made ? el("details", {}, el("summary", {}, "what it was made from"),
              el("pre", { tabindex: "0", role: "region", "aria-label": `what ${i.path} was made from` }, el("code", {}, i.made))) : null))))),
      parts.length ? section("Its parts", {}, el("ul", { class: "parts" }, parts.map((p) => el("li", {}, p.present ? "✓ " : "– ", el("b", {}, p.name.replaceAll("_", " ")), p.present ? "" : [" is not here", p.need ? ` (needs ${flags(p.need)})` : ""])))) : null,
      section("Keys", {}, el("dl", { class: "terms keys" }, SHORTCUTS.filter(([key]) => !ofHeads() || !["p", "c", "l"].includes(key)).map(([key, text]) => el("div", {}, el("dt", {}, el("kbd", {}, key)), el("dd", {}, text))))),
      section("How it is made", {}, note("The pages are static files: they read nothing but this folder and send nothing anywhere. Curves are drawn by uPlot (MIT licence, in the file uPlot.LICENSE of this folder). ",
        ofHeads() ? "" : "Lists that you pin are kept in this browser. ", form().method())),
    ],
  };
}
