"""Do pairs become purer than neurons when heads attend to different places, or when neurons are few? Two small trainings, not shipped.

    python purity_train.py MODEL.pt RESULT.json [IMAGES STEPS]      # 2000 300; MODEL.pt: the first model's state dict

Maps of layer4 and texts are the model's and stay as they are; what reads the maps is trained on its loss, on scenes of up
to three things. "apart" trains the model's attention pool, query and key at the full rate. "few" puts a 1x1 convolution to
64 neurons before a new pool of 8 heads. Nothing rewards purity. Both are measured as in purity.py on 1500 images of
one thing and 1500 scenes, the second judge being the model as it was.
"""
import copy
import json
import math
import os
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

import purity as P
import render as R
from bpe import Tokenizer
from model import CFG, AttentionPool2d
from train import ASSETS, DECAY, Facts, loss_fn, text_bank

RATE, WARM, BATCH, FEW, HEADS, MEASURED = 1e-3, 20, 64, 64, 8, 1500


def training_scene(rng, world):
    return R.random_scene(rng, 128, 128, (.06, .38, .33, .23), many=(16, 44), inside=.65)


@torch.no_grad()
def maps(E, model, make, seed, n):
    """The last maps of layer4 in half precision [n,C,h,w], and the scenes."""
    out, scenes = [], []
    for lo in range(0, n, 50):
        images = []
        for i in range(lo, min(lo + 50, n)):
            rng = R.rng_for(seed, i)
            scenes.append(make(rng, "demo"))
            images.append(R.enlarge(R.draw_scene(scenes[-1], 128, 128, rng)[0], E.RES))
        out.append(model.visual.features(E.to_input(np.stack(images))).half())
    return torch.cat(out), scenes


class Reader(nn.Module):
    """What becomes of the maps: a pool, with few neurons before it or none of its own."""
    def __init__(self, pool, first=None):
        super().__init__()
        self.attnpool, self.first = pool, first

    def neurons(self, x):
        return x if self.first is None else F.relu(self.first(x))

    def forward(self, x):
        return self.attnpool(self.neurons(x))


def few(x):
    """A reader of FEW neurons whose activations have mean 0 and deviation 1 over the maps x before the ReLU."""
    pool, first = AttentionPool2d(CFG["image_resolution"] // 32, FEW, HEADS, CFG["embed_dim"]), nn.Conv2d(x.shape[1], FEW, 1)
    for p in (pool.q_proj, pool.k_proj, pool.v_proj, pool.c_proj):
        nn.init.normal_(p.weight, std=p.in_features ** -.5)
        nn.init.zeros_(p.bias)
    with torch.no_grad():
        nn.init.kaiming_normal_(first.weight)
        first.bias.zero_()
        y = first(x.float())
        first.weight /= y.std((0, 2, 3))[:, None, None, None]
        first.bias -= y.mean((0, 2, 3)) / y.std((0, 2, 3))
    return Reader(pool, first)


def train(reader, model, tok, x, scenes, steps):
    rng, facts, order = np.random.default_rng(0), Facts(), np.empty(0, int)
    have = facts.hot([R.attributes(s) for s in scenes])
    opt = torch.optim.AdamW(reader.parameters(), lr=RATE, betas=(.9, .98), eps=1e-6, weight_decay=DECAY)
    reader.train()
    for step in range(steps):
        if len(order) < BATCH:
            order = np.concatenate([order, rng.permutation(len(x))])
        idx, order = order[:BATCH], order[BATCH:]
        captions = [R.caption(scenes[i], rng, every=.85, where=.55) for i in idx]
        need = facts.hot([c[1] for c in captions])
        fits = need.sum(1) - have[idx] @ need.t() < .5
        for g in opt.param_groups:
            g["lr"] = RATE * min(1, (step + 1) / WARM) * (.5 + .5 * math.cos(math.pi * step / steps))
        with torch.no_grad():
            text = F.normalize(model.encode_text(tok([c[0] for c in captions])), dim=-1)
        loss = loss_fn(model.logit_scale.exp().detach() * F.normalize(reader(x[idx].float()), dim=-1) @ text.t(), fits)
        opt.zero_grad()
        loss.backward()
        opt.step()
        if (step + 1) % 50 == 0:
            print(step + 1, "loss %.3f" % loss.item(), file=sys.stderr, flush=True)


@torch.no_grad()
def measure(E, model, reader, sets, judges, bank):
    """What purity.py measures on all images of each set; judges: unit embeddings of each, or none for the reader's own."""
    reader.eval()
    model = copy.deepcopy(model)
    model.visual.attnpool = reader.attnpool
    pool, out, own = E.Pool(model), {}, {}
    for name, (x, scenes) in sets.items():
        scores = []
        for i in range(0, len(x), 100):
            tokens, attention = pool.attention(reader.neurons(x[i:i + 100].float()))
            scores.append(torch.einsum("bhm,bmc->bhc", attention, tokens))
        s = torch.cat(scores)
        own[name] = F.normalize(pool.output(s), dim=-1)
        if name == "single":
            pairs = [c + " " + k for k in R.KINDS for c in R.COLOURS]
            truth = [s["objects"][0]["colour"] + " " + s["objects"][0]["kind"] for s in scenes]
            out["accuracy"] = round(float(np.mean([pairs[i] == t for i, t in zip((own[name] @ bank.t()).argmax(1), truth)])), 3)
        data = own[name].numpy(), (judges or own)[name].numpy(), P.labels(scenes) if name == "single" else []
        out[name] = {"correlation between heads": P.correlation(s.numpy()),
                     **P.by_images(s.numpy(), pool.d.numpy(), data, [len(x)], P.Interval())[len(x)]}
    return out, own


def main():
    path, result = sys.argv[1:3]
    n, steps = (int(v) for v in sys.argv[3:5] or (2000, 300))
    del sys.argv[1:]                                       # evaluate.py would take them for its own
    import evaluate as E
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model, tok = E.load(path), Tokenizer(os.path.join(ASSETS, "bpe_demo_vocab.txt.gz"), CFG["context_length"])
    bank = text_bank(model, tok, [c + " " + k for k in R.KINDS for c in R.COLOURS], open(os.path.join(ASSETS, "templates.txt")).read().split("\n")[:-1])
    x, scenes = maps(E, model, training_scene, 9300, n)
    sets = {"single": maps(E, model, P.single, P.SEED, MEASURED), "several": maps(E, model, P.several, P.SEED + 1, MEASURED)}
    out = {}
    out["before"], judges = measure(E, model, Reader(model.visual.attnpool), sets, None, bank)
    for name, reader in (("apart", Reader(copy.deepcopy(model.visual.attnpool))), ("few", few(x[:200]))):
        train(reader, model, tok, x, scenes, steps)
        out[name] = measure(E, model, reader, sets, judges, bank)[0]
        with open(result, "w") as f:
            f.write(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    main()
