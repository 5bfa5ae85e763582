"""Opens what clipnh writes, with NumPy and nothing else.

    import clipnh
    test = clipnh.open("caches/test")             # a folder of collect
    test.scores[0, 3, 149]                        # memory-mapped, [B,H,C]
    test.names[0], test.direction("h3n149")       # an image; the pair's direction, [O]
    pc0 = clipnh.open("caches/pc0.npy")
    pc0["h3n149"], pc0.manifest["origin"]["svd"]  # rows by the unit's name

Arrays are mapped, not read, until they are used. docs/formats.md describes the files.
A file that differs in length from what its manifest says is refused; open(path,
check=True) also compares the SHA-256 checksums, which reads everything.

This is a module of one file: copy it beside a notebook, or add scripts/ to sys.path.
"""

import hashlib
import json
import os
import re
import zipfile

import numpy as np

__all__ = ["open", "unit", "parse_unit", "layers_of", "Artefact", "Collection", "Codes", "Descriptions", "JSON", "Lines"]

_open = open
UNIT = re.compile(r"^(?:l(\d+))?(?:h(\d+))?n(\d+)$")
NEWEST = 4  # version of manifests that this module reads


def layers_of(manifest):
    """The layer of the neurons of a vision transformer, and how many heads each later layer
    has; None of the pairs of an attention pool."""
    t = ((manifest or {}).get("origin") or {}).get("transformer")
    return (t["neuron_layer"], t["heads"]) if t and t["neuron_layer"] >= 0 else None


def unit(index, neurons=None, layers=None):
    """The name of a unit: of pair h*C+n "hHnN" if the number of neurons C is given, or of
    neuron n "nN"; with layers_of a vision transformer's manifest "lLhHnN" and "lLnN"."""
    index = int(index)
    if neurons is None:
        return "n%d" % index if layers is None else "l%dn%d" % (layers[0], index)
    head, neuron = divmod(index, neurons)
    if layers is None:
        return "h%dn%d" % (head, neuron)
    return "l%dh%dn%d" % (layers[0] + 1 + head // layers[1], head % layers[1], neuron)


def parse_unit(name, layers=None):
    """"h3n149" as (3, 149), "n149" as (149,). With layers_of a vision transformer's manifest,
    "l10h3n149" as (row of the head, 149) and "l9n149" as (149,)."""
    found = UNIT.match(name)
    if not found or (found.group(1) is None) != (layers is None):
        raise ValueError("%r: want a unit such as %s or %s" % (name, unit(149, 100, layers), unit(149, None, layers)))
    layer, head, neuron = (g if g is None else int(g) for g in found.groups())
    if layers is None:
        return (neuron,) if head is None else (head, neuron)
    if head is None:
        if layer != layers[0]:
            raise ValueError("%r: the neurons are those of layer %d" % (name, layers[0]))
        return (neuron,)
    if layer <= layers[0] or head >= layers[1]:
        raise ValueError("%r: want a layer above %d, and a head below %d" % (name, layers[0], layers[1]))
    return (layer - layers[0] - 1) * layers[1] + head, neuron


def _bounded(path, name, at, heads, neurons):
    """Refuses the unit at (head, neuron) or (neuron,) of a file that has no such unit."""
    if at[-1] >= neurons or (len(at) == 2 and at[0] >= heads):
        raise ValueError("%s: no unit %s: it has %s%d neurons" % (path, name, "%d heads of " % heads if heads else "", neurons))


def _array(path):
    """A .npy file, mapped."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise FileNotFoundError("%s: missing" % path) from None
    except (ValueError, EOFError) as e:
        raise ValueError("%s: not a .npy file that can be read: %s" % (path, e)) from None


def _text(path):
    """The text of a file."""
    try:
        with _open(path, encoding="utf-8") as f:
            return f.read()
    except FileNotFoundError:
        raise FileNotFoundError("%s: missing" % path) from None
    except UnicodeDecodeError as e:
        raise ValueError("%s: not UTF-8: %s" % (path, e)) from None


def _json(path):
    """The value in a file of JSON."""
    text = _text(path)
    try:
        return json.loads(text)
    except ValueError as e:
        raise ValueError("%s: not JSON: %s" % (path, e)) from None


def open(path, check=False):
    """Opens an artefact: a folder, or a file with its manifest beside it. A file of another
    program, without a manifest, is opened as what its extension says, and is not checked.
    What is missing raises FileNotFoundError, anything else that is wrong ValueError, with
    the file in the message."""
    path = os.fspath(path)
    folder = os.path.isdir(path)
    if not folder and not os.path.exists(path):
        raise FileNotFoundError("%s: missing" % path)
    where = os.path.join(path, "manifest.json") if folder else path + ".json"
    manifest = None
    if os.path.exists(where):
        manifest = _json(where)
        if not isinstance(manifest, dict) or manifest.get("format") != "clipnh":
            raise ValueError("%s: not a manifest of clipnh" % where)
        version = manifest.get("version")
        if not isinstance(version, int) or not 1 <= version <= NEWEST:
            raise ValueError("%s: version %s, this module reads 1 to %d" % (where, version, NEWEST))
        for field in "kind", "payloads":
            if field not in manifest:
                raise ValueError("%s: damaged: no field %s" % (where, field))
    elif folder:
        raise FileNotFoundError("%s: no manifest: an unfinished run, or not a folder of clipnh" % path)
    if manifest:
        for payload in manifest["payloads"]:
            _check(os.path.join(path, payload["file"]) if folder else path, payload, check)
    if folder:
        return Collection(path, manifest)
    return {".npz": Codes, ".json": _json_kind, ".txt": Lines, ".listing": ImageList}.get(os.path.splitext(path)[1], Artefact)(path, manifest)


def _check(path, payload, checksums):
    if not os.path.exists(path):
        raise FileNotFoundError("%s: missing, though its manifest names it" % path)
    if os.path.getsize(path) != payload["bytes"]:
        raise ValueError("%s: %d bytes, its manifest says %d" % (path, os.path.getsize(path), payload["bytes"]))
    if checksums and "sha256" in payload:
        digest = hashlib.sha256()
        with _open(path, "rb") as f:
            for block in iter(lambda: f.read(1 << 20), b""):
                digest.update(block)
        if digest.hexdigest() != payload["sha256"]:
            raise ValueError("%s: damaged: its SHA-256 differs from its manifest's" % path)


def _json_kind(path, manifest):
    described = manifest is not None and manifest["kind"] == "descriptions"
    return (Descriptions if described else JSON)(path, manifest)


class Artefact:
    """One array: components, means, norms, masks, embeddings, features. Attribute array has
    all of it, mapped; rows of units are taken by name: a["h3n149"]."""

    def __init__(self, path, manifest):
        self.path, self.manifest = path, manifest
        if path.endswith(".dat"):
            if manifest is None:
                raise ValueError("%s: a .dat file without a manifest has no shape; use numpy.memmap" % path)
            self.array = np.memmap(path, np.float32, "r", shape=tuple(manifest["shape"]))
        elif path.endswith(".npy"):
            self.array = _array(path)
        else:
            raise ValueError("%s: want a .npy, .dat, .npz or .json file, or a folder" % path)

    @property
    def kind(self):
        return self.manifest and self.manifest["kind"]

    @property
    def axes(self):
        """The names of the axes, such as ["H", "C", "O"]."""
        return self.manifest and self.manifest["axes"]

    def __getitem__(self, name):
        at = parse_unit(name, layers_of(self.manifest))
        axes = "HC"[-len(at):]
        start = 0
        if self.axes:
            found = [a[0] for a in self.axes]
            start = found.index("B") + 1 if found[:1] == ["B"] else 0
            if "".join(found[start:start + len(at)]) != axes or (len(at) == 1 and "H" in found):
                raise KeyError("%s: %s has axes %s" % (name, self.path, ",".join(self.axes)))
        shape = self.array.shape[start:start + len(at)]
        if len(shape) < len(at):
            raise ValueError("%s: an array of shape %s, want one of units such as %s" % (self.path, list(self.array.shape), name))
        _bounded(self.path, name, at, shape[0] if len(at) == 2 else None, shape[-1])
        return self.array[(slice(None),) * start + at]


class Lines:
    """A list of textspan; attribute lines has its lines."""

    def __init__(self, path, manifest):
        self.path, self.manifest = path, manifest
        self.lines = _text(path).splitlines()

    @property
    def kind(self):
        return self.manifest and self.manifest["kind"]


class Collection:
    """A folder of collect. Each .npy file in it is an attribute: scores, features, sums,
    heads, ... Those of a collection of scores also give directions and contributions:

        r[h,n](I) = s[h,n](I) v[h,n] + b[h],   v[h,n] = W_O^h W_V^h[:,n]

    Heads and tokens of a vision transformer may be kept as factors; parts(images) multiplies
    those of some images out, and heads or tokens those of all.
    """

    def __init__(self, path, manifest):
        self.path, self.manifest = path, manifest
        self.files = sorted(p["file"] for p in manifest["payloads"])
        self._arrays = {}

    @property
    def kind(self):
        return self.manifest["kind"]

    def load(self, file):
        """A .npy file of the folder, mapped."""
        if file not in self._arrays:
            if file not in self.files:
                raise FileNotFoundError("%s: no %s, a collection of %s has %s" % (self.path, file, self.kind, ", ".join(self.files)))
            self._arrays[file] = _array(os.path.join(self.path, file))
        return self._arrays[file]

    def parts(self, images=slice(None)):
        """What heads, mlps, tokens or class tokens add to each image's feature, [B,...,O]."""
        if "factors.npy" not in self.files:
            return np.asarray(self._of(self.load(self.manifest["payloads"][0]["file"]), images), np.float32)
        factors = np.asarray(self._of(self.load("factors.npy"), images), np.float32)
        return np.einsum("...lhf,lhfo->...lho" if self.kind == "heads" else "...lthf,lhfo->...ltho", factors, self.load("matrices.npy"), optimize=True)

    def __getattr__(self, name):
        if name == self.__dict__.get("manifest", {}).get("kind") and "factors.npy" in self.files:
            return self.parts()
        if name.startswith("_") or name + ".npy" not in self.files:
            raise AttributeError("%s has no %s; its files: %s" % (self.path, name, ", ".join(self.files)))
        return self.load(name + ".npy")

    @property
    def names(self):
        """The images' names, in the order of the rows."""
        if "names" not in self._arrays:
            self._arrays["names"] = _text(os.path.join(self.path, "images.txt")).splitlines()
        return self._arrays["names"]

    def _at(self, name):
        """Where a unit is, (head, neuron) or (neuron,), which the collection must have."""
        at = parse_unit(name, layers_of(self.manifest))
        if "directions.value.npy" in self.files:
            heads, _, neurons = self.load("directions.value.npy").shape
            _bounded(self.path, name, at, heads, neurons)
        return at

    def _of(self, array, images):
        """The rows of some images."""
        try:
            return array[images]
        except IndexError:
            raise ValueError("%s: images %r: it has %d" % (self.path, images, len(array))) from None

    def direction(self, name):
        """v of a pair, [O], or of a neuron in every head, [H,O]."""
        at = self._at(name)
        value, out = self.load("directions.value.npy"), self.load("directions.out.npy")
        if len(at) == 2:
            return out[:, at[0]] @ value[at[0], :, at[1]]
        return np.einsum("ohd,hd->ho", out, value[:, :, at[0]])

    def contribution(self, name, images=slice(None)):
        """r of a pair, or of a neuron summed over heads, to each image, [B,O], or to one, [O]."""
        at, v, b = self._at(name), self.direction(name), self.load("bias.npy")
        if isinstance(images, (int, np.integer)):
            return self.contribution(name, [images])[0]
        scores = np.asarray(self._of(self.scores, images), np.float32)
        if len(at) == 2:
            return scores[:, at[0], at[1], None] * v + b[at[0]]
        return scores[:, :, at[0]] @ v + b.sum(0)

    def features(self, images=slice(None)):
        """The image features, [B,O], or of one image, [O], as the model gives them, not normalised. Of
        statistics they are in the folder, of scores they are summed up. The pairs of a
        vision transformer are a part of them: theirs are in the folder features."""
        if isinstance(images, (int, np.integer)):
            return self.features([images])[0]
        if "features.npy" in self.files:
            return self._of(self.load("features.npy"), images)
        if layers_of(self.manifest) is not None:
            whole = open(os.path.join(self.path, "features"))
            if whole.names != self.names:
                raise ValueError("%s: its images are not those of %s" % (whole.path, self.path))
            return whole.features(images)
        value, out, b = (self.load(f + ".npy") for f in ("directions.value", "directions.out", "bias"))
        scores = np.asarray(self._of(self.scores, images), np.float32)
        per_head = np.einsum("bhc,hdc->bhd", scores, value, optimize=True)
        return np.einsum("bhd,ohd->bo", per_head, out, optimize=True) + scores.shape[2] * b.sum(0)

    def strongest(self, name, count=10):
        """The images on which a pair's score is largest: [(name, score), ...]."""
        at = self._at(name)
        if len(at) == 1:
            raise ValueError("%r: want a pair, such as %s" % (name, unit(at[0], at[0] + 1, layers_of(self.manifest))))
        head, neuron = at
        column = np.asarray(self.scores[:, head, neuron])
        return [(self.names[i], float(column[i])) for i in np.argsort(-column, kind="stable")[:count]]


def _heads(units, neurons):
    """How many heads so many units have, and how many neurons; of neurons None heads."""
    return (None, units) if neurons is None else (units // neurons, neurons)


class Codes:
    """The .npz of sparse: a matrix [units, words] by columns. codes[name] gives the words of
    a unit as {word index: coefficient}; matrix() all of it for SciPy."""

    def __init__(self, path, manifest):
        self.path, self.manifest = path, manifest
        try:
            self._file = np.load(path, allow_pickle=False)
            self.shape = tuple(int(n) for n in self._file["shape"])
        except (ValueError, EOFError, KeyError, IndexError, zipfile.BadZipFile) as e:
            raise ValueError("%s: not the codes of sparse, a .npz file: %s" % (path, e)) from None
        code = (manifest or {}).get("origin", {}).get("code", {})
        self.neurons = code.get("neurons") if code.get("heads") else None
        self._rows = None

    kind = Artefact.kind

    def residuals(self):
        return self._file["residuals"]

    def matrix(self):
        """(data, indices, indptr) and the shape, as scipy.sparse.csc_matrix takes them."""
        return (self._file["data"], self._file["indices"], self._file["indptr"]), self.shape

    def __getitem__(self, name):
        at = parse_unit(name, layers_of(self.manifest))
        if self._rows is None:  # by rows, once
            (data, indices, indptr), _ = self.matrix()
            words = np.repeat(np.arange(self.shape[1]), np.diff(indptr))
            order = np.argsort(indices, kind="stable")
            bounds = np.searchsorted(indices[order], np.arange(self.shape[0] + 1))
            self._rows = data[order], words[order], bounds
        data, words, bounds = self._rows
        if len(at) == 1 and self.neurons is not None:
            raise KeyError("%s: %s has codes of pairs" % (name, self.path))
        if len(at) == 2 and self.neurons is None:
            raise KeyError("%s: %s has codes of neurons, or no manifest that says how many neurons a head has" % (name, self.path))
        _bounded(self.path, name, at, *_heads(self.shape[0], self.neurons if len(at) == 2 else None))
        row = at[0] if len(at) == 1 else at[0] * self.neurons + at[1]
        return dict(zip(words[bounds[row]:bounds[row + 1]].tolist(), data[bounds[row]:bounds[row + 1]].tolist()))


class ImageList:
    """A list of images: names, sizes in bytes (None where a file could not be opened), and
    labels, which are numbers of classes (None without); head has the rest."""

    def __init__(self, path, manifest):
        self.path, self.manifest = path, manifest
        with _open(path, "rb") as f:
            data = f.read()
        if not data.startswith(b"CLIPNH image list 1\n"):
            raise ValueError("%s: not a list of images, or one of another version" % path)
        self.names, self.sizes, self.labels = [], [], []
        try:
            self._read(data)
        except (IndexError, KeyError, ValueError) as e:
            raise ValueError("%s: a damaged list of images: %s" % (path, e)) from None

    def _read(self, data):
        length = int.from_bytes(data[-12:-4], "big")
        self.head = json.loads(data[-12 - length:-12])
        at = data.index(b"\n") + 1
        for block in self.head["blocks"]:
            end = at + block - 4
            while at < end:
                store, at = _number(data, at)
                size, at = _number(data, at)
                label, at = _number(data, at)
                texts = []
                for _ in range(2):  # the path is the second
                    n, at = _number(data, at)
                    texts.append(data[at:at + n].decode())
                    at += n
                self.names.append((self.head["stores"][store - 1]["name"] + "!" if store else "") + texts[0])
                self.sizes.append(size - 1 if size else None)
                self.labels.append(label - 1 if label else None)
            at = end + 4

    kind = Artefact.kind


def _number(data, at):
    """An unsigned number in LEB128, and where it ends."""
    value = shift = 0
    while True:
        byte, at = data[at], at + 1
        value, shift = value | (byte & 127) << shift, shift + 7
        if byte < 128:
            return value, at


class JSON(dict):
    """A result in JSON, such as the counts of segment, with its manifest."""

    def __init__(self, path, manifest):
        value = _json(path)
        if not isinstance(value, dict):
            raise ValueError("%s: want an object of JSON" % path)
        super().__init__(value)
        self.path, self.manifest = path, manifest

    kind = Artefact.kind


class Descriptions(JSON):
    """The JSON of sparse, whose keys are numbers, by the name of a unit as well:
    d["h3n149"] is [(word, coefficient), ...], largest coefficient first; d["1685"] the same
    as it is written, [[word index, coefficient, word], ...]."""

    def __init__(self, path, manifest):
        super().__init__(path, manifest)
        code = manifest["origin"]["code"] if manifest["version"] > 2 else manifest["origin"].get("parameters", {})
        self.neurons = code.get("neurons") if code.get("heads") else None

    def units(self):
        """The names of the units that are described, in order."""
        return [unit(key, self.neurons, layers_of(self.manifest)) for key in sorted(map(int, self))]

    def __getitem__(self, name):
        if name.isdigit():
            return self._row(name, name)
        at = parse_unit(name, layers_of(self.manifest))
        if (len(at) == 2) != (self.neurons is not None):
            raise KeyError("%s: %s describes units such as %s" % (name, self.path, self.units()[0]))
        if len(at) == 2 and at[1] >= self.neurons:
            raise ValueError("%s: no unit %s: a head has %d neurons" % (self.path, name, self.neurons))
        row = at[0] if len(at) == 1 else at[0] * self.neurons + at[1]
        return [(word, coefficient) for _, coefficient, word in self._row(str(row), name)]

    def _row(self, row, name):
        if row not in self:
            raise KeyError("%s: %s: not described there" % (name, self.path))
        return super().__getitem__(row)
