//go:build unix

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/clipnh/clipnh/internal/demo"
	"github.com/clipnh/clipnh/internal/testutil"
)

// hostileSwaps are what is put in the place of an input.
var hostileSwaps = map[string]func(path string) error{
	"a pipe":           func(path string) error { return unix.Mkfifo(path, 0o666) },
	"a device":         func(path string) error { return os.Symlink("/dev/zero", path) },
	"a link to itself": func(path string) error { return os.Symlink(filepath.Base(path), path) },
	"200 GB of nothing": func(path string) error {
		return errors.Join(os.WriteFile(path, nil, 0o666), os.Truncate(path, 200<<30))
	},
}

// TestHostileInputs puts a pipe, a device, a link that leads nowhere and an immense file
// in the place of every input of every command, and of every manifest and journal: each
// is refused with one line of error, soon, and without a trace.
func TestHostileInputs(t *testing.T) {
	data := labelled(t)
	in := makeInputs(t, "model/tiny_jit.pt", data)
	assets, err := filepath.Abs(filepath.Join("..", "..", "internal", "demo", "assets"))
	if err != nil {
		t.Fatal(err)
	}
	must(t, exitDone, "collect", "--model", in.model, "--data-path", testutil.Golden("dataset"), "--dataset", "images", "--save-path", in.at("parts"), "--shard", "1/1", "--quiet")
	must(t, exitDone, "embed", "--model", in.model, "--vocab", testutil.Golden("text/toy_merges.txt.gz"), "--lines", writeLines(t, in.at("dog.txt"), "dog"), "--embeddings-save-path", in.at("dog.npy"), "--quiet")
	r := strings.NewReplacer("{model}", in.model, "{data}", data, "{in}", strings.TrimSuffix(in.at("x"), "/x"), "{words}", testutil.Golden("text/words.txt"),
		"{vocab}", testutil.Golden("text/toy_merges.txt.gz"), "{demo}", filepath.Join(assets, demo.Model), "{assets}", assets,
		"{voc}", filepath.Join(assets, demo.PascalContext), "{demo_vocab}", filepath.Join(assets, demo.Vocabulary), "{templates}", filepath.Join(assets, demo.Templates),
		"{cars}", filepath.Join(assets, demo.Cars), "{colours}", filepath.Join(assets, demo.CarColours))
	inputs, tried := 0, 0
	for _, line := range []string{
		"info --model {model}",
		"embed --model {model} --vocab {vocab} --lines {words} --embeddings-save-path {out}.npy",
		"collect --model {model} --dataset imagenet_val --data-path {data} --save-path {out}",
		"registers --model {model} --dataset imagenet_val --data-path {data} --diff-save-path {out}.npy",
		"svd --collect-save-path {in}/scores --out-save-path {out}.npy",
		"svd --mode n --collect-save-path {in}/dense.npy --out-save-path {out}.npy",
		"sparse --pcs-path {in}/pc0.npy --text-descs-embeddings-path {in}/words.npy --text-descs-list-path {words} --decomposition-save-path {out}.npz",
		"describe h0n0 --pcs-path {in}/pc0.npy --text-descs-embeddings-path {in}/words.npy --text-descs-list-path {words}",
		"describe h0n0 --decomposition-save-path {in}/codes.npz --text-descs-list-path {words}",
		"polysemanticity --collect-save-path {in}/scores",
		"retrieve --neur-idxs 1 --scores {in}/scores",
		"show h0n1 --scores {in}/scores --pcs-path {in}/pc0.npy --text-descs-embeddings-path {in}/words.npy --text-descs-list-path {words}",
		"show n1 --scores {in}/scores --decomposition-save-path {in}/codes.npz --text-descs-list-path {words}",
		"mask --neuron-head-norms-path {in}/norms.npy --mask-save-path {out}.npy",
		"reconstruct --scores {in}/scores --means-path {in}/means.npy --pcs-paths {in}/pc0.npy --dataset imagenet_val --data-path {data} --imagenet-zeroshot-path {in}/classes.npy",
		"reconstruct --scores {in}/scores --means-path {in}/means.npy --decomposition-save-path {in}/codes.npz --text-descs-embeddings-path {in}/words.npy --features-save-path {out}.npy",
		"ablate --scores {in}/scores --means-path {in}/means.npy --replace-index-path {in}/mask.npy --features-save-path {out}.npy",
		"ablate --scores {in}/scores --means-path {in}/means.npy --percentile 50 --neuron-head-norms-path {in}/norms.npy --features-save-path {out}.npy",
		"ablate --model {model} --dataset imagenet_val --data-path {data} --mode zero_register_neurons --top-k-sink-neurons 3 --neurons-sink-diffs-path {in}/sink.npy --features-save-path {out}.npy",
		"shift --scores {in}/scores --concepts dog --text-embeddings-path {in}/dog.npy --pcs-path {in}/pc0.npy",
		"watch --reference {in}/half --scores {in}/scores --concepts dog --text-embeddings-path {in}/dog.npy --pcs-path {in}/pc0.npy",
		"shift --watch {in}/half --scores {in}/scores --concepts dog --text-embeddings-path {in}/dog.npy --pcs-path {in}/pc0.npy",
		"shift --model {demo} --vocab {demo_vocab} --templates {templates} --pcs-path {in}/pc0.npy --concepts yellow --dataset cars --data-path {cars} --colours-csv {colours}",
		"segment --method values --model {demo} --vocab {demo_vocab} --templates {templates} --config demo --data-path {voc} --limit 1",
		"report --scores {in}/scores --pcs-path {in}/pc0.npy --decomposition-save-path {in}/codes.npz --text-descs-list-path {words} --dataset imagenet_val --data-path {data} --imagenet-zeroshot-path {in}/classes.npy --out {out}",
		"compare {in}/scores {in}/half",
		"merge --save-path {out} {in}/parts.1-of-1",
		"verify {in}/scores --data-path {data}",
		"data check --dataset cars --data-path {cars}",
	} {
		words := strings.Fields(line)
		for i := range words {
			words[i] = r.Replace(words[i])
		}
		for i, word := range words {
			info, err := os.Stat(word)
			if i == 0 || err != nil || word == "verify" {
				continue
			}
			// The input itself, or what is beside or in it and read first.
			for _, part := range partsOf(t, word, info) {
				inputs++
				for what, swap := range hostileSwaps {
					tried++
					name := fmt.Sprintf("%s: %s for %s", words[0], what, strings.TrimPrefix(part, in.at("")))
					dir := t.TempDir()
					place := filepath.Join(dir, filepath.Base(word))
					swapped := copyBut(t, word, place, part, info.IsDir())
					if err := swap(swapped); err != nil {
						t.Fatal(err)
					}
					args := append([]string{}, words...)
					args[i] = place
					for k := range args {
						args[k] = strings.ReplaceAll(args[k], "{out}", filepath.Join(dir, "out"))
					}
					refusedSoon(t, name, append(args, "--quiet"))
				}
			}
		}
	}
	t.Logf("%d inputs, %d runs", inputs, tried)
}

// partsOf returns the files of an input that are swapped: itself and its manifest, or of
// a folder its manifest and main payload, or its first file.
func partsOf(t *testing.T, path string, info fs.FileInfo) []string {
	t.Helper()
	if !info.IsDir() {
		if _, err := os.Stat(path + ".json"); err == nil {
			return []string{path, path + ".json"}
		}
		return []string{path}
	}
	var parts []string
	for _, name := range []string{"manifest.json", "scores.npy", "images.txt"} {
		if _, err := os.Stat(filepath.Join(path, name)); err == nil {
			parts = append(parts, filepath.Join(path, name))
		}
	}
	return parts
}

// copyBut links what is at path to place, all but one file of it, and returns where that
// is to be.
func copyBut(t *testing.T, path, place, but string, folder bool) string {
	t.Helper()
	link := func(from, to string) {
		if from == but {
			return
		}
		if err := os.Symlink(from, to); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	if !folder {
		for _, end := range []string{"", ".json"} {
			if _, err := os.Stat(path + end); err == nil && path+end != but {
				if content, err := os.ReadFile(path + end); err != nil {
					t.Fatal(err)
				} else if err := os.WriteFile(place+end, content, 0o666); err != nil {
					t.Fatal(err)
				}
			}
		}
		return place + strings.TrimPrefix(but, path)
	}
	entries, err := os.ReadDir(path)
	if err == nil {
		err = os.Mkdir(place, 0o777)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		link(filepath.Join(path, e.Name()), filepath.Join(place, e.Name()))
	}
	return filepath.Join(place, filepath.Base(but))
}

// refusedSoon runs a command that must fail.
func refusedSoon(t *testing.T, name string, args []string) {
	t.Helper()
	type end struct {
		code int
		said string
	}
	done := make(chan end, 1)
	go func() {
		code, _, said := clipnh(args...)
		done <- end{code, said}
	}()
	select {
	case e := <-done:
		// Status 3: what cannot be read was skipped, and named.
		if e.code == exitDone || e.code == exitInternal || strings.Contains(e.said, "goroutine ") || len(e.said) > 4096 || !strings.Contains(e.said, "error: ") {
			t.Errorf("%s: exit code %d, said\n%.2000s", name, e.code, e.said)
		}
	case <-time.After(30 * time.Second):
		t.Fatalf("%s: not refused within 30 s: clipnh %s", name, strings.Join(args, " "))
	}
}

// TestHostileLeftovers puts the same in the places of what an earlier run may have left
// beside an artefact.
func TestHostileLeftovers(t *testing.T) {
	images := append(goldenModel(), "--dataset", "images", "--quiet")
	for _, test := range []struct{ place, path, more string }{
		{"scores/journal", "scores", ""},
		{"scores/scores.npy.partial", "scores", ""},
		{"scores/manifest.json", "scores", ""},
		{"scores/.lock", "scores", ""},
		{"mean.npy.sum", "mean.npy", "--mean"},
		{"mean.npy.json", "mean.npy", "--mean"},
		{"mean.npy.json.pending", "mean.npy", "--mean"},
		{"mean.npy.sum.run.lock", "mean.npy", "--mean"},
		{"dense.npy.journal", "dense.npy", "--mode neurons"},
	} {
		for what, swap := range hostileSwaps {
			dir := t.TempDir()
			place := filepath.Join(dir, filepath.FromSlash(test.place))
			if err := os.MkdirAll(filepath.Dir(place), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := swap(place); err != nil {
				t.Fatal(err)
			}
			args := append([]string{"collect", "--save-path", filepath.Join(dir, test.path)}, images...)
			refusedSoon(t, test.place+": "+what, append(args, strings.Fields(test.more)...))
		}
	}
}
