"""Train a demo CLIP on rendered scenes (CPU, about half an hour on two cores).

    OMP_WAIT_POLICY=passive GOMP_SPINCOUNT=0 MALLOC_MMAP_THRESHOLD_=4000000000 MALLOC_TRIM_THRESHOLD_=8000000000 \\
        nice -n 19 python train.py WORK_DIR [--image-encoder resnet|vit] [--text MODEL.pt] [--start MODEL.pt] \\
        [--bank] [--threads 2] [CLOSE_UPS SCENES]

(glibc's malloc gives every large block back to the system at once by default; keeping them makes a step 3 times faster.)
Phase 1 takes CLOSE_UPS steps on close-ups (one object at the same pixel scale), phase 2 SCENES steps on whole scenes:
96x96 and 192x192 (3x3 and 6x6 grid) for the ResNet, 64x64 and 128x128 (4x4 and 8x8 patches), not enlarged, for the ViT.
Both see the same scenes. With --text, the text tower is that of a state dict, and stays as it is; with --start, training
goes on from all weights of one. With --bank, which needs --text, each image is also compared with 140 captions, one for
each colour and kind, of which those of its things are true: kinds are then learned in a third of the steps.
Loss: CLIP's symmetric cross-entropy; a caption that is also TRUE of another image of the batch
(e.g. "a car", or an equal caption) is left out of that image's negatives.
"""
import argparse
import json
import math
import multiprocessing as mp
import os
import time

import numpy as np
import torch
import torch.nn.functional as F

import render as R
from bpe import Tokenizer
from model import CFG, CLIP, MEAN, STD, VIT

ASSETS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../internal/demo/assets")
DECAY = .05
# near, whole: pixels a side of close-ups and of scenes; then of both steps, batch and images for each step
PLANS = {
    "resnet": dict(model=CFG, near=96, whole=192, steps=(1200, 1500), batch=(128, 96), images=(24, 12), peak=2e-3, warm=60),
    "vit": dict(model=VIT, near=64, whole=128, steps=(1600, 1000), batch=(64, 64), images=(12, 8), peak=1e-3, warm=200),
}


def pool_of(seed, n, size, processes):
    with mp.Pool(processes) as p:
        items = p.map(R.training_item, [(seed, i, size) for i in range(n)], chunksize=250)
    return np.stack([a for a, _ in items]), [s for _, s in items]


class Facts:
    """Captions claim facts, scenes have facts; a caption fits a scene that has them all."""
    def __init__(self):
        self.id = {}

    def hot(self, sets):
        for s in sets:
            for f in s:
                self.id.setdefault(f, len(self.id))
        m = torch.zeros(len(sets), 2048)
        for i, s in enumerate(sets):
            m[i, [self.id[f] for f in s]] = 1
        return m


def to_input(a):
    """uint8 images to the network's input."""
    x = torch.from_numpy(a).permute(0, 3, 1, 2).float().div_(255)
    return (x - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)


def batches(images, scenes, bs, steps, rng):
    order = np.empty(0, int)
    for _ in range(steps):
        if len(order) < bs:
            order = np.concatenate([order, rng.permutation(len(images))])
        idx, order = order[:bs], order[bs:]
        a = images[idx]                                        # a copy
        flip = rng.random(bs) < .5
        a[flip] = a[flip, :, ::-1]
        yield a, [scenes[i] for i in idx]


def loss_fn(logits, fits):
    """logits, fits: image x caption. True off-diagonal pairs are no negatives."""
    eye = torch.eye(len(logits), dtype=torch.bool)
    logits = logits.masked_fill(fits & ~eye, float("-inf"))
    y = torch.arange(len(logits))
    return (F.cross_entropy(logits, y) + F.cross_entropy(logits.t(), y)) / 2


COMBINATIONS = [c + " " + k for k in R.KINDS for c in R.COLOURS]


def bank_loss(logits, scenes):
    """logits: image x COMBINATIONS. Cross-entropy with what an image shows, in equal shares; without things, no loss."""
    want = torch.zeros_like(logits)
    for i, s in enumerate(scenes):
        for o in s["objects"]:
            want[i, COMBINATIONS.index(o["colour"] + " " + o["kind"])] = 1
    shown = want.sum(1)
    return -(logits.log_softmax(1) * want).sum(1).div(shown.clamp_min(1)).sum() / (shown > 0).sum().clamp_min(1)


@torch.no_grad()
def text_bank(model, tok, names, templates):
    out = []
    for n in names:
        e = F.normalize(model.encode_text(tok([t.replace("{}", n) for t in templates])), dim=-1).mean(0)
        out.append(e / e.norm())
    return torch.stack(out)


@torch.no_grad()
def encode(model, images, bs=64):
    return torch.cat([F.normalize(model.encode_image(to_input(images[i:i + bs])), dim=-1) for i in range(0, len(images), bs)])


def accuracy(model, tok, images, scenes, templates):
    """Zero-shot top-1 of kind, colour and both, on single-object scenes."""
    model.eval()
    f = encode(model, images)
    objs = [s["objects"][0] for s in scenes]
    pairs = [c + " " + k for k in R.KINDS for c in R.COLOURS]
    res = {}
    for name, names, truth in (("kind", R.KINDS, [o["kind"] for o in objs]),
                               ("colour", [c + " thing" for c in R.COLOURS], [o["colour"] + " thing" for o in objs]),
                               ("kind_x_colour", pairs, [o["colour"] + " " + o["kind"] for o in objs])):
        p = (f @ text_bank(model, tok, names, templates).t()).argmax(1)
        res[name] = float(np.mean([names[i] == t for i, t in zip(p.tolist(), truth)]))
    model.train()
    return res


def held_out(n, seed=55, size=CFG["image_resolution"]):
    out = []
    for i in range(n):
        rng = R.rng_for(seed, i)
        s = R.random_scene(rng, 128, 128, (0, 1))
        out.append((R.enlarge(R.draw_scene(s, 128, 128, rng)[0], size), s))
    return np.stack([a for a, _ in out]), [s for _, s in out]


def save(model, path):
    torch.save({k: v.contiguous() for k, v in model.state_dict().items()}, path)


def parameter_groups(model):
    """Weight decay for matrices only. The ResNet's attention pool has a query and key that learn slowly: at full speed
    each head soon attends to a single location (largest weight > 0.97), and the other locations then contribute nothing
    that could be interpreted."""
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    look = [p for n, p in named if "attnpool.q_proj" in n or "attnpool.k_proj" in n]
    slow = set(map(id, look))
    decay = [p for _, p in named if p.ndim >= 2 and id(p) not in slow]
    rest = [p for _, p in named if p.ndim < 2 and id(p) not in slow]
    return [dict(params=decay, weight_decay=DECAY, speed=1), dict(params=rest, weight_decay=0, speed=1)] + (
        [dict(params=look, weight_decay=DECAY, speed=.05)] if look else [])


def take_text(model, path):
    """The text tower and the logit scale of a state dict; the tower no longer learns."""
    text = {k: v.float() for k, v in torch.load(path).items() if not k.startswith("visual.")}
    missing, _ = model.load_state_dict(text, strict=False)
    assert all(k.startswith("visual.") for k in missing), missing
    for n, p in model.named_parameters():
        p.requires_grad = n.startswith("visual.") or n == "logit_scale"


def arguments():
    p = argparse.ArgumentParser()
    p.add_argument("work")
    p.add_argument("steps", nargs="*", type=int)
    p.add_argument("--image-encoder", choices=("resnet", "vit"), default="resnet")
    p.add_argument("--text")
    p.add_argument("--start")
    p.add_argument("--bank", action="store_true")
    p.add_argument("--threads", type=int, default=2)
    return p.parse_intermixed_args()


def main():
    args = arguments()
    plan = PLANS[args.image_encoder]
    vit, cfg, near, whole = args.image_encoder == "vit", plan["model"], plan["near"], plan["whole"]
    s_near, s_whole = args.steps or plan["steps"]
    torch.manual_seed(0)
    torch.set_num_threads(args.threads)
    rng = np.random.default_rng(0)
    templates = open(os.path.join(ASSETS, "templates.txt")).read().split("\n")[:-1]
    tok = Tokenizer(os.path.join(ASSETS, "bpe_demo_vocab.txt.gz"), cfg["context_length"])
    model = CLIP(**cfg, vocab_size=tok.size)
    if args.text:
        take_text(model, args.text)
    bank = text_bank(model, tok, COMBINATIONS, templates) if args.bank else None
    if args.start:
        model.load_state_dict(torch.load(args.start))
    if not vit:
        model.visual.to(memory_format=torch.channels_last)
    opt = torch.optim.AdamW(parameter_groups(model), lr=plan["peak"], betas=(.9, .98), eps=1e-6)
    test = held_out(280, size=whole)
    facts, t0, step = Facts(), time.time(), 0
    total = s_near * .35 + s_whole                            # progress is counted in work, not in steps
    warm = min(plan["warm"], (s_near + s_whole) // 10)
    done, log = 0.0, open(os.path.join(args.work, "train.log"), "w")

    def say(*a):
        print(*a, flush=True)
        print(*a, file=log, flush=True)

    # seed, size, steps, and how often a caption names every object, and a place
    for phase, (seed, size, steps, how) in enumerate(((96, near, s_near, {}), (192, whole, s_whole, dict(every=.85, where=.55)))):
        if not steps:
            continue
        bs = plan["batch"][phase]
        images, scenes = pool_of(seed, plan["images"][phase] * steps, size, args.threads)
        have = facts.hot([R.attributes(s) for s in scenes])
        where = {id(s): i for i, s in enumerate(scenes)}
        say("pool", images.shape, "facts", len(facts.id), "%.0f s" % (time.time() - t0))
        for a, sc in batches(images, scenes, bs, steps, rng):
            caps = [R.caption(s, rng, **how) for s in sc]
            need = facts.hot([c[1] for c in caps])
            fits = need.sum(1) - have[[where[id(s)] for s in sc]] @ need.t() < .5
            lr = plan["peak"] * min(1, (step + 1) / warm) * (.5 + .5 * math.cos(math.pi * done / total))
            for g in opt.param_groups:
                g["lr"] = lr * g["speed"]
            x = to_input(a).contiguous(memory_format=torch.channels_last)
            # close-ups lie anywhere on the ViT's grid, so that all of its positions learn
            place = dict(at=[int(v) for v in rng.integers(0, 5, 2)]) if vit and size == near else {}
            logits, _, i = model(x, tok([c[0] for c in caps]), **place)
            loss = loss_fn(logits, fits)
            if args.bank:
                loss = loss + bank_loss(model.logit_scale.exp() * i @ bank.t(), sc)
            opt.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], 1.0)
            opt.step()
            model.logit_scale.data.clamp_(0, math.log(100))
            step, done = step + 1, done + (.35 if size == near else 1)
            if step % 20 == 0:
                say(f"{step} size {size} loss {loss.item():.3f} scale {model.logit_scale.exp().item():.1f} lr {lr:.1e} {time.time() - t0:.0f} s")
            if step % 100 == 0:
                save(model, os.path.join(args.work, "last.pt"))
            if step % 100 == 0 and vit or step % 300 == 0:
                say(json.dumps(accuracy(model, tok, *test, templates)))
    save(model, os.path.join(args.work, "final.pt"))
    say("held-out", json.dumps(accuracy(model, tok, *held_out(2000, 56, whole), templates)), f"{time.time() - t0:.0f} s")


if __name__ == "__main__":
    main()
