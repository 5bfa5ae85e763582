# %% [markdown]
# # clipnh's files in a notebook
#
# Open this file as a notebook (Jupyter with jupytext, VS Code, Spyder), or run it as a script, in the folder of the
# tutorial (docs/tutorial.md), whose commands wrote the files. It needs NumPy and scripts/clipnh.py.

# %%
import numpy as np

import clipnh

test = clipnh.open("caches/test")  # the folder of clipnh collect
print(test.kind, test.scores.shape, "of", test.manifest["origin"]["model"], "on", len(test.names), "images")

# %% [markdown]
# The image feature is the sum of the contributions of all pairs, `r = s v + b`.

# %%
contributions = sum(test.contribution("n%d" % n, slice(0, 3)) for n in range(test.scores.shape[2]))
features = test.features(slice(0, 3))
print("largest difference", np.abs(contributions - features).max(), "of", np.abs(features).max())
assert np.allclose(contributions, features, atol=1e-4)

# %% [markdown]
# A pair: its strongest images, its words, its principal component.

# %%
name = "h3n149"
for image, score in test.strongest(name, 5):
    print("%8.4f  %s" % (score, image))
words = clipnh.open("caches/descriptions.json")
print(words[name][:3])
pc0 = clipnh.open("caches/pc0.npy")
v = test.direction(name)
print("PC0 is the direction, up to sign:", abs(pc0[name] @ v) / np.linalg.norm(v))
assert abs(abs(pc0[name] @ v) / np.linalg.norm(v) - 1) < 1e-5

# %% [markdown]
# Codes, by the unit's name. Every artefact knows what it was made from.

# %%
codes = clipnh.open("caches/codes.npz")
best = max(codes[name].items(), key=lambda item: abs(item[1]))
assert best[0] == words[str(3 * codes.neurons + 149)][0][0]
print("word", best[0], "with", best[1], "leaves", codes.residuals()[3 * codes.neurons + 149])
print(codes.manifest["origin"]["code"])

# %% [markdown]
# Means, norms, masks and embeddings open the same way.

# %%
means, norms = clipnh.open("caches/means.npy"), clipnh.open("caches/norms.npy")
assert np.allclose(means[name], test.contribution(name).mean(0), atol=1e-5)
strongest = np.unravel_index(np.argsort(-norms.array.mean(-1), axis=None)[:5], norms.array.shape[:2])
print("strongest pairs:", ["h%dn%d" % pair for pair in zip(*strongest)])
classes = clipnh.open("caches/classes.npy")
print("classes of the first images:", (features @ classes.array.T).argmax(1))
