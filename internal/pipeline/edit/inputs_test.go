package edit

import (
	"bytes"
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/collecttest"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/testutil"
)

// saveNPY writes a .npy file without a manifest, as other programs do.
func saveNPY(t testing.TB, shape []int, values []float32) string {
	t.Helper()
	var b bytes.Buffer
	if err := npy.WriteFloat32(&b, shape, values); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "values.npy")
	write(t, path, b.Bytes())
	return path
}

// TestMeans holds that means are the same whatever they are read from.
func TestMeans(t *testing.T) {
	mean := collecttest.GoldenImages(t, "mean")
	mean.Mean = true
	dense := collecttest.GoldenImages(t, "means.npy")
	dense.Mean = true
	scores, statistics := collecttest.GoldenImages(t, "scores"), collecttest.GoldenStatistics(t)
	collecttest.Collect(t, mean)
	collecttest.Collect(t, dense)
	collecttest.Collect(t, scores)
	collecttest.Collect(t, statistics)
	o := Options{Model: pipelinetest.TinyModel(), Threads: 2, By: ByMean, Remove: []string{"n5", "h1n70"}}
	var want []Change
	for name, path := range map[string]string{
		"scores": scores.SavePath, "statistics": statistics.SavePath, "mean scores": mean.SavePath,
		"means": dense.SavePath, "golden means": testutil.Golden("means_nh.npy"),
	} {
		o.MeansPath, o.ScoresPath, o.SavePath = "", path, filepath.Join(t.TempDir(), "edited.pt")
		if strings.HasSuffix(path, ".npy") {
			o.MeansPath, o.ScoresPath = path, ""
		}
		got := run(t, o).Changes
		if want == nil {
			want = got
		}
		for i, c := range got {
			mean := want[i].Mean()
			if c.Pair != want[i].Pair || !(math.Abs(c.Mean()-mean) <= 1e-5*math.Abs(mean)+1e-6) || c.Mean() == 0 {
				t.Errorf("%s: %s has mean %g, want %s with %g", name, c.Pair, c.Mean(), want[i].Pair, mean)
			}
		}
	}
}

// TestTexts compares the pairs of texts with those that brute force finds, of the weights'
// directions and of components.
func TestTexts(t *testing.T) {
	ck, err := clip.OpenWith(pipelinetest.TinyModel(), clip.Details{})
	if err != nil {
		t.Fatal(err)
	}
	defer ck.Close()
	vocab := testutil.Golden("text/toy_merges.txt.gz")
	encoder, err := model.NewEncoder(ck, vocab, 1, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{"a dog", "grass"}
	rows, err := encoder.Embed(context.Background(), texts, nil, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	pool, err := ck.OV()
	if err != nil {
		t.Fatal(err)
	}
	directions := pool.AllDirections(par.NewTeam(1))
	pcs, _ := pipelinetest.ReadGolden(t, "pc0_nh.npy")
	for name, vectors := range map[string][]float32{"": directions, testutil.Golden("pc0_nh.npy"): pcs} {
		o := Options{
			Model: pipelinetest.TinyModel(), SavePath: filepath.Join(t.TempDir(), "edited.pt"), Threads: 2, By: ByZero,
			TextOptions: TextOptions{Texts: texts, K: 7, PCsPath: name, Vocab: vocab},
		}
		r := run(t, o)
		removed := map[string]bool{}
		for i := range texts {
			want := closest(vectors, rows[i*pool.OutDim:(i+1)*pool.OutDim], 7)
			for j, p := range r.Texts[i].Pairs {
				removed[p.Name()] = true
				if p.Head*pool.Neurons+p.Neuron != want[j] {
					t.Errorf("%s, %q: pair %d is %s, want %s", name, texts[i], j, p.Name(), tinyShape.Name(want[j]))
				}
			}
		}
		if len(r.Changes) != len(removed) || len(removed) < 7 {
			t.Errorf("%d pairs removed, want the %d of the texts", len(r.Changes), len(removed))
		}
		for _, c := range r.Changes {
			if !removed[c.Pair] || c.Factor != 0 {
				t.Errorf("%s has factor %g", c.Pair, c.Factor)
			}
		}
	}
}

// closest are the k rows of vectors [U,O] with the largest cosine to a text.
func closest(vectors, text []float32, k int) []int {
	O := len(text)
	cosines, order := make([]float64, len(vectors)/O), make([]int, len(vectors)/O)
	for u := range cosines {
		row := vectors[u*O : (u+1)*O]
		for o, x := range row {
			cosines[u] += float64(x) * float64(text[o]) / decomp.Norm(row)
		}
		order[u] = u
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case cosines[a] > cosines[b]:
			return -1
		case cosines[a] < cosines[b]:
			return 1
		}
		return 0
	})
	return order[:k]
}

// TestMovement compares what is said of images with the features of the checkpoint that
// was written, as collect gives them.
func TestMovement(t *testing.T) {
	data := dataset.Options{Kind: dataset.Images, Path: pipelinetest.Spoiled(t)}
	save := filepath.Join(t.TempDir(), "edited.pt")
	o := Options{
		Model: pipelinetest.TinyModel(), SavePath: save, Threads: 2, By: ByMean, MeansPath: testutil.Golden("means_nh.npy"),
		MaskPath: testutil.Golden("mask_nh.npy"), InvertMask: true,
		Images: source.Options{Data: data, Stride: 1, BatchSize: 5},
	}
	r := run(t, o)
	features := func(model string) ([]float32, []string) {
		c := collecttest.GoldenStatistics(t)
		c.Model, c.Data = model, data
		collecttest.Collect(t, c)
		a, err := cache.Open(c.SavePath)
		if err != nil {
			t.Fatal(err)
		}
		names, err := artefact.ImageNames(a)
		if err != nil {
			t.Fatal(err)
		}
		values, _ := pipelinetest.ReadNPY(t, filepath.Join(c.SavePath, artefact.FeaturesFile))
		return values, names
	}
	before, names := features(o.Model)
	after, _ := features(save)
	want := Movement{CosineMin: 1}
	n, O := float64(len(names)), len(before)/len(names)
	for i, name := range names {
		f, g := before[i*O:(i+1)*O], after[i*O:(i+1)*O]
		product, square := 0.0, 0.0
		for o := range f {
			product += float64(f[o]) * float64(g[o])
			square += math.Pow(float64(f[o])-float64(g[o]), 2)
		}
		cosine, distance := product/decomp.Norm(f)/decomp.Norm(g), math.Sqrt(square)/decomp.Norm(f)
		if cosine < want.CosineMin {
			want.CosineMin, want.Farthest = cosine, name
		}
		want.CosineMean += cosine / n
		want.DistanceMean += distance / n
		want.DistanceMax = max(want.DistanceMax, distance)
		want.NormBefore += decomp.Norm(f) / n
		want.NormAfter += decomp.Norm(g) / n
	}
	m := r.Moved
	if m.Images != len(names) || len(r.Skipped) != 2 || m.Farthest != want.Farthest {
		t.Errorf("%d images, %d skipped, farthest %s; want %d, 2, %s", m.Images, len(r.Skipped), m.Farthest, len(names), want.Farthest)
	}
	for i, pair := range [][2]float64{
		{m.CosineMean, want.CosineMean}, {m.CosineMin, want.CosineMin}, {m.DistanceMean, want.DistanceMean},
		{m.DistanceMax, want.DistanceMax}, {m.NormBefore, want.NormBefore}, {m.NormAfter, want.NormAfter},
	} {
		if !(math.Abs(pair[0]-pair[1]) <= 1e-4*pair[1]) {
			t.Errorf("number %d is %g, want %g", i, pair[0], pair[1])
		}
	}
	if m.DistanceMax < 1e-3 {
		t.Errorf("nothing moves: largest distance %g", m.DistanceMax)
	}
}

// TestManifest holds that a checkpoint says what it came from, also one that was edited
// twice, and that info shows it.
func TestManifest(t *testing.T) {
	dir := t.TempDir()
	first, second := filepath.Join(dir, "first.pt"), filepath.Join(dir, "second.safetensors")
	a := run(t, Options{Model: pipelinetest.TinyModel(), SavePath: first, Threads: 2, By: ByZero, Remove: []string{"n5", "h1n70"}, Scale: []Scaled{{"h0n3", 0.5}}})
	b := run(t, Options{Model: first, SavePath: second, Threads: 2, By: ByZero, Remove: []string{"h2n9"}})
	if b.FromSHA256 != a.SHA256 || a.SHA256 == a.FromSHA256 || b.SHA256 == a.SHA256 {
		t.Errorf("hashes %s to %s, %s to %s", a.FromSHA256, a.SHA256, b.FromSHA256, b.SHA256)
	}
	info, err := model.Info(context.Background(), first, model.Details{})
	if err != nil {
		t.Fatal(err)
	}
	if e := info.Edited; info.SHA256 != a.SHA256 || e == nil || e.From != a.FromSHA256 || e.By != ByZero || e.Pairs != 6 || e.Units != "n5=0 h0n3=0.5 h1n70=0" {
		t.Errorf("info says %+v", info.Edited)
	}
	parent, err := cache.Open(first)
	if err != nil {
		t.Fatal(err)
	}
	child, err := cache.Open(second)
	if err != nil {
		t.Fatal(err)
	}
	if o := child.Manifest.Origin; o.Weights != a.SHA256 || o.Parents["checkpoint"] != parent.Hash() {
		t.Errorf("the second checkpoint comes from %s and %v", o.Weights, o.Parents)
	}
	// Of other bytes a manifest says nothing.
	data, err := os.ReadFile(second)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-1] ^= 1
	write(t, second, data)
	info, err = model.Info(context.Background(), second, model.Details{})
	if err != nil {
		t.Fatal(err)
	}
	if info.Edited != nil || len(info.Notes) != 1 || !strings.Contains(info.Notes[0], "not those that were written") {
		t.Errorf("of changed weights info says %+v, %q", info.Edited, info.Notes)
	}
}

// TestNotes holds what is told of inputs that are not plain.
func TestNotes(t *testing.T) {
	for name, tc := range map[string]struct{ model, end, want string }{
		"torchscript":         {pipelinetest.TinyModel(), ".pt", "a state dict; the code of the TorchScript archive is left out"},
		"shards":              {shards(t), ".pt", "the shards of the model are one file now"},
		"training checkpoint": {testutil.Golden("model/tiny_openclip.pt"), ".pt", "tensors from outside of the model's state dict, such as optimizer.state.0.step"},
		"averaged weights":    {pipelinetest.TwoModels(t), ".pt", "state_dict_ema.visual.attnpool.v_proj.weight is written as it was"},
		"half precision":      {testutil.Golden("model/tiny_sd_fp16.pt"), ".safetensors", "c_proj's bias is written in float32"},
		"scaled in half":      {testutil.Golden("model/tiny_sd_fp16.pt"), ".pt", "scaled weights are rounded to float16"},
	} {
		say, heard := pipelinetest.Heard()
		o := Options{
			Model: tc.model, SavePath: filepath.Join(t.TempDir(), "edited"+tc.end), Threads: 1, By: ByMean, ScoresPath: pipelinetest.GoldenScores(t),
			Scale: []Scaled{{"n5", 0.3}},
		}
		if _, err := Run(context.Background(), o, say); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !strings.Contains(heard.String(), tc.want) {
			t.Errorf("%s: told %q, want %q", name, heard, tc.want)
		}
	}
}
