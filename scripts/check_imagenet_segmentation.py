#!/usr/bin/env python3
"""Checks scripts/imagenet_segmentation.py on small files in the form of the published one.

    check_imagenet_segmentation.py

Exits with 1 where a picture, mask or class does not come out as it went in. Needs h5py, numpy and Pillow.
"""
import pathlib
import subprocess
import sys
import tempfile

import h5py
import numpy as np
from PIL import Image

SCRIPT = pathlib.Path(__file__).with_name("imagenet_segmentation.py")
IDS = ["n01440764", "n02119789", "n01440764"]


def write(path, pictures, masks, texts):
    """Pictures are [H,W,3], masks [H,W]; ids are texts, or else numbers."""
    with h5py.File(path, "w") as f:
        columns = {what: f.create_dataset(f"value/{what}", (len(pictures), 1), dtype=h5py.ref_dtype) for what in ("img", "gt", "target")}
        for i, (p, m) in enumerate(zip(pictures, masks)):
            columns["img"][i, 0] = f.create_dataset(f"#refs#/i{i}", data=p.transpose(2, 1, 0)).ref
            cell = f.create_dataset(f"#refs#/c{i}", (1, 1), dtype=h5py.ref_dtype)
            cell[0, 0] = f.create_dataset(f"#refs#/m{i}", data=m.T).ref
            columns["gt"][i, 0] = cell.ref
            data = np.array([[ord(c)] for c in IDS[i]], np.uint16) if texts else np.array([[float(i + 7)]])
            target = f.create_dataset(f"#refs#/t{i}", data=data)
            target.attrs["MATLAB_class"] = np.bytes_("char" if texts else "double")
            columns["target"][i, 0] = target.ref


def run(*args, fails=""):
    done = subprocess.run([sys.executable, SCRIPT, *args], capture_output=True, text=True)
    assert (done.returncode != 0) == bool(fails) and fails in done.stderr, done


def main():
    r = np.random.default_rng(1)
    sizes = [(5, 7), (6, 4), (3, 9)]
    pictures = [r.integers(0, 256, (h, w, 3), np.uint8) for h, w in sizes]
    masks = [r.integers(0, 2, s, np.uint8) for s in sizes]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "names.txt").write_text("n01440764 tench, Tench tinca\nn02119789 kit fox, Vulpes macrotis\n")
        for texts, args, classes in [
            (True, [], IDS), (False, [], ["7", "8", "9"]),
            (True, ["--names", folder / "names.txt"], ["tench", "kit fox", "tench"]),
        ]:
            out = folder / f"{texts}{len(args)}"
            write(folder / "gt.mat", pictures, masks, texts)
            run(folder / "gt.mat", out, *args)
            for i, name in enumerate(classes):
                file = pathlib.Path(name) / f"{i:04}.png"
                assert (np.asarray(Image.open(out / "images" / file)) == pictures[i]).all(), file
                assert (np.asarray(Image.open(out / "masks" / file)) == 255 * masks[i]).all(), file
            assert len(list(out.rglob("*.*"))) == 2 * len(classes), "other files"
            run(folder / "gt.mat", out, fails="it exists, want a new folder")
        write(folder / "bad.mat", pictures, masks[::-1], True)
        run(folder / "bad.mat", folder / "bad", fails="mask 0 has shape (9, 3), want (7, 5) as its picture")
        (folder / "names.txt").write_text("n01440764 tench\n")
        write(folder / "gt.mat", pictures, masks, True)
        run(folder / "gt.mat", folder / "unknown", "--names", folder / "names.txt", fails="picture 1 is of class n02119789, which")
    print("3 pictures of 3 files come out as they went in")


if __name__ == "__main__":
    main()
