package directions

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// directionRounding is the goldens' tolerance for principal directions of
// neurons, which a small gap between singular values amplifies.
const directionRounding = 1e-3

// alignSigns flips the directions of got that the sign rule leaves open and
// that point away from want's.
func alignSigns(got, want []float32, open []bool, outDim int) {
	for u, free := range open {
		g, w := got[u*outDim:(u+1)*outDim], want[u*outDim:(u+1)*outDim]
		dot := 0.0
		for o := range g {
			dot += float64(g[o]) * float64(w[o])
		}
		if free && dot < 0 {
			for o := range g {
				g[o] = -g[o]
			}
		}
	}
}

// TestSVD compares directions, means and norms of pairs and neurons with the
// goldens, from scores and from dense contributions.
func TestSVD(t *testing.T) {
	pairs, pairShape := pipelinetest.GoldenDense(t, false)
	neurons, neuronShape := pipelinetest.GoldenDense(t, true)
	scores := pipelinetest.GoldenScores(t)
	for _, test := range []struct {
		name      string
		collect   string
		shape     []int
		neurons   bool
		pc        int
		golden    string // of the directions
		tolerance float64
		rest      string // of means and norms
	}{
		{"pairs", scores, nil, false, 0, "pc0_nh", pipelinetest.Rounding, "nh"},
		{"pairs dense", pairs, pairShape, false, 0, "pc0_nh", pipelinetest.Rounding, "nh"},
		{"neurons of dense pairs", pairs, pairShape, true, 0, "pc0_n", directionRounding, "n"},
		{"neurons", scores, nil, true, 0, "pc0_n", directionRounding, "n"},
		{"neurons dense", neurons, neuronShape, true, 0, "pc0_n", directionRounding, "n"},
		{"neurons PC1", scores, nil, true, 1, "pc1_n", directionRounding, "n"},
		{"neurons PC1 dense", neurons, neuronShape, true, 1, "pc1_n", directionRounding, "n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var first [][]byte
			for _, threads := range []int{1, 3} {
				dir := t.TempDir()
				in := func(name string) string { return filepath.Join(dir, name) }
				_, err := SVD(context.Background(), SVDOptions{
					CollectPath: test.collect, Shape: test.shape, Neurons: test.neurons, TopK: 20, PC: test.pc,
					OutPath: in("pcs.npy"), MeanPath: in("means.npy"), NormPath: in("norms.npy"), Threads: threads,
				}, pipelinetest.Silent())
				if err != nil {
					t.Fatal(err)
				}
				var files [][]byte
				for file, golden := range map[string]string{
					"pcs.npy": test.golden + ".npy", "means.npy": "means_" + test.rest + ".npy", "norms.npy": "norms_" + test.rest + ".npy",
				} {
					got, shape, err := npy.ReadFloat32(in(file))
					if err != nil {
						t.Fatal(err)
					}
					want, wantShape := pipelinetest.ReadGolden(t, golden)
					if !slices.Equal(shape, wantShape) {
						t.Errorf("%s: shape %v, want %v", file, shape, wantShape)
					}
					tolerance := pipelinetest.Rounding
					if file == "pcs.npy" {
						tolerance = test.tolerance
						alignSigns(got, want, pipelinetest.GoldenBools(t, test.golden+"_sign_free.npy"), shape[len(shape)-1])
					}
					if err := testutil.Far(got, want, tolerance); err != nil {
						t.Errorf("%s against %s: %v", file, golden, err)
					}
				}
				for _, file := range []string{"pcs.npy", "means.npy", "norms.npy", "pcs.npy.json"} {
					data, err := os.ReadFile(in(file))
					if err != nil {
						t.Fatal(err)
					}
					files = append(files, data)
				}
				if first == nil {
					first = files
				}
				for i := range files {
					if !bytes.Equal(files[i], first[i]) {
						t.Errorf("file %d: other bytes with %d threads", i, threads)
					}
				}
			}
		})
	}
}

func TestSVDRefuses(t *testing.T) {
	dense, shape := pipelinetest.GoldenDense(t, false)
	scores := pipelinetest.GoldenScores(t)
	cut := filepath.Join(t.TempDir(), "cut.dat")
	data, err := os.ReadFile(dense)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cut, data[:len(data)-5], 0o666); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		o    SVDOptions
		want string
	}{
		"no shape":             {SVDOptions{CollectPath: dense}, "want {shape}"},
		"shape too large":      {SVDOptions{CollectPath: cut, Shape: shape}, cut},
		"scores with a shape":  {SVDOptions{CollectPath: scores, Shape: shape}, "{shape}"},
		"nothing there":        {SVDOptions{CollectPath: "nowhere"}, "nowhere"},
		"nothing there, dense": {SVDOptions{CollectPath: "nowhere.dat", Shape: shape}, "nowhere.dat"},
	} {
		t.Run(name, func(t *testing.T) {
			test.o.TopK, test.o.Threads, test.o.OutPath = 20, 1, filepath.Join(t.TempDir(), "out.npy")
			_, err := SVD(context.Background(), test.o, pipelinetest.Silent())
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one that says %q", err, test.want)
			}
			if _, err := os.Stat(test.o.OutPath); err == nil {
				t.Error("something was written")
			}
		})
	}
}

// TestSVDWarns holds that too few images for the sign rule are told.
func TestSVDWarns(t *testing.T) {
	say, said := pipelinetest.Heard()
	_, err := SVD(context.Background(), SVDOptions{
		CollectPath: pipelinetest.GoldenScores(t), TopK: 20, OutPath: filepath.Join(t.TempDir(), "out.npy"), Threads: 1,
	}, say)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(said.String(), "48 images for {top-k-pca} 20") {
		t.Errorf("said %q", said.String())
	}
}

// TestSaveTogether holds that a failure in the middle leaves no file behind.
func TestSaveTogether(t *testing.T) {
	dir := t.TempDir()
	outputs := []artefact.Output{
		artefact.NewOutput(artefact.KindMeans, filepath.Join(dir, "a.npy"), []string{"C"}, []int{2}, origin.Origin{}),
		artefact.NewOutput(artefact.KindMeans, filepath.Join(dir, "b.npy"), []string{"C"}, []int{2}, origin.Origin{}),
	}
	failure := errors.New("failed")
	if err := (artefact.Writer{}).SaveTogether(outputs, func(w []io.Writer) error { return failure }); !errors.Is(err, failure) {
		t.Errorf("error %v", err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range left {
		if !strings.HasSuffix(path, ".lock") {
			t.Errorf("left behind: %s", path)
		}
	}
}
