"""Write vit_features.npy, vit_means.npy, vit_first.npy and vit_second.npy: the golden vision transformer with edited neurons;
and vit_heads.npy: with edited heads.

    python3 vit_goldens.py

The golden model in float64, written out here from its weights, on the prepared golden images. An edit makes of the
activation p of a neuron factor*p + (1-factor)*m at every token, with m the neuron's mean activation over the golden
images and tokens (vit_means.npy), or 0. vit_features.npy are the features, [edits, images, O] float32.
vit_first.npy and vit_second.npy are what features would change by, were everything else as it is: by what the neurons add to the class token's
residual, and by what the heads of later layers read of them, both computed from the activations, not from scores.
vit_heads.npy are the features where what heads give to the output projection is multiplied by factors, [edits, images, O].
Made with torch 1.13, numpy 1.24.
"""
import pathlib

import numpy as np
import torch

here = pathlib.Path(__file__).resolve().parent
golden = here.parents[2] / "testutil/testdata/golden_vit"
LAYER, HEADS, EPS = 2, 4, 1e-5
EDITS = [({5: 0, 7: 0}, True), ({5: 0, 100: 0}, False), ({3: 0.5, 11: -1.25, 64: 2}, True), ({n: 0 for n in range(0, 128, 3)}, True)]

HEAD_EDITS = [(1, {0: 0}), (4, {2: 0, 3: 0.5}), (2, {h: 0 for h in range(4)})]  # a layer, and factors of its heads

W = {k: v.double() for k, v in torch.load(golden / "vit_sd32.pt", map_location="cpu").items()}
layers = 1 + max(int(k.split(".")[3]) for k in W if ".resblocks." in k)


def norm(x, name):
    centred = x - x.mean(-1, keepdim=True)
    sd = (x.var(-1, unbiased=False, keepdim=True) + EPS).sqrt()
    return centred / sd * W[name + ".weight"] + W[name + ".bias"], sd


def block(i):
    return f"visual.transformer.resblocks.{i}."


def run(images, change=None, heads=None):
    """Features, the activations of LAYER's neurons, and of each later layer the class token's attention and what
    its first norm divides by; change is applied to the activations, heads are a layer and its heads' factors."""
    n, width = len(images), W["visual.conv1.weight"].shape[0]
    x = torch.nn.functional.conv2d(images, W["visual.conv1.weight"], stride=W["visual.conv1.weight"].shape[-1])
    x = x.reshape(n, width, -1).permute(0, 2, 1)
    x = torch.cat([W["visual.class_embedding"].expand(n, 1, width), x], 1) + W["visual.positional_embedding"]
    x, _ = norm(x, "visual.ln_pre")
    later, p = [], None
    for i in range(layers):
        name = block(i)
        y, sd = norm(x, name + "ln_1")
        q, k, v = (y @ W[name + "attn.in_proj_weight"].T + W[name + "attn.in_proj_bias"]).chunk(3, -1)
        q, k, v = (z.reshape(n, -1, HEADS, width // HEADS).transpose(1, 2) for z in (q, k, v))
        a = torch.softmax(q @ k.transpose(-1, -2) / (width // HEADS) ** 0.5, -1)
        if i > LAYER:
            later.append((i, a[:, :, 0], sd))
        read = a @ v
        if heads is not None and i == heads[0]:
            for h, factor in heads[1].items():
                read[:, h] *= factor
        mixed = read.transpose(1, 2).reshape(n, -1, width)
        x = x + mixed @ W[name + "attn.out_proj.weight"].T + W[name + "attn.out_proj.bias"]
        y, _ = norm(x, name + "ln_2")
        hidden = torch.nn.functional.gelu(y @ W[name + "mlp.c_fc.weight"].T + W[name + "mlp.c_fc.bias"])
        if i == LAYER:
            p = hidden
            if change is not None:
                hidden = change(hidden)
        x = x + hidden @ W[name + "mlp.c_proj.weight"].T + W[name + "mlp.c_proj.bias"]
    y, sd = norm(x[:, 0], "visual.ln_post")
    return y @ W["visual.proj"], p, later, sd


def through(r, sd):
    """What a part of the class token's residual adds to the feature, but for the biases."""
    return (r - r.mean(-1, keepdim=True)) / sd * W["visual.ln_post.weight"] @ W["visual.proj"]


images = torch.from_numpy(np.load(golden / "images.npy")).double()


def main():
    feature, p, later, sd = run(images)
    assert np.abs(feature.numpy() - np.load(golden / "gelu/feature.npy")).max() < 1e-5
    means = p.mean((0, 1))
    features, firsts, seconds = [], [], []
    for factors, by_mean in EDITS:
        f = torch.ones(p.shape[-1], dtype=torch.float64)
        for n, factor in factors.items():
            f[n] = factor
        m = means if by_mean else torch.zeros_like(means)
        after, _, _, _ = run(images, lambda h: f * h + (1 - f) * m)
        written = (f - 1) * (p - m) @ W[block(LAYER) + "mlp.c_proj.weight"].T  # [B,T,W], the change of the residual
        second = 0
        for i, a, deviation in later:
            name, width = block(i), written.shape[-1]
            y = (written - written.mean(-1, keepdim=True)) / deviation * W[name + "ln_1.weight"]
            v = y @ W[name + "attn.in_proj_weight"][2 * width:].T
            v = v.reshape(len(images), -1, HEADS, width // HEADS).transpose(1, 2)
            mixed = torch.einsum("bht,bhtd->bhd", a, v).reshape(len(images), width)
            second = second + mixed @ W[name + "attn.out_proj.weight"].T
        features.append(after), firsts.append(through(written[:, 0], sd)), seconds.append(through(second, sd))
    np.save(here / "vit_means.npy", means.float().numpy())
    heads = [run(images, heads=edit)[0] for edit in HEAD_EDITS]
    np.save(here / "vit_heads.npy", torch.stack(heads).float().numpy())
    for name, values in {"features": features, "first": firsts, "second": seconds}.items():
        np.save(here / f"vit_{name}.npy", torch.stack(values).float().numpy())


if __name__ == "__main__":
    main()
