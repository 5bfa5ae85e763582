package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/demo"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestArtefactsThatAreThere holds every command that writes an artefact to one rule.
// What was made from the same inputs stays, or is made again to the same bytes; what
// was made from others is refused (exit status 11) unless --restart is given; and one
// whose file was removed, while its manifest was not, is made again, with a note.
func TestArtefactsThatAreThere(t *testing.T) {
	data := labelled(t)
	in := makeInputs(t, "model/tiny_jit.pt", data)
	dir := t.TempDir()
	words := testutil.Golden("text/words.txt")
	asset := func(name string) string {
		return filepath.Join("..", "..", "internal", "demo", "assets", filepath.FromSlash(name))
	}
	components := filepath.Join(dir, "demo_pc0.npy")
	must(t, exitDone, "collect", "--model", asset(demo.Model), "--data-path", asset(demo.ImageNet), "--sample-stride", "20", "--save-path", filepath.Join(dir, "demo"), "--quiet")
	must(t, exitDone, "svd", "--collect-save-path", filepath.Join(dir, "demo"), "--top-k-pca", "3", "--out-save-path", components, "--quiet")
	texts := " --vocab " + asset(demo.Vocabulary) + " --templates " + asset(demo.Templates)
	images := " --dataset imagenet_val --data-path " + data
	collect := "collect --model " + in.model + images + " --save-path {out}"
	reconstruct := "reconstruct --scores " + in.at("scores") + " --means-path " + in.at("means.npy") + " --features-save-path {out}"
	checked := 0
	for _, test := range []struct{ name, out, payload, line, other string }{ // two lines that differ in what they read
		{"embed", "texts.npy", "", "embed --embeddings-save-path {out} --model " + in.model + " --vocab " + testutil.Golden("text/toy_merges.txt.gz") + " --lines " + words, "--use-templates=false"},
		{"embed .pt", "texts.pt", "", "embed --embeddings-save-path {out} --model " + in.model + " --vocab " + testutil.Golden("text/toy_merges.txt.gz") + " --lines " + words, "--use-templates=false"},
		{"collect", "scores", "scores.npy", collect, "--sample-stride 2"},
		{"collect, names", "scores", "images.txt", collect, "--sample-stride 2"},
		{"collect --stats-only", "statistics", "features.npy", collect + " --stats-only", "--top-k 7"},
		{"collect --no-features", "summary", "means.npy", collect + " --stats-only --no-features", "--top-k 7"},
		{"collect, dense", "dense.npy", "", collect + " --mode neurons", "--sample-stride 2"},
		{"collect, dense .dat", "dense.dat", "", collect + " --mode neurons", "--sample-stride 2"},
		{"collect --mean, dense", "mean.npy", "", collect + " --mean", "--sample-stride 2"},
		{"collect --mean", "mean", "scores.npy", collect + " --mean", "--sample-stride 2"},
		{"registers", "sink.npy", "", "registers --model " + in.model + images + " --diff-save-path {out}", "--sample-stride 2"},
		{"registers, contributions", "changes.npy", "", "registers --mode contributions --model " + in.model + images + " --diff-save-path {out}", "--sample-stride 2"},
		{"svd", "pc0.npy", "", "svd --collect-save-path " + in.at("scores") + " --out-save-path {out}", "--top-k-pca 5"},
		{"svd, means", "means.npy", "", "svd --collect-save-path " + in.at("scores") + " --mean-save-path {out}", "--top-k-pca 5"},
		{"svd, norms", "norms.npy", "", "svd --collect-save-path " + in.at("scores") + " --norm-save-path {out}", "--top-k-pca 5"},
		{"polysemanticity", "inertia.npy", "", "polysemanticity --mode nh --collect-save-path " + in.at("scores") + " --scores-save-path {out}", "--top-images 4"},
		{"sparse, codes", "codes.npz", "", "sparse --pcs-path " + in.at("pc0.npy") + " --text-descs-embeddings-path " + in.at("words.npy") + " --text-descs-list-path " + words + " --decomposition-save-path {out}", "--num-components 3"},
		{"sparse, descriptions", "words.json", "", "sparse --pcs-path " + in.at("pc0.npy") + " --text-descs-embeddings-path " + in.at("words.npy") + " --text-descs-list-path " + words + " --descriptions-save-path {out}", "--num-components 3"},
		{"mask", "mask.npy", "", "mask --neuron-head-norms-path " + in.at("norms.npy") + " --mask-save-path {out}", "--percentile 50"},
		{"reconstruct", "rebuilt.npy", "", reconstruct + " --pcs-paths " + in.at("pc0.npy"), "--force --pcs-paths " + in.at("pc0_half.npy")},
		{"ablate", "ablated.npy", "", "ablate --scores " + in.at("scores") + " --means-path " + in.at("means.npy") + " --replace-index-path " + in.at("mask.npy") + " --features-save-path {out}", "--force --means-path " + in.at("means_n.npy") + " --mode neur_reprs --replace-index-path " + in.at("mask_n.npy")},
		{"edit", "edited.pt", "", "edit --model " + in.model + " --remove n5 --scores " + in.at("scores") + " --save-path {out}", "--remove n6"},
		{"export", "tower.onnx", "", "export --model " + in.model + " --save-path {out}", "--outputs scores"},
		{"export --weights beside", "tower.onnx", "", "export --weights beside --model " + in.model + " --save-path {out}", "--precision f16"},
		{"segment", "counts.json", "", "segment --save-path {out} --config demo --method values --model " + asset(demo.Model) + texts + " --data-path " + asset(demo.PascalContext) + " --limit 2", "--resize pillow"},
		{"shift --shard", "ratios.1-of-1.json", "", "shift --save-path {dir}/ratios.json --shard 1/1 --concepts yellow --model " + asset(demo.Model) + texts + " --pcs-path " + components +
			" --dataset cars --data-path " + asset(demo.Cars) + " --sample-stride 60", "--sample-stride 50"},
	} {
		t.Run(test.name, func(t *testing.T) {
			checked++
			dir := t.TempDir()
			out := filepath.Join(dir, test.out)
			args := strings.Fields(strings.NewReplacer("{out}", out, "{dir}", dir).Replace(test.line))
			other := slices.Concat(args, strings.Fields(test.other))
			if test.name == "ablate" { // flags that are lists add up
				other = strings.Fields(strings.NewReplacer("{out}", out, in.at("means.npy"), in.at("means_n.npy"), in.at("mask.npy"), in.at("mask_n.npy")).Replace(test.line) + " --mode neur_reprs")
			}
			if test.name == "shift --shard" {
				other = strings.Fields(strings.NewReplacer("{dir}", dir, "--sample-stride 60", test.other).Replace(test.line))
			}
			if test.name == "reconstruct" {
				other = append(strings.Fields(strings.NewReplacer("{out}", out, in.at("pc0.npy"), in.at("pc0_half.npy")).Replace(test.line)), "--force")
			}
			// What keeps a lock from being taken stops every command, and does not with
			// --no-lock: each writes as it was told to.
			lock := out + ".lock"
			if test.payload != "" {
				lock = filepath.Join(out, ".lock")
			}
			if err := os.MkdirAll(lock, 0o777); err != nil {
				t.Fatal(err)
			}
			if code, _, said := clipnh(args...); code != exitFailed || !strings.Contains(said, "it is not a lock file of clipnh") {
				t.Errorf("a folder at the lock's place: exit code %d, said\n%s", code, said)
			}
			must(t, exitDone, append(slices.Clone(args), "--no-lock")...)
			must(t, exitDone, append(slices.Clone(args), "--no-lock", "--quiet")...)
			if err := os.Remove(lock); err != nil {
				t.Fatal(err)
			}
			want := filesBelow(t, dir)
			must(t, exitDone, args...)
			if got := filesBelow(t, dir); !maps.Equal(got, want) {
				t.Errorf("the same command again: other files")
			}

			_, said := must(t, exitStale, other...)
			if !strings.Contains(said, "give another path, or discard what is there with --restart") {
				t.Errorf("no hint:\n%s", said)
			}
			if got := filesBelow(t, dir); !maps.Equal(got, want) {
				t.Errorf("after it was refused: other files")
			}

			removed := filepath.Join(out, test.payload)
			if err := os.Remove(removed); err != nil {
				t.Fatal(err)
			}
			_, said = must(t, exitDone, args...)
			if !strings.Contains(said, removed+" was removed; making it again") {
				t.Errorf("no note that %s was removed:\n%s", removed, said)
			}
			if got := filesBelow(t, dir); !maps.Equal(got, want) {
				t.Errorf("made again: other files")
			}

			// Nor does a removed file let others in.
			if err := os.Remove(removed); err != nil {
				t.Fatal(err)
			}
			must(t, exitStale, other...)
			must(t, exitDone, append(other, "--restart")...)
			if got := filesBelow(t, dir); maps.Equal(got, want) {
				t.Errorf("--restart kept what was there")
			}
		})
	}
	t.Logf("%d forms of artefacts", checked)
}

// TestCompleteIsRead changes a byte of a finished collection: collect and merge say how
// they looked at it, and find the byte with --verify. A length that is wrong is always
// found.
func TestCompleteIsRead(t *testing.T) {
	dir := t.TempDir()
	images := append(goldenModel(), "--dataset", "images")
	at := func(name string) string { return filepath.Join(dir, name) }
	collect := func(name string, more ...string) []string {
		return slices.Concat([]string{"collect", "--save-path", at(name)}, images, more)
	}
	for _, shard := range []string{"1/2", "2/2"} {
		must(t, exitDone, collect("merged", "--shard", shard)...)
	}
	for _, test := range []struct {
		args    []string
		payload string
	}{
		{collect("scores"), "scores/scores.npy"},
		{collect("scores2"), "scores2/images.txt"},
		{collect("statistics", "--stats-only"), "statistics/sums.npy"},
		{collect("summary", "--stats-only", "--no-features"), "summary/scores.sketch"},
		{collect("mean.npy", "--mean"), "mean.npy"},
		{collect("mean", "--mean"), "mean/scores.npy"},
		{collect("neurons.dat", "--mode", "neurons"), "neurons.dat"},
		{[]string{"merge", "--save-path", at("merged")}, "merged/scores.npy"},
	} {
		must(t, exitDone, test.args...)
		path := at(test.payload)
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		spoilt := slices.Clone(whole)
		spoilt[len(spoilt)-2] ^= 1
		if err := os.WriteFile(path, spoilt, 0o666); err != nil {
			t.Fatal(err)
		}
		artefact := test.args[2]
		if _, said := must(t, exitDone, test.args...); !strings.Contains(said, `only its sizes were compared: run "clipnh verify `+artefact+`"`) {
			t.Errorf("%s: said %q", test.payload, said)
		}
		if _, said := must(t, exitFailed, append(slices.Clone(test.args), "--verify")...); !strings.Contains(said, "damaged") {
			t.Errorf("%s: said %q", test.payload, said)
		}
		if err := os.WriteFile(path, spoilt[:len(spoilt)-1], 0o666); err != nil {
			t.Fatal(err)
		}
		if _, said := must(t, exitFailed, test.args...); !strings.Contains(said, "damaged") {
			t.Errorf("%s, cut: said %q", test.payload, said)
		}
		if err := os.WriteFile(path, whole, 0o666); err != nil {
			t.Fatal(err)
		}
		if _, said := must(t, exitDone, append(slices.Clone(test.args), "--verify")...); !strings.Contains(said, "has the bytes that were written") {
			t.Errorf("%s: said %q", test.payload, said)
		}
	}
}
