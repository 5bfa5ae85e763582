// A list of any length, of which only the rows on screen exist.

import { el } from "./dom.mjs";

// Browsers place nothing beyond some 17 million pixels.
const TALLEST = 15e6;

// virtualList scrolls with the window. row(i) makes row i; height() is that of a row in pixels.
export function virtualList(row, height, label) {
  const box = el("div", { class: "virtual", role: "list", "aria-label": label });
  let length = 0;
  let active = -1;
  let shown = new Map();

  const draw = (again) => {
    if (!box.isConnected) return;
    const h = height();
    const top = box.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(-top / h) - 3);
    const last = Math.min(length, Math.ceil((innerHeight - top) / h) + 3);
    const next = new Map();
    for (let i = first; i < last; i++) {
      const node = (!again && shown.get(i)) || make(i, h);
      next.set(i, node);
    }
    if (again || !same(shown, next)) {
      // A row that has the focus stays in place, or the focus would be lost.
      for (const [i, node] of shown) if (next.get(i) !== node) node.remove();
      for (const [i, node] of next) if (!node.isConnected) box.insertBefore(node, next.get(i + 1)?.isConnected ? next.get(i + 1) : null);
      shown = next;
    }
  };
  const make = (i, h) => {
    const node = el("div", { role: "listitem", class: "row", "aria-setsize": length, "aria-posinset": i + 1 }, row(i));
    node.style.position = "absolute";
    node.style.insetInline = "0";
    node.style.top = `${i * h}px`;
    node.style.height = `${h}px`;
    if (i === active) node.classList.add("active");
    return node;
  };
  let pending = false;
  const soon = () => {
    if (!box.isConnected && shown.size) {
      removeEventListener("scroll", soon);
      removeEventListener("resize", resized);
      return;
    }
    if (pending) return;
    pending = true;
    requestAnimationFrame(() => {
      pending = false;
      draw(false);
    });
  };
  const resized = () => {
    box.style.height = `${length * height()}px`;
    draw(true);
  };
  addEventListener("scroll", soon, { passive: true });
  addEventListener("resize", resized);

  return {
    node: box,
    // most is how many rows a browser can place.
    most: () => Math.floor(TALLEST / height()),
    setLength(n) {
      length = n;
      active = -1;
      box.style.height = `${n * height()}px`;
      draw(true);
    },
    move(by) {
      if (length === 0) return;
      active = Math.max(0, Math.min(length - 1, active < 0 ? 0 : active + by));
      const h = height();
      const top = box.getBoundingClientRect().top + active * h;
      if (top < 120 || top + h > innerHeight) scrollBy(0, top - innerHeight / 3);
      draw(false);
      for (const [i, node] of shown) node.classList.toggle("active", i === active);
      shown.get(active)?.querySelector("a")?.focus({ preventScroll: true });
    },
  };
}

function same(a, b) {
  if (a.size !== b.size) return false;
  for (const [i, node] of b) if (a.get(i) !== node) return false;
  return true;
}
