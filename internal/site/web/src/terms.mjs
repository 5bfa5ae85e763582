// What each term means, in words. A mark "?" beside a term opens it.

import { el, id } from "./dom.mjs";

export const TERMS = {
  clip: ["CLIP", "CLIP is a pair of networks: one reads images, the other texts. Both turn what they read into a list of numbers, a feature. They were trained so that an image and a text that describes it get features that point the same way. To classify an image, CLIP compares its feature with that of the name of each class."],
  neuron: ["neuron", "One channel of the last layer of the image network. It gives a number for each place of the image: how much of the pattern that it looks for is there."],
  head: ["head", "The last step of the image network looks at all places at once. It has several heads; each weighs the places in its own way and reads the neurons there."],
  pair: ["pair", "A neuron as one head reads it, written h3n149: head 3, neuron 149. The image feature is exactly the sum of what all pairs add to it, so each can be examined alone. A pair is often about one thing where its neuron is about several."],
  score: ["score", "How strongly a pair responds to an image: the neuron's activation, averaged over places by the head's attention. What the pair adds to the image feature is its score times its direction."],
  norm: ["norm", "The length of what a pair adds to the image feature. The mean norm over all images says how much the model uses the pair."],
  direction: ["direction", "What a pair adds to the image feature always points along one line, in the space that images and texts share. That is why it can be compared with words."],
  words: ["words", "The direction of a pair written as a sum of a few words' directions. The coefficient says how much of each word. A word with a negative coefficient says what the pair is not."],
  residual: ["residual", "How much of the direction the words leave unexplained: 0 means that they explain all of it, 1 nothing."],
  spearman: ["description score", "How well the words predict where the pair responds: the rank correlation, over images, of the pair's scores with the images' similarity to the words. 1 is perfect, 0 is chance."],
  auc: ["AUC", "Take an image at random from the strongest 1 % and another from the rest: how often the words rank the first one higher. 0.5 is chance, 1 is always."],
  floor: ["first word alone", "The same measure for a description by the first word alone. Further words should improve on it."],
  polysemanticity: ["polysemanticity", "How unlike each other the strongest images of a unit are. A low value means that they show one thing; such a unit is called pure."],
  quantiles: ["ordinary images", "The strongest images alone flatter a unit. These are images from the middle of its ranking: 90 % means that 90 % of all images respond less."],
  ablation: ["ablation", "Replacing what a unit adds to each image by its mean over all images, as if it no longer looked. What then changes is what the unit was needed for."],
  curve: ["ablation curve", "Only the strongest units are kept, all others are replaced by their means. The curve shows how many images are still classified right. The earlier it rises, the fewer units the model needs."],
  accuracy: ["accuracy", "The share of images whose nearest class name is their label. The model was not trained on these classes."],
  logit: ["logit", "How well an image matches a class: the similarity of the image feature and the class's text, times 100. The class of the largest logit wins."],
  probability: ["probability", "The logits of all classes turned into shares that sum to 100 %."],
  waterfall: ["sum of the logit", "Each bar is what one pair adds to the logit or takes from it. With all other pairs, and what belongs to no pair, they sum exactly to the logit. In a ResNet the latter is a constant; in a vision transformer it is the rest of the feature."],
  places: ["map of places", "The logit split by place of the image. Orange places speak for the class, blue ones against it."],
  activation: ["activation", "How strongly the neuron responds at each place of the image."],
  attention: ["attention", "How much the head looks at each place of the image."],
  product: ["activation × attention", "Where the neuron responds and the head looks: what the pair's score is made of."],
  direction_neighbours: ["neighbours by direction", "Pairs whose directions point the same way, by cosine: 1 is the same way, −1 the opposite."],
  score_neighbours: ["neighbours by scores", "Pairs that respond to the same images, by correlation of scores, whatever their directions."],
  cosine: ["cosine", "How alike two directions are: 1 the same, 0 unrelated, −1 opposite."],
  adds: ["what this head adds", "Images among the pair's strongest that are not among the neuron's strongest: the head sees something in the neuron that the neuron alone does not show."],
  sink: ["attention to the mean token", "A head may look not only at places but also at the average of the whole image. This is how much it does."],
  effect: ["effect on classes", "By how much the mean logit of a class changes when the pair is ablated."],
};

// what is a mark that opens the meaning of a term.
export function what(key) {
  const entry = TERMS[key];
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
  return el("span", { class: "what-box" }, mark, body);
}
