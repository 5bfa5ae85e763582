package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// TestModuleOpensTransformers holds that the NumPy module takes a vision transformer's units
// by their names, and its features from where they are: its pairs are a part of them. It
// needs Python with NumPy, which the program does not.
func TestModuleOpensTransformers(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil || exec.Command(python, "-c", "import numpy").Run() != nil {
		t.Skip("there is no python3 with NumPy")
	}
	scripts, err := filepath.Abs("../../scripts")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	must(t, exitDone, "collect", "--model", testutil.GoldenViT("vit_sd32.pt"), "--neuron-layer", "2", "--vit-heads", "4", "--dataset", "images", "--data-path", testutil.GoldenViT("pictures"), "--save-path", filepath.Join(dir, "v"), "--quiet")
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
	cmd := exec.Command(python, "-B", "-c", program)
	cmd.Dir, cmd.Env = dir, append(cmd.Environ(), "PYTHONPATH="+scripts)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, strings.TrimSpace(string(out)))
	}
}
