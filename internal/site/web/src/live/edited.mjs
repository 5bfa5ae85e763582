// The command that takes the pairs which are switched off out of the weights.

import { el, button } from "../dom.mjs";

// editLine is the command that makes the model without the pairs.
export function editLine(text) {
  if (!text) return null;
  return el("div", { class: "command" }, el("p", {}, "This command makes that model:"),
    el("pre", { tabindex: "0", role: "region", "aria-label": "command that makes the edited model" }, el("code", {}, text)),
    navigator.clipboard ? button("Copy", () => navigator.clipboard.writeText(text)) : null);
}
