package show

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/pipeline/collect"
	"github.com/clipnh/clipnh/internal/pipeline/collecttest"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestShowHead compares what is shown of a head with the golden heads and features.
func TestShowHead(t *testing.T) {
	const B, L, H, O = 8, 5, 4, 24
	golden := func(name string) []float32 {
		data, _, err := npy.ReadFloat32(testutil.GoldenViT(name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	heads, features := golden("gelu/first_heads.npy"), golden("gelu/feature.npy")
	collected := func(mode string) string {
		o := collecttest.GoldenViT(t, mode, mode)
		collecttest.Collect(t, o)
		return o.SavePath
	}
	spans := filepath.Join(t.TempDir(), "spans.json")
	text := `{"heads": [{"layer": 4, "index": 1, "texts": [{"text": "a", "explained": 0.25}, {"text": "b", "explained": 0.5}]}]}`
	if err := os.WriteFile(spans, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	o := HeadOptions{HeadsPath: collected(collect.ModeHeads), Parts: []string{collected(collect.ModeMLPs)}, SpansPath: spans, Head: "L4H1", Top: 3, Beside: 1, Threads: 2}
	r, err := RunHead(t.Context(), o, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	same := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 1e-3*(1+math.Abs(want)) { // factors are kept as float16
			t.Errorf("%s is %g, want %g", what, got, want)
		}
	}
	norms := func(h int) (of []float64, mean float64) {
		for b := range B {
			square := 0.0
			for _, x := range heads[((b*L+4)*H+h)*O:][:O] {
				square += float64(x) * float64(x)
			}
			of = append(of, math.Sqrt(square))
			mean += math.Sqrt(square) / B
		}
		return of, mean
	}
	own, mean := norms(1)
	share := 0.0
	for b := range B {
		along, length := 0.0, 0.0
		for o, x := range features[b*O:][:O] {
			along += float64(heads[((b*L+4)*H+1)*O+o]) * float64(x)
			length += float64(x) * float64(x)
		}
		share += along / length / B
	}
	same("mean norm", r.Norms.Mean, mean)
	same("share", *r.Share, share)
	if r.Unit != "l4h1" || r.Images != B || len(r.Texts) != 2 || *r.Explained != 0.5 || r.Beside.Of != "l4" || r.Beside.Count != H {
		t.Errorf("%+v", r)
	}
	sorted := slices.Clone(own)
	slices.Sort(sorted)
	slices.Reverse(sorted)
	for first, hits := range map[int][]Hit{0: r.Strongest, (B - 3) / 2: r.Median, B - 3: r.Weakest} {
		for i, hit := range hits {
			if hit.Rank != first+i+1 || hit.Score != nil || len(hits) != 3 {
				t.Errorf("%+v", hits)
			}
			same(hit.Name, float64(hit.Norm), sorted[first+i])
			same(hit.Name, float64(hit.Norm), own[hit.Image])
		}
	}
	listed := 0
	for _, u := range r.Beside.Heads {
		h := int(u.Unit[3] - '0')
		of, mean := norms(h)
		same(u.Unit, u.Mean, mean)
		same(u.Unit, u.Largest, slices.Max(of))
		if u.Unit == "l4h1" {
			listed++
		}
	}
	if listed != 1 || len(r.Beside.Heads) > 2 {
		t.Errorf("%+v", r.Beside.Heads)
	}

	// Without other parts and texts they are not known.
	o.Parts, o.SpansPath = nil, ""
	if r, err := RunHead(t.Context(), o, pipelinetest.Silent()); err != nil || r.Share != nil || r.Explained != nil || r.Spanned || r.Texts == nil {
		t.Errorf("%+v, %v", r, err)
	}
	o.Head = "l5h0"
	if _, err := RunHead(t.Context(), o, pipelinetest.Silent()); err == nil || !strings.Contains(err.Error(), "want a head, l0h0 to l4h3") {
		t.Errorf("no such head: %v", err)
	}
	o.Head = "l4h0"
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := RunHead(ctx, o, pipelinetest.Silent()); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}

	// The heads of an attention pool sum to the feature without others.
	pool := collecttest.GoldenImages(t, "pool")
	pool.Mode = collect.ModeHeads
	collecttest.Collect(t, pool)
	p, err := RunHead(t.Context(), HeadOptions{HeadsPath: pool.SavePath, Head: "h3", Top: 1, Beside: 9, Threads: 1}, pipelinetest.Silent())
	if err != nil || p.Share == nil || p.Beside.Of != "" || len(p.Beside.Heads) != 4 {
		t.Errorf("%+v, %v", p, err)
	}
}
