"""Codes of golden directions by three methods, in float64: codes.json.

    python3 make_codes.py        # numpy, scipy, scikit-learn

An independent form of package describe: nearest by scikit-learn's cosine_similarity; nonneg
by matching pursuit whose refit is scipy.optimize.nnls; textspan as its authors' code has it,
deflating both the contributions and the texts (without the projection of the texts onto the
span of the contributions). Dictionaries are the golden words minus their mean, by rows, or as
they are. A code whose choice of a word hung on less than 1e-5 is left out.
"""
import json
import os

import numpy as np
from scipy.optimize import nnls
from sklearn.metrics.pairwise import cosine_similarity

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../testutil/testdata/golden")
K, CLEAR = 8, 1e-5


def load(name):
    return np.load(os.path.join(GOLDEN, name)).astype(np.float64)


def dictionary(rows):
    words = load("text/words.npy")
    if rows:
        words = words - words.mean(0)
        words /= np.linalg.norm(words, axis=1, keepdims=True)
    return words.astype(np.float32).astype(np.float64)      # clipnh keeps atoms in float32


def gap(values):
    first, second = np.sort(values)[::-1][:2]
    return (first - second) / max(abs(first), 1e-300)


def nearest(y, x):
    cosines = cosine_similarity(y[None], x)[0]
    order = np.argsort(-cosines, kind="stable")[:K + 1]
    clear = np.min(-np.diff(cosines[order])) > CLEAR and abs(cosines[order[K - 1]]) > CLEAR
    order = [w for w in order[:K] if cosines[w] > 0]
    left = y - x[order].T @ np.linalg.lstsq(x[order].T, y, rcond=None)[0]
    return order, cosines[order], np.linalg.norm(left), clear


def nonneg(y, x):
    support, coefs, rest, clear = [], np.zeros(0), y, True
    for _ in range(4 * K):
        c = x @ rest
        best = int(np.argmax(c))
        if c[best] <= 0 or c[best] ** 2 < 2 ** -23 or best in support:
            break
        clear &= gap(c) > CLEAR
        support.append(best)
        coefs, _ = nnls(x[support].T, y)
        clear &= not np.any((coefs > 0) & (coefs < 1e-6))
        support = [w for w, v in zip(support, coefs) if v > 0]
        coefs = coefs[coefs > 0]
        rest = y - x[support].T @ coefs
        if len(support) == K:
            break
    return support, coefs, np.linalg.norm(rest), clear


def textspan(y, x, data):
    texts, data, support, clear = x.copy(), data - data.mean(0), [], True
    for _ in range(K):
        variance = (data @ texts.T).var(0)
        best = int(np.argmax(variance))
        clear &= gap(variance) > CLEAR
        support.append(best)
        t = texts[best].copy()
        data = data - np.outer(data @ t, t) / (t @ t)
        texts = texts - np.outer(texts @ t, t) / (t @ t)
    coefs = np.linalg.lstsq(x[support].T, y, rcond=None)[0]
    return support, coefs, np.linalg.norm(y - x[support].T @ coefs), clear


def main():
    s, v, pairs, neurons = load("s.npy"), load("v.npy"), load("pc0_nh.npy"), load("pc0_n.npy")
    heads, channels, dims = pairs.shape
    out = []

    def add(method, rows, unit, result):
        support, coefs, residual, clear = result
        if clear:
            out.append(dict(method=method, normalize="rows" if rows else "none", unit=unit, words=[int(w) for w in support],
                            coefficients=[float("%.7g" % c) for c in coefs], residual=float("%.7g" % residual)))

    for rows in (True, False):
        x = dictionary(rows)
        for u in range(0, heads * channels, 9):
            y = pairs.reshape(-1, dims)[u]
            name = "h%dn%d" % divmod(u, channels)
            add("nearest", rows, name, nearest(y, x))
            add("nonneg", rows, name, nonneg(y, x))
        for n in range(0, channels, 4):
            add("textspan", rows, "n%d" % n, textspan(neurons[n], x, np.einsum("bh,ho->bo", s[:, :, n], v[:, n])))
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "codes.json"), "w") as f:
        f.write("[\n" + ",\n".join(json.dumps(c) for c in out) + "\n]\n")
    print(len(out), "codes,", sum(len(c["words"]) < K for c in out), "of them shorter than", K)


main()
