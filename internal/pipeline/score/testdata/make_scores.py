"""Measures of the words of golden units, in float64: scores.json.

    python3 make_scores.py        # numpy, scipy, scikit-learn

An independent form of METHOD's score: the feature of each image without the unit's own
contribution, written out, times the sum of the unit's words, against the projection of the
contribution on the component; scipy.stats.spearmanr and sklearn.metrics.roc_auc_score. Codes
are the goldens of scikit-learn's matching pursuit, over the golden words as they are.
"""
import json
import os

import numpy as np
import scipy.sparse
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, "../../../testutil/testdata/golden")
TOP = 10


def load(name):
    return np.load(os.path.join(GOLDEN, name)).astype(np.float64)


def measures(own, component, bias, features, vector):
    """own: the unit's contributions [B,O]."""
    score = (own - bias) @ component
    rest = features - own
    prediction = rest @ vector / np.linalg.norm(rest, axis=1)
    strongest = np.zeros(len(score), bool)
    strongest[np.argsort(-score, kind="stable")[:TOP]] = True
    return [spearmanr(score, prediction).statistic, roc_auc_score(strongest, prediction)]


def main():
    s, v, b, features = load("s.npy"), load("v.npy"), load("b.npy"), load("features.npy")
    words = load("text/words.npy")
    words /= np.linalg.norm(words, axis=1, keepdims=True)
    heads, channels, dims = v.shape
    out = {}
    for name, pcs, codes, step in (("nh", "pc0_nh.npy", "codes_nh_ref.npz", 7), ("n", "pc0_n.npy", "codes_n_ref.npz", 3)):
        codes = scipy.sparse.load_npz(os.path.join(GOLDEN, codes)).toarray().astype(np.float64)
        pcs = load(pcs).reshape(-1, dims)
        for u in range(0, len(pcs), step):
            if name == "nh":
                h, n = divmod(u, channels)
                bias = b[h]
                own = s[:, h, n, None] * v[h, n] + bias
                label = "h%dn%d" % (h, n)
            else:
                bias = b.sum(0)
                own = np.einsum("bh,ho->bo", s[:, :, u], v[:, u]) + bias
                label = "n%d" % u
            first = int(np.argmax(np.abs(codes[u])))
            out[label] = [float("%.7g" % x) for x in measures(own, pcs[u], bias, features, codes[u] @ words)
                          + measures(own, pcs[u], bias, features, codes[u, first] * words[first])]
    with open(os.path.join(HERE, "scores.json"), "w") as f:
        f.write("{\n" + ",\n".join('"%s": %s' % (k, json.dumps(m)) for k, m in out.items()) + "\n}\n")
    print(len(out), "units")


main()
