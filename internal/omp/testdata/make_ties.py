"""Writes ties.json: signals whose pursuit meets exact ties at every step, coded
by scikit-learn as SparseCoder does it. Atoms are unit vectors, up to sign, and
signals hold small integers, so that float32 makes no error.

    python3 make_ties.py > ties.json      (scikit-learn 1.2.1)
"""
import json
import sys
import warnings

import numpy as np
from sklearn.decomposition import SparseCoder

warnings.simplefilter("ignore")  # of early stops
rng = np.random.default_rng(7)
cases = []
for words, dims, atoms in [(12, 4, 4), (24, 6, 6), (40, 8, 5), (9, 3, 7), (64, 16, 12)]:
    axis = rng.integers(0, dims, words)
    dictionary = np.zeros((words, dims), np.float32)
    dictionary[np.arange(words), axis] = rng.choice([-1, 1], words)
    signals = rng.integers(-2, 3, (20, dims)).astype(np.float32)
    codes = SparseCoder(dictionary, transform_algorithm="omp", transform_n_nonzero_coefs=atoms).transform(signals)
    cases.append({
        "atoms": atoms,
        "dictionary": dictionary.astype(int).tolist(),
        "signals": signals.astype(int).tolist(),
        "codes": [[[int(w), int(row[w])] for w in np.flatnonzero(row)] for row in codes],
    })
json.dump(cases, sys.stdout, separators=(",", ":"))
