#!/usr/bin/env python3
"""Compares our matching pursuit with scikit-learn's SparseCoder, called as the
reference calls it (16 signals per call), on the same signals in one run.

    bench_sparse.py [--words 30000] [--dims 768] [--atoms 64] [--signals 12288]
                    [--calls 1] [--engine gram|sweep] [--dictionary FILE.npy]
                    [--directions FILE.npy]

Without files, words are random vectors with a spectrum that decays like that of
text embeddings, and signals are in the spans of random heads of 64 dimensions,
like those of neuron-head pairs. The dictionary is centred and divided by its
columns' norms, as the reference does.

Prints both times per signal, their ratio, the time that clipnh would take for
all of RN50x16 (147,456 pairs), its peak memory, and how far the codes agree.
scikit-learn is called only --calls times: at 30,000 words a call computes a
matrix of 3.6 GB, copies it for every signal, and takes minutes. It then needs
12 GB. OMP_NUM_THREADS sets its number of threads. Needs Go, numpy and
scikit-learn.
"""
import argparse
import os
import re
import subprocess
import tempfile
import time
import warnings

import numpy as np
import sklearn
from sklearn.decomposition import SparseCoder

PAIRS = 48 * 3072  # of RN50x16
PER_CALL = 16


def synthetic(words, dims, signals):
    rng = np.random.default_rng(1)
    spectrum = 1 / np.sqrt(1 + np.arange(dims, dtype=np.float32) / 16)
    embeddings = rng.standard_normal((words, dims), dtype=np.float32) * spectrum
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    directions = []
    for first in range(0, signals, 3072):
        head = rng.standard_normal((64, dims), dtype=np.float32) * spectrum
        directions.append(rng.standard_normal((min(3072, signals - first), 64), dtype=np.float32) @ head)
    directions = np.concatenate(directions)
    return embeddings, directions / np.linalg.norm(directions, axis=1, keepdims=True)


def ours(folder, args):
    """Seconds of preparation and of coding, and peak GB."""
    package = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "internal", "omp")
    binary = os.path.join(folder, "omp.test")
    subprocess.run(["go", "test", "-c", "-o", binary, "."], cwd=package, check=True)
    run = subprocess.Popen(
        [binary, "-test.run", "^$", "-test.bench", "^BenchmarkFiles$", "-test.benchtime", "1x"], cwd=package, stdout=subprocess.PIPE,
        text=True, env={**os.environ, "CLIPNH_BENCH_SPARSE": folder, "CLIPNH_BENCH_ATOMS": str(args.atoms), "CLIPNH_BENCH_ENGINE": args.engine})
    output = run.stdout.read()
    _, status, usage = os.wait4(run.pid, 0)
    if status:
        raise SystemExit(output)
    metric = lambda unit: float(re.search(r"([\d.e+-]+) " + unit, output)[1])
    return metric("s-preparation"), metric("s-coding"), usage.ru_maxrss / 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", type=int, default=30000)
    parser.add_argument("--dims", type=int, default=768)
    parser.add_argument("--atoms", type=int, default=64)
    parser.add_argument("--signals", type=int, default=12288)
    parser.add_argument("--calls", type=int, default=1)
    parser.add_argument("--engine", choices=["gram", "sweep"], default="")
    parser.add_argument("--dictionary")
    parser.add_argument("--directions")
    args = parser.parse_args()

    if bool(args.dictionary) != bool(args.directions):
        parser.error("--dictionary and --directions go together")
    if args.dictionary:
        atoms = np.load(args.dictionary).astype(np.float32)
        signals = np.load(args.directions).astype(np.float32)
        signals = signals.reshape(-1, signals.shape[-1])[: args.signals]
    else:
        atoms, signals = synthetic(args.words, args.dims, args.signals)
    atoms -= atoms.mean(axis=0)
    atoms /= np.linalg.norm(atoms, axis=0)
    print(f"{atoms.shape[0]} words of {atoms.shape[1]} dimensions, {args.atoms} atoms, {os.cpu_count()} cores", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        np.save(os.path.join(folder, "atoms.npy"), atoms)
        np.save(os.path.join(folder, "signals.npy"), signals)
        preparation, coding, peak = ours(folder, args)
        support = np.load(os.path.join(folder, "support.npy"))
        coefficients = np.load(os.path.join(folder, "coefficients.npy"))
    each = coding / len(signals)
    whole = preparation + each * PAIRS
    print(f"clipnh: {preparation:.1f} s of preparation, then {len(signals)} signals in {coding:.1f} s: {1e3 * each:.2f} ms each; "
          f"peak {peak:.1f} GB; {PAIRS} signals in {whole / 60:.1f} min", flush=True)

    if not args.calls:
        return
    warnings.simplefilter("ignore", RuntimeWarning)  # of early stops
    coder = SparseCoder(atoms, transform_algorithm="omp", transform_n_nonzero_coefs=args.atoms)
    count = min(args.calls * PER_CALL, len(signals))
    start = time.perf_counter()
    want = np.concatenate([coder.transform(signals[i : i + PER_CALL]) for i in range(0, count, PER_CALL)])
    theirs = (time.perf_counter() - start) / count
    print(f"scikit-learn {sklearn.__version__}: {args.calls} calls of {PER_CALL} signals, {1e3 * theirs:.0f} ms each")
    print(f"ratio: {theirs / (whole / PAIRS):.0f}x, preparation included")

    got = np.zeros_like(want)
    np.add.at(got, (np.arange(count)[:, None], support[:count]), coefficients[:count])  # 0 beyond a code's end
    same = ((got != 0) == (want != 0)).all(axis=1)
    print(f"supports: {same.sum()} of {count} the same; their coefficients differ by at most "
          f"{np.abs(got - want)[same].max(initial=0) / np.abs(want).max():.1e} of the largest")
    residual = lambda codes: np.linalg.norm(signals[:count] - codes @ atoms, axis=1)
    print(f"residuals: ours over theirs from {(residual(got) / residual(want)).min():.5f} to {(residual(got) / residual(want)).max():.5f}")


if __name__ == "__main__":
    main()
