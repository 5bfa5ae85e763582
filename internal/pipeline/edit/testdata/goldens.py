"""Write features.npy and edits.json: image features of the golden model with edited weights.

    python3 goldens.py

The golden model in float64, from scripts/demo, on the four preprocessed golden images. An edit multiplies
columns of v_proj.weight and, by mean, adds (1 - factor) * mean score * direction to c_proj.bias. Mean scores
are those of the golden images, s.npy; the directions are products of the weights. features.npy is
[edits, images, O] float32. Made with torch 1.13, numpy 1.24.
"""
import json
import pathlib
import sys

import numpy as np
import torch

here = pathlib.Path(__file__).resolve().parent
root = here.parents[3]
golden = root / "internal/testutil/testdata/golden"
sys.path.insert(0, str(root / "scripts/demo"))
from model import ModifiedResNet  # noqa: E402

EDITS = {  # name: units with their factors, and what takes the place of what they lose
    "pairs": ({"h0n3": 0, "h1n70": 0}, "mean"),
    "neurons": ({"n5": 0, "n64": 0, "n127": 0}, "mean"),
    "zero": ({"n5": 0, "h1n9": 0}, "zero"),
    "scale": ({"h0n3": 0.5, "h1n11": -1.25, "n7": 2}, "mean"),
    "scale by zero": ({"h0n3": 0.5, "n7": 2}, "zero"),
    "mask": (None, "mean"),  # mask_nh.npy: what it does not keep is removed
}


def factors(units, H, C):
    a = np.ones((H, C))
    if units is None:
        return np.load(golden / "mask_nh.npy").astype(float)
    for name, factor in units.items():
        head, _, neuron = name.partition("n")
        a[int(head[1:]) if head else slice(None), int(neuron)] = factor
    return a


def main():
    torch.set_grad_enabled(False)
    config = json.loads((golden / "model/config.json").read_text())
    weights = {k.removeprefix("visual."): v.double() if v.is_floating_point() else v
               for k, v in torch.load(golden / "model/tiny_sd_fp32.pt").items() if k.startswith("visual.")}
    O, C = weights["attnpool.c_proj.weight"].shape
    H = C // 64
    tower = ModifiedResNet(config["layers"], O, config["image_size"], config["width"]).double().eval()
    images = torch.from_numpy(np.load(golden / "dataset_pre4.npy")).double()
    means = np.load(golden / "s.npy").astype(np.float64).mean(0)                        # [H,C]
    value = weights["attnpool.v_proj.weight"].numpy().reshape(H, 64, C)
    out = weights["attnpool.c_proj.weight"].numpy().reshape(O, H, 64)
    direction = np.einsum("ohd,hdc->hco", out, value)                                   # [H,C,O]

    features = []
    for units, by in EDITS.values():
        a = factors(units, H, C)
        edited = dict(weights)
        edited["attnpool.v_proj.weight"] = torch.from_numpy((value * a[:, None, :]).reshape(C, C))
        if by == "mean":
            added = np.einsum("hc,hco->o", (1 - a) * means, direction)
            edited["attnpool.c_proj.bias"] = weights["attnpool.c_proj.bias"] + torch.from_numpy(added)
        tower.load_state_dict(edited)
        features.append(tower(images).numpy())
    np.save(here / "features.npy", np.stack(features).astype(np.float32))
    edits = [{"name": name, "units": units, "by": by} for name, (units, by) in EDITS.items()]
    (here / "edits.json").write_text(json.dumps(edits, indent=1) + "\n")


main()
