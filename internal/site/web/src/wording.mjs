// What pages say that holds for some models only. The report's data says which form its model has, and
// what its parts are called; nothing else on the pages depends on it.

import { state, part, wording, unitName, headName, neuronName, parseUnit } from "./state.mjs";

// FORMS by the name that the data gives: terms() in place of those of terms.mjs, and lines of pages. keys
// are the terms that the form has, where it has not all, and live those that it has in the explorer too.
const FORMS = {
  pool: {
    terms: () => {
      const { token, example } = wording();
      const { head, neuron } = parseUnit(example);
      return {
        neuron: ["neuron", "One channel of the last layer of the image network. It gives a number for each place of the image: how much of the pattern that it looks for is there."],
        head: ["head", "The last step of the image network looks at all places at once. It has several heads; each weighs the places in its own way and reads the neurons there."],
        pair: ["pair", `A neuron as one head reads it, written ${example}: head ${head}, neuron ${neuron}. The image feature is exactly the sum of what all pairs add to it and a constant, so each can be examined alone. A pair often responds to one thing where its neuron responds to several.`],
        score: ["score", "How strongly a pair responds to an image: the neuron's activation, averaged over places by the head's attention. What the pair adds to the image feature is its score times its direction."],
        waterfall: ["sum of the logit", "Each bar is what one pair adds to the logit or takes from it. With all other pairs and a constant of the weights, they sum exactly to the logit."],
        places: ["map of places", "The logit split by place of the image. Orange places speak for the class, blue ones against it. With what belongs to no place, the position embedding and the constant, they sum to the logit."],
        product: ["activation × attention", "Where the neuron responds and the head looks: what the pair's score is made of."],
        sink: [`attention to the ${token}`, "A head may look not only at places but also at the average of the whole image. This is how much it does."],
      };
    },
    lead: (name, pairs) => {
      const { heads, neurons } = state.overview.model;
      return [`The last step of the one shown here${name} can be taken apart exactly: what it says about an image is the sum of ${pairs} parts and a constant, one part for each of its ${neurons.toLocaleString("en")} neurons`,
        ` as each of ${heads} heads`, " reads it. Such a part is a neuron-head pair"];
    },
    head: () => " looks at some places of an image and reads all neurons there. Below are the pairs that it makes of them.",
    heads: () => " reads the same neurons at the places where it looks.",
    method: () => "The method is Bu and Gandelsman, Interpreting ResNet-based CLIP via Neuron-Attention Decomposition (arXiv:2509.19943).",
  },
  layers: {
    terms: () => {
      const { token, example } = wording();
      const { head, neuron } = parseUnit(example);
      const layer = layerOf(neuronName(0));
      const own = headName(head);
      return {
        neuron: ["neuron", `One unit of the MLP in layer ${layer} of the image network, written ${neuronName(neuron)}. It gives a number for each place of the image, and for the class token: how much of the pattern that it looks for is there.`],
        head: ["head", "In each layer of the image network, several heads look at all places at once; each weighs the places in its own way. What heads read for the class token goes into the image feature. Those listed here are of the layers after the neurons, where they read what the neurons wrote."],
        pair: ["pair", `A neuron as one head of a later layer reads it, written ${example}: head ${own.slice(own.indexOf("h") + 1)} of layer ${layerOf(own)}, neuron ${neuron} of layer ${layer}. What a pair adds to the image feature is known exactly, so each can be examined alone. All pairs together are a part of the feature; the rest is what other layers' neurons add, and what heads add by other ways. A pair often responds to one thing where its neuron responds to several.`],
        score: ["score", "How strongly a pair responds to an image: the neuron's activation, summed over places and the class token, each weighed by the head's attention and by the layer norms on the way. What the pair adds to the image feature is its score times its direction."],
        waterfall: ["sum of the logit", "Each bar is what one pair adds to the logit or takes from it. With all other pairs, and the rest of the feature, which belongs to no pair and differs from image to image, they sum exactly to the logit."],
        places: ["map of places", "The logit split by the places of the image that the heads of all layers read. Orange places speak for the class, blue ones against it. With what belongs to no place, the class token and the MLPs, they sum to the logit."],
        product: ["activation × attention", "Where the neuron responds and the head looks: what the pair's score is made of, but for the layer norms, which weigh each place too."],
        sink: [`attention to the ${token}`, "A head may look not only at places but also at the class token, which gathers what was read in earlier layers. This is how much it does."],
      };
    },
    lead: (name, pairs) => {
      const { heads, neurons } = state.overview.model;
      return [`A part of what the one shown here${name} says about an image is taken apart here: what the ${neurons.toLocaleString("en")} neurons of layer ${layerOf(neuronName(0))}`,
        ` add to it through the ${heads} heads`, ` of later layers is the sum of ${pairs} parts, one for each neuron as each head reads it. Such a part is a neuron-head pair`];
    },
    head: () => ` looks at some places of an image and reads what is there. Below are the pairs that it makes with the neurons of layer ${layerOf(neuronName(0))}.`,
    heads: () => ` of a later layer reads what the same neurons, those of layer ${layerOf(neuronName(0))}, wrote at the places where it looks.`,
    method: () => "The method is that of Bu and Gandelsman, Interpreting ResNet-based CLIP via Neuron-Attention Decomposition (arXiv:2509.19943), for the neurons of vision transformers and the later heads that read them, on which see Gandelsman, Efros and Steinhardt, Interpreting the Second-Order Effects of Neurons in CLIP (arXiv:2406.04341).",
  },
  heads: {
    get keys() {
      return ["clip", "head", "norm", "share", "texts", "explained", "along", "quantiles", "head_map", ...(part("comparison").present ? ["cka"] : [])];
    },
    live: ["logit", "probability", "waterfall", "places", "ablation", "accuracy", "cosine"],
    terms: () => ({
      head: ["head", `In each layer of the image network, several heads look at all places at once; each weighs the places in its own way. What a head reads for the ${wording().token} goes into the image feature. A head is written ${wording().example}.`],
      norm: ["norm", "The length of what a head adds to the image feature, not centred. The mean norm over all images says how much the model uses the head."],
      share: ["share of the feature", "What a head adds along the image feature, as a share of its length, averaged over images. Over all heads, MLPs and the class token that enters the first layer, the shares sum to 100 %; one may be below zero."],
      texts: ["texts of a head", "Texts along which what the head adds differs most from image to image, found one after the other (TextSpan): each takes its direction out of what the next one is looked for in."],
      explained: ["explained variance", "How much of the variance of what the head adds the texts explain, this one and those before it together."],
      along: ["along a text", "The product of what the head adds and the text's embedding, a unit vector: how much of the text the head adds to the image feature. It is not centred, so images at both ends of the ranking say something."],
      head_map: ["map of a head", "What the head adds, split by the places that it reads: along its first text, orange places add to it and blue ones take away, and with the class token's part they sum to the number; without a text, the lengths of the parts. In the explorer, the same of the logit of a class."],
      cka: ["CKA", "How alike what two heads add to the same images is, by which images they tell apart and not by the direction of what they add: 1 if one is the other turned, scaled or moved, about 0 if they have nothing in common. Of few images it may be a little below 0."],
      waterfall: ["sum of the logit", `Each bar is what one head adds to the logit or takes from it. With all other heads and ${state.overview.model.layer_heads ? "what the MLPs add" : "a constant of the weights"}, they sum exactly to the logit.`],
      places: ["map of places", `The logit split by the places of the image that heads read. Orange places speak for the class, blue ones against it. With what belongs to no place, they sum to the logit.`],
      ablation: ["ablation", "Replacing what a head adds to each image by its mean over all images, which says nothing of the image. What then changes is what the head was needed for."],
    }),
    method: () => "The method is that of Gandelsman, Efros and Steinhardt, Interpreting CLIP's Image Representation via Text-Based Decomposition (arXiv:2310.05916).",
  },
};

const layerOf = (name) => /^l(\d+)/.exec(name)?.[1] ?? "";

// form is what holds for the model of this report.
export function form() {
  const known = FORMS[wording().form];
  if (!known) throw new Error(`the report is of a model of form ${wording().form}, this page knows ${Object.keys(FORMS).join(" and ")}: build the report again`);
  return known;
}

// example is a pair of the model, as people would write it.
export const example = () => wording().example || unitName(0);
