"""Explains a few images in PyTorch, in float64, and writes demo.json and tiny.json beside this file, which
TestGolden compares with. Run it with

    python3 golden.py

It needs torch, numpy and Pillow, and uses the demo's own model code (scripts/demo). Nothing is taken from
clipnh: the attention pool is written out token by token and pair by pair.
"""
import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[3]
sys.path.insert(0, str(ROOT / "scripts" / "demo"))
from bpe import Tokenizer  # noqa: E402
from model import CFG, CLIP, MEAN, STD  # noqa: E402

GOLDEN = ROOT / "internal" / "testutil" / "testdata" / "golden"
ASSETS = ROOT / "internal" / "demo" / "assets"


def load(state, config):
    state = {k: v.double() if v.is_floating_point() else v for k, v in state.items()}
    for k in ("input_resolution", "context_length", "vocab_size"):
        state.pop(k, None)
    model = CLIP(**config, vocab_size=len(state["token_embedding.weight"])).double()
    model.load_state_dict(state)
    return model.eval()


def read(path, side):
    """Resize the shorter side, crop the middle, normalise."""
    im = Image.open(path).convert("RGB")
    w, h = im.size
    if w <= h:
        w, h = side, int(side * h / w)
    else:
        w, h = int(side * w / h), side
    im = im.resize((w, h), Image.BICUBIC)
    x, y = round((w - side) / 2), round((h - side) / 2)
    a = torch.from_numpy(np.asarray(im.crop((x, y, x + side, y + side))).copy()).double() / 255
    return ((a - torch.tensor(MEAN).double()) / torch.tensor(STD).double()).permute(2, 0, 1)


def explain(model, image, texts, winner, versus):
    """The logit of a text, or of one against another, as sums over pairs, places and positions."""
    pool = model.visual.attnpool
    z = model.visual.features(image[None])[0].flatten(1).t()          # M,C
    p = pool.positional_embedding                                     # T,C
    x = torch.cat([z.mean(0, keepdim=True), z]) + p                   # T,C
    T, C = x.shape
    H, D = pool.num_heads, C // pool.num_heads
    q = pool.q_proj(x[0]).view(H, D) / D ** 0.5
    k = pool.k_proj(x).view(T, H, D)
    a = torch.einsum("hd,thd->ht", q, k).softmax(1)                   # H,T
    wv, wo = pool.v_proj.weight.view(H, D, C), pool.c_proj.weight.view(-1, H, D)
    v = torch.einsum("ohd,hdn->hno", wo, wv)                          # H,C,O, written out
    f = model.visual(image[None])[0]
    t = texts[winner] - (texts[versus] if versus is not None else 0)
    scale = 100 / f.norm()
    vt = v @ t                                                        # H,C
    s = a @ x                                                         # H,C
    pairs = scale * s * vt
    # What every token adds to every pair, H,T,C; the class token's content is handed back to the places.
    own = scale * a[:, 1:, None] * z[None] * vt[:, None]
    handed = scale * a[:, :1, None] * (z / (T - 1))[None] * vt[:, None]
    places = own + handed
    bare = scale * a[:, :, None] * p[None] * vt[:, None]
    constant = scale * ((pool.c_proj.weight @ pool.v_proj.bias + pool.c_proj.bias) @ t)
    logits = scale * texts @ f
    logit = logits[winner] - (logits[versus] if versus is not None else 0)
    for total in (pairs.sum() + constant, places.sum() + bare.sum() + constant):
        assert abs(total - logit) < 1e-9 * abs(logits).max(), (total, logit)
    strongest = pairs.flatten().abs().argsort(descending=True)[:8]
    return {
        "class": winner, "versus": versus, "norm": f.norm(), "logits": logits, "logit": logit, "constant": constant,
        "scores": s.flatten()[strongest], "pairs": pairs.flatten(), "neurons": pairs.sum(0), "heads": pairs.sum(1),
        "places": places.sum((0, 2)), "positions": bare.sum((0, 2)), "strongest": strongest,
        "strongest_places": places.transpose(1, 2).reshape(H * C, -1)[strongest],
        "strongest_position": bare.sum(1).flatten()[strongest],
    }


def plain(value):
    if isinstance(value, torch.Tensor):
        value = value.tolist()
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    return value


def save(name, model, side, root, images, texts, names, against):
    done = []
    for path in images:
        image = read(root / path, side)
        f = model.visual(image[None])[0]
        order = (texts @ f).argsort(descending=True).tolist()
        done.append({"image": path, **explain(model, image, texts, order[0], None)})
        done.append({"image": path, **explain(model, image, texts, order[against], order[0])})
    text = json.dumps(plain({"classes": names, "explanations": done}), separators=(",", ":"))
    (HERE / name).write_text(text.replace('{"image"', '\n{"image"') + "\n")


def main():
    torch.set_grad_enabled(False)
    torch.set_default_dtype(torch.float64)
    names = ["butterfly", "yellow car", "star", "blue house"]
    model = load(torch.jit.load(str(ASSETS / "tiny-clip.pt")).state_dict(), CFG)
    texts = model.encode_text(Tokenizer(str(ASSETS / "bpe_demo_vocab.txt.gz"))(names))
    texts = texts / texts.norm(dim=1, keepdim=True)
    images = sorted(str(p.relative_to(ASSETS)) for p in (ASSETS / "imagenet" / "val").rglob("*.JPEG"))
    save("demo.json", model, CFG["image_resolution"], ASSETS, images[::len(images) // 2][:2], texts, names, 1)

    config = dict(embed_dim=32, image_resolution=64, vision_layers=(1, 1, 1, 2), vision_width=8, context_length=77, text_width=64, text_layers=2)
    model = load(torch.load(str(GOLDEN / "model" / "tiny_sd_fp32.pt")), config)
    texts = torch.from_numpy(np.load(GOLDEN / "text" / "zeroshot.npy")).double()
    texts = texts / texts.norm(dim=1, keepdim=True)
    images = sorted(p.name for p in (GOLDEN / "dataset").glob("*.png"))
    save("tiny.json", model, 64, GOLDEN / "dataset", images[:3], texts, [f"class {i}" for i in range(len(texts))], -1)


main()
