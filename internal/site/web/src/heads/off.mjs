// Heads as units that are switched off.

import { el } from "../dom.mjs";
import { heads, headAddress } from "./heads.mjs";

// headUnits are what can be switched off; see live/toggle.mjs.
export async function headUnits() {
  const all = await heads();
  const of = (name) => all.find((h) => h.name === name);
  return {
    noun: "head",
    is: (name) => Boolean(of(name)),
    page: headAddress,
    words: (name) => el("span", { class: "words" }, of(name).texts.slice(0, 3).join("; ")),
    image: (name) => of(name).images[0],
  };
}
