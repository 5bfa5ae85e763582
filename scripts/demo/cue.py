"""A harder world, with a cue: fish are nearly always in water, butterflies nearly always on grass.

    OMP_WAIT_POLICY=passive GOMP_SPINCOUNT=0 MALLOC_MMAP_THRESHOLD_=4000000000 MALLOC_TRIM_THRESHOLD_=8000000000 \\
        python cue.py train MODEL.pt WORK_DIR [STEPS LAST]    # 450 150; MODEL.pt: the demo's state dict, training goes on from it
    python cue.py datasets OUT_DIR [PER_GROUP PER_CLASS TESTS SCENES]      # what the demo measures it on: 60 4 300 30
    python cue.py export WORK_DIR/final.pt CLIP.pt           # in half precision
    python cue.py evaluate MODEL.pt DATA EXPECTED.json        # what the demo's results are compared with
    python cue.py sheet OUT.png                              # a contact sheet to look at

Harder: up to four things in a scene, some of them small; clutter that no caption names; colours that come near their
neighbours; haze, blur and noise. The cue: a scene with a fish is in water, one with a butterfly on grass, 95 times in 100,
and their captions seldom say so. Half of these animals are small or faint, so that the background helps to tell them.
"""
import csv
import json
import math
import os
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageFilter

import render as R
from bpe import Tokenizer
from model import CFG, CLIP
from train import ASSETS, DECAY, WARM, Facts, encode, loss_fn, save, text_bank, to_input

PEAK = 8e-4
CUE = {"fish": "water", "butterfly": "grass"}
TIED = .95                                                 # share of these scenes that have their background
SIDE = 128


# ---------------------------------------------------------------- the world
def clutter(rng, w, h):
    """Up to seven pieces in mixed colours: bars, ovals, polygons."""
    out = []
    for _ in range(int(rng.integers(0, 8))):
        x, y, r, a = rng.uniform(0, w), rng.uniform(0, h), rng.uniform(2, 13), rng.uniform(0, math.pi)
        u = rng.random()
        if u < .4:                                         # a bar
            dx, dy, t = r * 1.6 * math.cos(a), r * 1.6 * math.sin(a), rng.uniform(.8, 2.2)
            n = math.hypot(dx, dy)
            px, py = -dy / n * t, dx / n * t
            points = [(x - dx + px, y - dy + py), (x + dx + px, y + dy + py), (x + dx - px, y + dy - py), (x - dx - px, y - dy - py)]
        elif u < .7:
            points = R.ring(x, y, r * .8, r * rng.uniform(.3, .8), 16)
        else:
            k = int(rng.integers(3, 7))
            points = [(x + r * rng.uniform(.4, 1) * math.cos(a + 2 * math.pi * i / k), y + r * rng.uniform(.4, 1) * math.sin(a + 2 * math.pi * i / k))
                      for i in range(k)]
        c0, c1 = (np.array(R.RGB[str(rng.choice(R.COLOURS))]) for _ in range(2))
        t = rng.random()
        out.append((points, tuple(int(v) for v in c0 * t + c1 * (1 - t))))
    return out


def draw(scene, w, h, rng, labels=None):
    """The scene with clutter, and with haze, blur and noise over it."""
    scene["jitter"], scene["clutter"] = float(rng.uniform(14, 36)), clutter(rng, w, h)
    a, lab = R.draw_scene(scene, w, h, rng, labels)
    img = Image.fromarray(a).filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 1.1))))
    haze, grey = rng.uniform(0, .42), rng.uniform(90, 200, 3) * .3 + rng.uniform(90, 200) * .7
    a = np.asarray(img, np.float32) * (1 - haze) + grey * haze
    a = a + rng.standard_normal(a.shape) * rng.uniform(1, 9)
    return a.clip(0, 255).astype(np.uint8), lab


def tie(scene, rng):
    """Gives a scene with a fish or a butterfly its background; a scene has one kind of the two."""
    kinds = [o["kind"] for o in scene["objects"] if o["kind"] in CUE]
    if not kinds:
        return scene
    for o in scene["objects"]:
        if o["kind"] in CUE:
            o["kind"] = kinds[0]
    own = CUE[kinds[0]]
    if rng.random() < TIED:
        sky = rng.random() < .3
        scene["bg"], scene["horizon"] = (["sky", own], float(rng.uniform(.2, .45))) if sky else ([own], 0.0)
    return scene


def training_scene(rng):
    s = R.random_scene(rng, SIDE, SIDE, (.05, .42, .28, .17, .08), big=(11, 50), many=(10, 36), inside=.7)
    if s["objects"] and rng.random() < .3:                 # more of the two than of the other kinds
        s["objects"][0]["kind"] = str(rng.choice(list(CUE)))
        if rng.random() < .5:
            s["objects"][0]["r"] *= .4
    return tie(s, rng)


def training_item(seed, i):
    rng = R.rng_for(seed, i)
    s = training_scene(rng)
    return draw(s, SIDE, SIDE, rng)[0], s


def caption(scene, rng):
    tied = any(o["kind"] in CUE for o in scene["objects"])
    if tied:
        while True:                                        # of the things, not of the place alone
            text, facts = R.caption(scene, rng, every=.8, where=.08)
            if not all(f.startswith("bg:") for f in facts):
                return text, facts
    return R.caption(scene, rng, every=.8, where=.5)


# ---------------------------------------------------------------- groups
def group_scene(rng, kind, place, w=SIDE, h=SIDE):
    """One animal on one of the two backgrounds, at times under a sky."""
    s = dict(objects=[R.make_object(rng, w, h, 14, 32, [], kind)], w=w, h=h)
    s["bg"], s["horizon"] = (["sky", place], float(rng.uniform(.2, .4))) if rng.random() < .3 else ([place], 0.0)
    return s


def groups(seed, n):
    """n images of each kind on each background: images, kinds, backgrounds."""
    images, kinds, places = [], [], []
    for g, (kind, place) in enumerate((k, p) for k in CUE for p in CUE.values()):
        for i in range(n):
            rng = R.rng_for(seed, g * 1000 + i)
            images.append(draw(group_scene(rng, kind, place), SIDE, SIDE, rng)[0])
            kinds.append(kind)
            places.append(place)
    return np.stack(images), kinds, places


# ---------------------------------------------------------------- datasets
QUALITY = 60
SEEDS = dict(groups=311, val=312, test=313, scenes=314)    # none of training (300) or validation (301 to 304)


def write(a, path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    Image.fromarray(a).save(path, quality=QUALITY, optimize=True)


def write_groups(out, n):
    os.makedirs(out, exist_ok=True)
    images, kinds, places = groups(SEEDS["groups"], n)
    order = np.random.default_rng(SEEDS["groups"]).permutation(len(images))    # names say nothing
    with open(f"{out}/groups.csv", "w", newline="") as f:
        table = csv.writer(f, lineterminator="\n")
        table.writerow(["image", "label", "group"])
        for number, i in enumerate(order):
            name = "%03d.jpg" % (number + 1)
            write(images[i], f"{out}/images/{name}")
            table.writerow([name, kinds[i], places[i]])


def single(rng, kind=None, colour=None):
    s = dict(objects=[R.make_object(rng, SIDE, SIDE, 14, 44, [], kind, colour)], w=SIDE, h=SIDE)
    s["bg"], s["horizon"] = R.pick_bg(rng, s["objects"][0]["kind"])
    return s


def write_imagenet(out, per_class, tests):
    """In the layout of ImageNet: 40 classes with per_class images each, and scenes of up to four things."""
    for i, (k, c) in enumerate(R.val_classes()):
        wnid = "n%08d" % (9000000 + R.KINDS.index(k) * 100 + R.COLOURS.index(c))
        for j in range(per_class):
            rng = R.rng_for(SEEDS["val"], i * 1000 + j)
            write(draw(single(rng, k, c), SIDE, SIDE, rng)[0], f"{out}/imagenet/val/{wnid}/CUE_val_{i * per_class + j + 1:08d}.JPEG")
    for i in range(tests):
        rng = R.rng_for(SEEDS["test"], i)
        s = R.random_scene(rng, SIDE, SIDE, (.05, .45, .3, .13, .07), big=(12, 50), many=(12, 36))
        write(draw(s, SIDE, SIDE, rng)[0], f"{out}/imagenet/test/CUE_test_{i + 1:08d}.JPEG")
    with open(f"{out}/imagenet/classes.txt", "w") as f:
        for k, c in R.val_classes():
            f.write("n%08d\t%s %s\n" % (9000000 + R.KINDS.index(k) * 100 + R.COLOURS.index(c), c, k))


def write_scenes(out, n):
    """In the layout of PASCAL Context: three to five things on a ground, clutter is not labelled."""
    labels, kinds, names = {c: i + 1 for i, c in enumerate(R.SEG_CLASSES)}, R.SEG_CLASSES[:11], []
    for i in range(n):
        rng, w, h = R.rng_for(SEEDS["scenes"], i), 256, 192
        s = dict(bg=["night" if i % 7 == 3 else "sky", R.GROUND[i % 5]], horizon=float(rng.uniform(.3, .6)), objects=[], w=w, h=h)
        if i % 8 == 5:
            s["bg"], s["horizon"] = [R.STUFF[(i // 8) % 7]], 0.0
        for j in range(int(rng.integers(3, 6))):
            o = R.make_object(rng, w, h, 18, 48, s["objects"], kind=kinds[(i * 3 + j * 4) % 11] if j < 2 else str(rng.choice(kinds)))
            if o:
                s["objects"].append(o)
        a, lab = draw(s, w, h, rng, labels)
        names.append("2010_%06d" % (i + 1))
        write(a, f"{out}/VOC2010/JPEGImages/{names[-1]}.jpg")
        os.makedirs(f"{out}/VOC2010/SegmentationClassContext", exist_ok=True)
        Image.fromarray(lab).save(f"{out}/VOC2010/SegmentationClassContext/{names[-1]}.png", optimize=True)
    os.makedirs(f"{out}/VOC2010/ImageSets/SegmentationContext", exist_ok=True)
    with open(f"{out}/VOC2010/ImageSets/SegmentationContext/val.txt", "w") as f:
        f.write("\n".join(names) + "\n")


# ---------------------------------------------------------------- training
def measure(model, tok, templates, sets):
    """Accuracy by group, and of kinds and colours among all, on sets of validation."""
    model.eval()
    (images, kinds, places), (singles, scenes) = sets
    names = list(CUE)
    with torch.no_grad():
        p = (encode(model, enlarged(images)) @ text_bank(model, tok, names, templates).t()).argmax(1).tolist()
        out = {}
        for k in CUE:
            for b in CUE.values():
                at = [i for i in range(len(p)) if kinds[i] == k and places[i] == b]
                out[k + "/" + b] = round(float(np.mean([names[p[i]] == k for i in at])), 3)
        f = encode(model, enlarged(singles))
        pairs = [c + " " + k for k in R.KINDS for c in R.COLOURS]
        for name, texts, truth in (("kind", R.KINDS, [s["objects"][0]["kind"] for s in scenes]),
                                   ("pair", pairs, [s["objects"][0]["colour"] + " " + s["objects"][0]["kind"] for s in scenes])):
            q = (f @ text_bank(model, tok, texts, templates).t()).argmax(1)
            out[name] = round(float(np.mean([texts[i] == t for i, t in zip(q.tolist(), truth)])), 3)
    model.train()
    return out


def enlarged(images):
    return np.stack([R.enlarge(a, CFG["image_resolution"]) for a in images])


def singles(seed, n):
    images, scenes = [], []
    for i in range(n):
        rng = R.rng_for(seed, i)
        s = single(rng)
        images.append(draw(s, SIDE, SIDE, rng)[0])
        scenes.append(s)
    return np.stack(images), scenes


def start(path, tok):
    sd = {k: v.float() if v.is_floating_point() else v for k, v in torch.load(path).items()}
    model = CLIP(**CFG, vocab_size=tok.size)
    model.load_state_dict(sd)
    return model


FROZEN = ("conv1", "bn1", "conv2", "bn2", "conv3", "bn3", "layer1", "layer2")


@torch.no_grad()
def fronts(model, images, bs=64):
    """What the frozen front, up to layer2, makes of uint8 images; half precision halves the memory."""
    v, out = model.visual, []
    for i in range(0, len(images), bs):
        x = to_input(enlarged(images[i:i + bs])).contiguous(memory_format=torch.channels_last)
        for j in (1, 2, 3):
            x = v.relu(getattr(v, f"bn{j}")(getattr(v, f"conv{j}")(x)))
        out.append(v.layer2(v.layer1(v.avgpool(x))).half().contiguous(memory_format=torch.channels_last))
    return torch.cat(out)


def train(path, work, steps, last, bs=64, pool=6000):
    """steps is the length of the cosine schedule, of which the first last steps are made."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    templates = open(os.path.join(ASSETS, "templates.txt")).read().split("\n")[:-1]
    tok = Tokenizer(os.path.join(ASSETS, "bpe_demo_vocab.txt.gz"), CFG["context_length"])
    model = start(path, tok)
    v = model.visual.to(memory_format=torch.channels_last)
    named = [(n, p) for n, p in model.named_parameters() if not n.removeprefix("visual.").split(".")[0] in FROZEN or not n.startswith("visual.")]
    look = [p for n, p in named if "attnpool.q_proj" in n or "attnpool.k_proj" in n]
    slow = set(map(id, look))
    decay = [p for _, p in named if p.ndim >= 2 and id(p) not in slow]
    rest = [p for _, p in named if p.ndim < 2 and id(p) not in slow]
    opt = torch.optim.AdamW([dict(params=decay, weight_decay=DECAY, speed=1), dict(params=rest, weight_decay=0, speed=1),
                             dict(params=look, weight_decay=DECAY, speed=.05)], lr=PEAK, betas=(.9, .98), eps=1e-6)
    sets = groups(301, 40), singles(302, 160)
    log, t0 = open(os.path.join(work, "train.log"), "w"), time.time()

    def say(*a):
        print(*a, flush=True)
        print(*a, file=log, flush=True)

    say("before", json.dumps(measure(model, tok, templates, sets)))
    model.eval()
    seen, scenes = [], []
    for lo in range(0, pool, 250):
        items = [training_item(300, i) for i in range(lo, lo + 250)]
        seen.append(fronts(model, np.stack([a for a, _ in items])))
        scenes += [s for _, s in items]
        if lo % 1000 == 0:
            say("drawn", lo + 250, "%.0f s" % (time.time() - t0))
    seen = torch.cat(seen)
    facts = Facts()
    have = facts.hot([R.attributes(s) for s in scenes])
    model.train()
    order = np.empty(0, int)
    for step in range(last):
        if len(order) < bs:
            order = np.concatenate([order, rng.permutation(pool)])
        idx, order = order[:bs], order[bs:]
        caps = [caption(scenes[i], rng) for i in idx]
        need = facts.hot([c[1] for c in caps])
        fits = need.sum(1) - have[idx] @ need.t() < .5
        lr = PEAK * min(1, (step + 1) / WARM) * (.5 + .5 * math.cos(math.pi * step / steps))
        for g in opt.param_groups:
            g["lr"] = lr * g["speed"]
        image = F.normalize(v.attnpool(v.layer4(v.layer3(seen[idx].float().contiguous(memory_format=torch.channels_last)))), dim=-1)
        text = F.normalize(model.encode_text(tok([c[0] for c in caps])), dim=-1)
        loss = loss_fn(model.logit_scale.exp() * image @ text.t(), fits)
        opt.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for _, p in named], 1.0)
        opt.step()
        model.logit_scale.data.clamp_(0, math.log(100))
        if (step + 1) % 20 == 0:
            say(f"{step + 1} loss {loss.item():.3f} lr {lr:.1e} {time.time() - t0:.0f} s")
        if (step + 1) % 75 == 0:
            save(model, os.path.join(work, "last.pt"))
            say(json.dumps(measure(model, tok, templates, sets)))
    save(model, os.path.join(work, "final.pt"))
    say("end", json.dumps(measure(model, tok, templates, sets)), "%.0f s" % (time.time() - t0))


# ---------------------------------------------------------------- measuring
@torch.no_grad()
def evaluate(path, data):
    """What the demo shows of the second model, measured in plain torch; the settings of segmentation are those of the first."""
    import evaluate as E
    torch.set_num_threads(1)
    model = E.load(path)
    templates = open(os.path.join(ASSETS, "templates.txt")).read().split("\n")[:-1]
    tok = Tokenizer(os.path.join(ASSETS, "bpe_demo_vocab.txt.gz"), CFG["context_length"])
    pool, out = E.Pool(model), {}
    rows = list(csv.DictReader(open(f"{data}/groups.csv")))
    f = F.normalize(pool.output(pool.s(np.stack([E.read(f"{data}/images/{r['image']}") for r in rows]))), dim=-1)
    names = list(CUE)
    p = (f @ text_bank(model, tok, names, templates).t()).argmax(1).tolist()
    out["groups"] = {f"{k} in {b}": sum(names[p[i]] == k for i, r in enumerate(rows) if (r["label"], r["group"]) == (k, b))
                     for k in CUE for b in CUE.values()}
    val, labels, classes = [], [], [l.split("\t") for l in open(f"{data}/imagenet/classes.txt").read().split("\n")[:-1]]
    for i, (d, _) in enumerate(classes):
        for name in sorted(os.listdir(f"{data}/imagenet/val/{d}")):
            val.append(E.read(f"{data}/imagenet/val/{d}/{name}"))
            labels.append(i)
    labels, text = torch.tensor(labels), text_bank(model, tok, [n for _, n in classes], templates)
    sv = pool.s(np.stack(val))
    out["zero_shot_top1"] = E.zero_shot(pool.output(sv), text, labels)
    st = pool.s(np.stack([E.read(f"{data}/imagenet/test/{n}") for n in sorted(os.listdir(f"{data}/imagenet/test"))]))
    mean = st.mean(0)
    base, score = pool.output(mean[None]), E.top_mean((st - mean).abs()) * pool.d.norm(dim=-1)
    rt, rv = (torch.einsum("bhc,hco->bco", s, pool.d) for s in (st, sv))
    rmean = rt.mean(0)
    nscore = E.top_mean((rt - rmean).norm(dim=-1))
    out["ablation_neuron_heads"], out["ablation_neurons"] = {}, {}
    for q in (10, 5):
        keep = score >= np.percentile(score.numpy(), 100 - q)
        out["ablation_neuron_heads"][f"top {q}%"] = E.zero_shot(base + torch.einsum("bhc,hco->bo", (sv - mean) * keep, pool.d), text, labels)
        keep = (nscore >= np.percentile(nscore.numpy(), 100 - q)).float()
        out["ablation_neurons"][f"top {q}%"] = E.zero_shot(base + torch.einsum("bco,c->bo", rv - rmean, keep), text, labels)
    sign = torch.where(((st - mean).gather(0, (st - mean).abs().topk(50, 0)[1]) > 0).sum(0) > 25, 1.0, -1.0)
    pcs, pcs_n = F.normalize(pool.d, dim=-1) * sign[..., None], E.neuron_pcs(rt, rmean)
    chosen = json.load(open(os.path.join(E.DEMO, "expected.json")))["segmentation"]["chosen"]
    r = E.segmentation(pool, model, tok, templates, pcs, pcs_n, f"{data}/VOC2010", (chosen["k"],), chosen["short"], chosen["block"])
    out["segmentation"] = {"pairs": r[f"product k={chosen['k']}"]["mIoU"], "values": r["values_only"]["mIoU"]}
    return out


def main():
    if sys.argv[1] == "train":
        train(sys.argv[2], sys.argv[3], *(int(v) for v in sys.argv[4:6] or (450, 150)))
    elif sys.argv[1] == "evaluate":
        model, data, out = sys.argv[2:5]
        del sys.argv[3:]                                   # evaluate.py would take them for its own
        with open(out, "w") as f:
            f.write(json.dumps(evaluate(model, data), indent=1) + "\n")
    elif sys.argv[1] == "export":
        torch.save({k: v.half() if v.is_floating_point() else v for k, v in torch.load(sys.argv[2]).items()}, sys.argv[3])
    elif sys.argv[1] == "datasets":
        out, (n, per_class, tests, scenes) = sys.argv[2], (int(v) for v in sys.argv[3:7] or (60, 4, 300, 30))
        write_groups(out, n)
        write_imagenet(out, per_class, tests)
        write_scenes(out, scenes)
    elif sys.argv[1] == "sheet":
        rows = [[training_item(300, r * 9 + c)[0] for c in range(9)] for r in range(5)]
        g = groups(303, 9)[0]
        rows += [list(g[r * 9:r * 9 + 9]) for r in range(4)]
        Image.fromarray(np.concatenate([np.concatenate(r, 1) for r in rows])).save(sys.argv[2])


if __name__ == "__main__":
    main()
