package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestModuleOpensTransformers holds that the NumPy module takes a vision transformer's units
// by their names, and its features from where they are: its pairs are a part of them. It
// needs Python with NumPy, which the program does not.
func TestModuleOpensTransformers(t *testing.T) {
	dir, run := module(t)
	must(t, exitDone, "collect", "--model", testutil.GoldenViT("vit_sd32.pt"), "--neuron-layer", "2", "--vit-heads", "4", "--dataset", "images", "--data-path", testutil.GoldenViT("images"), "--save-path", filepath.Join(dir, "v"), "--quiet")
	const program = `
import clipnh, numpy as np
v = clipnh.open("v")
whole = np.load("v/features/features.npy")
assert np.array_equal(v.features(), whole), "features are not those that were collected"
assert not np.allclose(v.scores[:].sum(), 0)
name = v.strongest("l4h1n5", 1)[0][0]
row = v.scores[v.names.index(name)]
assert row[5, 5] == v.scores[:, 5, 5].max(), "l4h1n5 is head 1 of the second layer after that of the neurons"
assert np.array_equal(v.contribution("l4h1n5"), v.scores[:, 5, 5, None] * v.direction("l4h1n5") + v.load("bias.npy")[5])
for name in "h1n5", "l2h0n5", "l3h4n5", "l3n5":
    try:
        v.direction(name)
    except ValueError:
        continue
    raise AssertionError(name + " is taken")
`
	run(program)
}

// module returns a folder, and a function that runs a program there that imports the NumPy
// module.
func module(t *testing.T) (dir string, run func(program string)) {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil || exec.Command(python, "-c", "import numpy").Run() != nil {
		t.Skip("there is no python3 with NumPy")
	}
	scripts, err := filepath.Abs("../../scripts")
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	return dir, func(program string) {
		t.Helper()
		cmd := exec.Command(python, "-B", "-c", program)
		cmd.Dir, cmd.Env = dir, append(cmd.Environ(), "PYTHONPATH="+scripts)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, strings.TrimSpace(string(out)))
		}
	}
}

// TestModuleNamesWhatIsWrong holds that the NumPy module says of a wrong file or unit which
// it is and what was wanted, and takes no unit for another.
func TestModuleNamesWhatIsWrong(t *testing.T) {
	dir, run := module(t)
	must(t, exitDone, "collect", "--model", testutil.Golden("model/tiny_jit.pt"), "--dataset", "images", "--data-path", testutil.Golden("images"), "--save-path", filepath.Join(dir, "c"), "--quiet")
	must(t, exitDone, "svd", "--scores", filepath.Join(dir, "c"), "--out-save-path", filepath.Join(dir, "pc0.npy"), "--quiet")
	embeddings, err := npy.Open(testutil.Golden("text/seg_embeddings.npy"))
	if err != nil {
		t.Fatal(err)
	}
	defer embeddings.Close()
	var words strings.Builder
	for i := range embeddings.Header.Shape[0] {
		fmt.Fprintf(&words, "word %d\n", i)
	}
	if err := os.WriteFile(filepath.Join(dir, "words.txt"), []byte(words.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	must(t, exitDone, "sparse", "--pcs-path", filepath.Join(dir, "pc0.npy"), "--text-descs-list-path", filepath.Join(dir, "words.txt"), "--text-descs-embeddings-path", testutil.Golden("text/seg_embeddings.npy"),
		"--num-components", "2", "--descriptions-save-path", filepath.Join(dir, "words.json"), "--decomposition-save-path", filepath.Join(dir, "codes.npz"), "--quiet")
	for name, text := range map[string]string{
		"empty.npy": "", "text.npy": "a text\n", "empty.npz": "", "text.npz": "a text\n", "list.json": "[]", "cut.json": "{", "cut.listing": "CLIPNH image list 1\n",
		"bare.npy": "", "bare.npy.json": `{"format": "clipnh", "version": 4}`, "text.npy.json": "{", "lines.txt": "\xff",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	run(`
import clipnh, numpy as np, os, shutil

def refused(want, kind, f):
    try:
        f()
    except kind as e:
        assert want in str(e), "%r, want %r" % (str(e), want)
        return
    raise AssertionError("no error with " + want)

refused("nowhere: missing", FileNotFoundError, lambda: clipnh.open("nowhere"))
refused("nowhere.npy: missing", FileNotFoundError, lambda: clipnh.open("nowhere.npy"))
refused("nowhere.json: missing", FileNotFoundError, lambda: clipnh.open("nowhere.json"))
refused("empty.npy: not a .npy file", ValueError, lambda: clipnh.open("empty.npy"))
refused("text.npy.json: not JSON", ValueError, lambda: clipnh.open("text.npy"))
refused("bare.npy.json: damaged: no field kind", ValueError, lambda: clipnh.open("bare.npy"))
refused("empty.npz: not the codes", ValueError, lambda: clipnh.open("empty.npz"))
refused("text.npz: not the codes", ValueError, lambda: clipnh.open("text.npz"))
refused("list.json: want an object", ValueError, lambda: clipnh.open("list.json"))
refused("cut.json: not JSON", ValueError, lambda: clipnh.open("cut.json"))
refused("cut.listing: a damaged list", ValueError, lambda: clipnh.open("cut.listing"))
refused("lines.txt: not UTF-8", ValueError, lambda: clipnh.open("lines.txt"))

c, pc0, codes = clipnh.open("c"), clipnh.open("pc0.npy"), clipnh.open("codes.npz")
heads, neurons = c.scores.shape[1:]
words = clipnh.open("words.json")
for what in (c.direction, c.contribution, c.strongest, pc0.__getitem__, codes.__getitem__):
    what("h%dn%d" % (heads - 1, neurons - 1))
    for name in "h%dn0" % heads, "h0n%d" % neurons:
        refused("no unit %s: it has %d heads of %d neurons" % (name, heads, neurons), ValueError, lambda: what(name))
words["h%dn%d" % (heads - 1, neurons - 1)]
refused("no unit h0n%d: a head has" % neurons, ValueError, lambda: words["h0n%d" % neurons])
refused("h%dn0: words.json: not described there" % heads, KeyError, lambda: words["h%dn0" % heads])
refused("77777: words.json: not described there", KeyError, lambda: words["77777"])
refused("want a pair, such as h0n5", ValueError, lambda: c.strongest("n5"))
refused("codes.npz has codes of pairs", KeyError, lambda: codes["n5"])
refused("c: images [9999]: it has %d" % len(c.names), ValueError, lambda: c.contribution("h0n0", 9999))
assert np.allclose(c.contribution("h0n0", 1), c.contribution("h0n0")[1], atol=1e-6), "a contribution to one image"
assert np.allclose(c.features(1), c.features()[1], atol=1e-4), "features of one image"

os.remove("c/bias.npy")
refused("bias.npy: missing, though its manifest names it", FileNotFoundError, lambda: clipnh.open("c"))
refused("c: missing", FileNotFoundError, lambda: (shutil.rmtree("c"), clipnh.open("c")))
`)
}
