"""Measure the demo model with plain torch and write expected.json.

    python evaluate.py MODEL.pt [EXPECTED.json] [DATA]   # MODEL.pt: state dict; DATA: the datasets, else the demo's

Templates, words and vocabulary are always the demo's. Everything follows the paper's definitions; see README.md for the settings.
"""
import csv
import json
import math
import os
import sys
import tempfile

import numpy as np
import scipy.io as sio
import torch
import torch.nn.functional as F
from PIL import Image
from scipy.stats import pearsonr, pointbiserialr
from sklearn.decomposition import SparseCoder

import render as R
from bpe import Tokenizer
from model import CFG, CLIP
from train import held_out, accuracy, text_bank, to_input

DEMO = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../internal/demo"))
ASSETS = os.path.join(DEMO, "assets")
DATA = os.path.abspath(sys.argv[3]) if len(sys.argv) > 3 else ASSETS
RES = CFG["image_resolution"]


def load(path):
    sd = {k: v.float() if v.is_floating_point() else v for k, v in torch.load(path).items()}
    for k in ("input_resolution", "context_length", "vocab_size"):
        sd.pop(k, None)
    m = CLIP(**CFG, vocab_size=len(sd["token_embedding.weight"]))
    m.load_state_dict(sd)
    return m.eval()


def read(path, res=RES):
    """CLIP's preprocessing up to the tensor: short side to res (bicubic), centre crop."""
    im = Image.open(path).convert("RGB")
    w, h = im.size
    if min(w, h) != res:
        s = res / min(w, h)
        im = im.resize((int(w * s) if w > h else res, res if w > h else int(h * s)), Image.BICUBIC)
    w, h = im.size
    x, y = int(round((w - res) / 2)), int(round((h - res) / 2))
    return np.asarray(im.crop((x, y, x + res, y + res)))


class Pool:
    """The attention pool taken apart: r[h,n] = s[h,n] * d[h,n] + bias share."""
    def __init__(self, model):
        self.m, a = model, model.visual.attnpool
        self.a, self.H = a, a.num_heads
        self.C, self.O = a.k_proj.in_features, a.c_proj.out_features
        wo = a.c_proj.weight.view(self.O, self.H, -1)
        self.d = torch.einsum("ohd,hdc->hco", wo, a.v_proj.weight.view(self.H, -1, self.C))
        self.bias = (torch.einsum("ohd,hd->ho", wo, a.v_proj.bias.view(self.H, -1)) / self.C
                     + a.c_proj.bias / (self.C * self.H))                       # H,O: share of each neuron

    def attention(self, conv):
        x = self.a.tokens(conv)
        B, N, C = x.shape
        q = self.a.q_proj(x[:, 0]).view(B, self.H, -1) * (C // self.H) ** -0.5
        k = self.a.k_proj(x).view(B, N, self.H, -1)
        return x, torch.einsum("bhd,bnhd->bhn", q, k).softmax(-1)

    def s(self, images):
        out = []
        for i in range(0, len(images), 50):
            x, att = self.attention(self.m.visual.features(to_input(images[i:i + 50])))
            out.append(torch.einsum("bhm,bmc->bhc", att, x))
        return torch.cat(out)

    def output(self, s):
        return torch.einsum("bhc,hco->bo", s, self.d) + self.C * self.bias.sum(0)


def top_mean(norms, k=50):
    return norms.topk(k, 0)[0].mean(0)


def zero_shot(out, text, labels):
    return round(float((F.normalize(out, dim=-1) @ text.t()).argmax(1).eq(labels).float().mean()), 4)


def neuron_pcs(rn, mean, k=50):
    """First right singular vector of each neuron's k largest centred contributions; B,C,O -> C,O."""
    c = rn - mean
    idx = c.norm(dim=-1).topk(k, 0)[1]
    sel = torch.gather(c, 0, idx[..., None].expand(-1, -1, c.shape[-1])).permute(1, 0, 2)    # C,k,O
    v = torch.linalg.svd(sel, full_matrices=False)[2][:, 0]
    pos = (torch.einsum("cko,co->ck", sel, v) > 0).sum(1) > k // 2
    return torch.where(pos[:, None], v, -v)


def sparse(pcs, words, m):
    """Rows of pcs as m-term combinations of word embeddings (orthogonal matching pursuit), renormalised.

    words are centred and scaled per coordinate over the list (axis 0), as the released code does."""
    d = words - words.mean(0)
    d = (d / d.norm(dim=0, keepdim=True)).numpy()
    flat = pcs.reshape(-1, pcs.shape[-1]).numpy()
    code = SparseCoder(d, transform_algorithm="omp", transform_n_nonzero_coefs=m).transform(flat)
    return F.normalize(torch.from_numpy(code @ d).float(), dim=-1).view(pcs.shape)


def miou(conf):
    inter, union = conf.diagonal().astype(float), conf.sum(0) + conf.sum(1) - conf.diagonal()
    return round(float(np.nanmean(np.where(union > 0, inter / np.maximum(union, 1), np.nan))), 4)


def windows(n, stride):
    k = max(n - RES + stride - 1, 0) // stride + 1
    return sorted({max(min(i * stride + RES, n) - RES, 0) for i in range(k)})


KS = (5, 20, 50, 100, 200, 400, 800)
SHORTS = (192, 224, 256, 288)        # scenes are resized (bilinear) so that the shorter side is one of these; 288 is the training scale


def last_from_neighbours(t, w):
    """The last location becomes the mean of its west, north and north-west ones (against RN50x16's attention sink)."""
    t = t.clone()
    t[:, -1] = (t[:, -2] + t[:, -w - 1] + t[:, -w - 2]) / 3
    return t


def self_self(a, x):
    """All tokens, attention = softmax(QQ / sqrt D) + softmax(KK / sqrt D)."""
    B, N, C = x.shape
    part = lambda f: f(x).view(B, N, a.num_heads, -1).transpose(1, 2)
    att = sum((t @ t.transpose(-1, -2) * t.shape[-1] ** -.5).softmax(-1) for t in (part(a.q_proj), part(a.k_proj)))
    return a.c_proj((att @ part(a.v_proj)).transpose(1, 2).reshape(B, N, C))


@torch.no_grad()
def segmentation(pool, model, tok, templates, pcs_nh, pcs_n, voc, ks, short, block, sink=False, synonyms=False):
    """mIoU and pixel accuracy of every method; voc: folder; short: shorter side; block: whose maps the neurons' are (of layer4)."""
    ids = open(f"{voc}/ImageSets/SegmentationContext/val.txt").read().split()
    lines = [l.split(", ") for l in open(os.path.join(ASSETS, "cls_demo.txt")).read().split("\n") if l]
    names = [n for l in lines for n in (l if synonyms else l[:1])]
    cls = torch.tensor([i for i, l in enumerate(lines) for _ in (l if synonyms else l[:1])])
    text = text_bank(model, tok, names, templates)
    text = F.normalize(text - text.mean(0), dim=-1)
    P, H, C, a = len(names), pool.H, pool.C, pool.a
    wo, sel = a.c_proj.weight.view(pool.O, H, -1), {}
    for k in ks:                                                # P,H,C: weights 1/k on the chosen pairs
        top = (text @ pcs_nh.reshape(-1, pool.O).t()).topk(k, 1)[1]
        topn = (text @ pcs_n.t()).topk(min(k, C), 1)[1]
        sel[k] = (torch.zeros(P, H * C).scatter_(1, top, 1.0 / k).view(P, H, C),
                  torch.zeros(P, C).scatter_(1, topn, 1.0 / topn.shape[1]))
    conf = {}
    for i in ids:
        im = Image.open(f"{voc}/JPEGImages/{i}.jpg").convert("RGB")
        gt = np.asarray(Image.open(f"{voc}/SegmentationClassContext/{i}.png")).astype(int)
        img = np.asarray(im.resize([int(v * short / min(im.size) + .5) for v in im.size], Image.BILINEAR))
        rows, cols = img.shape[:2]
        pos = [(y, x) for y in windows(rows, RES // 2) for x in windows(cols, RES // 2)]
        blocks = model.visual.layer4_maps(to_input(np.stack([img[y:y + RES, x:x + RES] for y, x in pos])))
        B, _, h, w = blocks[-1].shape
        x, att = pool.attention(blocks[-1])
        N = x.shape[1]
        v = a.v_proj(x).view(B, N, H, -1)
        part = torch.einsum("bhm,bmhd,ohd->bmho", att, v, wo) + a.c_proj.bias / (N * H)
        act = blocks[block].flatten(2).transpose(1, 2)
        if sink:
            part, act = last_from_neighbours(part, w), last_from_neighbours(act, w)
        sim = torch.einsum("bmho,po->bmhp", F.normalize(part, dim=-1), text)[:, 1:]
        whole = lambda t: torch.einsum("bmo,po->bpm", F.normalize(t, dim=-1), text)[:, :, 1:]
        maps = {"values_only": whole(a.c_proj(a.v_proj(x))), "self_self": whole(self_self(a, x)), "all_heads": sim.mean(2).transpose(1, 2)}
        for k, (wt, wn) in sel.items():
            z = torch.einsum("bmc,phc->bmhp", act, wt)
            maps[f"product k={k}"] = (z * sim).sum(2).transpose(1, 2)
            maps[f"neuron_only k={k}"] = z.sum(2).transpose(1, 2)
            maps[f"head_only k={k}"] = torch.einsum("bmhp,ph->bpm", sim, wt.sum(2))
            if k <= C:
                maps[f"neuron_pc_only k={k}"] = torch.einsum("bmc,pc->bpm", act, wn)
        ok = gt > 0
        for name, m in maps.items():
            up = F.interpolate(m.reshape(B, P, h, w), size=(RES, RES), mode="bilinear")
            acc, cnt = torch.zeros(P, rows, cols), torch.zeros(rows, cols)
            for (y, xx), u in zip(pos, up):
                acc[:, y:y + RES, xx:xx + RES] += u
                cnt[y:y + RES, xx:xx + RES] += 1
            full = F.interpolate((acc / cnt)[None], size=gt.shape, mode="bilinear")[0]
            pred = cls[full.argmax(0)].numpy()
            c = np.bincount((gt[ok] - 1) * len(lines) + pred[ok], minlength=len(lines) ** 2)
            conf[name] = conf.get(name, 0) + c.reshape(len(lines), -1)
    return {n: dict(mIoU=miou(c), pixel_acc=round(float(c.diagonal().sum() / c.sum()), 4)) for n, c in conf.items()}


def all_segmentation(pool, model, tok, templates, pcs, pcs_n):
    """k, block and shorter side are chosen for the product on 40 scenes of their own, then all is measured; other DATA: as chosen here."""
    args = (pool, model, tok, templates, pcs, pcs_n)
    res = {}
    if DATA == ASSETS:
        res["selection"] = {}
        with tempfile.TemporaryDirectory() as tmp:
            R.write_voc(tmp, 40, 113)
            for short in SHORTS:
                for block in range(len(model.visual.layer4)):
                    r = segmentation(*args, f"{tmp}/VOC2010", KS[2:6], short, block)
                    res["selection"][f"short {short} block {block}"] = {n: v["mIoU"] for n, v in r.items()}
        best = max((v, n, s) for s, r in res["selection"].items() for n, v in r.items() if n.startswith("product"))
        res["chosen"] = dict(k=int(best[1].split("=")[1]), short=int(best[2].split()[1]), block=int(best[2].split()[3]))
    else:
        res["chosen"] = json.load(open(os.path.join(DEMO, "expected.json")))["segmentation"]["chosen"]
    short, block = res["chosen"]["short"], res["chosen"]["block"]
    for name, sh, bl, kw in (("chosen", short, block, {}), ("other block", short, 1 - block, {}), ("sink interpolated", short, block, dict(sink=True)),
                             ("synonyms", short, block, dict(synonyms=True)), ("short 288", 288, block, {})):
        if name != "short 288" or short != 288:
            res["measured " + name] = segmentation(*args, f"{DATA}/VOC2010", KS, sh, bl, **kw)
    return res


@torch.no_grad()
def shift(pool, model, tok, templates, pcs_nh, ks):
    base = os.path.join(DATA, "stanford_cars")
    names = sio.loadmat(f"{base}/devkit/cars_meta.mat", squeeze_me=True)["class_names"].tolist()
    rows = list(csv.DictReader(open(os.path.join(DATA, "refined_train.csv"))))
    lab = [r["Class"].split("_") for r in rows]
    cars = [names[int(a) - 1] for a, _ in lab]
    year = np.array([int(c.split()[-1]) for c in cars])
    truth = {"yellow": np.array([int(b) == 9 for _, b in lab]), "convertible": np.array(["Convertible" in c for c in cars])}
    s = pool.s(np.stack([read(f"{base}/cars_train/{r['image']}") for r in rows]))
    total = pool.output(s).norm(dim=-1)
    res = {}
    words = text_bank(model, tok, R.KINDS + R.COLOURS + R.STUFF, templates)
    for name, t in truth.items():
        e = text_bank(model, tok, [name], templates)[0]
        for form, q in (("", e), (" centred text", F.normalize(e - words.mean(0), dim=-1))):
            for k in ks:
                top = (pcs_nh.reshape(-1, pool.O) @ q).topk(k)[1]
                h, n = top // pool.C, top % pool.C
                c = torch.einsum("bk,ko->bo", s[:, h, n], pool.d[h, n]) + pool.bias[h].sum(0)
                score = (c.norm(dim=-1) / total).numpy()
                ys = sorted(set(year))
                yt, yp = [[v[year == y].mean() for y in ys] for v in (t, score)]
                r, p = pointbiserialr(t, score)
                res[f"{name} k={k}{form}"] = dict(point_biserial=round(float(r), 4), p_value=float("%.3g" % p),
                                                  yearly_pearson=round(float(pearsonr(yt, yp)[0]), 4))
    return res


@torch.no_grad()
def golden(model, tok, classes, text, pcs, score):
    """A few exact values to compare another implementation with."""
    g = {"texts": {}, "images": {}}
    for t in ("a photo of a yellow car", "grass", "we see a purple butterfly under the night sky"):
        g["texts"][t] = dict(tokens=tok.encode(t), embedding=[round(v, 4) for v in model.encode_text(tok([t]))[0].tolist()])
    for f in (f"imagenet/val/{classes[0][0]}/DEMO_val_00000001.JPEG", "imagenet/test/DEMO_test_00000007.JPEG", "stanford_cars/cars_train/00003.jpg"):
        x = to_input(read(os.path.join(DATA, f))[None])
        g["images"][f] = dict(embedding=[round(v, 4) for v in model.encode_image(x)[0].tolist()])
    g["class_embedding"] = {classes[0][1]: [round(v, 5) for v in text[0].tolist()]}
    top = score.flatten().topk(10)
    g["top_pairs_by_norm"] = [dict(neuron=int(i) % score.shape[1], head=int(i) // score.shape[1], score=round(float(v), 4)) for v, i in zip(*top)]
    for w in ("yellow", "convertible"):
        v, i = (pcs.reshape(-1, pcs.shape[-1]) @ text_bank(model, tok, [w], open(f"{ASSETS}/templates.txt").read().split("\n")[:-1])[0]).topk(10)
        g["top_pairs_for_" + w] = [dict(neuron=int(b) % score.shape[1], head=int(b) // score.shape[1], cosine=round(float(a), 4)) for a, b in zip(v, i)]
    return g


@torch.no_grad()
def main():
    torch.set_num_threads(2)
    model = load(sys.argv[1])
    templates = open(os.path.join(ASSETS, "templates.txt")).read().split("\n")[:-1]
    tok = Tokenizer(os.path.join(ASSETS, "bpe_demo_vocab.txt.gz"), CFG["context_length"])
    pool, out = Pool(model), {}

    out["held_out_single_object_scenes"] = accuracy(model, tok, *held_out(1000, 57), templates)
    model.eval()
    classes = [l.split("\t") for l in open(f"{DATA}/imagenet/classes.txt").read().split("\n") if l]
    val, labels = [], []
    for i, (d, _) in enumerate(classes):
        for f in sorted(os.listdir(f"{DATA}/imagenet/val/{d}")):
            val.append(read(f"{DATA}/imagenet/val/{d}/{f}"))
            labels.append(i)
    labels = torch.tensor(labels)
    text = text_bank(model, tok, [n for _, n in classes], templates)
    sv = pool.s(np.stack(val))
    full = pool.output(sv)
    direct = torch.cat([model.encode_image(to_input(np.stack(val[i:i + 50]))) for i in range(0, len(val), 50)])
    out["decomposition_max_abs_error"] = float((full - direct).abs().max())
    out["zero_shot_top1"] = zero_shot(full, text, labels)

    tests = sorted(os.listdir(f"{DATA}/imagenet/test"))
    st = pool.s(np.stack([read(f"{DATA}/imagenet/test/{f}") for f in tests]))
    mean = st.mean(0)
    score = top_mean((st - mean).abs()) * pool.d.norm(dim=-1)
    base = pool.output(mean[None])
    out["ablation_neuron_heads"] = {}
    for p in (20, 10, 5, 2, 1):
        keep = score >= np.percentile(score.numpy(), 100 - p)
        o = base + torch.einsum("bhc,hco->bo", (sv - mean) * keep, pool.d)
        out["ablation_neuron_heads"][f"top {p}%"] = zero_shot(o, text, labels)
    rt, rv = (torch.einsum("bhc,hco->bco", s, pool.d) for s in (st, sv))
    rmean = rt.mean(0)
    nscore = top_mean((rt - rmean).norm(dim=-1))
    out["ablation_neurons"] = {}
    for p in (20, 10, 5, 2, 1):
        keep = nscore >= np.percentile(nscore.numpy(), 100 - p)
        out["ablation_neurons"][f"top {p}%"] = zero_shot(base + torch.einsum("bco,c->bo", rv - rmean, keep.float()), text, labels)

    sign = torch.where(((st - mean).gather(0, (st - mean).abs().topk(50, 0)[1]) > 0).sum(0) > 25, 1.0, -1.0)
    pcs = F.normalize(pool.d, dim=-1) * sign[..., None]              # each pair is rank one, so PC0 = +-d/|d|
    out["negative_pc_sign_share"] = round(float((sign < 0).float().mean()), 4)
    out["golden"] = golden(model, tok, classes, text, pcs, score)
    if os.environ.get("GOLDEN"):
        print(json.dumps(out["golden"]))
        return
    pcs_n = neuron_pcs(rt, rmean)
    dots = torch.einsum("bco,co->bc", rv - rmean, pcs_n)
    out["reconstruction_pc0"] = {"neuron_heads": out["zero_shot_top1"],
                                 "neurons": zero_shot(base + torch.einsum("bc,co->bo", dots, pcs_n), text, labels)}
    words = text_bank(model, tok, open(f"{ASSETS}/words.txt").read().split("\n")[:-1], templates)
    out["reconstruction_sparse_text"] = {}
    for m in (1, 2, 4, 16):
        ph, pn = sparse(pcs, words, m), sparse(pcs_n, words, m)
        o = base + torch.einsum("bhc,hco->bo", (sv - mean) * (pool.d * ph).sum(-1), ph)
        on = base + torch.einsum("bc,co->bo", torch.einsum("bco,co->bc", rv - rmean, pn), pn)
        out["reconstruction_sparse_text"][f"{m} words"] = {"neuron_heads": zero_shot(o, text, labels), "neurons": zero_shot(on, text, labels)}
    out["norm_share"] = {f"top {p}%": round(float(score.flatten().sort(descending=True)[0][:int(score.numel() * p / 100)].sum() / score.sum()), 4)
                         for p in (20, 10, 5)}
    out["segmentation"] = all_segmentation(pool, model, tok, templates, pcs, pcs_n)
    out["shift"] = shift(pool, model, tok, templates, pcs, (1, 3, 5, 10, 20, 50))
    js = json.dumps(out, indent=1)
    print(js)
    if len(sys.argv) > 2:
        open(sys.argv[2], "w").write(js + "\n")


if __name__ == "__main__":
    main()
