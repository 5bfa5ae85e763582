// The command that takes the pairs which are switched off out of the weights.

import { el, button } from "../dom.mjs";
import { note } from "../parts.mjs";

// editLine is the command that makes the model without the pairs, or why there is none.
export function editLine({ edit, edit_note: about }) {
  if (!edit) return about ? note(`No edit of the weights makes that model: ${about}.`) : null;
  return el("div", { class: "command" }, el("p", {}, about ? "This edits the weights:" : "This command makes that model:"),
    el("pre", { tabindex: "0", role: "region", "aria-label": "command that makes the edited model" }, el("code", {}, edit)),
    navigator.clipboard ? button("Copy", () => navigator.clipboard.writeText(edit)) : null, about ? note(`${about[0].toUpperCase()}${about.slice(1)}.`) : null);
}
