#!/usr/bin/env python3
"""Writes PNG files, and the results of OpenCV's bilinear resize for them.

    linear_sweep.py [--few] [--seed N] DIR
    CLIPNH_IMAGE_SWEEP=DIR go test -v -run Sweep ./internal/imageprep

For every image NAME there is NAME.linear.want: a line "WIDTH HEIGHT" and the RGB
samples of cv2.resize to that size with INTER_LINEAR. Sizes are those of
segmentation (mmcv's rule for a shorter and a longer side), random sizes, 1, the
unchanged size, and halves and doubles, for which OpenCV has separate code. --few
writes a few small images: internal/imageprep/testdata/linear. Needs OpenCV and
numpy.
"""
import argparse
import os

import cv2
import numpy as np

SHORTER = (224, 336, 384, 448, 512, 560)
LONGER = 2048


def rescaled(w, h, shorter):
    scale = min(LONGER / max(w, h), shorter / min(w, h))
    return int(w * scale + 0.5), int(h * scale + 0.5)


def sizes(rng, n, w, h, most):
    kind = n % 8
    if kind == 0:
        return w // 2 or 1, h // 2 or 1
    if kind == 1:
        return 2 * w, 2 * h
    if kind == 2:
        return (w, h) if n % 16 == 2 else (1, int(rng.integers(1, most)))
    if kind == 3:
        return w, int(rng.integers(1, most))
    if kind == 4 and most > 100:
        return rescaled(w, h, int(rng.choice(SHORTER)))
    return int(rng.integers(1, most)), int(rng.integers(1, most))


def image(rng, n, w, h):
    if n % 3 == 0:  # hard edges
        return (rng.integers(0, 2, (h, w, 3)) * 255).astype("uint8")
    if n % 3 == 1:
        return rng.integers(0, 256, (h, w, 3)).astype("uint8")
    y, x, c = np.mgrid[:h, :w, :3]
    return ((x * 255 // max(1, w - 1) + y * (c + 1)) % 256).astype("uint8")


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("dir")
    args.add_argument("--few", action="store_true")
    args.add_argument("--seed", type=int, default=0)
    args = args.parse_args()
    os.makedirs(args.dir, exist_ok=True)
    rng = np.random.default_rng(args.seed)
    count, most = (16, 32) if args.few else (1000, 700)
    for n in range(count):
        w, h = (int(v) for v in rng.integers(1, most, 2))
        if n % 8 == 0:
            w, h = 2 * (w // 2) or 2, 2 * (h // 2) or 2
        src = image(rng, n, w, h)
        out = cv2.resize(src, sizes(rng, n, w, h, most), interpolation=cv2.INTER_LINEAR)
        path = os.path.join(args.dir, "linear_%04d.png" % n)
        cv2.imwrite(path, src[..., ::-1])
        with open(path + ".linear.want", "wb") as f:
            f.write(b"%d %d\n" % (out.shape[1], out.shape[0]) + out.tobytes())
    print(count, "images; OpenCV", cv2.__version__)


if __name__ == "__main__":
    main()
