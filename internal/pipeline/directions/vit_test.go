package directions

import (
	"cmp"
	"math"
	"os"
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
// written out. Polysemanticity reads the image features beside them.
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

	statistics := o
	statistics.StatsOnly, statistics.TopK, statistics.SavePath = true, 3, in("statistics")
	collecttest.Collect(t, statistics)
	svd(SVDOptions{CollectPath: statistics.SavePath, OutPath: in("of-statistics.npy")})
	if same, _ := pipelinetest.ReadNPY(t, in("of-statistics.npy")); !slices.Equal(same, pcsOf(t, in("pairs.npy"))) {
		t.Error("components of statistics differ from those of scores")
	}
	features, _ := pipelinetest.ReadNPY(t, filepath.Join(statistics.SavePath, artefact.FeaturesFile))
	if want, _, err := npy.ReadFloat32(testutil.GoldenViT("gelu/feature.npy")); err != nil || testutil.Far(features, want, pipelinetest.Rounding) != nil {
		t.Errorf("features of statistics: %v %v", err, testutil.Far(features, want, pipelinetest.Rounding))
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

	poly := PolysemanticityOptions{CollectPath: o.SavePath, Pairs: true, PairsPath: in("inertia.npy"), TopImages: 3, Threads: 1}
	if _, err := Polysemanticity(t.Context(), poly, pipelinetest.Silent()); err != nil {
		t.Fatal(err)
	}
	inertia, _ := pipelinetest.ReadNPY(t, in("inertia.npy"))
	if got, want := float64(inertia[5*128+7]), inertiaOf(t, 5*128+7, 3); math.Abs(got-want) > pipelinetest.Rounding {
		t.Errorf("inertia of l4h1n7 is %g, want %g", got, want)
	}

	if err := os.RemoveAll(filepath.Join(o.SavePath, artefact.FeaturesFolder)); err != nil {
		t.Fatal(err)
	}
	_, err = Polysemanticity(t.Context(), poly, pipelinetest.Silent())
	if bad := testutil.Line(err, o.SavePath, "the image features, of which the pairs of a vision transformer are a part"); bad != nil {
		t.Error(bad)
	}
}

func pcsOf(t *testing.T, path string) []float32 {
	t.Helper()
	rows, _ := pipelinetest.ReadNPY(t, path)
	return rows
}

// inertiaOf is the sum of squared distances of the unit features of the images whose golden
// score of a pair is farthest from its mean, to their mean.
func inertiaOf(t *testing.T, pair, top int) float64 {
	t.Helper()
	read := func(name string) ([]float32, []int) {
		data, shape, err := npy.ReadFloat32(testutil.GoldenViT("gelu/" + name + ".npy"))
		if err != nil {
			t.Fatal(err)
		}
		return data, shape
	}
	scores, shape := read("second_scores")
	features, of := read("feature")
	B, O, pairs, mean := of[0], of[1], shape[1]*shape[2]*shape[3], 0.0
	for b := range B {
		mean += float64(scores[b*pairs+pair]) / float64(B)
	}
	images := make([]int, B)
	for b := range images {
		images[b] = b
	}
	far := func(b int) float64 { return math.Abs(float64(scores[b*pairs+pair]) - mean) }
	slices.SortFunc(images, func(a, b int) int { return cmp.Compare(far(b), far(a)) })
	sum, centre := 0.0, make([]float64, O)
	for _, b := range images[:top] {
		length := 0.0
		for _, x := range features[b*O : (b+1)*O] {
			length += float64(x) * float64(x)
		}
		for o, x := range features[b*O : (b+1)*O] {
			centre[o] += float64(x) / math.Sqrt(length) / float64(top)
		}
	}
	for _, x := range centre {
		sum += x * x
	}
	return float64(top) * (1 - sum) // of unit vectors
}
