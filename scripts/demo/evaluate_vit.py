"""Measure the demo's vision transformer with plain torch and write expected-vit.json.

    python evaluate_vit.py TINY-VIT.pt RESNET.pt [EXPECTED.json]   # the archive; the ResNet's state dict

Pairs are those of a neuron of one MLP and a head of a later layer: with attention and the norms' deviations as they are,
what the neuron adds to the feature through the head is a score times a direction (docs/method.md).
"""
import json
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F

import evaluate as E
import render as R
from bpe import Tokenizer
from model import VIT, CLIP
from train import accuracy, held_out, text_bank, to_input

LAYER = 1                    # whose neurons
CLOSEST = 10                 # pairs of each model, of which two may agree on a word
PERMUTATIONS = 200
SIGNIFICANT = 6              # images of imagenet/test on which a neuron's effect is significant: 2 %, as published
CONCEPTS = R.COLOURS + R.KINDS + R.STUFF


def load(path):
    sd = torch.jit.load(path).state_dict()
    sd = {k: v.float() for k, v in sd.items() if k not in ("input_resolution", "context_length", "vocab_size")}
    m = CLIP(**VIT, vocab_size=len(sd["token_embedding.weight"]))
    m.load_state_dict(sd)
    return m.eval()


class Pairs:
    """Scores s [B,P,N] and directions d [P,N,O], P = the heads of all layers after LAYER, layer by layer."""
    def __init__(self, model):
        self.m, self.v = model, model.visual
        self.blocks = list(self.v.transformer.resblocks)
        self.H, self.W = self.blocks[0].attn.num_heads, len(self.v.class_embedding)
        w = self.blocks[LAYER].mlp.c_proj.weight.t()                                            # N,W
        d = torch.cat([self.through(b, w) for b in self.blocks[LAYER + 1:]])                    # P,N,W
        self.d = self.post(d)

    def through(self, block, x):
        """Rows of x [.., W], less their mean, through the norm's gain and each head's value and output weights; H,..,W."""
        x = (x - x.mean(-1, keepdim=True)) * block.ln_1.weight
        wv = block.attn.in_proj_weight[2 * self.W:].view(self.H, -1, self.W)
        wo = block.attn.out_proj.weight.view(self.W, self.H, -1)
        return torch.einsum("...w,hdw,ohd->h...o", x, wv, wo)

    def post(self, d):
        return (d - d.mean(-1, keepdim=True)) * self.v.ln_post.weight @ self.v.proj

    def run(self, images):
        """One batch: features, scores, and what the whole MLP of LAYER adds through each head, by its output."""
        x = self.v.tokens(to_input(images)).transpose(0, 1)                                     # B,T,W
        sd = lambda y: (y.var(-1, unbiased=False) + 1e-5).sqrt()
        later = []
        for i, b in enumerate(self.blocks):
            q, k, v = F.linear(b.ln_1(x), b.attn.in_proj_weight, b.attn.in_proj_bias).chunk(3, -1)
            q, k, v = (t.view(*t.shape[:2], self.H, -1) for t in (q, k, v))
            a = torch.einsum("bthd,buhd->bhtu", q, k).mul(q.shape[-1] ** -.5).softmax(-1)
            if i > LAYER:
                later.append((b, a[:, :, 0] / sd(x)[:, None]))                                  # B,H,T
            x = x + b.attn.out_proj(torch.einsum("bhtu,buhd->bthd", a, v).flatten(2))
            p = b.mlp.gelu(b.mlp.c_fc(b.ln_2(x)))
            x = x + b.mlp.c_proj(p)
            if i == LAYER:
                act = p
        scale = sd(x[:, 0])
        s = torch.cat([torch.einsum("bht,btn->bhn", a, act) for _, a in later], 1) / scale[:, None, None]
        out = act @ self.blocks[LAYER].mlp.c_proj.weight.t()                                    # without its bias
        whole = torch.cat([torch.einsum("bht,hbtw->bhw", a, self.through(b, out)) for b, a in later], 1)
        return self.v.ln_post(x[:, 0]) @ self.v.proj, s, self.post(whole) / scale[:, None, None]

    def all(self, images):
        parts = [self.run(images[i:i + 50]) for i in range(0, len(images), 50)]
        return [torch.cat(p) for p in zip(*parts)]


def name(u, N, H):
    return f"l{LAYER + 1 + u // N // H}h{u // N % H}n{u % N}"


def standardised(s):
    s = s - s.mean(0)
    return s / s.norm(dim=0, keepdim=True).clamp_min(1e-12)


def agreement(words, here, there, rng):
    """here, there: components [U,O], signed scores [B,U], names, and embeddings of the words [M,O] of two models.

    For each word, of the CLOSEST pairs of each model by the cosine of component and word, the two whose scores correlate
    most. By chance: the 95th percentile of the largest of all words with the second model's images permuted."""
    out, orders = {}, [torch.from_numpy(rng.permutation(len(here[1]))) for _ in range(PERMUTATIONS)]
    null = [-1.0] * PERMUTATIONS
    for i, w in enumerate(words):
        a, b = ((pcs @ e[i]).topk(CLOSEST)[1] for pcs, _, _, e in (here, there))
        x, y = standardised(here[1][:, a]), standardised(there[1][:, b])
        r = x.t() @ y
        best = int(r.argmax())
        null = [max(n, float((x.t() @ y[o]).max())) for n, o in zip(null, orders)]
        out[w] = dict(here=here[2](int(a[best // CLOSEST])), there=there[2](int(b[best % CLOSEST])), correlation=round(float(r.max()), 4))
    return dict(words=out, by_chance=round(float(np.percentile(null, 95)), 4))


@torch.no_grad()
def main():
    torch.set_num_threads(1)
    model, out = load(sys.argv[1]), {}
    res = VIT["image_resolution"]
    templates = open(os.path.join(E.ASSETS, "templates.txt")).read().split("\n")[:-1]
    tok = Tokenizer(os.path.join(E.ASSETS, "bpe_demo_vocab.txt.gz"), VIT["context_length"])
    out["layer"] = LAYER
    out["held_out_single_object_scenes"] = accuracy(model, tok, *held_out(1000, 57, res), templates)
    model.eval()
    classes = [l.split("\t") for l in open(f"{E.ASSETS}/imagenet/classes.txt").read().split("\n") if l]
    files = [f"imagenet/val/{d}/{f}" for d, _ in classes for f in sorted(os.listdir(f"{E.ASSETS}/imagenet/val/{d}"))]
    labels = torch.tensor([i for i, (d, _) in enumerate(classes) for _ in os.listdir(f"{E.ASSETS}/imagenet/val/{d}")])
    tests = [f"imagenet/test/{f}" for f in sorted(os.listdir(f"{E.ASSETS}/imagenet/test"))]
    val, test = (np.stack([E.read(os.path.join(E.ASSETS, f), res) for f in fs]) for fs in (files, tests))
    text = text_bank(model, tok, [n for _, n in classes], templates)

    pairs = Pairs(model)
    P, N, O = pairs.d.shape
    full, sv, whole = pairs.all(val)
    _, st, _ = pairs.all(test)
    direct = torch.cat([model.encode_image(to_input(val[i:i + 50])) for i in range(0, len(val), 50)])
    out["max_abs_error"] = dict(feature=float((full - direct).abs().max()),
                                pairs=float((torch.einsum("bpn,pno->bpo", sv, pairs.d) - whole).abs().max()))
    out["zero_shot_top1"] = E.zero_shot(direct, text, labels)

    mean = st.mean(0)
    sign = torch.where(((st - mean).gather(0, (st - mean).abs().topk(50, 0)[1]) > 0).sum(0) > 25, 1.0, -1.0)
    pcs = F.normalize(pairs.d, dim=-1) * sign[..., None]
    strength = E.top_mean((st - mean).abs()) * pairs.d.norm(dim=-1)
    named = lambda i: name(int(i), N, pairs.H)
    top = strength.flatten().topk(10)
    out["top_pairs_by_norm"] = [dict(unit=named(i), score=round(float(v), 4)) for v, i in zip(*top)]
    out["scores"] = {f: {named(i): round(float(sv[b].flatten()[i]), 4) for i in top[1][:5]} for b, f in list(enumerate(files))[:400:133]}
    out["embedding"] = {files[0]: [round(v, 4) for v in direct[0].tolist()]}

    # What the second-order work measures, by neurons: effects are summed over heads.
    rest = direct - torch.einsum("bpn,pno->bo", sv - mean, pairs.d)             # all pairs at their means
    rt, rv = (torch.einsum("bpn,pno->bno", s - mean, pairs.d) for s in (st, sv))
    threshold = rt.norm(dim=-1).topk(SIGNIFICANT, 0)[0][-1]
    significant = rv.norm(dim=-1) > threshold                                    # B,N
    out["significant_share"] = round(float(significant.float().mean()), 4)
    pcs_n = E.neuron_pcs(torch.einsum("bpn,pno->bno", st, pairs.d), torch.einsum("pn,pno->no", mean, pairs.d))
    words = text_bank(model, tok, open(f"{E.ASSETS}/words.txt").read().split("\n")[:-1], ["{}"])      # as published
    part = lambda keep: E.zero_shot(rest + torch.einsum("bno,bn->bo", rv, keep.float()), text, labels)
    rebuilt = lambda p: E.zero_shot(rest + torch.einsum("bno,no,nq->bq", rv, p, p), text, labels)
    out["ablation"] = {"all": E.zero_shot(rest, text, labels), "significant": part(~significant), "insignificant": part(significant)}
    out["reconstruction"] = {"pc0": rebuilt(pcs_n)}
    for m in (4, 16, 64):
        out["reconstruction"][f"{m} words"] = rebuilt(E.sparse(pcs_n, words, m))

    resnet = E.load(sys.argv[2])
    pool = E.Pool(resnet)
    tv, tt = (pool.s(np.stack([E.read(os.path.join(E.ASSETS, f)) for f in fs])) for fs in (files, tests))
    tmean = tt.mean(0)
    tsign = torch.where(((tt - tmean).gather(0, (tt - tmean).abs().topk(50, 0)[1]) > 0).sum(0) > 25, 1.0, -1.0)
    theirs = (F.normalize(pool.d, dim=-1) * tsign[..., None]).reshape(-1, O), (tv * tsign).flatten(1), lambda u: f"h{u // pool.C}n{u % pool.C}"
    ours = pcs.reshape(-1, O), (sv * sign).flatten(1), named
    banks = [text_bank(m, tok, CONCEPTS, templates) for m in (resnet, model)]
    out["agreement"] = agreement(CONCEPTS, theirs + (banks[0],), ours + (banks[1],), np.random.default_rng(0))
    js = json.dumps(out, indent=1)
    print(js)
    if len(sys.argv) > 3:
        open(sys.argv[3], "w").write(js + "\n")


if __name__ == "__main__":
    main()
