// Choosing two units to compare: the first is kept until the second is chosen.

import { button } from "./dom.mjs";
import { address, go } from "./router.mjs";

let first = null;

export function pick(unit) {
  if (first && first !== unit) {
    const a = first;
    first = null;
    go(address(["c"], { a, b: unit }));
    return null;
  }
  first = unit;
  document.dispatchEvent(new CustomEvent("clipnh-say", { detail: `${unit} is kept. Press c on another unit to compare the two.` }));
  return first;
}

export function compareButton(unit) {
  return button(first && first !== unit ? `compare with ${first}` : "compare", () => pick(unit), { class: "small", title: "compare (c)" });
}
