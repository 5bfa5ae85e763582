package directions

import (
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/pipeline/collect"
	"github.com/clipnh/clipnh/internal/pipeline/collecttest"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestSVDOfViT takes the pairs of a vision transformer's layer: their components are their
// directions, and those of neurons are the same from scores as from contributions
// written out. Polysemanticity, which needs whole features, refuses them.
func TestSVDOfViT(t *testing.T) {
	layer := 2
	o := collecttest.GoldenViT(t, collect.ModePairs, "scores")
	o.NeuronLayer = &layer
	collecttest.Collect(t, o)
	dense := collecttest.GoldenViT(t, collect.ModeNeurons, "neurons.npy")
	dense.NeuronLayer = &layer
	collecttest.Collect(t, dense)

	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	svd := func(s SVDOptions) *SVDResult {
		t.Helper()
		s.TopK, s.Threads = 3, 2
		result, err := SVD(t.Context(), s, pipelinetest.Silent())
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
	svd(SVDOptions{CollectPath: o.SavePath, OutPath: in("pairs.npy"), NormPath: in("norms.npy")})
	directions, shape, err := npy.ReadFloat32(testutil.GoldenViT("gelu/second_directions.npy")) // [P,H,N,O]
	if err != nil {
		t.Fatal(err)
	}
	O := shape[3]
	got, gotShape := pipelinetest.ReadNPY(t, in("pairs.npy"))
	if want := []int{shape[0] * shape[1], shape[2], O}; !slices.Equal(gotShape, want) {
		t.Fatalf("components of %v, want %v", gotShape, want)
	}
	signs := make([]bool, len(got)/O) // 3 of 8 images leave many open
	for u := range signs {
		v, length := directions[u*O:(u+1)*O], 0.0
		for _, x := range v {
			length += float64(x) * float64(x)
		}
		for i := range v {
			v[i] = float32(float64(v[i]) / math.Sqrt(length))
		}
		signs[u] = true
	}
	alignSigns(got, directions, signs, O)
	if err := testutil.Far(got, directions, pipelinetest.Rounding); err != nil {
		t.Errorf("components of pairs: %v", err)
	}
	pcs, err := (artefact.Reader{}).Components(in("pairs.npy"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer pcs.Close()
	if units, err := pcs.Units.Find([]string{"l4h1n7"}); err != nil || !slices.Equal(units, []int{5*128 + 7}) || pcs.Units.Name(3) != "l3h0n3" {
		t.Errorf("l4h1n7 is found as %d, %v, and unit 3 is %s", units, err, pcs.Units.Name(3))
	}

	svd(SVDOptions{CollectPath: o.SavePath, Neurons: true, MeanPath: in("means.npy"), NormPath: in("factored.npy")})
	svd(SVDOptions{CollectPath: dense.SavePath, Neurons: true, MeanPath: in("dense-means.npy"), NormPath: in("dense.npy")})
	for _, pair := range [][2]string{{"means.npy", "dense-means.npy"}, {"factored.npy", "dense.npy"}} {
		got, _ := pipelinetest.ReadNPY(t, in(pair[0]))
		want, _ := pipelinetest.ReadNPY(t, in(pair[1]))
		if err := testutil.Far(got, want, pipelinetest.Rounding); err != nil {
			t.Errorf("%s of scores and of contributions: %v", pair[0], err)
		}
	}

	_, err = Polysemanticity(t.Context(), PolysemanticityOptions{CollectPath: o.SavePath, Pairs: true, TopImages: 3, Threads: 1}, pipelinetest.Silent())
	if bad := testutil.Line(err, o.SavePath, "a part of the image feature"); bad != nil {
		t.Error(bad)
	}
}
