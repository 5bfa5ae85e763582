package directions

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/pipeline/collect"
	"github.com/clipnh/clipnh/internal/pipeline/collecttest"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestSVDOfPublished compares means and norms of the published form of neurons with those of the
// goldens, and holds that a folder of it, of pairs and of neurons, gives the bytes that a file of
// contributions written out gives, from which neurons can be summed too.
func TestSVDOfPublished(t *testing.T) {
	const top = 3
	layer, dir := 2, t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	gather := func(mode, file string) string {
		o := collecttest.GoldenViT(t, mode, file)
		o.NeuronLayer, o.Published = &layer, true
		collecttest.Collect(t, o)
		return o.SavePath
	}
	folder := gather(collect.ModeNeurons, "published")
	files := map[bool]string{false: gather(collect.ModePairs, "pairs.npy"), true: gather(collect.ModeNeurons, "neurons.npy")}
	svd := func(path string, neurons bool, name string) {
		t.Helper()
		o := SVDOptions{CollectPath: path, Neurons: neurons, TopK: top, Threads: 2, PC: 1, OutPath: in(name + "-pc.npy"), MeanPath: in(name + "-means.npy"), NormPath: in(name + "-norms.npy")}
		if _, err := SVD(t.Context(), o, pipelinetest.Silent()); err != nil {
			t.Fatal(err)
		}
	}
	for neurons, file := range files {
		units := map[bool]string{false: "pairs", true: "neurons"}[neurons]
		svd(folder, neurons, units)
		svd(file, neurons, units+"-written-out")
		for _, end := range []string{"-pc.npy", "-means.npy", "-norms.npy"} {
			a, err := os.ReadFile(in(units + end))
			if err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(in(units + "-written-out" + end))
			if err != nil || !bytes.Equal(a, b) {
				t.Errorf("%s%s of a folder and of a file: other bytes, %v", units, end, err)
			}
		}
	}

	effects, shape, err := npy.ReadFloat32(testutil.GoldenViT("gelu/second_published.npy")) // [B,N,O]
	if err != nil {
		t.Fatal(err)
	}
	features, _, err := npy.ReadFloat32(testutil.GoldenViT("gelu/feature.npy"))
	if err != nil {
		t.Fatal(err)
	}
	B, N, O := shape[0], shape[1], shape[2]
	length := func(x []float64) float64 {
		sum := 0.0
		for _, v := range x {
			sum += v * v
		}
		return math.Sqrt(sum)
	}
	var means, norms []float32 // [N,O] and [N,top]
	for n := range N {
		rows, mean := make([][]float64, B), make([]float64, O)
		for b := range B {
			f := make([]float64, O)
			for o := range O {
				f[o] = float64(features[b*O+o])
			}
			rows[b] = make([]float64, O)
			for o := range O {
				rows[b][o] = 100 * float64(effects[(b*N+n)*O+o]) / length(f)
				mean[o] += rows[b][o] / float64(B)
			}
		}
		var all []float64
		for _, row := range rows {
			for o := range row {
				row[o] -= mean[o]
			}
			all = append(all, length(row))
		}
		slices.Sort(all)
		for _, x := range all[B-top:] {
			norms = append(norms, float32(x))
		}
		for _, x := range mean {
			means = append(means, float32(x))
		}
	}
	for name, want := range map[string][]float32{"neurons-means.npy": means, "neurons-norms.npy": norms} {
		got, _ := pipelinetest.ReadNPY(t, in(name))
		if err := testutil.Far(got, want, pipelinetest.Rounding); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	pairs := SVDOptions{CollectPath: files[false], Neurons: true, TopK: top, Threads: 1, MeanPath: in("summed.npy")}
	if _, err := SVD(t.Context(), pairs, pipelinetest.Silent()); err != nil {
		t.Fatal(err)
	}
	summed, _ := pipelinetest.ReadNPY(t, in("summed.npy"))
	if err := testutil.Far(summed, means, pipelinetest.Rounding); err != nil {
		t.Errorf("means of pairs, summed over heads: %v", err)
	}
}
