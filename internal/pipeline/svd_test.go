package pipeline

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/testutil"
)

// directionRounding is the goldens' tolerance for principal directions of
// neurons, which a small gap between singular values amplifies.
const directionRounding = 1e-3

func tinyPool(t testing.TB) *decomp.Pool {
	t.Helper()
	ck, err := clip.Open(tinyModel())
	if err != nil {
		t.Fatal(err)
	}
	defer ck.Close()
	pool, err := ck.Pool()
	if err != nil {
		t.Fatal(err)
	}
	return pool
}

// goldenScores writes the golden scores as a folder, as collect would.
func goldenScores(t testing.TB) string {
	t.Helper()
	s, _ := readGolden(t, "s.npy")
	return scoresFolder(t, s, origin.Origin{})
}

// scoresFolder writes scores of the golden pictures and model as a folder.
func scoresFolder(t testing.TB, s []float32, origin origin.Origin) string {
	t.Helper()
	_, shape := readGolden(t, "s.npy")
	path := filepath.Join(t.TempDir(), "scores")
	w, err := cache.OpenChunks(path, cache.Plan{
		Kind: artefact.KindScores, Axes: []string{"B", "H", "C"}, Row: shape[1:], DType: npy.Float32, Origin: origin,
		Inputs: shape[0], ChunkInputs: shape[0], Payload: artefact.ScoresFile,
	}, false)
	if err != nil {
		t.Fatal(err)
	}
	names := func(to io.Writer) error {
		items, _ := labelledNames(t)
		for _, item := range items {
			if _, err := io.WriteString(to, item.Name+"\n"); err != nil {
				return err
			}
		}
		return nil
	}
	if err := errors.Join(w.Append(s, nil), artefact.AddPool(w, tinyPool(t), false, par.NewTeam(1)), w.AddFile(artefact.ImagesFile, names)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	return path
}

// goldenDense writes the golden contributions out: s·v + b in float64, as
// float32 without header. Neurons sums them over heads.
func goldenDense(t testing.TB, neurons bool) (path string, shape []int) {
	t.Helper()
	s, ss := readGolden(t, "s.npy")
	v, vs := readGolden(t, "v.npy")
	b, _ := readGolden(t, "b.npy")
	B, H, C, O := ss[0], ss[1], ss[2], vs[2]
	var data []float32
	for i := range B {
		sum := make([]float64, C*O)
		for h := range H {
			for n := range C {
				for o := range O {
					r := float64(s[(i*H+h)*C+n])*float64(v[(h*C+n)*O+o]) + float64(b[h*O+o])
					if !neurons {
						data = append(data, float32(r))
					}
					sum[n*O+o] += r
				}
			}
		}
		if neurons {
			for _, r := range sum {
				data = append(data, float32(r))
			}
		}
	}
	path, shape = filepath.Join(t.TempDir(), "reprs.dat"), []int{B, H, C, O}
	if neurons {
		shape = []int{B, C, O}
	}
	raw := make([]byte, 0, 4*len(data))
	for _, x := range data {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
	}
	if err := os.WriteFile(path, raw, 0o666); err != nil {
		t.Fatal(err)
	}
	return path, shape
}

func goldenBools(t testing.TB, name string) []bool {
	t.Helper()
	a, err := npy.ReadFile(testutil.Golden(name))
	if err != nil {
		t.Fatal(err)
	}
	b, err := a.Bool()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

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
	pairs, pairShape := goldenDense(t, false)
	neurons, neuronShape := goldenDense(t, true)
	scores := goldenScores(t)
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
		{"pairs", scores, nil, false, 0, "pc0_nh", rounding, "nh"},
		{"pairs dense", pairs, pairShape, false, 0, "pc0_nh", rounding, "nh"},
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
				}, silent())
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
					want, wantShape := readGolden(t, golden)
					if !slices.Equal(shape, wantShape) {
						t.Errorf("%s: shape %v, want %v", file, shape, wantShape)
					}
					tolerance := rounding
					if file == "pcs.npy" {
						tolerance = test.tolerance
						alignSigns(got, want, goldenBools(t, test.golden+"_sign_free.npy"), shape[len(shape)-1])
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
	dense, shape := goldenDense(t, false)
	scores := goldenScores(t)
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
		"pairs' file, mode n":  {SVDOptions{CollectPath: dense, Shape: shape, Neurons: true}, "[B,C,O]"},
		"scores with a shape":  {SVDOptions{CollectPath: scores, Shape: shape}, "{shape}"},
		"nothing there":        {SVDOptions{CollectPath: "nowhere"}, "nowhere"},
		"nothing there, dense": {SVDOptions{CollectPath: "nowhere.dat", Shape: shape}, "nowhere.dat"},
	} {
		t.Run(name, func(t *testing.T) {
			test.o.TopK, test.o.Threads, test.o.OutPath = 20, 1, filepath.Join(t.TempDir(), "out.npy")
			_, err := SVD(context.Background(), test.o, silent())
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one that says %q", err, test.want)
			}
			if _, err := os.Stat(test.o.OutPath); err == nil {
				t.Error("something was written")
			}
		})
	}
}

// TestSVDWarns holds that too few pictures for the sign rule are told.
func TestSVDWarns(t *testing.T) {
	say, said := heard()
	_, err := SVD(context.Background(), SVDOptions{
		CollectPath: goldenScores(t), TopK: 20, OutPath: filepath.Join(t.TempDir(), "out.npy"), Threads: 1,
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
	if err := artefact.SaveTogether(outputs, func(w []io.Writer) error { return failure }); !errors.Is(err, failure) {
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
