package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestPrecisionError holds that every command that runs a tower in bf16 says how far
// that is from float32, in its table and in its JSON, and says nothing in float32.
func TestPrecisionError(t *testing.T) {
	a := makeInputs(t, "model/tiny_jit.pt", labelled(t))
	images := " --model " + a.model + " --dataset imagenet_val --data-path " + a.data
	for i, line := range []string{
		"collect --save-path OUT" + images,
		"registers --diff-save-path OUT.npy" + images,
		"reconstruct --means-path " + a.at("means.npy") + " --pcs-paths " + a.at("pc0.npy") + " --features-save-path OUT.npy --force" + images,
		"ablate --mode zero_sink --features-save-path OUT.npy" + images,
		"retrieve --neur-idxs 1" + images,
		"search --units h0n1" + images,
		"classify --classes dog,cat --imagenet-zeroshot-path " + a.at("classes.npy") + images,
		"shift --concepts-path " + testutil.Golden("text/words.txt") + " --text-embeddings-path " + a.at("words.npy") + " --pcs-path " + a.at("pc0.npy") + " --force" + images,
		"explain --classes dog,cat --imagenet-zeroshot-path " + a.at("classes.npy") + images,
		"edit --remove h1n3 --by zero --save-path OUT.pt" + strings.Replace(images, "imagenet_val", "images", 1),
		"audit --classes dog,cat --imagenet-zeroshot-path " + a.at("classes.npy") + " --labels-csv " + groupedLabels(t, a.data) + " --permutations 19 --level 0.1 --out OUT" + images,
		"segment --classes dog,cat --text-embeddings-path " + a.at("classes.npy") + " --method values --image " + testutil.Golden("seg/slide.png") + " --model " + a.model,
	} {
		for _, precision := range []string{"f32", "bf16"} {
			if precision == "bf16" && !kernel.HasBFloat16() {
				continue
			}
			for _, format := range []string{"", " --json"} {
				out := filepath.Join(t.TempDir(), "out")
				printed, _ := must(t, exitDone, strings.Fields(strings.ReplaceAll(line, "OUT", out)+format+" --quiet --precision "+precision)...)
				said := strings.Contains(printed, "bf16: on the first ")
				if format != "" {
					var result struct {
						Error *struct{ Scores, Features float64 } `json:"precision_error"`
					}
					if err := json.Unmarshal([]byte(printed), &result); err != nil {
						t.Fatal(err)
					}
					said = result.Error != nil && result.Error.Scores > 0 && result.Error.Features > 0
				}
				if said != (precision == "bf16") {
					t.Errorf("%d %s%s: its error is printed: %t\n%s", i, precision, format, said, printed)
				}
			}
		}
	}
	if !kernel.HasBFloat16() {
		t.Log("float32 only: the processor has no bfloat16 products")
	}
}
