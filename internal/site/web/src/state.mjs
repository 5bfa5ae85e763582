// What every page knows of the report: the overview, units' names, image names,
// thumbnails. It is filled before the first page is shown.

import { load, numbers, indices, present } from "./data.mjs";

export const state = {
  overview: null, // data file "overview"
  images: null, // {names, labels, groups}, once images() has loaded it
  live: false, // served by the explorer
};

export async function start() {
  state.live = document.querySelector('meta[name="clipnh-live"]')?.content === "1";
  state.overview = await load("overview");
  if (state.overview.format !== 2) {
    throw new Error(`data files of version ${state.overview.format}, this page reads version 2: build the report again`);
  }
  const o = state.overview;
  for (const key of ["ablation", "lists", "inputs", "parts"]) o[key] ||= [];
  for (const key of ["classes", "labels", "groups"]) o.data[key] ||= [];
  o.histograms ||= {};
  o.model.first_layer ||= 0;
  // A report of an older build does not say how to speak of its model.
  o.model.wording ||= o.model.layer_heads
    ? { form: "layers", token: "class token", rest: "rest of the feature", rest_of: "", example: unitName(0) }
    : { form: "pool", token: "mean token", rest: "constant", rest_of: "biases, the same for every image", example: unitName(0) };
  const { thumbs } = o;
  state.changed = new Set(o.data.changed_images); // a report of an older build does not say which
  state.places = new Map();
  if (thumbs) indices(thumbs.of).forEach((image, i) => state.places.set(image, i));
}

// images loads names and labels of images.
let imagesOnce = null;
export function images() {
  imagesOnce ||= load("images").then((file) => {
    state.images = {
      names: file.names,
      labels: indices(file.labels),
      groups: indices(file.groups),
        byName: null,
    };
    return state.images;
  });
  return imagesOnce;
}

// imageNumber finds an image by its name, or -1.
export function imageNumber(name) {
  const { images: im } = state;
  im.byName ||= new Map(im.names.map((n, i) => [n, i]));
  return im.byName.get(name) ?? -1;
}

export function imageLabel(image) {
  const label = state.images?.labels[image] ?? -1;
  return label >= 0 ? state.overview.data.labels[label] ?? "" : "";
}

export function imageGroup(image) {
  const group = state.images?.groups[image] ?? -1;
  return group >= 0 ? state.overview.data.groups[group] ?? "" : "";
}

const shape = () => state.overview.model;

// unitName is the name of pair h*C+n.
export const unitName = (pair) => pairName(pair, shape());

// pairName is that of a pair of another model.
export function pairName(pair, { neurons, first_layer: first, layer_heads: perLayer }) {
  const head = Math.floor(pair / neurons);
  return `${perLayer ? `l${first + Math.floor(head / perLayer)}h${head % perLayer}` : `h${head}`}n${pair % neurons}`;
}

export function headName(head) {
  const { first_layer: first, layer_heads: perLayer } = shape();
  return perLayer ? `l${first + Math.floor(head / perLayer)}h${head % perLayer}` : `h${head}`;
}

export function neuronName(neuron) {
  const { first_layer: first, layer_heads: perLayer } = shape();
  return perLayer ? `l${first - 1}n${neuron}` : `n${neuron}`;
}

// parseUnit reads h3n149, n149 or h3, and with layers l11h3n149; null if it is none of this model.
export function parseUnit(text) {
  const m = /^(?:l(\d+))?(?:h(\d+))?(?:n(\d+))?$/.exec(text.trim().toLowerCase());
  if (!m || (m[2] === undefined && m[3] === undefined)) return null;
  const { heads, neurons, first_layer: first, layer_heads: perLayer } = shape();
  let head = m[2] === undefined ? -1 : Number(m[2]);
  const neuron = m[3] === undefined ? -1 : Number(m[3]);
  if (perLayer && head >= 0) {
    if (m[1] === undefined || head >= perLayer) return null;
    head += (Number(m[1]) - first) * perLayer;
  }
  if (head >= heads || neuron >= neurons || (m[2] !== undefined && head < 0)) return null;
  return { head, neuron, pair: head >= 0 && neuron >= 0 ? head * neurons + neuron : -1 };
}

// wording is how to speak of the model: {form, token, rest, rest_of, example}.
export const wording = () => state.overview.model.wording;

// ofHeads says whether the report is of heads, and has no pairs.
export const ofHeads = () => wording().form === "heads";

export function part(name) {
  return state.overview.parts.find((p) => p.name === name) || { name, present: false };
}

export { numbers, indices, present };
