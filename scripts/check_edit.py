#!/usr/bin/env python3
"""Compares checkpoints that "clipnh edit" writes with PyTorch.

    check_edit.py CLIPNH MODEL IMAGES

CLIPNH is the program, MODEL a checkpoint with both towers (TorchScript, or a dict of tensors without prefix), IMAGES
a folder of images. The model is edited by masks of pairs and of neurons, by mean and by zero, from a state dict in
fp32 and in fp16, a legacy one, a TorchScript archive and safetensors, to .pt and .safetensors. For each, PyTorch
reads the edited file, holds that no other tensor has changed, runs the image tower on the images in float64, and
compares the features with those that "clipnh ablate" writes with the same mask (by zero: with means that are the
bias shares). Prints the largest difference, relative to the largest feature, and exits with 1 if one is above 1e-5.
For a model in fp16 it also prints the difference where the bias is rounded to fp16, as OpenAI's build_model does.
Where open_clip can be imported, its loader of OpenAI's models must give the same features in float32.
Needs numpy, torch and Pillow.
"""
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

import numpy as np
import torch

root = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(root / "demo"), str(root)]
from model import ModifiedResNet  # noqa: E402
from random_checkpoint import prepare  # noqa: E402

TOLERANCE = 1e-5
DTYPES = {"F16": torch.float16, "F32": torch.float32, "F64": torch.float64, "I64": torch.int64, "I32": torch.int32}
INTEGERS = ("input_resolution", "context_length", "vocab_size")


def read(path):
    """The tensors of a checkpoint by name."""
    if path.suffix == ".safetensors":
        raw = path.read_bytes()
        length, = struct.unpack("<Q", raw[:8])
        header, data = json.loads(raw[8:8 + length]), raw[8 + length:]
        header.pop("__metadata__", None)
        return {k: torch.frombuffer(bytearray(data[slice(*v["data_offsets"])]) or bytearray(8), dtype=DTYPES[v["dtype"]])
                [:int(np.prod(v["shape"]))].reshape(v["shape"]) for k, v in header.items()}
    try:
        return torch.jit.load(path, map_location="cpu").state_dict()
    except RuntimeError:
        return torch.load(path, map_location="cpu")


def tower(weights):
    weights = {k[7:]: v.double() if v.is_floating_point() else v for k, v in weights.items() if k.startswith("visual.")}
    out, channels = weights["attnpool.c_proj.weight"].shape
    layers = [len({k.split(".")[1] for k in weights if k.startswith(f"layer{i}.")}) for i in (1, 2, 3, 4)]
    side = 32 * round((len(weights["attnpool.positional_embedding"]) - 1) ** .5)
    net = ModifiedResNet(layers, out, side, channels // 32).double().eval()
    net.load_state_dict(weights)
    return net, side


def far(got, want):
    return float(np.abs(got - want).max() / np.abs(want).max())


class Check:
    def __init__(self, program, images, folder):
        self.program, self.images, self.folder, self.worst = program, images, folder, 0.0

    def clipnh(self, *args):
        subprocess.run([self.program, *map(str, args), "--quiet"], check=True, stdout=subprocess.DEVNULL)

    def artefacts(self, model):
        """Scores, means and masks of a model, and what ablate makes of them."""
        d = self.folder / model.name.replace(".", "-")
        data = ("--dataset", "images", "--data-path", self.images)
        self.clipnh("collect", "--model", model, *data, "--save-path", d / "scores")
        for units, ends in (("nh", ""), ("n", "_n")):
            self.clipnh("svd", "--scores", d / "scores", "--mode", units, "--out-save-path", d / f"pc0{ends}.npy",
                        "--mean-save-path", d / f"means{ends}.npy", "--norm-save-path", d / f"norms{ends}.npy", "--top-k-pca", 10)
        self.clipnh("mask", "--neuron-head-norms-path", d / "norms.npy", "--percentile", 60, "--mask-save-path", d / "pairs.npy")
        self.clipnh("mask", "--neurons-norms-path", d / "norms_n.npy", "--percentile", 60, "--mask-save-path", d / "neurons.npy")
        bias, means = np.load(d / "scores/bias.npy"), np.load(d / "means.npy")
        np.save(d / "zero.npy", np.broadcast_to(bias[:, None], means.shape).copy())
        for mask, mode in (("pairs", "neur_head_reprs"), ("neurons", "neur_reprs")):
            for by, rows in (("mean", "means.npy"), ("zero", "zero.npy")):
                self.clipnh("ablate", "--scores", d / "scores", "--mode", mode, "--replace-index-path", d / f"{mask}.npy",
                            "--means-path", d / rows, "--features-save-path", d / f"{mask}-{by}.npy")
        return d

    def model(self, model, ends):
        d, before = self.artefacts(model), read(model)
        net, side = tower(before)
        names = (d / "scores/images.txt").read_text().splitlines()
        pixels = torch.from_numpy(np.stack([prepare(self.images / name, side) for name in names])).double()
        for mask in ("pairs", "neurons"):
            for by in ("mean", "zero"):
                out = d / f"{mask}-{by}{ends}"
                means = ("--means-path", d / "means.npy") if by == "mean" else ("--by", "zero")
                self.clipnh("edit", "--model", model, "--remove-mask", d / f"{mask}.npy", *means, "--save-path", out)
                after = read(out)
                assert list(after) == list(before), "other names, or in another order"
                changed = [k for k in before if before[k].dtype != after[k].dtype or not torch.equal(before[k], after[k])]
                want = ["visual.attnpool.v_proj.weight"] + ["visual.attnpool.c_proj.bias"] * (by == "mean")
                assert sorted(changed) == sorted(want), changed
                ablated = np.load(d / f"{mask}-{by}.npy")
                self.compare(f"{model.name} {mask} by {by} to {ends}", tower(after)[0](pixels).numpy(), ablated)
                if before["visual.conv1.weight"].dtype == torch.float16 and by == "mean":
                    after["visual.attnpool.c_proj.bias"] = after["visual.attnpool.c_proj.bias"].half()
                    print(f"    bias rounded to fp16: {far(tower(after)[0](pixels).numpy(), ablated):.1e}")
                elif ends == ".pt":
                    self.open_clip(out, pixels, ablated)

    def open_clip(self, path, pixels, ablated):
        try:
            import open_clip
        except ImportError:
            return
        net = open_clip.load_openai_model(str(path), precision="fp32", device="cpu").eval()
        self.compare("    open_clip", net.encode_image(pixels.float()).numpy(), ablated)

    def compare(self, what, got, want):
        difference = far(got, want)
        self.worst = max(self.worst, difference)
        print(f"{what}: {difference:.1e}")


def main():
    torch.set_grad_enabled(False)
    program, source, images = map(pathlib.Path, sys.argv[1:])
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        check = Check(program, images, folder)
        weights = {k: v for k, v in read(source).items() if k not in INTEGERS}
        single = {k: v.float() if v.is_floating_point() else v for k, v in weights.items()}
        torch.save(single, folder / "fp32.pt")
        torch.save({k: v.half() if v.is_floating_point() else v for k, v in weights.items()}, folder / "fp16.pt")
        torch.save(single, folder / "legacy.pt", _use_new_zipfile_serialization=False)
        check.clipnh("edit", "--model", folder / "fp32.pt", "--scale", "n0=1", "--by", "zero", "--save-path", folder / "fp32.safetensors")
        for name in ("fp32.pt", "fp16.pt", "legacy.pt", "fp32.safetensors"):
            for ends in (".pt", ".safetensors"):
                check.model(folder / name, ends)
        check.model(source, ".pt")
        print(f"largest: {check.worst:.1e}")
        sys.exit(check.worst > TOLERANCE)


main()
