package report

import (
	"math"
	"path/filepath"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/pipeline/collect"
	"github.com/clipnh/clipnh/internal/pipeline/collecttest"
	"github.com/clipnh/clipnh/internal/report"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestMapsOfViT holds that a report of a vision transformer with its model has places that are
// what the golden heads add by tokens, and maps of all heads of later layers, with the same
// bytes for any number of threads.
func TestMapsOfViT(t *testing.T) {
	layer := 2
	o := collecttest.GoldenViT(t, collect.ModePairs, "scores")
	o.NeuronLayer = &layer
	collecttest.Collect(t, o)
	r := Options{
		Store: new(cache.Store), Threads: 1, BatchSize: 3, ScoresPath: o.SavePath, ClassesPath: testutil.GoldenViT("texts.npy"), Model: o.Model,
		Data: dataset.Options{Kind: dataset.Images, Path: testutil.GoldenViT("images")}, Dir: filepath.Join(t.TempDir(), "report"),
	}
	run(t, r)
	read2 := func(name string) []float32 {
		data, _, err := npy.ReadFloat32(testutil.GoldenViT(name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	features, texts, tokens := read2("gelu/feature.npy"), read2("texts.npy"), read2("gelu/first_tokens.npy")
	const L, T, H, O = 5, 37, 4, 24
	images := unpacked(t, read[report.ImageShard](t, r.Dir, report.ImageName(0)))
	if len(images) != 8 {
		t.Fatalf("%d records", len(images))
	}
	for b, x := range images {
		if x.Places == nil || x.Places.Side != 6 || x.Attention == nil || len(x.Attention.Images) != 2*H {
			t.Fatalf("image %d: places %+v, attention %+v", b, x.Places, x.Attention)
		}
		length, sum := 0.0, x.Places.Position
		for _, v := range features[b*O : (b+1)*O] {
			length += float64(v) * float64(v)
		}
		text := texts[x.Classes[0].Class*O:][:O]
		for m, got := range x.Places.Parts {
			want := 0.0
			for i := range L * H {
				at := (((b*L+i/H)*T+m+1)*H + i%H) * O
				for o, v := range tokens[at : at+O] {
					want += 100 / math.Sqrt(length) * float64(v) * float64(text[o])
				}
			}
			if math.Abs(float64(got)-want) > 1e-3 {
				t.Errorf("image %d: place %d adds %g, want %g", b, m, got, want)
			}
			sum += float64(got)
		}
		if math.Abs(sum-x.Logit) > 1e-2 {
			t.Errorf("image %d: places and what is at none sum to %g, want %g", b, sum, x.Logit)
		}
	}
	// Attention is that of the class token: with what goes to itself, it sums to 1.
	attention := read2("gelu/attention_cls.npy")
	for h := range 2 * H {
		head, mean, sink := read[report.Head](t, r.Dir, report.HeadName(h)), make([]float64, T-1), 0.0
		for b := range images {
			row := attention[((b*L+layer+1)*H+h)*T:][:T]
			sink += float64(row[0]) / float64(len(images))
			for m, v := range row[1:] {
				mean[m] += float64(v) / float64(len(images))
			}
		}
		sum := head.Sink
		for m, v := range head.Attention {
			if sum += float64(v); math.Abs(float64(v)-mean[m]) > 3e-3 {
				t.Errorf("head %d: attention to place %d is %g, want %g", h, m, v, mean[m])
			}
		}
		if math.Abs(head.Sink-sink) > 1e-4 || math.Abs(sum-1) > 2e-2 {
			t.Errorf("head %d: attention to the class token is %g, want %g; all sum to %g", h, head.Sink, sink, sum)
		}
	}
	want := contents(t, r.Dir)
	r.Threads, r.BatchSize, r.Dir = 3, 8, filepath.Join(t.TempDir(), "again")
	run(t, r)
	sameFiles(t, contents(t, r.Dir), want)
}
