// Any text, embedded now.

import { el, button } from "../dom.mjs";
import { address, go } from "../router.mjs";
import { state, parseUnit } from "../state.mjs";
import { get, need, waiting } from "./api.mjs";

// normal gives an answer the form of a text of the report.
function normal(answer) {
  return {
    word: answer.text,
    pairs: answer.pairs.map((p) => ({ pair: p.pair ?? parseUnit(p.unit).pair, cosine: p.cosine, norm: p.norm })),
    images: answer.images || [],
    groups: answer.groups,
  };
}

// textAnswer shows what is near a text.
export function textAnswer(box, text, record) {
  need(box, "text", () => {
    const result = el("div", {}, "…");
    waiting(result, get("text", { q: text }), (answer) => record(normal(answer)));
    return result;
  });
}

// liveText offers to take what was typed in search as a text of any kind.
export function liveText(box, input) {
  if (!state.live) return;
  box.append(el("p", { class: "live" }, button("Embed this text now", () => input.value.trim() && go(address(["t"], { q: input.value.trim() }))),
    el("span", { class: "quiet" }, " any text: the pairs whose direction is nearest, and the nearest images")));
}
