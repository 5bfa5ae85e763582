// Any text, embedded now.

import { el, button } from "../dom.mjs";
import { address, go } from "../router.mjs";
import { state, parseUnit } from "../state.mjs";
import { get, need, waiting } from "./api.mjs";
import { figure } from "../parts.mjs";
import { table } from "../dom.mjs";
import { format } from "../parts.mjs";

// normal gives an answer the form of a text of the report.
function normal(answer) {
  return {
    word: answer.text,
    pairs: answer.pairs.map((p) => ({ pair: p.pair ?? parseUnit(p.unit).pair, cosine: p.cosine, norm: p.norm })),
    images: answer.images || [],
    years: answer.years || [],
  };
}

// textAnswer shows what is near a text.
export function textAnswer(box, text, record) {
  need(box, "text", () => {
    const result = el("div", {}, "…");
    waiting(result, get("text", { q: text }), (answer) => [record(normal(answer)), groups(answer)]);
    return result;
  });
}

function groups(answer) {
  if (!answer.groups?.length) return null;
  return figure("Mean cosine of the text and the images of each group.", { name: "text-groups", columns: ["group", "mean", "images"], rows: answer.groups.map((g) => [g.group, g.mean, g.images]) },
    table(["group", "mean cosine", "images"], answer.groups.map((g) => [g.group, { n: format(g.mean) }, { n: g.images ?? "" }]), { label: "mean cosine by group" }));
}

// liveText offers to take what was typed in search as a text of any kind.
export function liveText(box, input) {
  if (!state.live) return;
  box.append(el("p", { class: "live" }, button("Embed this text now", () => input.value.trim() && go(address(["t"], { q: input.value.trim() }))),
    el("span", { class: "quiet" }, " any text: the pairs whose direction is nearest, and the nearest images")));
}
