#!/usr/bin/env python3
"""Writes ImageNet-Segmentation's file as folders of images and masks, as "clipnh segment --masks" takes them.

    imagenet_segmentation.py gtsegs_ijcv.mat OUT [--names FILE]

gtsegs_ijcv.mat is the published file, of MATLAB 7.3, which is HDF5: /value/img, /value/gt and /value/target hold one
reference for each picture, to its pixels [3,W,H], to a cell with a reference to its mask [W,H], and to the id of its
class. MATLAB's order of axes is HDF5's reversed. Writes OUT/images/CLASS/0000.png and OUT/masks/CLASS/0000.png, numbered
in the order of the file, masks 255 in the foreground. CLASS is the id; with --names the class that FILE, of lines such as
"n01440764 tench, Tench tinca", has for it, up to the first comma. Each file is written under another name first, and what
is there already is not replaced: remove OUT to begin again. Needs h5py, numpy and Pillow.
"""
import argparse
import pathlib
import re
import sys

import h5py
import numpy as np
from PIL import Image


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--names", metavar="FILE", help="names of classes, a line each: its id and its names")
    o = parser.parse_args()
    if o.out.exists():
        sys.exit(f"{o.out}: it exists, want a new folder")
    names = read_names(o.names) if o.names else None
    with h5py.File(o.file, "r") as f:
        for what in ("img", "gt", "target"):
            if f"/value/{what}" not in f:
                sys.exit(f"{o.file}: no /value/{what}, want ImageNet-Segmentation's gtsegs_ijcv.mat")
        images, masks, targets = (references(f, what) for what in ("img", "gt", "target"))
        if not len(images) == len(masks) == len(targets):
            sys.exit(f"{o.file}: {len(images)} pictures, {len(masks)} masks and {len(targets)} classes, want as many of each")
        for i in range(len(images)):
            picture = f[images[i]][()]
            cell = f[masks[i]]
            mask = f[cell[()].ravel()[0]][()] if cell.dtype.hasobject else cell[()]
            if picture.ndim != 3 or picture.shape[0] != 3 or picture.dtype != np.uint8:
                sys.exit(f"{o.file}: picture {i} has shape {picture.shape} of {picture.dtype}, want [3,W,H] of uint8")
            if mask.shape != picture.shape[1:]:
                sys.exit(f"{o.file}: mask {i} has shape {mask.shape}, want {picture.shape[1:]} as its picture")
            name = class_id(f[targets[i]])
            if names is not None:
                if name not in names:
                    sys.exit(f"{o.file}: picture {i} is of class {name}, which {o.names} does not have")
                name = names[name]
            if not re.fullmatch(r"[^/\\\0]+", name) or name in (".", ".."):
                sys.exit(f"{o.file}: picture {i} is of class {name!r}, want the name of a folder")
            save(o.out / "images" / name / f"{i:04}.png", picture.transpose(2, 1, 0))
            save(o.out / "masks" / name / f"{i:04}.png", np.where(mask.T != 0, 255, 0).astype(np.uint8))
    print(f"{len(images)} pictures in {o.out / 'images'}, masks in {o.out / 'masks'}")


def references(f, what):
    return f[f"/value/{what}"][()].ravel()


def class_id(dataset):
    """The id of a class: a text, which MATLAB keeps as 16-bit characters, or a number."""
    if dataset.dtype.hasobject:  # in a cell
        return class_id(dataset.file[dataset[()].ravel()[0]])
    values = dataset[()]
    if isinstance(values, bytes):
        return values.decode()
    values = np.asarray(values).ravel()
    if dataset.attrs.get("MATLAB_class") in (b"char", "char") or values.size > 1:
        return "".join(chr(int(c)) for c in values)
    return str(int(values[0]))


def read_names(path):
    names = {}
    for line in open(path, encoding="utf-8"):
        key, _, rest = line.strip().partition(" ")
        if key:
            names[key] = rest.split(",")[0].strip()
    return names


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    Image.fromarray(np.ascontiguousarray(pixels)).save(partial, format="PNG")
    partial.rename(path)


if __name__ == "__main__":
    main()
