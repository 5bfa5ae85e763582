"""Make statistics.json: correlations and p-values as SciPy has them.

    python3 make_statistics.py > statistics.json

Made with SciPy 1.10.1, NumPy 1.24.2. log10_p is from
long arithmetic, as SciPy's p-value is zero below 1e-323.
"""
import json
import math
from decimal import Decimal, getcontext

import numpy as np
from scipy.stats import pearsonr, pointbiserialr

getcontext().prec = 60


def tail(r, n):
    """log10 of I_{1-r^2}((n-2)/2, 1/2) for even n-2, in long arithmetic.

    With a = m whole, I_x(m, 1/2) = 1 - sqrt(1-x) * sum_{j<m} (1/2)_j/j! x^j."""
    m = (n - 2) // 2
    assert 2 * m == n - 2
    getcontext().prec = 60 + 2 * n
    rr = Decimal(r)
    x = 1 - rr * rr
    total, term = Decimal(0), Decimal(1)
    for j in range(m):
        total += term
        term = term * x * (Decimal(j) + Decimal("0.5")) / (j + 1)
    p = 1 - abs(rr) * total
    return float(p.log10())


rng = np.random.default_rng(5)
cases = []
for n, effect in ((3, 1.0), (4, 0.3), (10, 0.5), (43, 0.8), (200, 0.0), (600, 4.5), (600, 12.0), (2000, 6.0)):
    label = rng.random(n) < 0.4
    label[:2] = [True, False]
    values = rng.normal(size=n) + effect * label
    r, p = pointbiserialr(label, values)
    case = dict(values=[round(float(v), 6) for v in values], labels=label.tolist())
    r, p = pointbiserialr(label, np.array(case["values"]))
    case.update(r=float(r), p=float(p))
    if n % 2 == 0:
        case["log10_p"] = tail(float(r), n)
    cases.append(case)
x, y = rng.normal(size=12), rng.normal(size=12)
print(json.dumps(dict(cases=cases, x=x.tolist(), y=y.tolist(), pearson=float(pearsonr(x, y)[0]))))
