package report

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/pipeline/collect"
	"github.com/clipnh/clipnh/internal/pipeline/collecttest"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/report"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestReportOfViT holds that the logits of a vision transformer's images are those of its
// features, and that what is constant in them is what the feature has without the pairs.
func TestReportOfViT(t *testing.T) {
	read2 := func(name string) ([]float32, []int) {
		data, shape, err := npy.ReadFloat32(testutil.GoldenViT(name))
		if err != nil {
			t.Fatal(err)
		}
		return data, shape
	}
	layer := 2
	o := collecttest.GoldenViT(t, collect.ModePairs, "scores")
	o.NeuronLayer = &layer
	collecttest.Collect(t, o)
	r := Options{Store: new(cache.Store), Threads: 2, ScoresPath: o.SavePath, ClassesPath: testutil.GoldenViT("texts.npy"), Dir: filepath.Join(t.TempDir(), "report")}
	run(t, r)

	features, shape := read2("gelu/feature.npy")
	own, ownShape := read2("gelu/second_own.npy") // [B,N,O]
	texts, _ := read2("texts.npy")
	O, N := shape[1], ownShape[1]
	images := unpacked(t, read[report.ImageShard](t, r.Dir, report.ImageName(0)))
	if len(images) != shape[0] {
		t.Fatalf("%d records, want %d", len(images), shape[0])
	}
	for b, x := range images {
		f, length, logit, rest := features[b*O:(b+1)*O], 0.0, 0.0, 0.0
		text := texts[x.Classes[0].Class*O:][:O]
		textLength := 0.0
		for i, v := range f {
			length += float64(v) * float64(v)
			textLength += float64(text[i]) * float64(text[i])
			left := float64(v)
			for n := range N {
				left -= float64(own[(b*N+n)*O+i])
			}
			logit += float64(v) * float64(text[i])
			rest += left * float64(text[i])
		}
		factor := 100 / math.Sqrt(length*textLength)
		if math.Abs(x.Logit-factor*logit) > 1e-3 || math.Abs(x.Constant-factor*rest) > 1e-3 {
			t.Errorf("image %d: logit %g of which %g is constant, want %g and %g", b, x.Logit, x.Constant, factor*logit, factor*rest)
		}
	}
}

// TestReportIsAnotherWithFeatures holds that the image features of a vision transformer are among
// what a report is made of: one that was begun without them is not resumed with them.
func TestReportIsAnotherWithFeatures(t *testing.T) {
	layer := 2
	o := collecttest.GoldenViT(t, collect.ModePairs, "scores")
	o.NeuronLayer = &layer
	collecttest.Collect(t, o)
	r := Options{Store: new(cache.Store), Threads: 2, ScoresPath: o.SavePath, Dir: filepath.Join(t.TempDir(), "report")}
	run(t, r)
	want := contents(t, r.Dir)
	features := filepath.Join(o.SavePath, artefact.FeaturesFolder)
	a, err := cache.Open(features)
	if err != nil {
		t.Fatal(err)
	}
	if inputs := read[report.Overview](t, r.Dir, report.OverviewName).Inputs; !slices.ContainsFunc(inputs, func(in report.Input) bool {
		return in.Kind == artefact.KindImageFeatures && in.Path == filepath.ToSlash(features) && in.SHA256 == a.Hash()
	}) {
		t.Errorf("made from %+v, want the features too", inputs)
	}

	if err := os.RemoveAll(features); err != nil {
		t.Fatal(err)
	}
	r.Dir = filepath.Join(t.TempDir(), "resumed")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err = Run(ctx, r, &pipelinetest.Interrupting{Reporter: pipelinetest.Silent(), After: 8 * 128, Cancel: cancel}) // the pairs
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("%v, want a cancelled context", err)
	}
	if _, err := os.Stat(filepath.Join(r.Dir, "data", "work", "columns")); err != nil {
		t.Fatal(err)
	}
	collecttest.Collect(t, o)
	run(t, r)
	sameFiles(t, contents(t, r.Dir), want)
}
