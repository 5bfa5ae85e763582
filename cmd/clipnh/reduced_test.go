package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/origin"
)

// TestReducedInputs: commands that read what was collected in bf16 say so.
func TestReducedInputs(t *testing.T) {
	data := labelled(t)
	a := makeInputs(t, "model/tiny_jit.pt", data)
	reduced := rewritten(t, world{a.dir, a.model}, func(_ string, o *origin.Origin) {
		if o.Precision != "" {
			o.Precision = origin.BFloat16
		}
	})
	out := filepath.Join(t.TempDir(), "out")
	for _, line := range []string{
		"edit --model MODEL --remove h1n3 --scores IN/scores --save-path OUT.pt --restart",
		"edit --model MODEL --remove h1n3 --means-path IN/means.npy --save-path OUT.pt --restart",
		"audit --scores IN/scores --classes dog,cat --imagenet-zeroshot-path IN/classes.npy --labels-csv " + groupedLabels(t, data) + " --permutations 19 --level 0.1 --out OUT",
		"reconstruct --scores IN/scores --means-path IN/means.npy --pcs-paths IN/pc0.npy --features-save-path OUT.npy --restart",
	} {
		for from, want := range map[string]bool{a.dir: false, reduced.dir: true} {
			args := strings.NewReplacer("MODEL", a.model, "IN", from, "OUT", out).Replace(line)
			_, said := must(t, exitDone, strings.Fields(args)...)
			if strings.Contains(said, "bf16 products") != want {
				t.Errorf("%s: said %q, want bf16 in it: %t", args, said, want)
			}
		}
	}
	// A model in float32 is not compared with scores in bf16.
	must(t, exitStale, "explain", filepath.Join(data, "val"), "--model", a.model, "--classes", "dog,cat",
		"--imagenet-zeroshot-path", a.at("classes.npy"), "--scores", filepath.Join(reduced.dir, "scores"))
}
