// Keys, for those who rather not use a mouse. They do nothing while someone types.

import { el, button } from "./dom.mjs";
import { go, address } from "./router.mjs";
import { toggle } from "./pins.mjs";
import { pick } from "./compare.mjs";

export const SHORTCUTS = [
  ["/", "search"],
  ["j", "next unit or image"],
  ["k", "previous unit or image"],
  ["p", "pin this unit, or unpin it"],
  ["c", "compare: press it on two units"],
  ["g", "first page"],
  ["l", "pinned units"],
  ["?", "this help"],
];

// start listens. page() gives what is on show: {unit, move}. without are keys that do nothing in this report.
export function start(page, searchField, say, without) {
  const dialog = help(without);
  document.body.append(dialog);
  document.getElementById("help").addEventListener("click", () => dialog.showModal());
  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input, textarea, select, [contenteditable]") || dialog.open) {
      if (e.key === "Escape" && e.target === searchField) searchField.blur();
      return;
    }
    const action = actions(page, searchField, say, dialog)[e.key];
    if (!action || without.includes(e.key)) return;
    e.preventDefault();
    action();
  });
}

function actions(page, searchField, say, dialog) {
  const unit = () => document.activeElement?.closest("[data-unit]")?.dataset.unit || page()?.unit;
  return {
    "/": () => (document.getElementById("search-words") || searchField).focus(),
    j: () => move(page(), 1),
    k: () => move(page(), -1),
    p: () => {
      const u = unit();
      say(u ? `${u} is ${toggle(u) ? "pinned" : "no longer pinned"}.` : "Go to a unit with j and k first, then pin it.");
    },
    c: () => {
      const u = unit();
      if (u) pick(u);
      else say("Go to a unit with j and k first, then compare it.");
    },
    g: () => go("#/"),
    l: () => go(address(["list", "pins"])),
    "?": () => dialog.showModal(),
  };
}

// move goes on in the page's own order, or from card to card.
function move(page, by) {
  if (page?.move) {
    page.move(by);
    return;
  }
  const cards = [...document.querySelectorAll("main [data-unit]")];
  if (cards.length === 0) return;
  const at = cards.indexOf(document.activeElement?.closest("[data-unit]"));
  const next = cards[Math.max(0, Math.min(cards.length - 1, at < 0 ? 0 : at + by))];
  next.scrollIntoView({ block: "center" });
  next.querySelector("a")?.focus({ preventScroll: true });
}

function help(without) {
  const dialog = el("dialog", { "aria-labelledby": "help-heading" },
    el("h2", { id: "help-heading" }, "Keys"),
    el("dl", { class: "terms keys" }, SHORTCUTS.filter(([key]) => !without.includes(key)).map(([key, text]) => el("div", {}, el("dt", {}, el("kbd", {}, key)), el("dd", {}, text)))),
    button("Close", () => dialog.close()));
  return dialog;
}
