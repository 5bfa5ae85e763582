"""Write vit_places.npy: what pairs of the golden vision transformer read of each token.

    python3 vit_golden.py

Of the pairs of neurons 0, 5, 64 and 127 of layer 2 with all later heads, in float64 on the prepared golden images:
a[l,h,0,t] p[t,n] / (sd1[l,t] sd_post), [images, heads, neurons, T] float32. The model is written out in edit's
vit_goldens.py. Made with torch 1.13, numpy 1.24.
"""
import pathlib
import sys

import numpy as np
import torch

here = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(here.parents[1] / "edit/testdata"))
from vit_goldens import images, run  # noqa: E402

_, p, later, sd = run(images)
own = p[:, :, [0, 5, 64, 127]].transpose(1, 2)  # [B,n,T]
places = [a[:, :, None] / deviation[:, None, None, :, 0] * own[:, None] / sd[:, None, None] for _, a, deviation in later]
np.save(here / "vit_places.npy", torch.cat(places, 1).float().numpy())
