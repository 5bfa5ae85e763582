// Elements from data. Every string becomes a text node or an attribute, never
// markup: names of images, classes and words come from strangers.

const SVG = "http://www.w3.org/2000/svg";

// el makes an HTML element. Attributes: "on" is an object of listeners, "style" an
// object of properties (set one by one, which the content security policy allows),
// true an attribute without a value, null and false none.
export function el(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

// svg makes an SVG element, in the same way.
export function svg(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    } else if (name === "style") {
      for (const [property, v] of Object.entries(value)) node.style.setProperty(property, v);
    } else {
      node.setAttribute(name, value === true ? "" : String(value));
    }
  }
  append(node, children);
  return node;
}

export function append(node, children) {
  for (const child of [children].flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return node;
}

export function replace(node, ...children) {
  node.replaceChildren();
  return append(node, children);
}

// button is a plain button with a label.
export function button(label, onclick, attributes) {
  return el("button", { type: "button", ...attributes, on: { click: onclick } }, label);
}

let ids = 0;

// id is a new element id.
export function id(prefix) {
  ids += 1;
  return `${prefix}-${ids}`;
}

// table has one row of headings. Cells are strings, nodes, or {n: number text} for a right-aligned number.
export function table(headings, rows, attributes) {
  const cell = (tag, value, extra) => {
    const numeric = value && typeof value === "object" && !(value instanceof Node) && !Array.isArray(value) && "n" in value;
    return el(tag, { class: numeric ? "number" : null, ...extra }, numeric ? value.n : value);
  };
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": attributes?.label || "table" },
    el("table", {},
      el("thead", {}, el("tr", {}, headings.map((h) => cell("th", h, { scope: "col" })))),
      el("tbody", {}, rows.map((row) => el("tr", {}, row.map((c, i) => (i === 0 ? cell("th", c, { scope: "row" }) : cell("td", c))))))));
}
