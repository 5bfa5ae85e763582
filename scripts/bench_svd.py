#!/usr/bin/env python3
"""Compares our principal directions with NumPy's, computed as the reference
does, on the same contributions in one run.

    bench_svd.py [--images 1000] [--units 64] [--dims 768] [--top 50]

The contributions of --units pairs of one head, which have rank one like those of
all pairs, are written to a dense .dat file. NumPy handles them unit by unit:
argsort of the norms, an SVD of the --top rows. Ours are "clipnh svd --shape" on
the same file, startup included, and the closed form from scores, which needs no
dense tensor, timed by a Go benchmark at RN50x16's size.

Prints the times per pair and their ratios, the time for all of RN50x16 (147,456
pairs), and how far the directions agree. OMP_NUM_THREADS sets NumPy's number of
threads. Needs Go and numpy.
"""
import argparse
import os
import re
import subprocess
import tempfile
import time

import numpy as np

PAIRS = 48 * 3072  # of RN50x16
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")


def reference(contributions, top):
    """Directions, as svd_over_dataset.py finds them."""
    mean = contributions.mean(axis=0)
    directions = []
    for unit in range(contributions.shape[2]):
        rows = contributions[:, 0, unit] - mean[0, unit]
        rows = rows[np.argsort(np.linalg.norm(rows, axis=-1))[-top:]]
        first = np.linalg.svd(rows, full_matrices=False)[2][0]
        directions.append(first if (rows @ first > 0).sum() > top // 2 else -first)
    return np.stack(directions)


def closed_form():
    """Seconds per pair from scores, at RN50x16's size."""
    out = subprocess.run(["go", "test", "-run", "^$", "-bench", "^BenchmarkPairs$", "-benchtime", "1x", "./internal/lowrank"],
                         cwd=ROOT, check=True, capture_output=True, text=True).stdout
    nanoseconds = float(re.search(r"BenchmarkPairs\S*\s+\d+\s+([\d.]+) ns/op", out)[1])
    return nanoseconds / 1e9 / PAIRS


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--images", type=int, default=1000)
    ap.add_argument("--units", type=int, default=64)
    ap.add_argument("--dims", type=int, default=768)
    ap.add_argument("--top", type=int, default=50)
    args = ap.parse_args()

    rng = np.random.default_rng(1)
    scores = rng.gamma(0.5, size=(args.images, args.units, 1)).astype(np.float32)
    v = rng.standard_normal((args.units, args.dims)).astype(np.float32)
    contributions = (scores * v + rng.standard_normal(args.dims).astype(np.float32)).astype(np.float32)[:, None]
    with tempfile.TemporaryDirectory() as folder:
        program, dense, out = (os.path.join(folder, name) for name in ("clipnh", "reprs.dat", "pc0.npy"))
        subprocess.run(["go", "build", "-buildvcs=false", "-o", program, "./cmd/clipnh"], cwd=ROOT, check=True)
        contributions.tofile(dense)
        start = time.perf_counter()
        subprocess.run([program, "svd", "--quiet", "--scores", dense, "--top-k-pca", str(args.top), "--out-save-path", out,
                        "--shape", ",".join(map(str, contributions.shape))], check=True, stdout=subprocess.DEVNULL)
        ours = (time.perf_counter() - start) / args.units
        got = np.load(out)[0]
    start = time.perf_counter()
    want = reference(contributions, args.top)
    theirs = (time.perf_counter() - start) / args.units
    form = closed_form()

    print(f"numpy {np.__version__}, as the reference  {theirs * 1e3:9.3f} ms a pair   RN50x16: {theirs * PAIRS / 60:7.1f} min")
    print(f"clipnh svd, dense file        {ours * 1e3:9.3f} ms a pair   RN50x16: {ours * PAIRS / 60:7.1f} min   {theirs / ours:8.1f}x")
    print(f"clipnh, from scores           {form * 1e3:9.3f} ms a pair   RN50x16: {form * PAIRS / 60:7.2f} min   {theirs / form:8.1f}x")
    print(f"directions differ by {np.abs(got - want).max():.1e} at most")


if __name__ == "__main__":
    main()
