// Lists of pinned units with notes, kept in the browser's storage, under the report's title.

import { button } from "./dom.mjs";
import { state } from "./state.mjs";
import { example } from "./wording.mjs";

const key = () => `clipnh-lists:${state.overview.model.weights_sha256.slice(0, 16)}:${state.overview.data.name}`;
let memory = null; // where storage is refused

// all gives lists by name: {NAME: [{unit, note}]}. There is always "pins".
export function all() {
  let lists = memory;
  if (!lists) {
    try {
      lists = parse(localStorage.getItem(key()) || "{}");
    } catch {
      lists = {};
    }
  }
  return { pins: [], ...lists };
}

// parse reads lists as export writes them; it throws on anything else.
export function parse(text) {
  const lists = JSON.parse(text);
  const fine = lists && typeof lists === "object" && !Array.isArray(lists) && Object.values(lists).every((items) =>
    Array.isArray(items) && items.every((i) => i && typeof i.unit === "string" && typeof (i.note ?? "") === "string"));
  if (!fine) throw new Error(`want JSON as exported here: {"NAME": [{"unit": "${example()}", "note": "..."}]}`);
  return Object.fromEntries(Object.entries(lists).map(([name, items]) => [name, items.map((i) => ({ unit: i.unit, note: i.note || "" }))]));
}

export function save(lists) {
  try {
    localStorage.setItem(key(), JSON.stringify(lists));
    memory = null;
  } catch {
    memory = lists;
  }
  document.dispatchEvent(new CustomEvent("clipnh-pins"));
}

export function isPinned(unit) {
  return all().pins.some((i) => i.unit === unit);
}

// toggle pins a unit or unpins it, and says which.
export function toggle(unit) {
  const lists = all();
  const was = isPinned(unit);
  lists.pins = was ? lists.pins.filter((i) => i.unit !== unit) : [...lists.pins, { unit, note: "" }];
  save(lists);
  return !was;
}

export function pinButton(unit) {
  const node = button("", () => toggle(unit), { class: "pin" });
  const show = () => {
    const on = isPinned(unit);
    node.textContent = on ? "★" : "☆";
    node.setAttribute("aria-pressed", String(on));
    node.setAttribute("aria-label", `pin ${unit}`);
    node.title = on ? "unpin (p)" : "pin (p)";
  };
  show();
  const follow = () => (node.isConnected ? show() : document.removeEventListener("clipnh-pins", follow));
  document.addEventListener("clipnh-pins", follow);
  return node;
}

