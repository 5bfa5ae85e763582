#!/usr/bin/env python3
"""Writes what Pillow and NumPy make of images for models that are not prepared as CLIP is.

    form_sweep.py FOLDER > internal/imageprep/testdata/forms.txt

A line for each image of the folder and each way: NAME ORDER FIT SIDE MEAN STD SHA256, the
hash of the tensor [3,S,S], float32, little-endian. Needs Pillow and numpy.
"""
import hashlib
import os
import sys

import numpy as np
from PIL import Image

SIDE = 32
FORMS = (
    ("shortest", "0.5,0.5,0.5", "0.5,0.5,0.5"),
    ("squash", "0.48145466,0.4578275,0.40821073", "0.26862954,0.26130258,0.27577711"),
    ("shortest-bilinear", "0.485,0.456,0.406", "0.229,0.224,0.225"),
    ("squash-bilinear", "0,0,0", "1,1,1"),
)


def square(im, fit):
    how, _, linear = fit.partition("-")
    resample = Image.BILINEAR if linear else Image.BICUBIC
    if how == "squash":
        return im.resize((SIDE, SIDE), resample)
    w, h = im.size  # as torchvision's Resize and CenterCrop
    w, h = (SIDE, int(SIDE * h / w)) if w <= h else (int(SIDE * w / h), SIDE)
    left, top = int(round((w - SIDE) / 2.0)), int(round((h - SIDE) / 2.0))
    return im.resize((w, h), resample).crop((left, top, left + SIDE, top + SIDE))


def numbers(text):
    return np.array([float(x) for x in text.split(",")], np.float32)[:, None, None]


for name in sorted(os.listdir(sys.argv[1])):
    im = Image.open(os.path.join(sys.argv[1], name))
    for fit, mean, std in FORMS:
        for order in "reference", "openai":
            rgb = square(im.convert("RGB"), fit) if order == "reference" else square(im, fit).convert("RGB")
            pixels = np.asarray(rgb, np.float32).transpose(2, 0, 1) / np.float32(255)
            tensor = ((pixels - numbers(mean)) / numbers(std)).astype("<f4")
            print(name, order, fit, SIDE, mean, std, hashlib.sha256(tensor.tobytes()).hexdigest())
