// The units that are switched off, for as long as the page is open.

const off = new Set();

export const switchedOff = () => [...off];

export function isOff(unit) {
  return off.has(unit);
}

export function flip(unit) {
  if (!off.delete(unit)) off.add(unit);
  document.dispatchEvent(new CustomEvent("clipnh-off"));
}

export function clear() {
  off.clear();
  document.dispatchEvent(new CustomEvent("clipnh-off"));
}

// whileShown calls draw now and whenever the set changes, until node leaves the page.
export function whileShown(node, draw) {
  const follow = () => (node.isConnected ? draw() : document.removeEventListener("clipnh-off", follow));
  document.addEventListener("clipnh-off", follow);
  draw();
}
