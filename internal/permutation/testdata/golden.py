"""Writes golden.json: point-biserial r of random values with groups, in one design of
two groups and one of three, and P of each by the max-statistic over both designs.

    python3 golden.py > golden.json

Written with Python 3.11 and NumPy 1.24. Student's t is integrated numerically, so that
nothing is shared with the program that is tested.
"""
import json

import numpy as np

rng = np.random.default_rng(5)
UNITS, PERMUTATIONS = 7, 99


def probability(r, n):
    """The two-sided probability of Pearson's r of n pairs, by integrating its density
    (1-x^2)^((n-4)/2) over |x| > |r|, with x = sin(a)."""
    a = np.linspace(0, np.pi / 2, 200001)
    y = np.cos(a) ** (n - 3)
    steps = (y[1:] + y[:-1]) / 2
    total = np.concatenate([[0], np.cumsum(steps)])
    at = np.interp(np.arcsin(min(abs(r), 1)), a, total)
    return (total[-1] - at) / total[-1]


def correlations(values, groups, contrasts):
    return np.array([[np.corrcoef(values[:, u], groups == g)[0, 1] for g in contrasts] for u in range(values.shape[1])])


designs = []
for groups, contrasts in [([0] * 5 + [1] * 9, [0]), ([0] * 6 + [1] * 4 + [2] * 11, [0, 1, 2])]:
    groups = np.array(groups)
    values = rng.normal(size=(len(groups), UNITS)).astype(np.float32)
    values[:, 2] += 2.5 * (groups == 0)  # one that goes with a group
    values[:, 4] = values[:, 3]  # two that are the same
    permuted = [rng.permutation(groups) for _ in range(PERMUTATIONS)]
    designs.append((groups, contrasts, values, permuted))

least = np.ones(PERMUTATIONS)
for groups, contrasts, values, permuted in designs:
    for p, order in enumerate(permuted):
        r = np.abs(correlations(values, order, contrasts)).max()
        least[p] = min(least[p], probability(r, len(groups)))

out = []
for groups, contrasts, values, permuted in designs:
    r = correlations(values, groups, contrasts)
    own = np.vectorize(lambda x: probability(x, len(groups)))(r)
    corrected = (1 + (least[None, None, :] <= own[:, :, None] * (1 + 1e-6)).sum(-1)) / (1 + PERMUTATIONS)
    out.append({
        "groups": groups.tolist(), "contrasts": contrasts, "values": [[float(x) for x in row] for row in values],
        "permuted": [p.tolist() for p in permuted], "r": r.tolist(), "p": corrected.tolist(),
    })
print(json.dumps(out))
