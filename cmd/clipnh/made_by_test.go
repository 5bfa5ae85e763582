package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/report"
)

func TestMadeBy(t *testing.T) {
	files := []report.Input{
		{Kind: artefact.KindScores, Path: "c/my val", SHA256: "5c", Command: "clipnh collect of c/my val"},
		{Kind: report.InputImages, Path: "photos", SHA256: "1a"}, {Kind: report.InputModel, Path: "RN50.pt", SHA256: "3d"},
		{Kind: artefact.KindComponents, Path: "pc0.npy", SHA256: "9c"},
	}
	for _, c := range []struct {
		kind, path string
		from       origin.Origin
		want       string
	}{
		{artefact.KindScores, "c/my val", origin.Origin{Weights: "3d", Block: origin.LastBlock, Precision: origin.Float32, Images: &origin.Images{Dataset: "images", SHA256: "1a", Stride: 1, Preprocess: origin.ConvertFirst}},
			"clipnh collect --model RN50.pt --dataset images --data-path photos --save-path 'c/my val'"},
		{artefact.KindScores, "c", origin.Origin{Weights: "00", Block: "1", Precision: origin.BFloat16,
			Images: &origin.Images{Dataset: "imagenet_val", Stride: 5, Preprocess: "openai", EXIF: true, MaxPixels: 9}, Collect: &origin.Collect{Batch: "1"}},
			"clipnh collect --model MODEL --mode neurons+heads_lens --lens-idx 1 --precision bf16 --dataset imagenet_val --data-path IMAGES --sample-stride 5 --preprocess openai --exif --max-pixels 9 --batch-size 1 --save-path c"},
		{artefact.KindScores, "c", origin.Origin{Transformer: &origin.Transformer{Activation: "gelu", Heads: 12, NeuronLayer: 9}},
			"clipnh collect --model MODEL --vit-heads 12 --activation gelu --neuron-layer 9 --save-path c"},
		{artefact.KindImageFeatures, "c/my val/features", origin.Origin{}, "clipnh collect of c/my val"},
		{artefact.KindImageFeatures, "f", origin.Origin{}, "clipnh collect --mode features --model MODEL --save-path f"},
		{artefact.KindComponents, "pc0.npy", origin.Origin{Mode: "nh", SVD: &origin.SVD{TopK: 50}, Parents: map[string]string{"contributions": "5c"}},
			"clipnh svd --scores 'c/my val' --mode nh --top-k-pca 50 --out-save-path pc0.npy"},
		{artefact.KindComponents, "pc2.npy", origin.Origin{Mode: "nh", SVD: &origin.SVD{TopK: 7, PC: 2}, Parents: map[string]string{"contributions": "00"}},
			"clipnh svd --scores SCORES --mode nh --top-k-pca 7 --pc-idx 2 --out-save-path pc2.npy"},
		{artefact.KindEmbeddings, "z.npy", origin.Origin{Weights: "3d", Prompts: &origin.Prompts{}},
			"clipnh embed --model RN50.pt --vocab VOCAB --lines TEXTS --use-templates=false --embeddings-save-path z.npy"},
		{artefact.KindEmbeddings, "z.npy", origin.Origin{Weights: "3d", Prompts: &origin.Prompts{Templates: "7e"}},
			"clipnh embed --model RN50.pt --vocab VOCAB --lines TEXTS --templates TEMPLATES --embeddings-save-path z.npy"},
		{artefact.KindWordScores, "w.npy", origin.Origin{Code: &origin.Code{Components: 8, Normalize: "none", Units: "all"}, Parents: map[string]string{"contributions": "5c", "components": "9c", "embeddings": "00"}},
			"clipnh score --scores 'c/my val' --pcs-path pc0.npy --text-descs-list-path WORDS --text-descs-embeddings-path EMBEDDINGS --method omp:none --num-components 8 --save-path w.npy"},
		{artefact.KindWordScores, "w.npy", origin.Origin{Code: &origin.Code{Components: 8, Normalize: "none", Units: "all"}, Parents: map[string]string{"contributions": "5c", "components": "9c", "embeddings": "00", "codes": "00"}},
			"clipnh score --scores 'c/my val' --pcs-path pc0.npy --text-descs-list-path WORDS --text-descs-embeddings-path EMBEDDINGS --codes CODES --save-path w.npy"},
		{artefact.KindCodes, "codes.npz", origin.Origin{Code: &origin.Code{Components: 8, Normalize: "columns", Method: "nonneg", Units: "h0n1,h3n4"}, Parents: map[string]string{"components": "9c", "embeddings": "00"}},
			"clipnh sparse --pcs-path pc0.npy --text-descs-list-path WORDS --text-descs-embeddings-path EMBEDDINGS --method nonneg --normalize columns --units h0n1,h3n4 --num-components 8 --decomposition-save-path codes.npz"},
		{report.InputImages, "photos", origin.Origin{}, ""},
	} {
		got := madeBy(report.Input{Kind: c.kind, Path: c.path}, c.from, files)
		if got != c.want {
			t.Errorf("%s %s:\n%s\nwant\n%s", c.kind, c.path, got, c.want)
		}
		if strings.HasPrefix(got, "clipnh ") && !strings.Contains(got, " of ") {
			checkFlags(t, strings.ReplaceAll(got, "'c/my val'", "c"))
		}
	}
}

// TestMadeByMakes runs the commands of a report's page about its files: they make the same
// bytes.
func TestMadeByMakes(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.ToSlash(filepath.Join(dir, name)) }
	assets := filepath.Join("..", "..", "internal", "demo", "assets")
	model, images := filepath.ToSlash(filepath.Join(assets, "tiny-clip.pt")), at("my images")
	found, err := filepath.Glob(filepath.Join(assets, "imagenet", "test", "*0.JPEG"))
	if err != nil || len(found) < 10 {
		t.Fatalf("%d images: %v", len(found), err)
	}
	if err := os.Mkdir(images, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, name := range found[:10] {
		data, err := os.ReadFile(name)
		if err == nil {
			err = os.WriteFile(filepath.Join(images, filepath.Base(name)), data, 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	must(t, exitDone, "collect", "--model", model, "--dataset", "images", "--data-path", images, "--exif", "--save-path", at("val"), "--quiet")
	must(t, exitDone, "svd", "--scores", at("val"), "--top-k-pca", "9", "--out-save-path", at("pc0.npy"), "--quiet")
	must(t, exitDone, "report", "--scores", at("val"), "--pcs-path", at("pc0.npy"), "--model", model, "--dataset", "images", "--data-path", images, "--out", at("report"), "--quiet")
	var mark report.Mark
	data, err := os.ReadFile(at("report/report.json"))
	if err == nil {
		err = json.Unmarshal(data, &mark)
	}
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, in := range mark.Inputs {
		if in.Command == "" || in.Kind == artefact.KindImageFeatures {
			continue
		}
		line, again := strings.Fields(strings.ReplaceAll(in.Command, "'"+images+"'", "IMAGES")), in.Path+".again"
		if filepath.Ext(in.Path) == ".npy" {
			again = strings.TrimSuffix(in.Path, ".npy") + "-again.npy"
		}
		line[len(line)-1] = again
		if i := slices.Index(line, "IMAGES"); i >= 0 {
			line[i] = images
		}
		must(t, exitDone, append(line[1:], "--quiet")...)
		if got, want := artefactBytes(t, again), artefactBytes(t, in.Path); got != want {
			t.Errorf("%s: %q makes other bytes", in.Path, in.Command)
		}
		ran++
	}
	if ran != 2 {
		t.Errorf("%d commands, want 2", ran)
	}
}

// artefactBytes are the bytes of an artefact's payload.
func artefactBytes(t *testing.T, path string) string {
	t.Helper()
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, "scores.npy")
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
