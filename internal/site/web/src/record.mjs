// The record of an image, from the columns of the file that it is in.

import { load, numbers, indices } from "./data.mjs";
import { state } from "./state.mjs";

export async function imageRecord(image) {
  const shard = await load(`i/${Math.floor(image / state.overview.shards.images)}`);
  const i = image - shard.first;
  const totals = numbers(shard.totals);
  const count = totals.length / 5;
  const [logit, constant, rest, sum, norm] = totals.subarray(5 * i, 5 * i + 5);
  const list = (items, values, make) => {
    const all = indices(items);
    const each = all.length / count;
    const columns = values.map(numbers);
    const out = [];
    for (let k = i * each; k < (i + 1) * each; k++) if (all[k] >= 0) out.push(make(all[k], ...columns.map((c) => c[k])));
    return out;
  };
  const parts = (p) => list(p.pairs, [p.parts, p.scores], (pair, part, score) => ({ pair, part, score }));
  const maps = shard.maps.find((m) => m.image === image);
  return {
    classes: list(shard.classes, [shard.logits, shard.probabilities], (c, l, probability) => ({ class: c, logit: l, probability })),
    logit, constant, rest, sum, feature_norm: norm,
    for: parts(shard.for),
    against: parts(shard.against),
    nearest: list(shard.nearest, [shard.cosines], (other, cosine) => ({ image: other, cosine })),
    strongest: list(shard.strongest, [shard.scores, shard.deviations], (pair, score, deviations) => ({ pair, score, deviations })),
    places: maps?.places ?? null,
    attention: maps?.attention ?? null,
  };
}
