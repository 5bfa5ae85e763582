package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// inputs are artefacts of one model, in a folder of its own.
type inputs struct {
	dir, model, data string
}

func (in inputs) at(name string) string { return filepath.Join(in.dir, name) }

// labelled lays the golden images out in two classes.
func labelled(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range filesBelow(t, testutil.Golden("dataset")) {
		class := filepath.Join(dir, "val", fmt.Sprint("class", name[4]%2))
		if err := os.MkdirAll(class, 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(class, name), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// madeInputs are folders of what makeInputs makes, by model. TestMain removes them.
var madeInputs = map[string]string{}

// makeInputs makes what commands read, from the images of labelled: once for each model, since
// many tests begin so. Each of them gets a copy, to do with as it likes.
func makeInputs(t *testing.T, model, data string) inputs {
	t.Helper()
	in := inputs{t.TempDir(), testutil.Golden(model), data}
	made, there := madeInputs[model]
	if !there {
		in.make(t)
		kept, err := os.MkdirTemp("", "clipnh-inputs")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(kept, os.DirFS(in.dir)); err != nil {
			t.Fatal(err)
		}
		madeInputs[model] = kept
		return in
	}
	if err := os.CopyFS(in.dir, os.DirFS(made)); err != nil {
		t.Fatal(err)
	}
	return in
}

// removeInputs removes what makeInputs keeps.
func removeInputs() {
	for _, dir := range madeInputs {
		os.RemoveAll(dir)
	}
}

// make runs the commands that make what others read.
func (in inputs) make(t *testing.T) {
	t.Helper()
	data := in.data
	common := []string{"--model", in.model, "--dataset", "imagenet_val", "--data-path", data, "--quiet"}
	vocab := []string{"--model", in.model, "--vocab", testutil.Golden("text/toy_merges.txt.gz"), "--quiet"}
	two := in.at("two.txt")
	if err := os.WriteFile(two, []byte("dog\ncat\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	words := testutil.Golden("text/words.txt")
	for _, args := range [][]string{
		slices.Concat([]string{"collect", "--save-path", in.at("scores")}, common),
		slices.Concat([]string{"collect", "--save-path", in.at("dense.npy"), "--mode", "neurons"}, common),
		slices.Concat([]string{"collect", "--save-path", in.at("mean_acts.npy"), "--mode", "neuron_acts", "--mean"}, common),
		slices.Concat([]string{"collect", "--save-path", in.at("half"), "--sample-stride", "2"}, common),
		slices.Concat([]string{"registers", "--diff-save-path", in.at("sink.npy")}, common),
		{"svd", "--collect-save-path", in.at("scores"), "--top-k-pca", "12", "--out-save-path", in.at("pc0.npy"),
			"--mean-save-path", in.at("means.npy"), "--norm-save-path", in.at("norms.npy"), "--quiet"},
		{"svd", "--collect-save-path", in.at("half"), "--top-k-pca", "6", "--out-save-path", in.at("pc0_half.npy"), "--quiet"},
		{"svd", "--collect-save-path", in.at("scores"), "--top-k-pca", "12", "--mode", "n", "--norm-save-path", in.at("norms_n.npy"), "--mean-save-path", in.at("means_n.npy"),
			"--out-save-path", in.at("pc0_n.npy"), "--quiet"},
		{"svd", "--collect-save-path", in.at("scores"), "--top-k-pca", "12", "--mode", "n", "--pc-idx", "1", "--out-save-path", in.at("pc1_n.npy"), "--quiet"},
		slices.Concat([]string{"embed", "--lines", words, "--use-templates=false", "--embeddings-save-path", in.at("words.npy")}, vocab),
		slices.Concat([]string{"embed", "--lines", words, "--embeddings-save-path", in.at("sentences.npy")}, vocab),
		slices.Concat([]string{"embed", "--lines", two, "--embeddings-save-path", in.at("classes.npy")}, vocab),
		{"sparse", "--pcs-path", in.at("pc0.npy"), "--text-descs-embeddings-path", in.at("words.npy"), "--text-descs-list-path", words,
			"--num-components", "4", "--decomposition-save-path", in.at("codes.npz"), "--quiet"},
		{"mask", "--neuron-head-norms-path", in.at("norms.npy"), "--mask-save-path", in.at("mask.npy"), "--quiet"},
		{"mask", "--neurons-norms-path", in.at("norms_n.npy"), "--mask-save-path", in.at("mask_n.npy"), "--quiet"},
	} {
		must(t, exitDone, args...)
	}
}

// bareHash is a hash, or the beginning of one.
var bareHash = regexp.MustCompile(`\b[0-9a-f]{12,64}\b`)

// saysMismatch reports whether a message has both sides of what differs: their values, or
// that they are others, where these are hashes.
func saysMismatch(said, field string) bool {
	return strings.Contains(said, "made with other "+field+" than this run uses") ||
		strings.Contains(said, "made with "+field+" ") && strings.Contains(said, "; this run uses ")
}

// TestStaleInputs gives every command an artefact that does not belong to the
// others: it refuses, naming both sides, and uses it with --force, warning.
func TestStaleInputs(t *testing.T) {
	data := labelled(t)
	a, b := makeInputs(t, "model/tiny_jit.pt", data), makeInputs(t, "model/tiny_sd_bf16.pt", data)
	words := testutil.Golden("text/words.txt")
	out := filepath.Join(t.TempDir(), "out")
	features := []string{"--features-save-path", out + ".npy", "--restart"}
	reconstruct := func(means, pcs string) []string {
		return slices.Concat([]string{"reconstruct", "--scores", a.at("scores"), "--means-path", means, "--pcs-paths", pcs}, features)
	}
	coded := func(codes, texts, normalize string) []string {
		return slices.Concat([]string{"reconstruct", "--scores", a.at("scores"), "--means-path", a.at("means.npy"),
			"--decomposition-save-path", codes, "--text-descs-embeddings-path", texts, "--normalize", normalize}, features)
	}
	ablate := func(more ...string) []string {
		return slices.Concat([]string{"ablate", "--scores", a.at("scores")}, more, features)
	}
	tower := func(more ...string) []string {
		return slices.Concat([]string{"ablate", "--model", a.model, "--dataset", "imagenet_val", "--data-path", data}, more, features)
	}
	edit := func(more ...string) []string {
		return slices.Concat([]string{"edit", "--model", a.model, "--restart", "--save-path", out + ".pt"}, more)
	}
	sparse := func(pcs, texts string) []string {
		return []string{"sparse", "--pcs-path", pcs, "--text-descs-embeddings-path", texts, "--text-descs-list-path", words,
			"--num-components", "4", "--restart", "--decomposition-save-path", out + ".npz"}
	}
	describe := func(pcs, texts string) []string {
		return []string{"describe", "h0n0", "--pcs-path", pcs, "--text-descs-embeddings-path", texts, "--text-descs-list-path", words}
	}
	explain := func(classes string, more ...string) []string {
		return slices.Concat([]string{"explain", filepath.Join(data, "val"), "--model", a.model, "--classes", a.at("two.txt"), "--imagenet-zeroshot-path", classes}, more)
	}
	for _, test := range []struct {
		name string
		args []string
		want string // what differs
	}{
		{"explain: scores of another model", explain(a.at("classes.npy"), "--scores", b.at("scores")), "weights"},
		{"explain: means of another model", explain(a.at("classes.npy"), "--means-path", b.at("means.npy")), "weights"},
		{"explain: classes of another model", explain(b.at("classes.npy")), "weights"},
		{"explain: words of codes of another model", explain(a.at("classes.npy"), "--decomposition-save-path", b.at("codes.npz"), "--text-descs-list-path", words), "weights"},
		{"sparse: words of another model", sparse(a.at("pc0.npy"), b.at("words.npy")), "weights"},
		{"describe: words of another model", describe(a.at("pc0.npy"), b.at("words.npy")), "weights"},
		{"describe: codes of other directions", []string{"describe", "h0n0", "--decomposition-save-path", a.at("codes.npz"),
			"--pcs-path", a.at("pc0_half.npy"), "--text-descs-list-path", words}, "components"},
		{"reconstruct: means of another model", reconstruct(b.at("means.npy"), a.at("pc0.npy")), "weights"},
		{"reconstruct: directions of another model", reconstruct(a.at("means.npy"), b.at("pc0.npy")), "weights"},
		{"reconstruct: directions of other images than the means", reconstruct(a.at("means.npy"), a.at("pc0_half.npy")), "contributions"},
		{"reconstruct: codes of another model", coded(b.at("codes.npz"), a.at("words.npy"), "columns"), "weights"},
		{"reconstruct: codes over other embeddings", coded(a.at("codes.npz"), a.at("sentences.npy"), "columns"), "embeddings"},
		{"reconstruct: codes over a dictionary made otherwise", coded(a.at("codes.npz"), a.at("words.npy"), "rows"), "normalize"},
		{"reconstruct: classes of another model", slices.Concat(reconstruct(a.at("means.npy"), a.at("pc0.npy")),
			[]string{"--dataset", "imagenet_val", "--data-path", data, "--imagenet-zeroshot-path", b.at("classes.npy")}), "weights"},
		{"ablate: means of another model", ablate("--means-path", b.at("means.npy"), "--replace-index-path", a.at("mask.npy")), "weights"},
		{"ablate: mask of another model", ablate("--means-path", a.at("means.npy"), "--replace-index-path", b.at("mask.npy")), "weights"},
		{"ablate: norms of another model", ablate("--means-path", a.at("means.npy"), "--percentile", "50", "--neuron-head-norms-path", b.at("norms.npy")), "weights"},
		{"edit: means of another model", edit("--remove", "n5", "--means-path", b.at("means.npy")), "weights"},
		{"edit: scores of another model", edit("--remove", "n5", "--scores", b.at("scores")), "weights"},
		{"edit: mask of another model", edit("--remove-mask", b.at("mask.npy"), "--by", "zero"), "weights"},
		{"edit: components of another model", edit("--remove-text", "dog", "--vocab", testutil.Golden("text/toy_merges.txt.gz"), "--pcs-path", b.at("pc0.npy"), "--by", "zero"), "weights"},
		{"mask: norms of contributions for activations", []string{"mask", "--neuron-acts-norms-path", a.at("norms_n.npy"), "--mask-save-path", out + "_mask.npy"}, "mode"},
		{"ablate: mask of contributions for activations", tower("--mode", "neur_acts", "--means-path", a.at("mean_acts.npy"), "--replace-index-path", a.at("mask_n.npy")), "mode"},
		{"ablate: means of activations of another model", tower("--mode", "neur_acts", "--means-path", b.at("mean_acts.npy"), "--replace-index-path", a.at("mask_n.npy")), "mode"},
		{"ablate: sink drops of another model", tower("--mode", "zero_register_neurons", "--top-k-sink-neurons", "3", "--neurons-sink-diffs-path", b.at("sink.npy")), "weights"},
		{"ablate: norms of another model than a dense file", []string{"ablate", "--scores", a.at("dense.npy"), "--mode", "neur_reprs", "--means-path", a.at("means_n.npy"),
			"--percentile", "50", "--neurons-norms-path", b.at("norms_n.npy"), "--features-save-path", out + ".npy", "--restart"}, "weights"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, said := must(t, exitStale, append(test.args, "--quiet")...)
			if !saysMismatch(said, test.want) || bareHash.MatchString(said) {
				t.Errorf("said\n%swant both sides of %s, and no hashes", said, test.want)
			}
			_, said = must(t, exitDone, append(test.args, "--quiet", "--force")...)
			if !strings.Contains(said, "warning: ") || !saysMismatch(said, test.want) || !strings.Contains(said, "--force") {
				t.Errorf("with --force said\n%swant a warning with both sides", said)
			}
		})
	}
	dense := []string{"ablate", "--scores", a.at("dense.npy"), "--mode", "neur_reprs", "--means-path", a.at("means_n.npy"), "--replace-index-path", a.at("mask_n.npy"),
		"--dataset", "imagenet_val", "--data-path", data, "--imagenet-zeroshot-path", a.at("classes.npy"), "--quiet"}
	must(t, exitDone, dense...)
	if _, said := must(t, exitUsage, append(dense, "--sample-stride", "2")...); !strings.Contains(said, "--sample-stride has no effect with --scores") {
		t.Errorf("a stride for a dense file that says its own: said\n%s", said)
	}
	for _, args := range [][]string{
		reconstruct(a.at("pc0.npy"), a.at("pc0.npy")), sparse(a.at("means.npy"), a.at("words.npy")), sparse(a.at("pc0.npy"), a.at("means.npy")),
		ablate("--means-path", a.at("pc0.npy"), "--replace-index-path", a.at("mask.npy")),
		edit("--remove", "n5", "--means-path", a.at("pc0.npy")), edit("--remove", "n5", "--scores", a.at("means.npy")), edit("--remove-mask", a.at("norms.npy"), "--by", "zero"),
		tower("--mode", "zero_register_neurons", "--top-k-sink-neurons", "3", "--neurons-sink-diffs-path", a.at("words.npy")),
	} {
		for _, more := range [][]string{{"--quiet"}, {"--quiet", "--force"}} {
			if _, said := must(t, exitStale, append(args, more...)...); !strings.Contains(said, ": it holds ") || !strings.Contains(said, ", want ") {
				t.Errorf("clipnh %q said\n%swant two kinds", args, said)
			}
		}
	}
}

// TestSpoiledInputs flips a bit of every file that a command reads: it is refused,
// with --force too. Then it writes a number that is none into a file whose manifest
// is gone: the file and the place are named.
func TestSpoiledInputs(t *testing.T) {
	data := labelled(t)
	a := makeInputs(t, "model/tiny_jit.pt", data)
	words := testutil.Golden("text/words.txt")
	out := filepath.Join(t.TempDir(), "out")
	features := []string{"--features-save-path", out + ".npy", "--restart"}
	scores := slices.Concat([]string{"reconstruct", "--scores", a.at("scores"), "--means-path", a.at("means.npy"), "--pcs-paths", a.at("pc0.npy"),
		"--dataset", "imagenet_val", "--data-path", data, "--imagenet-zeroshot-path", a.at("classes.npy")}, features)
	for _, test := range []struct {
		args  []string
		files []string // that it reads
		bare  bool     // also without manifest
	}{
		{scores, []string{"means.npy", "pc0.npy", "classes.npy"}, true},
		{scores, []string{"scores/scores.npy", "scores/directions.value.npy", "scores/directions.out.npy", "scores/bias.npy", "scores/images.txt"}, false},
		{[]string{"svd", "--collect-save-path", a.at("scores"), "--top-k-pca", "12", "--out-save-path", out + "_pc.npy"},
			[]string{"scores/scores.npy", "scores/bias.npy"}, false},
		{[]string{"svd", "--collect-save-path", a.at("dense.npy"), "--top-k-pca", "12", "--mode", "n", "--restart", "--out-save-path", out + "_n.npy"}, []string{"dense.npy"}, true},
		{[]string{"polysemanticity", "--collect-save-path", a.at("scores")}, []string{"scores/scores.npy"}, false},
		{[]string{"sparse", "--pcs-path", a.at("pc0.npy"), "--text-descs-embeddings-path", a.at("words.npy"), "--text-descs-list-path", words,
			"--num-components", "4", "--restart", "--decomposition-save-path", out + ".npz"}, []string{"pc0.npy", "words.npy"}, true},
		{[]string{"describe", "h0n0", "--decomposition-save-path", a.at("codes.npz"), "--text-descs-list-path", words}, []string{"codes.npz"}, false},
		{[]string{"describe", "n255", "--pcs-path", a.at("pc0.npy"), "--text-descs-embeddings-path", a.at("words.npy"), "--text-descs-list-path", words},
			[]string{"pc0.npy", "words.npy"}, true},
		{slices.Concat([]string{"reconstruct", "--scores", a.at("scores"), "--means-path", a.at("means.npy"),
			"--decomposition-save-path", a.at("codes.npz"), "--text-descs-embeddings-path", a.at("words.npy")}, features), []string{"codes.npz", "words.npy"}, false},
		{[]string{"mask", "--neuron-head-norms-path", a.at("norms.npy"), "--mask-save-path", out + "_mask.npy"}, []string{"norms.npy"}, true},
		{slices.Concat([]string{"ablate", "--scores", a.at("scores"), "--means-path", a.at("means.npy"), "--replace-index-path", a.at("mask.npy")}, features),
			[]string{"means.npy", "mask.npy"}, false},
		{[]string{"edit", "--model", a.model, "--remove-mask", a.at("mask.npy"), "--means-path", a.at("means.npy"), "--save-path", out + ".pt"},
			[]string{"means.npy", "mask.npy"}, false},
		{[]string{"edit", "--model", a.model, "--remove", "n5", "--scores", a.at("scores"), "--save-path", out + "_scores.pt"},
			[]string{"scores/scores.npy", "scores/directions.value.npy", "scores/bias.npy"}, false},
		{slices.Concat([]string{"ablate", "--model", a.model, "--dataset", "imagenet_val", "--data-path", data, "--mode", "zero_register_neurons",
			"--top-k-sink-neurons", "3", "--neurons-sink-diffs-path", a.at("sink.npy")}, features), []string{"sink.npy"}, true},
		{slices.Concat([]string{"ablate", "--model", a.model, "--dataset", "imagenet_val", "--data-path", data, "--mode", "neur_acts",
			"--means-path", a.at("mean_acts.npy"), "--replace-index-path", a.at("mask_n.npy"), "--force"}, features), []string{"mean_acts.npy"}, true},
	} {
		must(t, exitDone, append(test.args, "--quiet")...)
		for _, name := range test.files {
			t.Run(test.args[0]+" "+name, func(t *testing.T) {
				path := a.at(name)
				good, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				write := func(content []byte) {
					if err := os.WriteFile(path, content, 0o666); err != nil {
						t.Fatal(err)
					}
				}
				defer write(good)
				spoiled := bytes.Clone(good)
				spoiled[len(spoiled)*3/4] ^= 1
				write(spoiled)
				for _, more := range [][]string{{"--quiet"}, {"--quiet", "--force"}} {
					if _, said := must(t, exitFailed, append(test.args, more...)...); !strings.Contains(said, "damaged") || !strings.Contains(said, name) {
						t.Errorf("said\n%swant %s damaged", said, name)
					}
				}
				if !test.bare {
					return
				}
				manifest, err := os.ReadFile(path + ".json")
				if err != nil {
					t.Fatal(err)
				}
				if err := os.Remove(path + ".json"); err != nil {
					t.Fatal(err)
				}
				defer os.WriteFile(path+".json", manifest, 0o666)
				for _, none := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
					bad := bytes.Clone(good)
					binary.LittleEndian.PutUint32(bad[len(bad)-8:], math.Float32bits(float32(none)))
					write(bad)
					_, said := must(t, exitFailed, append(test.args, "--quiet", "--force")...)
					if !strings.Contains(said, name) || !strings.Contains(said, fmt.Sprintf("%g", none)) && !strings.Contains(said, "finite") {
						t.Errorf("%g: said\n%swant the file and the number", none, said)
					}
				}
			})
		}
	}
}
