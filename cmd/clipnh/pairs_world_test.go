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
	switch name {
	case "checkpoint":
		return w.model
	case "reference", "collection": // of shift --watch, and of components
		name = "scores"
	case "heads_reference": // of report --with, and of compare
		name = "heads"
	case "pairs.npy": // of texts that choose pairs
		name = "classes.npy"
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

// making is what a world is made from.
type making struct {
	model  string // golden
	data   string // images
	scenes string // a data set to segment
	stride int
	lens   bool // scores are of another block
	texts  lists
}

// make makes all artefacts that commands read.
func (m making) make(t *testing.T) world {
	t.Helper()
	w := world{t.TempDir(), testutil.Golden(m.model)}
	of := []string{"--model", w.model, "--dataset", "imagenet_val", "--data-path", m.data, "--sample-stride", fmt.Sprint(m.stride)}
	scores := slices.Concat([]string{"collect"}, of)
	if m.lens {
		scores = append(scores, "--mode", "neurons+heads_lens", "--lens-idx", "0")
	}
	vocab := testutil.Golden("text/toy_merges.txt.gz")
	embed := []string{"embed", "--model", w.model, "--vocab", vocab, "--use-templates=false"}
	words := writeLines(t, w.at("words.txt"), m.texts.words...)
	classes := writeLines(t, w.at("classes.txt"), m.texts.classes...)
	writeLines(t, w.at("set.yaml"), "title: two scenes", "data:", "  images: images", "  image_suffix: .png", "  labels:", "    - folder: labels",
		"      suffix: .png", "  ignore_index: 255", "shorter_side: 64", "k: 9", "classes: ["+strings.Join(m.texts.classes, ", ")+"]")
	svd := []string{"svd", "--scores", w.at("scores"), "--top-k-pca", "6"}
	segment := []string{"segment", "--model", w.model, "--pcs-path", w.at("pc0.npy"), "--text-embeddings-path", w.at("classes.npy"),
		"--text-for-topk", w.at("pairs.npy"), "--config", w.at("set.yaml"), "--data-path", m.scenes, "--save-path", w.at("counts.json")}
	shift := slices.Concat([]string{"shift", "--concepts-path", words, "--text-embeddings-path", w.at("words.npy"), "--pcs-path", w.at("pc0.npy"), "--save-path", w.at("ratios.json")}, of)
	runs := [][]string{
		append(scores, "--save-path", w.at("scores")),
		slices.Concat([]string{"collect", "--save-path", w.at("dense.npy"), "--mode", "neurons"}, of),
		slices.Concat([]string{"collect", "--save-path", w.at("mean_acts.npy"), "--mode", "neuron_acts", "--mean"}, of),
		slices.Concat([]string{"registers", "--diff-save-path", w.at("sink.npy")}, of),
		slices.Concat([]string{"collect", "--save-path", w.at("heads"), "--mode", "heads"}, of),
		slices.Concat(svd, []string{"--out-save-path", w.at("pc0.npy"), "--mean-save-path", w.at("means.npy"), "--norm-save-path", w.at("norms.npy")}),
		slices.Concat(svd, []string{"--mode", "n", "--out-save-path", w.at("pc0_n.npy"), "--mean-save-path", w.at("means_n.npy"), "--norm-save-path", w.at("norms_n.npy")}),
		slices.Concat(svd, []string{"--mode", "n", "--pc-idx", "1", "--out-save-path", w.at("pc1_n.npy")}),
		{"polysemanticity", "--scores", w.at("scores"), "--mode", "nh", "--scores-save-path", w.at("inertia.npy")},
		{"ablate", "--model", w.model, "--dataset", "imagenet_val", "--data-path", m.data, "--sample-stride", "6", "--mode", "zero_sink", "--features-save-path", w.at("features.npy")},
		{"polysemanticity", "--scores", w.at("scores"), "--mode", "n", "--scores-save-path", w.at("inertia_n.npy")},
		slices.Concat(embed, []string{"--lines", words, "--embeddings-save-path", w.at("words.npy")}),
		slices.Concat(embed, []string{"--lines", classes, "--embeddings-save-path", w.at("classes.npy")}),
		{"textspan", "--scores", w.at("heads"), "--text-descs-embeddings-path", w.at("words.npy"), "--text-descs-list-path", words,
			"--num-of-last-layers", "1", "--texts-per-head", "2", "--save-path", w.at("spans.txt")},
		{"sparse", "--pcs-path", w.at("pc0.npy"), "--text-descs-embeddings-path", w.at("words.npy"), "--text-descs-list-path", words,
			"--num-components", "4", "--decomposition-save-path", w.at("codes.npz")},
		{"sparse", "--pcs-path", w.at("pc0_n.npy"), "--svd-scores", w.at("scores"), "--text-descs-embeddings-path", w.at("words.npy"), "--text-descs-list-path", words,
			"--method", "textspan", "--num-components", "2", "--decomposition-save-path", w.at("codes_n.npz")},
		{"mask", "--neuron-head-norms-path", w.at("norms.npy"), "--mask-save-path", w.at("mask.npy")},
		{"mask", "--neurons-norms-path", w.at("norms_n.npy"), "--mask-save-path", w.at("mask_n.npy")},
	}
	for i, run := range [][]string{scores, segment, shift} {
		if m.stride > 1 && i != 1 {
			continue // half of the images are too few for two shards; see otherStride
		}
		for _, part := range []string{"1/2", "2/2"} {
			more := []string{"--shard", part}
			if m.lens {
				more = append(more, "--force") // of another block than the model's last
			}
			if i == 0 {
				more = append(more, "--save-path", w.at("whole"))
			}
			runs = append(runs, slices.Concat(run, more))
		}
	}
	for _, args := range runs {
		must(t, exitDone, append(args, "--quiet")...)
	}
	// Norms of activations are another program's, or as here made to look like them.
	w = exchanged(t, w, map[string]string{"norms_acts.npy": "norms_n.npy"})
	return rewritten(t, w, func(name string, o *origin.Origin) {
		if name == "norms_acts.npy" {
			o.Mode = "neur_acts"
		}
	})
}

// rewritten copies a world, with another origin in every manifest.
func rewritten(t *testing.T, w world, change func(name string, o *origin.Origin)) world {
	t.Helper()
	other := copied(t, w)
	for name, content := range filesBelow(t, w.dir) {
		var m cache.Manifest
		if !strings.HasSuffix(name, ".json") || json.Unmarshal([]byte(content), &m) != nil || m.Kind == "" {
			continue
		}
		change(strings.TrimSuffix(name, ".json"), &m.Origin)
		if err := os.WriteFile(other.at(name), sealed(t, m), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return other
}

// copied copies a world. Files in its place are those of other names, by name.
func copied(t *testing.T, w world) world {
	t.Helper()
	other := world{t.TempDir(), w.model}
	if err := os.CopyFS(other.dir, os.DirFS(w.dir)); err != nil {
		t.Fatal(err)
	}
	return other
}

// exchanged copies a world in which some artefacts, by name, are others of theirs.
func exchanged(t *testing.T, w world, by map[string]string) world {
	t.Helper()
	other := copied(t, w)
	for _, name := range slices.Sorted(maps.Keys(by)) {
		for _, suffix := range []string{"", ".json"} {
			content, err := os.ReadFile(w.at(by[name] + suffix))
			if err != nil {
				t.Fatal(err)
			}
			content = bytes.ReplaceAll(content, []byte(`"`+by[name]+`"`), []byte(`"`+name+`"`))
			if suffix != "" {
				var m cache.Manifest
				if err := json.Unmarshal(content, &m); err != nil {
					t.Fatal(err)
				}
				content = sealed(t, m)
			}
			if err := os.WriteFile(other.at(name+suffix), content, 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	return other
}

// otherStride adds shards that a world of half of the images lacks.
func otherStride(t *testing.T, w, base world) world {
	t.Helper()
	shards := rewritten(t, base, func(_ string, o *origin.Origin) {
		if o.Images != nil {
			o.Images.Stride = 2
		}
	})
	for _, part := range []string{"1-of-2", "2-of-2"} {
		for _, name := range []string{"whole." + part, "ratios." + part + ".json", "ratios." + part + ".json.json"} {
			if err := os.Rename(shards.at(name), w.at(name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return w
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

// differs reports whether an input has other bytes in another world, or another
// manifest.
func differs(t *testing.T, a, b world, input string) bool {
	t.Helper()
	if a.at(input) == b.at(input) {
		return false
	}
	content := func(w world) map[string]string {
		path := w.at(input)
		if part := strings.TrimSuffix(path, ".json"); part != path { // told to --save-path
			path = part + ".1-of-2.json"
		}
		if _, err := os.Stat(path); err != nil {
			path = w.at(input)
		}
		all := filesBelow(t, path)
		if manifest, err := os.ReadFile(path + ".json"); err == nil {
			all["manifest"] = string(manifest)
		}
		return all
	}
	return !maps.Equal(content(a), content(b))
}
