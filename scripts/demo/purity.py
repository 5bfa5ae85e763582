"""Are neuron-head pairs purer than neurons? Measured on freshly drawn images, with 95 % intervals over neurons.

    python purity.py MODEL.pt JUDGE.pt demo|cue RESULT.json [SINGLES SCENES]      # 4000 4000

MODEL.pt: state dict; JUDGE.pt: of another model, whose embeddings judge too; demo or cue: the world that images are drawn
from. SINGLES have one thing each, SCENES are like the images of imagenet/test.

A unit's top images are the ten of largest centred norm. How alike they are is measured by their inertia (squared distances
of unit embeddings to their mean: lower is purer) and, for SINGLES, without any embedding by agreement: the share of couples
among the ten that have a kind, a colour or a background in common (higher is purer). Scenes of several things would agree
by their number alone.

A neuron is compared with its own eight pairs. What is chosen for a neuron (its strongest or purest head, a label), and the
means that are subtracted, come from the first half of the images; the comparison is made on the second half. Mixtures are
the control: eight random orthogonal combinations of a neuron's eight scores, chosen among in the same way.
"""
import json
import sys

import numpy as np
import torch
import torch.nn.functional as F

import render as R

TOP, DRAWS, SEED = 10, 8, 9100
LABELS = (R.KINDS, R.COLOURS, R.STUFF + ["plain"])
FAMILIES = ("kind", "colour", "background")


# ---------------------------------------------------------------- images
def single(rng, world):
    radius = (24, 54) if world == "demo" else (14, 44)
    s = dict(objects=[R.make_object(rng, 128, 128, *radius, [])], w=128, h=128)
    s["bg"], s["horizon"] = R.pick_bg(rng, s["objects"][0]["kind"])
    return s


def several(rng, world):
    if world == "demo":
        return R.random_scene(rng, 128, 128)
    return R.random_scene(rng, 128, 128, (.05, .45, .3, .13, .07), big=(12, 50), many=(12, 36))


def labels(scenes):
    """Of each family [B, labels]: 1 where an image has it; of images of one thing."""
    out = [np.zeros((len(scenes), len(names)), np.float32) for names in LABELS]
    for i, s in enumerate(scenes):
        for o in s["objects"]:
            out[0][i, LABELS[0].index(o["kind"])] = out[1][i, LABELS[1].index(o["colour"])] = 1
        for b in s["bg"]:
            out[2][i, LABELS[2].index(b)] = 1
    return out


@torch.no_grad()
def collect(E, pool, judge, world, make, seed, n):
    """Scores [n,H,C], unit embeddings of the model and of the judge [n,O], labels."""
    import cue
    draw = R.draw_scene if world == "demo" else cue.draw
    scores, own, other, scenes = [], [], [], []
    for lo in range(0, n, 50):
        images = []
        for i in range(lo, min(lo + 50, n)):
            rng = R.rng_for(seed, i)
            scenes.append(make(rng, world))
            images.append(R.enlarge(draw(scenes[-1], 128, 128, rng)[0], E.RES))
        s = pool.s(np.stack(images))
        scores.append(s)
        own.append(F.normalize(pool.output(s), dim=-1))
        other.append(F.normalize(judge.encode_image(E.to_input(np.stack(images))), dim=-1))
        if lo % 1000 == 0:
            print(world, make.__name__, lo, file=sys.stderr, flush=True)
    return *(torch.cat(v).numpy() for v in (scores, own, other)), labels(scenes) if make is single else []


# ---------------------------------------------------------------- measures
def top(norms):
    """The images of largest norm: [B,...] to [TOP,...]."""
    return np.argpartition(-norms, TOP - 1, axis=0)[:TOP]


def over_units(f, at):
    """f of the top images of some units at a time; at: [TOP,...]."""
    flat = at.reshape(TOP, -1)
    return np.concatenate([f(flat[:, lo:lo + 1024]) for lo in range(0, flat.shape[1], 1024)]).reshape(at.shape[1:])


def inertia(e, at):
    return over_units(lambda i: (e[i] ** 2).sum((0, 2)) - TOP * (e[i].mean(0) ** 2).sum(1), at)


def agreement(y, at):
    def f(i):
        common = np.einsum("kul,jul->ukj", y[i], y[i]) > 0
        return (common.sum((1, 2)) - common[:, range(TOP), range(TOP)].sum(1)) / (TOP * (TOP - 1))
    return over_units(f, at)


def measures(at, own, other, y):
    """Name: value per unit. With labels, also of each family and of their sum."""
    m = {"inertia": inertia(own, at), "inertia, judge": inertia(other, at)}
    if y:
        for name, v in zip(FAMILIES, y):
            m[name] = agreement(v, at)
        m["sum"] = sum(m[name] for name in FAMILIES)
    return m


def purer(name):
    """1 where lower values are purer, else -1."""
    return 1 if name.startswith("inertia") else -1


class Interval:
    """Means over neurons with 95 % bootstrap intervals; neurons are resampled, each with all of its pairs."""
    def __init__(self, seed=0, draws=2000):
        self.rng, self.draws = np.random.default_rng(seed), draws

    def __call__(self, x):
        means = x[self.rng.integers(0, len(x), (self.draws, len(x)))].mean(1)
        return [round(float(v), 3) for v in (x.mean(), *np.percentile(means, (2.5, 97.5)))]


def neuron_norms(c, d):
    """Norms of the sums over heads [B,C] of centred scores c [B,H,C] along d [H,C,O]."""
    gram = np.einsum("hco,kco->chk", d, d)
    return np.sqrt(np.maximum(np.einsum("bhc,chk,bkc->bc", c, gram, c, optimize=True), 0))


# ---------------------------------------------------------------- comparisons
def by_images(c, d, data, sizes, say):
    """The means over heads against their neurons, by the number of images."""
    weight, out = np.linalg.norm(d, axis=-1), {}
    for n in sizes:
        x = c[:n] - c[:n].mean(0)
        part = [v[:n] for v in data[:2]] + [[y[:n] for y in data[2]]]
        pairs, neurons = measures(top(np.abs(x) * weight), *part), measures(top(neuron_norms(x, d)), *part)
        out[n] = {m: dict(pairs=round(float(pairs[m].mean()), 3), neurons=round(float(neurons[m].mean()), 3),
                          difference=say(pairs[m].mean(0) - neurons[m]),
                          heads=[round(float(v), 3) for v in (pairs[m] - neurons[m]).mean(1)]) for m in pairs}
    return out


def shared(y, at, first):
    """Share of the top images that have a neuron's label first [C] and another, [...,C,labels]."""
    g = y[at]
    return (g * np.take_along_axis(g, np.broadcast_to(first, g.shape[:-1])[..., None], -1)).mean(0)


def subconcept(y, units, neurons, say):
    """A neuron's label and one of another family, chosen for one of its units where it has both oftener than the neuron:
    shares of images that have both, on the second half. units, neurons: top images on both halves."""
    family = np.repeat(range(3), [len(names) for names in LABELS])
    base, C = np.concatenate(y).mean(0), neurons[0].shape[1]
    first = ((y[0][neurons[0]].mean(0) - base) / (1 - base)).argmax(1)
    gain = shared(y[0], units[0], first) - shared(y[0], neurons[0], first)
    gain = np.where(family == family[first][:, None], -1, gain)                            # units,C,labels
    unit, second = np.unravel_index(gain.transpose(1, 0, 2).reshape(C, -1).argmax(1), (len(gain), len(family)))
    at = np.arange(C)
    unit, neuron = shared(y[1], units[1], first)[unit, at, second], shared(y[1], neurons[1], first)[at, second]
    return dict(unit=say(unit), neuron=say(neuron), difference=say(unit - neuron)), unit - neuron


def halves(c, d, data, say):
    """Choices are made on the first half, and differences (unit minus neuron) measured on the second."""
    h, C = len(c) // 2, c.shape[2]
    own, other, y = data
    parts = [(own[:h], other[:h], [v[:h] for v in y]), (own[h:], other[h:], [v[h:] for v in y])]
    flat = [np.concatenate(p[2], 1) for p in parts] if y else None
    x, at = c - c[:h].mean(0), np.arange(C)
    scaled = x * np.linalg.norm(d, axis=-1)
    norms = neuron_norms(x, d)
    neuron_top = [top(norms[:h]), top(norms[h:])]
    neuron = [measures(t, *p) for t, p in zip(neuron_top, parts)]
    strongest = np.sort(np.abs(scaled[:h]), 0)[-50:].mean(0).argmax(0)

    def compare(units):
        tops = [top(np.abs(units[:h])), top(np.abs(units[h:]))]
        m, out = [measures(t, *p) for t, p in zip(tops, parts)], {}
        for name in m[0]:
            sign, best = purer(name), (purer(name) * m[0][name]).argmin(0)
            delta = m[1][name] - neuron[1][name]
            impure = np.argsort(-sign * neuron[0][name])[:C // 4]
            out[name] = {"mean of the heads": delta.mean(0), "strongest head": delta[strongest, at], "purest head": delta[best, at],
                         "least pure quarter, mean": delta.mean(0)[impure], "least pure quarter, purest head": delta[best, at][impure]}
        return (out, *(subconcept(flat, tops, neuron_top, say) if y else (None, None)))

    heads, sub, gain = compare(scaled)
    rng, mixed = np.random.default_rng(SEED), []
    for _ in range(DRAWS):
        q = np.linalg.qr(rng.standard_normal((c.shape[1],) * 2))[0].astype(np.float32)
        mixed.append(compare(np.einsum("jh,bhc->bjc", q, scaled)))
    out = {"neurons": {n: round(float(v.mean()), 3) for n, v in neuron[1].items()}}
    for name, kinds in heads.items():
        out[name] = {}
        for kind, v in kinds.items():
            out[name][kind] = dict(heads=say(v))
            if kind != "strongest head":                   # which has no counterpart among mixtures
                control = np.mean([m[0][name][kind] for m in mixed], 0)
                out[name][kind].update(mixtures=say(control), **{"heads minus mixtures": say(v - control)})
    if y:
        control = np.mean([m[2] for m in mixed], 0)
        out["sub-concept"] = dict(sub, mixtures=say(control), **{"heads minus mixtures": say(gain - control)})
    return out


def correlation(c):
    """Mean correlation between two heads' scores of a neuron."""
    z = (c - c.mean(0)) / c.std(0)
    r = np.einsum("bhc,bkc->chk", z, z) / len(z)
    return round(float(r[:, ~np.eye(c.shape[1], dtype=bool)].mean()), 3)


def main():
    model, judge, world, result = sys.argv[1:5]
    sizes = [int(v) for v in sys.argv[5:7] or (4000, 4000)]
    del sys.argv[1:]                                       # evaluate.py would take them for its own
    import evaluate as E
    torch.set_num_threads(1)
    pool, out = E.Pool(E.load(model)), {}
    d = pool.d.numpy()
    for i, (make, n) in enumerate(zip((single, several), sizes)):
        say = Interval()
        s, *data = collect(E, pool, E.load(judge), world, make, SEED + i, n)
        out[make.__name__] = {"images": n, "correlation between heads": correlation(s),
                              "all": by_images(s, d, data, sorted({min(v, n) for v in (300, 1000, n)}), say),
                              "halves": halves(s, d, data, say)}
        with open(result, "w") as f:
            f.write(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    with torch.no_grad():
        main()
