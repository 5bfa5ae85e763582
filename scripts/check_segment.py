#!/usr/bin/env python3
"""Compares the scores that "clipnh segment" prints with scikit-learn's.

    check_segment.py CLIPNH DEMO

CLIPNH is the program, DEMO the folder of "clipnh demo --dir DEMO". The demo's scenes are segmented with every
method, and scikit-learn compares the label maps in --save-dir with the data set's own. Prints each method's mIoU
and the largest difference in any class's IoU, in mIoU and in pixel accuracy. Exits with 1 if one is above 1e-12.
Needs numpy, Pillow and scikit-learn.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image
from sklearn.metrics import accuracy_score, jaccard_score

METHODS = ["pairs", "heads", "neurons", "values", "self-self"]
IGNORED = 0  # label maps have class c as c + 1


def main():
    program, demo = sys.argv[1], pathlib.Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as maps:
        out = subprocess.run(
            [program, "segment", "--model", demo / "tiny-clip.pt", "--vocab", demo / "bpe_demo_vocab.txt.gz",
             "--templates", demo / "templates.txt", "--pcs-path", demo / "caches/pc0.npy", "--config", "demo",
             "--data-path", demo / "VOC2010", "--method", ",".join(METHODS), "--save-dir", maps, "--json", "--quiet"],
            check=True, stdout=subprocess.PIPE).stdout
        result, worst = json.loads(out), 0.0
        truths = sorted((demo / "VOC2010/SegmentationClassContext").glob("*.png"))
        for m in result["methods"]:
            true, given = [], []
            for t in truths:
                label = np.asarray(Image.open(t)).astype(int)
                ours = np.asarray(Image.open(pathlib.Path(maps) / m["method"] / t.name)).astype(int)
                assert label.shape == ours.shape, t
                true.append(label[label != IGNORED] - 1)
                given.append(ours[label != IGNORED])
            true, given = np.concatenate(true), np.concatenate(given)
            occurs = np.union1d(true, given)
            iou = jaccard_score(true, given, labels=occurs, average=None)
            off = [abs(m["classes"][c]["iou"] - v) for c, v in zip(occurs, iou)]
            off += [abs(m["miou"] - iou.mean()), abs(m["pixel_accuracy"] - accuracy_score(true, given))]
            worst = max(worst, *off)
            print(f"{m['method']:10} mIoU {iou.mean():.6f}, {len(true)} pixels, {len(occurs)} classes, largest difference {max(off):.1e}")
    sys.exit(int(worst > 1e-12))


if __name__ == "__main__":
    main()
