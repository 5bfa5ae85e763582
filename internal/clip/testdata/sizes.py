"""Write sizes.json: image features of pictures that are not the model's size.

    python3 sizes.py

The golden model's tower in float64, from scripts/demo, with the position embedding
interpolated by torch (bicubic, align_corners false, class token kept). Pictures are golden ones side
by side or below each other, cut to size. Made with torch 1.13, numpy 1.24.
"""
import json
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F

here = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(here.parents[2] / "scripts" / "demo"))
from model import ModifiedResNet  # noqa: E402

golden = here.parents[1] / "testutil" / "testdata" / "golden"
config = json.load(open(golden / "model" / "config.json"))
weights = torch.load(golden / "model" / "tiny_sd_fp32.pt")
net = ModifiedResNet(config["layers"], config["output_dim"], config["image_size"], config["width"]).double().eval()
net.load_state_dict({k[7:]: v.double() for k, v in weights.items() if k.startswith("visual.")}, strict=False)
position = net.attnpool.positional_embedding.data
pre = torch.from_numpy(np.load(golden / "dataset_pre4.npy")).double()

out = []
for rows, cols in ((2, 5), (3, 2), (1, 1), (4, 3)):
    wall = torch.cat([torch.cat([pre[(y + x) % 4] for x in range(3)], 2) for y in range(2)], 1)
    picture = wall[None, :, :32 * rows, :32 * cols]
    g = config["grid"]
    grid = F.interpolate(position[1:].t().reshape(1, -1, g, g), (rows, cols), mode="bicubic", align_corners=False)
    net.attnpool.positional_embedding.data = torch.cat([position[:1], grid.flatten(2)[0].t()])
    with torch.no_grad():
        out.append({"rows": rows, "cols": cols, "features": [float("%.8g" % v) for v in net(picture)[0]]})
    net.attnpool.positional_embedding.data = position
json.dump(out, open(here / "sizes.json", "w"), indent=1)
