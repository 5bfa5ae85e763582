// Addresses: #/p/h21n624, #/s?q=butterfly&sort=score. Every view has one.

// address puts one together. Parts are escaped one by one, so that a name may hold "/", "?" and "#".
export function address(parts, query) {
  const path = parts.map((p) => String(p).split("/").map(encodeURIComponent).join("/")).join("/");
  const search = new URLSearchParams();
  for (const [k, v] of Object.entries(query || {})) {
    if (v !== null && v !== undefined && v !== "") search.set(k, v);
  }
  const tail = search.toString();
  return `#/${path}${tail ? `?${tail}` : ""}`;
}

// parse takes an address apart: {path: "p/h21n624", kind: "p", rest: "h21n624", query}.
export function parse(hash) {
  const [path, tail] = split(hash.replace(/^#\/?/, ""), "?");
  const [kind, rest] = split(path, "/");
  return { path, kind, rest: decode(rest), query: new URLSearchParams(tail) };
}

function split(text, separator) {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a "%" that someone typed
  }
}

// setQuery changes the query of the address on show without showing the page anew.
export function setQuery(query) {
  const { path } = parse(location.hash);
  const search = new URLSearchParams();
  for (const [k, v] of Object.entries(query)) {
    if (v !== null && v !== undefined && v !== "") search.set(k, v);
  }
  const tail = search.toString();
  history.replaceState(null, "", `#/${path}${tail ? `?${tail}` : ""}`);
}

export function go(hash) {
  location.hash = hash;
}
