"""Write a TorchScript archive of a CLIP-ResNet's real shapes with random weights.

    python3 random_checkpoint.py RN50|RN101|RN50x4|RN50x16|RN50x64 OUT.pt SEED [--features IMAGES]
    python3 random_checkpoint.py ViT-B-32|ViT-B-16|ViT-L-14 OUT.pt SEED

The archive has OpenAI's layout: convolutions and matrices in fp16, norms, embeddings and logit_scale in
fp32, and the three integers about the model. Equal arguments give equal weights. They are scaled so that
activations neither vanish nor grow with depth, and attention is neither uniform nor one-hot, so that the
features of different images differ.

Of a vision transformer it is a state dict of the image tower alone, under OpenAI's names, drawn as OpenAI's
CLIP draws its weights before training; commands that embed no texts take it.

--features writes OUT.features.npy, [B, O] float32: the image tower's output in float32 arithmetic, with the
weights rounded as in the archive. IMAGES is a .npy of preprocessed images [B, 3, S, S], or a folder, whose
.npy files are single preprocessed images [3, S, S] and whose other files are images that this script
preprocesses with Pillow. A folder is read in name order.
"""
import argparse
from pathlib import Path
import sys

import numpy as np
import torch
import torch.nn as nn

sys.path.insert(0, str(Path(__file__).resolve().parent / "demo"))
from export import Branch, Root, is_half  # noqa: E402
from model import CLIP, MEAN, STD  # noqa: E402

# layers, stem width, image side, joint dim, text width; the text tower always has 12 layers
MODELS = {
    "RN50": ((3, 4, 6, 3), 64, 224, 1024, 512),
    "RN101": ((3, 4, 23, 3), 64, 224, 512, 512),
    "RN50x4": ((4, 6, 10, 6), 80, 288, 640, 640),
    "RN50x16": ((6, 8, 18, 8), 96, 384, 768, 768),
    "RN50x64": ((3, 15, 36, 10), 128, 448, 1024, 1024),
}
# patch, width, layers, image side, joint dim
VITS = {"ViT-B-32": (32, 768, 12, 224, 512), "ViT-B-16": (16, 768, 12, 224, 512), "ViT-L-14": (14, 1024, 24, 224, 768)}
CONTEXT, VOCABULARY = 77, 49408


def randomise(model, blocks):
    """Overwrites every convolution, norm and bias of the towers.

    He-scaled convolutions keep the mean square from one ReLU to the next. A residual branch would then add
    twice its input's mean square, so its last norm is scaled to add 1/blocks of it: all blocks together
    multiply the mean square by about e.
    """
    for name, m in model.named_modules():
        if isinstance(m, nn.Conv2d):
            fan_in = m.weight[0].numel()
            m.weight.normal_(std=(2 / fan_in) ** 0.5)
        elif isinstance(m, nn.BatchNorm2d):
            gain = (2 * blocks) ** -0.5 if name.endswith("bn3") and "layer" in name else 1.0
            m.weight.uniform_(0.8 * gain, 1.2 * gain)
            m.bias.normal_(std=0.1 * gain)
            m.running_mean.normal_(std=0.1)
            m.running_var.uniform_(0.8, 1.2)
        elif isinstance(m, nn.LayerNorm):
            m.weight.uniform_(0.8, 1.2)
            m.bias.normal_(std=0.1)
        elif isinstance(m, nn.Linear):  # the weights are drawn by CLIP.init
            m.bias.normal_(std=0.1)
        elif isinstance(m, nn.MultiheadAttention):
            m.in_proj_bias.normal_(std=0.1)


def tree(weights, integers):
    """The scripted module whose attributes have the weights' dotted names."""
    root = Root()
    for name, t in weights.items():
        *path, leaf = name.split(".")
        node = root
        for p in path:
            if not hasattr(node, p):
                node.add_module(p, Branch())
            node = getattr(node, p)
        if leaf in ("running_mean", "running_var", "num_batches_tracked"):
            node.register_buffer(leaf, t)
        else:
            node.register_parameter(leaf, nn.Parameter(t, requires_grad=False))
    for name, value in integers.items():
        root.register_buffer(name, torch.tensor(value))
    return torch.jit.script(root)


def prepare(path, side):
    """One preprocessed image [3, side, side] as torchvision over Pillow makes it."""
    if path.suffix == ".npy":
        return np.load(path)
    from PIL import Image
    im = Image.open(path).convert("RGB")
    w, h = im.size
    size = (side, int(side * h / w)) if w <= h else (int(side * w / h), side)
    im = im.resize(size, Image.BICUBIC)
    left, top = round((size[0] - side) / 2), round((size[1] - side) / 2)
    a = np.asarray(im.crop((left, top, left + side, top + side)), np.float32) / np.float32(255)
    return ((a - np.float32(MEAN)) / np.float32(STD)).transpose(2, 0, 1)


def images(path, side):
    """Yields batches [b, 3, side, side]."""
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.is_file())
        for i in range(0, len(files), 4):
            yield np.stack([prepare(p, side) for p in files[i:i + 4]])
    else:
        array = np.load(path, mmap_mode="r")
        for i in range(0, len(array), 4):
            yield np.array(array[i:i + 4])


def vit(patch, width, layers, side, dim):
    """The state dict of a vision transformer: matrices in fp16, norms and embeddings in fp32."""
    scale, tokens = width ** -0.5, (side // patch) ** 2 + 1
    weights = {}

    def draw(name, *shape, std):
        weights["visual." + name] = (torch.randn(shape) * std).half()

    def norm(name):
        weights[f"visual.{name}.weight"] = torch.empty(width).uniform_(0.8, 1.2)
        weights[f"visual.{name}.bias"] = torch.randn(width) * 0.1

    draw("conv1.weight", width, 3, patch, patch, std=(3 * patch * patch) ** -0.5)
    draw("class_embedding", width, std=scale)
    draw("positional_embedding", tokens, width, std=scale)
    norm("ln_pre")
    for i in range(layers):
        block = f"transformer.resblocks.{i}."
        norm(block + "ln_1")
        norm(block + "ln_2")
        for name, shape, std in (
                ("attn.in_proj_", (3 * width, width), scale), ("attn.out_proj.", (width, width), scale * (2 * layers) ** -0.5),
                ("mlp.c_fc.", (4 * width, width), (2 * width) ** -0.5), ("mlp.c_proj.", (width, 4 * width), scale * (2 * layers) ** -0.5)):
            draw(block + name + "weight", *shape, std=std)
            draw(block + name + "bias", shape[0], std=0.1)
    norm("ln_post")
    draw("proj", width, dim, std=scale)
    return weights


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("model", choices=[*MODELS, *VITS])
    ap.add_argument("out", type=Path)
    ap.add_argument("seed", type=int)
    ap.add_argument("--features", type=Path, metavar="IMAGES")
    args = ap.parse_args()
    torch.manual_seed(args.seed)
    torch.set_grad_enabled(False)
    if args.model in VITS:
        if args.features is not None:
            ap.error("--features is for ResNets")
        torch.save(vit(*VITS[args.model]), str(args.out))
        return
    layers, width, side, dim, text_width = MODELS[args.model]

    model = CLIP(dim, side, layers, width, CONTEXT, text_width, 12, VOCABULARY)
    randomise(model, sum(layers))
    weights = {k: t.half() if is_half(k, t) else t for k, t in model.state_dict().items()}
    integers = {"input_resolution": side, "context_length": CONTEXT, "vocab_size": VOCABULARY}
    torch.jit.save(tree(weights, integers), str(args.out))
    if args.features is None:
        return

    model.load_state_dict({k: t.float() if t.is_floating_point() else t for k, t in weights.items()})
    model.eval()
    features = [model.encode_image(torch.from_numpy(batch)).numpy() for batch in images(args.features, side)]
    np.save(args.out.with_suffix(".features.npy"), np.concatenate(features))


if __name__ == "__main__":
    main()
