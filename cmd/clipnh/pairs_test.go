package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/testutil"
)

// world is a folder of artefacts of the same names and shapes as in other worlds.
type world struct{ dir, model string }

func (w world) at(name string) string {
	if name == "checkpoint" {
		return w.model
	}
	return filepath.Join(w.dir, name)
}

// writeLines writes a list and returns its path.
func writeLines(t *testing.T, path string, lines ...string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// lists are the texts of a world.
type lists struct{ words, classes []string }

// makeWorld makes all artefacts that commands read. With lens, scores are those of
// another block.
func makeWorld(t *testing.T, model, data string, stride int, lens bool, texts lists) world {
	t.Helper()
	w := world{t.TempDir(), testutil.Golden(model)}
	common := []string{"--model", w.model, "--dataset", "imagenet_val", "--data-path", data, "--sample-stride", fmt.Sprint(stride), "--quiet"}
	scores := slices.Concat([]string{"collect"}, common)
	if lens {
		scores = append(scores, "--mode", "neurons+heads_lens", "--lens-idx", "0")
	}
	embed := []string{"embed", "--model", w.model, "--vocab", testutil.Golden("text/toy_merges.txt.gz"), "--use-templates=false", "--quiet"}
	words := writeLines(t, w.at("words.txt"), texts.words...)
	classes := writeLines(t, w.at("classes.txt"), texts.classes...)
	for _, args := range [][]string{
		slices.Concat(scores, []string{"--save-path", w.at("scores")}),
		slices.Concat([]string{"collect", "--save-path", w.at("mean_acts.npy"), "--mode", "neuron_acts", "--mean"}, common),
		slices.Concat([]string{"registers", "--diff-save-path", w.at("sink.npy")}, common),
		{"svd", "--collect-save-path", w.at("scores"), "--top-k-pca", "6", "--out-save-path", w.at("pc0.npy"),
			"--mean-save-path", w.at("means.npy"), "--norm-save-path", w.at("norms.npy"), "--quiet"},
		{"svd", "--collect-save-path", w.at("scores"), "--top-k-pca", "6", "--mode", "n", "--out-save-path", w.at("pc0_n.npy"),
			"--mean-save-path", w.at("means_n.npy"), "--norm-save-path", w.at("norms_n.npy"), "--quiet"},
		{"svd", "--collect-save-path", w.at("scores"), "--top-k-pca", "6", "--mode", "n", "--pc-idx", "1", "--out-save-path", w.at("pc1_n.npy"), "--quiet"},
		slices.Concat(embed, []string{"--lines", words, "--embeddings-save-path", w.at("words.npy")}),
		slices.Concat(embed, []string{"--lines", classes, "--embeddings-save-path", w.at("classes.npy")}),
		{"sparse", "--pcs-path", w.at("pc0.npy"), "--text-descs-embeddings-path", w.at("words.npy"), "--text-descs-list-path", words,
			"--num-components", "4", "--decomposition-save-path", w.at("codes.npz"), "--quiet"},
		{"mask", "--neuron-head-norms-path", w.at("norms.npy"), "--mask-save-path", w.at("mask.npy"), "--quiet"},
		{"mask", "--neurons-norms-path", w.at("norms_n.npy"), "--mask-save-path", w.at("mask_n.npy"), "--quiet"},
	} {
		must(t, exitDone, args...)
	}
	if stride == 1 { // half of the images are too few for two shards
		for _, part := range []string{"1/2", "2/2"} {
			must(t, exitDone, slices.Concat(scores, []string{"--save-path", w.at("whole"), "--shard", part})...)
		}
	}
	return w
}

// withPrecision copies a world and has every manifest say another precision.
func withPrecision(t *testing.T, w world) world {
	t.Helper()
	other := world{t.TempDir(), w.model}
	for name, content := range filesBelow(t, w.dir) {
		data := []byte(content)
		if strings.HasSuffix(name, ".json") {
			var m cache.Manifest
			if err := json.Unmarshal(data, &m); err != nil {
				t.Fatal(err)
			}
			if m.Origin.Precision != "" {
				m.Origin.Precision = origin.BFloat16
			}
			data = sealed(t, m)
		}
		if err := os.MkdirAll(filepath.Dir(other.at(name)), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(other.at(name), data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return other
}

// sealed is the file of a manifest, with its checksum.
func sealed(t *testing.T, m cache.Manifest) []byte {
	t.Helper()
	var data []byte
	m.CRC = ""
	for range 2 {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if err := e.Encode(m); err != nil {
			t.Fatal(err)
		}
		data = b.Bytes()
		m.CRC = fmt.Sprintf("%08x", crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)))
	}
	return data
}

// TestInputsBelongTogether gives every command, for every pair of its inputs and more,
// some that were made from something else: another model, block of layer4, precision,
// stride, list of texts or order of them. All have the shape of the right ones. Each
// mixture is refused before anything is printed or written.
func TestInputsBelongTogether(t *testing.T) {
	data := labelled(t)
	golden, err := os.ReadFile(testutil.Golden("text/words.txt"))
	if err != nil {
		t.Fatal(err)
	}
	texts := lists{strings.Split(strings.TrimSpace(string(golden)), "\n"), []string{"dog", "cat"}}
	writeLines(t, filepath.Join(data, "classes.txt"), "class0\tdog", "class1\tcat")
	reversed := lists{slices.Clone(texts.words), []string{"cat", "dog"}}
	slices.Reverse(reversed.words)
	others := lists{nil, []string{"elk", "hen"}}
	for _, word := range texts.words {
		others.words = append(others.words, "no "+word)
	}
	const tiny = "model/tiny_jit.pt"
	base := makeWorld(t, tiny, data, 1, false, texts)
	worlds := map[string]world{
		"model":     makeWorld(t, "model/tiny_openclip.pt", data, 1, false, texts),
		"block":     makeWorld(t, tiny, data, 1, true, texts),
		"precision": withPrecision(t, base),
		"stride":    makeWorld(t, tiny, data, 2, false, texts),
		"texts":     makeWorld(t, tiny, data, 1, false, others),
		"order":     makeWorld(t, tiny, data, 1, false, reversed),
	}
	out := filepath.Join(t.TempDir(), "out")
	words, vocab := base.at("words.txt"), testutil.Golden("text/toy_merges.txt.gz")
	image := filepath.Join(out, "..", "picture.png")
	for name, content := range filesBelow(t, testutil.Golden("dataset")) {
		if strings.HasSuffix(name, ".png") || strings.HasSuffix(name, ".jpg") {
			if err := os.WriteFile(image, []byte(content), 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	features := " --features-save-path " + out + ".npy"
	labels := " --dataset imagenet_val --data-path " + data + " --imagenet-zeroshot-path {classes.npy}"
	tower := "ablate --model {checkpoint} --dataset imagenet_val --data-path " + data + features
	count, pairs := 0, map[string]bool{}
	for _, command := range []struct {
		name, line string
		together   map[string]string // by what may differ, the inputs that must agree
	}{
		{"reconstruct", "reconstruct --scores {scores} --means-path {means.npy} --pcs-paths {pc0.npy}" + labels, map[string]string{
			"model": "scores means.npy pc0.npy classes.npy", "block": "scores means.npy pc0.npy", "precision": "scores means.npy pc0.npy",
			"stride": "means.npy pc0.npy", "texts": "classes.npy", "order": "classes.npy"}},
		{"reconstruct neurons", "reconstruct --scores {scores} --means-path {means_n.npy} --pcs-paths {pc0_n.npy},{pc1_n.npy}" + features, map[string]string{
			"model": "scores means_n.npy pc0_n.npy pc1_n.npy", "block": "scores means_n.npy pc0_n.npy pc1_n.npy",
			"precision": "scores means_n.npy pc0_n.npy pc1_n.npy", "stride": "means_n.npy pc0_n.npy pc1_n.npy"}},
		{"reconstruct codes", "reconstruct --scores {scores} --means-path {means.npy} --decomposition-save-path {codes.npz} --text-descs-embeddings-path {words.npy}" + features, map[string]string{
			"model": "scores means.npy codes.npz words.npy", "block": "scores means.npy codes.npz", "precision": "scores means.npy codes.npz",
			"stride": "means.npy codes.npz", "texts": "codes.npz words.npy", "order": "codes.npz words.npy"}},
		{"ablate mask", "ablate --scores {scores} --means-path {means.npy} --replace-index-path {mask.npy}" + labels, map[string]string{
			"model": "scores means.npy mask.npy classes.npy", "block": "scores means.npy mask.npy", "precision": "scores means.npy mask.npy",
			"stride": "means.npy mask.npy", "texts": "classes.npy", "order": "classes.npy"}},
		{"ablate norms", "ablate --scores {scores} --means-path {means.npy} --percentile 50 --neuron-head-norms-path {norms.npy}" + features, map[string]string{
			"model": "scores means.npy norms.npy", "block": "scores means.npy norms.npy", "precision": "scores means.npy norms.npy", "stride": "means.npy norms.npy"}},
		{"ablate neurons", "ablate --scores {scores} --mode neur_reprs --means-path {means_n.npy} --replace-index-path {mask_n.npy}" + features, map[string]string{
			"model": "scores means_n.npy mask_n.npy", "block": "scores means_n.npy mask_n.npy", "precision": "scores means_n.npy mask_n.npy", "stride": "means_n.npy mask_n.npy"}},
		{"ablate registers", tower + " --mode zero_register_neurons --top-k-sink-neurons 3 --neurons-sink-diffs-path {sink.npy}", map[string]string{
			"model": "checkpoint sink.npy", "precision": "sink.npy"}},
		{"ablate a model", tower + " --means-path {means.npy} --replace-index-path {mask.npy}", map[string]string{
			"model": "checkpoint means.npy mask.npy", "block": "means.npy mask.npy", "precision": "means.npy mask.npy", "stride": "means.npy mask.npy"}},
		{"sparse", "sparse --pcs-path {pc0.npy} --text-descs-embeddings-path {words.npy} --text-descs-list-path " + words + " --num-components 4 --restart --decomposition-save-path " + out + ".npz",
			map[string]string{"model": "pc0.npy words.npy", "texts": "words.npy", "order": "words.npy"}},
		{"describe", "describe h0n0 --pcs-path {pc0.npy} --text-descs-embeddings-path {words.npy} --text-descs-list-path " + words, map[string]string{
			"model": "pc0.npy words.npy", "texts": "words.npy", "order": "words.npy"}},
		{"describe codes", "describe h0n0 --decomposition-save-path {codes.npz} --pcs-path {pc0.npy} --text-descs-list-path " + words, map[string]string{
			"model": "codes.npz pc0.npy", "block": "codes.npz pc0.npy", "precision": "codes.npz pc0.npy", "stride": "codes.npz pc0.npy", "texts": "codes.npz", "order": "codes.npz"}},
		{"retrieve", "retrieve --text tree --scores {scores} --pcs-path {pc0.npy} --model {checkpoint} --use-templates=false --vocab " + vocab +
			" --decomposition-save-path {codes.npz} --text-descs-list-path " + words, map[string]string{
			"model": "scores pc0.npy checkpoint codes.npz", "block": "scores pc0.npy codes.npz", "precision": "scores pc0.npy codes.npz",
			"stride": "pc0.npy codes.npz", "texts": "codes.npz", "order": "codes.npz"}},
		{"shift", "shift --scores {scores} --concepts-path " + words + " --text-embeddings-path {words.npy} --pcs-path {pc0.npy}", map[string]string{
			"model": "scores words.npy pc0.npy", "block": "scores pc0.npy", "precision": "scores pc0.npy", "texts": "words.npy", "order": "words.npy"}},
		{"shift --watch", "shift --scores {scores} --watch " + "{reference} --concepts-path " + words + " --text-embeddings-path {words.npy} --pcs-path {pc0.npy} --bootstrap 0", map[string]string{
			"model": "scores reference words.npy pc0.npy", "block": "scores reference pc0.npy", "precision": "scores reference pc0.npy", "texts": "words.npy", "order": "words.npy"}},
		{"segment", "segment --model {checkpoint} --pcs-path {pc0.npy} --text-embeddings-path {classes.npy} --classes dog,cat --k 9 --image " + image, map[string]string{
			"model": "checkpoint pc0.npy classes.npy", "block": "pc0.npy", "precision": "pc0.npy", "texts": "classes.npy", "order": "classes.npy"}},
		{"merge", "merge --restart --save-path " + out + " {whole.1-of-2} {whole.2-of-2}", map[string]string{
			"model": "whole.1-of-2 whole.2-of-2", "block": "whole.1-of-2 whole.2-of-2", "precision": "whole.1-of-2 whole.2-of-2"}},
	} {
		args := func(from func(input string) world) []string {
			line := strings.Fields(command.line)
			for i, word := range line {
				var b strings.Builder
				for rest := word; ; {
					before, after, found := strings.Cut(rest, "{")
					b.WriteString(before)
					if !found {
						break
					}
					input, more, _ := strings.Cut(after, "}")
					w := from(input)
					if input == "reference" {
						input = "scores" // too
					}
					b.WriteString(w.at(input))
					rest = more
				}
				line[i] = b.String()
			}
			return append(line, "--quiet")
		}
		must(t, exitDone, args(func(string) world { return base })...)
		for _, what := range slices.Sorted(maps.Keys(command.together)) {
			inputs := strings.Fields(command.together[what])
			all := 1 << len(inputs)
			if len(inputs) > 1 {
				all-- // all of them from the other world belong together
			}
			for set := 1; set < all; set++ {
				name := fmt.Sprintf("%s: another %s of", command.name, what)
				for i, a := range inputs {
					if set&(1<<i) != 0 {
						name += " " + a
					}
					for j, b := range inputs {
						if set&(1<<i) != 0 && set&(1<<j) == 0 {
							pairs[strings.Join([]string{command.name, what, a, b}, "\t")] = true
						}
					}
				}
				given := args(func(input string) world {
					if at := slices.Index(inputs, input); at >= 0 && set&(1<<at) != 0 {
						return worlds[what]
					}
					return base
				})
				code, printed, said := clipnh(given...)
				if code != exitStale || printed != "" {
					t.Errorf("%s: exit code %d, want %d and nothing on stdout\n%q\n%s%s", name, code, exitStale, given, printed, said)
				}
				count++
			}
		}
	}
	t.Logf("%d mixtures of inputs refused, of %d pairs of inputs that differ", count, len(pairs))
}
