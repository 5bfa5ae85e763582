// What each term means, in words. A mark "?" beside a term opens it.

import { el, id } from "./dom.mjs";
import { form } from "./wording.mjs";
import { state, part } from "./state.mjs";

const TERMS = {
  clip: ["CLIP", "CLIP is a pair of networks: one reads images, the other texts. Both turn what they read into a list of numbers, a feature. They were trained so that an image and a text that describes it get features that point the same way. To classify an image, CLIP compares its feature with that of the name of each class."],
  neuron: null, head: null, pair: null, score: null, // as wording.mjs has them, in this place
  norm: ["norm", "The length of what a pair adds to the image feature. The mean norm over all images says how much the model uses the pair."],
  direction: ["direction", "What a pair adds to the image feature always points along one line, in the space that images and texts share. That is why it can be compared with words."],
  words: ["words", "The direction of a pair written as a sum of a few words' directions. The coefficient says how much of each word. A word with a negative coefficient says what the pair is not."],
  residual: ["residual", "How much of the direction the words leave unexplained: 0 means that they explain all of it, 1 nothing."],
  spearman: ["description score", "How well the words predict where the pair responds: the rank correlation, over images, of the pair's scores with the images' similarity to the words. 1 is perfect, 0 is chance."],
  auc: ["AUC", "Take an image at random from the strongest 1 % (at least 10 images) and another from the rest: how often the words rank the first one higher. 0.5 is chance, 1 is always."],
  floor: ["first word alone", "The same measure for a description by the first word alone. Further words should improve on it."],
  polysemanticity: ["polysemanticity", "How unlike each other the strongest images of a unit are. A low value means that they show one thing; such a unit is called pure."],
  quantiles: ["ordinary images", "The strongest images alone make a unit look clearer than it is. These are images from the middle of its ranking: 90 % means that 90 % of all images respond less."],
  ablation: ["ablation", "Replacing what a unit adds to each image by its mean over all images, which says nothing of the image. What then changes is what the unit was needed for."],
  curve: ["ablation curve", "Only the strongest units are kept, all others are replaced by their means. The curve shows how many images are still classified right. The earlier it rises, the fewer units the model needs."],
  accuracy: ["accuracy", "The share of images whose nearest class name is their label. Nothing is trained for this: the model compares images with names."],
  logit: ["logit", "How well an image matches a class: the similarity of the image feature and the class's text, times 100. The class of the largest logit wins."],
  probability: ["probability", "The logits of all classes turned into shares that sum to 100 %."],
  waterfall: null, places: null,
  head_map: ["map of a head", "What one head adds to the logit, split by the places that it reads. Orange places speak for the class, blue ones against it. With what the head adds at no place, they sum to what it adds."],
  activation: ["activation", "How strongly the neuron responds at each place of the image."],
  attention: ["attention", "How much the head looks at each place of the image."],
  product: null,
  direction_neighbours: ["neighbours by direction", "Pairs whose directions point the same way, by cosine: 1 is the same way, −1 the opposite."],
  score_neighbours: ["neighbours by scores", "Pairs that respond to the same images, by correlation of scores, whatever their directions."],
  cosine: ["cosine", "How alike two directions are: 1 the same, 0 unrelated, −1 opposite."],
  adds: ["what this head adds", "Images among the pair's strongest that are not among the neuron's strongest: the head sees something in the neuron that the neuron alone does not show."],
  sink: null,
  effect: ["effect on classes", "By how much the mean logit of a class changes when the pair is ablated."],
};

// NEEDS are the parts of a report without which no page has some of the terms.
const NEEDS = {
  words: ["words", "residual"], "description scores": ["spearman", "auc", "floor"],
  classes: ["accuracy", "curve", "logit", "probability", "waterfall", "effect", "places", "head_map"], maps: ["activation", "attention", "product", "sink"],
};

// terms are the terms that pages of this report have, as they hold for the model, by key. Those of the
// explorer may have all.
export function terms() {
  const lacking = state.live ? [] : Object.keys(NEEDS).filter((name) => !part(name).present).flatMap((name) => NEEDS[name]);
  const { keys, live } = form();
  return Object.fromEntries(Object.entries({ ...TERMS, ...form().terms() }).filter(([key]) => (keys ? keys.includes(key) || (state.live && live.includes(key)) : !lacking.includes(key))));
}

// what is a mark that opens the meaning of a term. after is what stands right behind it, such as a full
// stop, which no line begins with.
export function what(key, after = "") {
  const entry = form().terms()[key] || TERMS[key];
  if (!entry) throw new Error(`no term ${key}`);
  const [name, text] = entry;
  const panel = id("what");
  const body = el("span", { id: panel, class: "what-text", hidden: true }, text);
  const mark = el("button", {
    type: "button", class: "what", "aria-expanded": "false", "aria-controls": panel, "aria-label": `What is this: ${name}?`, title: `What is this: ${name}?`,
    on: {
      click: () => {
        body.hidden = !body.hidden;
        mark.setAttribute("aria-expanded", String(!body.hidden));
      },
      keydown: (e) => {
        if (e.key === "Escape" && !body.hidden) {
          body.hidden = true;
          mark.setAttribute("aria-expanded", "false");
        }
      },
    },
  }, "?");
  return el("span", { class: "what-box" }, after ? el("span", { class: "unbroken" }, mark, after) : mark, body);
}
