package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestCountsAboveTheData gives counts that are larger than the data, and would take
// more memory than there is if it were taken for them: they are bounded by the data, or
// refused.
func TestCountsAboveTheData(t *testing.T) {
	data := labelled(t)
	a := makeInputs(t, "model/tiny_jit.pt", data)
	dir := t.TempDir()
	concept := writeLines(t, filepath.Join(dir, "concept.txt"), "dog")
	embedded := filepath.Join(dir, "dog.npy")
	must(t, exitDone, "embed", "--model", a.model, "--vocab", testutil.Golden("text/toy_merges.txt.gz"), "--lines", concept, "--embeddings-save-path", embedded, "--quiet")
	const huge = "1000000000"
	images := " --model " + a.model + " --dataset imagenet_val --data-path " + data
	shift := "shift --scores " + a.at("scores") + " --concepts dog --text-embeddings-path " + embedded + " --pcs-path " + a.at("pc0.npy")
	watch := shift + " --watch " + a.at("half")
	words := " --text-descs-list-path " + testutil.Golden("text/words.txt")
	for i, test := range []struct {
		line string
		code int
		want string // on stdout or stderr
	}{
		{"retrieve --neur-idxs 1 --scores " + a.at("scores") + " --heads " + huge + " --top " + huge, exitDone, "n1 "},
		{"retrieve --neur-idxs 1 --top " + huge + images, exitDone, "n1 "},
		{"collect --save-path " + dir + "/stats --stats-only --top-k " + huge + images, exitUsage, "has 48 images"},
		{"merge --save-path " + dir + "/shards", exitDone, "statistics"},
		{"svd --collect-save-path " + a.at("scores") + " --out-save-path " + dir + "/pc.npy --top-k-pca " + huge, exitUsage, "has 48 images"},
		{"svd --collect-save-path " + a.at("scores") + " --mode n --norm-save-path " + dir + "/norms.npy --top-k-pca " + huge, exitUsage, "has 48 images"},
		{"polysemanticity --collect-save-path " + a.at("scores") + " --list " + huge + " --top-images " + huge, exitUsage, "has 48 images"},
		{"registers --diff-save-path " + dir + "/sink.npy --list " + huge + images, exitDone, "sink drops"},
		{"mask --neuron-head-norms-path " + a.at("norms.npy") + " --mask-save-path " + dir + "/mask.npy --top-images " + huge, exitUsage, "norms of each unit"},
		{shift + " --k " + huge, exitDone, "dog"},
		{"edit --model " + a.model + " --remove-text dog --k " + huge + " --vocab " + testutil.Golden("text/toy_merges.txt.gz") + " --by zero --save-path " + dir + "/e.pt", exitDone, "1024 of 1024"},
		{"edit --model " + a.model + " --remove n5 --by zero --batch-size " + huge + " --data-path " + data + " --save-path " + dir + "/e.pt", exitUsage, "--batch-size " + huge + ": want 1 to 1024"},
		{watch + " --k " + huge + " --list " + huge, exitDone, "dog"},
		{watch + " --bootstrap 2000000000", exitUsage, "--bootstrap 2000000000: want 400 to 100000, or 0"},
		{watch + " --bootstrap 1", exitUsage, "--bootstrap 1: want 400 to 100000, or 0"},
		{watch + " --bootstrap 399", exitUsage, "--bootstrap 399: want 400 to 100000, or 0"},
		{watch + " --bootstrap 400", exitDone, "dog"},
		{watch + " --list " + huge + " --bootstrap 100000", exitUsage, "--list " + huge + " and --bootstrap 100000: "},
		{"describe h0n0 --decomposition-save-path " + a.at("codes.npz") + words + " --num-components " + huge, exitDone, "h0n0"},
		{"sparse --pcs-path " + a.at("pc0.npy") + " --text-descs-embeddings-path " + a.at("words.npy") + words + " --descriptions-save-path " + dir + "/d.json --num-components " + huge,
			exitUsage, "--num-components " + huge + ": "},
		{"ablate --mode zero_register_neurons --neurons-sink-diffs-path " + a.at("sink.npy") + " --features-save-path " + dir + "/f.npy --top-k-sink-neurons " + huge + images,
			exitUsage, "the model has"},
		{"ablate --mode zero_sink --features-save-path " + dir + "/f.npy --batch-size 1024" + images, exitDone, "zero_sink"},
		{"ablate --mode zero_sink --features-save-path " + dir + "/f.npy --batch-size " + huge + images, exitUsage, "--batch-size " + huge + ": want 1 to 1024"},
		{"explain --classes dog,cat --imagenet-zeroshot-path " + a.at("classes.npy") + " --list " + huge + " --maps " + huge + " --top " + huge + images, exitDone, "neurons for"},
		{"explain --classes dog,cat --imagenet-zeroshot-path " + a.at("classes.npy") + " --batch-size " + huge + images, exitUsage, "--batch-size " + huge + ": want 1 to 1024"},
		{"collect --save-path " + dir + "/c --batch-size " + huge + images, exitUsage, "--batch-size " + huge + ": want 1 to 1024"},
		{"retrieve --neur-idxs 1 --batch-size " + huge + images, exitUsage, "--batch-size " + huge + ": want 1 to 1024"},
		{"registers --diff-save-path " + dir + "/r.npy --batch-size " + huge + images, exitUsage, "--batch-size " + huge + ": want 1 to 1024"},
		{"info --plan --batch-size " + huge + " --model " + a.model, exitUsage, "--batch-size " + huge + ": want 1 to 1024"},
		{"collect --save-path " + dir + "/c --threads " + huge + images, exitUsage, "--threads " + huge + ": want 1 to 1024, or 0"},
	} {
		if strings.HasPrefix(test.line, "merge") {
			for _, part := range []string{"1/2", "2/2"} {
				must(t, exitDone, strings.Fields("collect --save-path "+dir+"/shards --stats-only --quiet --shard "+part+" --top-k 48"+images)...)
			}
		}
		t.Run(fmt.Sprint(i, " ", strings.Fields(test.line)[0]), func(t *testing.T) {
			printed, said := must(t, test.code, strings.Fields(test.line+" --quiet")...)
			if !strings.Contains(printed+said, test.want) {
				t.Errorf("%s\n%s%swant %q", test.line, printed, said, test.want)
			}
		})
	}
}

// TestFeaturesNameTheirInputs holds that the origin of features has everything that they
// were made of, so that verify finds them stale when any of it was made again.
func TestFeaturesNameTheirInputs(t *testing.T) {
	data := labelled(t)
	a := makeInputs(t, "model/tiny_jit.pt", data)
	foreign := filepath.Join(t.TempDir(), "norms.npy")
	bare, err := os.ReadFile(a.at("norms.npy"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(foreign, bare, 0o666); err != nil {
		t.Fatal(err)
	}
	hash := func(name string) string {
		o, err := cache.Open(a.at(name))
		if err != nil {
			t.Fatal(err)
		}
		return o.Hash()
	}
	scores := "--scores " + a.at("scores")
	for _, test := range []struct {
		line    string
		parents map[string]string // files by role
		files   []string          // roles of another program's files
	}{
		{"reconstruct " + scores + " --means-path {means.npy} --pcs-paths {pc0.npy}", map[string]string{"contributions": "scores", "means": "means.npy", "components": "pc0.npy"}, nil},
		{"reconstruct " + scores + " --means-path {means_n.npy} --pcs-paths {pc0_n.npy},{pc1_n.npy}",
			map[string]string{"contributions": "scores", "means": "means_n.npy", "components": "pc0_n.npy", "components 2": "pc1_n.npy"}, nil},
		{"reconstruct " + scores + " --means-path {means.npy} --decomposition-save-path {codes.npz} --text-descs-embeddings-path {words.npy}",
			map[string]string{"contributions": "scores", "means": "means.npy", "codes": "codes.npz", "embeddings": "words.npy"}, nil},
		{"ablate " + scores + " --means-path {means.npy} --replace-index-path {mask.npy}", map[string]string{"contributions": "scores", "means": "means.npy", "mask": "mask.npy"}, nil},
		{"ablate " + scores + " --means-path {means.npy},{means_n.npy} --percentile 50 --neuron-head-norms-path {norms.npy} --neurons-norms-path {norms_n.npy}",
			map[string]string{"contributions": "scores", "means": "means.npy", "means 2": "means_n.npy", "norms": "norms.npy", "norms 2": "norms_n.npy"}, nil},
		{"ablate " + scores + " --means-path {means.npy} --percentile 50 --neuron-head-norms-path " + foreign, map[string]string{"contributions": "scores", "means": "means.npy"}, []string{"norms"}},
		{"ablate " + scores + " --mode neur_effects --means-path {means_n.npy} --neurons-norms-path {norms_n.npy}",
			map[string]string{"contributions": "scores", "means": "means_n.npy", "norms": "norms_n.npy"}, nil},
		{"ablate --model " + a.model + " --dataset imagenet_val --data-path " + data + " --mode zero_register_neurons --top-k-sink-neurons 3 --neurons-sink-diffs-path {sink.npy}",
			map[string]string{"sink drops": "sink.npy"}, nil},
	} {
		line := test.line
		for _, name := range []string{"means.npy", "means_n.npy", "pc0.npy", "pc0_n.npy", "pc1_n.npy", "codes.npz", "words.npy", "mask.npy", "norms.npy", "norms_n.npy", "sink.npy"} {
			line = strings.ReplaceAll(line, "{"+name+"}", a.at(name))
		}
		out := filepath.Join(t.TempDir(), "features.npy")
		must(t, exitDone, strings.Fields(line+" --quiet --features-save-path "+out)...)
		made, err := cache.Open(out)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{}
		inputs := []string{}
		for role, name := range test.parents {
			want[role] = hash(name)
			inputs = append(inputs, name)
		}
		got := made.Manifest.Origin
		if fmt.Sprint(got.Parents) != fmt.Sprint(want) {
			t.Errorf("%s\nparents %v, want %v", test.line, got.Parents, want)
		}
		for _, role := range test.files {
			if sum, err := artefact.FileHash(foreign); err != nil || got.Files[role] != sum {
				t.Errorf("%s\nfiles %v, want %s as %s", test.line, got.Files, sum, role)
			}
		}
		// Each of its inputs made again, verify finds the features stale.
		slices.Sort(inputs)
		for _, name := range inputs {
			path := a.at(name) + ".json"
			if name == "scores" {
				path = filepath.Join(a.at(name), "manifest.json")
			}
			good, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var m cache.Manifest
			if err := json.Unmarshal(good, &m); err != nil {
				t.Fatal(err)
			}
			m.Origin.Model = "another" // whatever it is, the manifest's hash is another one
			if err := os.WriteFile(path, sealed(t, m), 0o666); err != nil {
				t.Fatal(err)
			}
			code, printed, said := clipnh("verify", "--quiet", out, a.at(name))
			if code != exitStale || !strings.Contains(said, out+": made from ") {
				t.Errorf("%s made again: exit code %d, want %d and the features named\n%s%s", name, code, exitStale, printed, said)
			}
			if err := os.WriteFile(path, good, 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestComponentsTwice holds that no projection counts twice: the same file by two paths,
// a copy without a manifest, and the same vector computed again are refused.
func TestComponentsTwice(t *testing.T) {
	a := makeInputs(t, "model/tiny_jit.pt", labelled(t))
	dir := t.TempDir()
	link, again, other := filepath.Join(dir, "link.npy"), filepath.Join(dir, "again.npy"), filepath.Join(dir, "other.npy")
	if err := os.Symlink(a.at("pc0_n.npy"), link); err != nil {
		t.Skip(err)
	}
	bare, err := os.ReadFile(a.at("pc0_n.npy"))
	if err != nil {
		t.Fatal(err)
	}
	copies := []string{filepath.Join(dir, "a.npy"), filepath.Join(dir, "b.npy")}
	for _, path := range copies {
		if err := os.WriteFile(path, bare, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	svd := []string{"svd", "--collect-save-path", a.at("scores"), "--mode", "n", "--quiet"}
	must(t, exitDone, append(svd, "--top-k-pca", "7", "--out-save-path", again)...)
	must(t, exitDone, append(svd, "--top-k-pca", "7", "--pc-idx", "1", "--out-save-path", other)...)
	for _, test := range []struct{ name, first, second, want string }{
		{"the same path", a.at("pc0_n.npy"), a.at("pc0_n.npy"), "count twice"},
		{"a link to it", a.at("pc0_n.npy"), link, "count twice"},
		{"a copy", a.at("pc0_n.npy"), copies[0], "count twice"},
		{"copies of another program's file", copies[0], copies[1], "count twice"},
		{"the same vector of other images", a.at("pc0_n.npy"), again, "count twice"},
		{"another vector of other images", a.at("pc0_n.npy"), other, "not orthogonal"},
		{"two vectors", a.at("pc0_n.npy"), a.at("pc1_n.npy"), ""},
	} {
		code, printed, said := clipnh("reconstruct", "--scores", a.at("scores"), "--means-path", a.at("means_n.npy"),
			"--pcs-paths", test.first, "--pcs-paths", test.second, "--features-save-path", filepath.Join(dir, "f.npy"), "--quiet")
		if test.want == "" && code != exitDone || test.want != "" && (code != exitUsage && code != exitFailed || printed != "" || !strings.Contains(said, test.want)) {
			t.Errorf("%s: exit code %d, said\n%swant %q", test.name, code, said, test.want)
		}
	}
}

// TestFeaturesAreNoComponents gives features where components are read: they have as
// many axes, and the neurons of a small model are as many as some images.
func TestFeaturesAreNoComponents(t *testing.T) {
	a := makeInputs(t, "model/tiny_jit.pt", labelled(t))
	features := filepath.Join(t.TempDir(), "features.npy")
	must(t, exitDone, "reconstruct", "--scores", a.at("scores"), "--means-path", a.at("means.npy"), "--pcs-paths", a.at("pc0.npy"), "--features-save-path", features, "--quiet")
	words := " --text-descs-embeddings-path " + a.at("words.npy") + " --text-descs-list-path " + testutil.Golden("text/words.txt")
	for _, line := range []string{
		"describe n0 --pcs-path " + features + words,
		"sparse --descriptions-save-path " + features + ".json --pcs-path " + features + words,
		"reconstruct --scores " + a.at("scores") + " --means-path " + a.at("means_n.npy") + " --features-save-path " + features + "2.npy --pcs-paths " + features,
		"reconstruct --scores " + a.at("scores") + " --means-path " + features + " --features-save-path " + features + "2.npy --pcs-paths " + a.at("pc0.npy"),
	} {
		for _, force := range []string{"", " --force"} {
			if code, _, said := clipnh(strings.Fields(line + " --quiet" + force)...); code != exitStale || !strings.Contains(said, "it holds features, want ") {
				t.Errorf("%s%s: exit code %d, said\n%s", line, force, code, said)
			}
		}
	}
}
