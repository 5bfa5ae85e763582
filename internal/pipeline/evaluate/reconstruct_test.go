package evaluate

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/omp"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/directions"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/testutil"
)

// goldenReconstruction reconstructs the golden images and returns where the
// features went.
func goldenReconstruction(t testing.TB, o ReconstructOptions) (string, *ReconstructResult) {
	t.Helper()
	o.FeaturesPath = filepath.Join(t.TempDir(), "f.npy")
	if o.Threads == 0 {
		o.Threads = 2
	}
	r, err := Reconstruct(context.Background(), o, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	return o.FeaturesPath, r
}

// TestReconstructGolden compares reconstructions with the goldens, from every
// source.
func TestReconstructGolden(t *testing.T) {
	type sources = map[string]func(testing.TB) source.Options
	pairs := sources{"scores": fromScores, "dense": fromDense, "model": fromModel}
	neurons := sources{"scores": fromScores, "dense": fromDense, "summed": fromSummed, "model": fromModel}
	in := func(names ...string) []string {
		for i, name := range names {
			names[i] = testutil.Golden(name + ".npy")
		}
		return names
	}
	for _, test := range []struct {
		golden  string
		o       ReconstructOptions
		sources sources
	}{
		{"reconstruct_nh_pc0", ReconstructOptions{Means: testutil.Golden("means_nh.npy"), PCs: in("pc0_nh")}, pairs},
		{"reconstruct_n_pc0", ReconstructOptions{Means: testutil.Golden("means_n.npy"), PCs: in("pc0_n")}, neurons},
		{"reconstruct_n_pc0_pc1", ReconstructOptions{Means: testutil.Golden("means_n.npy"), PCs: in("pc0_n", "pc1_n")}, neurons},
		{"reconstruct_nh_sparse", ReconstructOptions{Means: testutil.Golden("means_nh.npy"), Codes: testutil.Golden("codes_nh_ref.npz"),
			Texts: testutil.Golden("text/words.npy"), Normalize: omp.Columns}, pairs},
		{"reconstruct_n_sparse", ReconstructOptions{Means: testutil.Golden("means_n.npy"), Codes: testutil.Golden("codes_n_ref.npz"),
			Texts: testutil.Golden("text/words.npy"), Normalize: omp.Columns}, neurons},
	} {
		for name, source := range test.sources {
			t.Run(test.golden+" from "+name, func(t *testing.T) {
				test.o.Options = source(t)
				path, r := goldenReconstruction(t, test.o)
				checkFeatures(t, path, "out/"+test.golden+".npy")
				if r.Null != 0 || r.Directions != max(1, len(test.o.PCs)) {
					t.Errorf("result %+v", r)
				}
			})
		}
	}
}

// TestReconstructAccuracy compares predictions and counts with the goldens.
func TestReconstructAccuracy(t *testing.T) {
	scores := fromScores(t)
	scores.Data = pipelinetest.LabelledFolder(t)
	for golden, o := range map[string]ReconstructOptions{
		"reconstruct_nh_pc0":    {Means: "means_nh.npy", PCs: []string{testutil.Golden("pc0_nh.npy")}},
		"reconstruct_n_pc0_pc1": {Means: "means_n.npy", PCs: []string{testutil.Golden("pc0_n.npy"), testutil.Golden("pc1_n.npy")}},
		"reconstruct_n_sparse":  {Means: "means_n.npy", Codes: testutil.Golden("codes_n_ref.npz"), Texts: testutil.Golden("text/words.npy"), Normalize: omp.Columns},
	} {
		o.Options, o.Means, o.ClassesPath = scores, testutil.Golden(o.Means), testutil.Golden("text/zeroshot.npy")
		_, r := goldenReconstruction(t, o)
		checkAccuracy(t, r.Baseline, "model")
		checkAccuracy(t, r.Variants[0], golden)
	}
}

// reconstructionRounding is what rounding may do to features put together from
// pairs' only principal direction, which is all there is.
const reconstructionRounding = 1e-5

// TestReconstructIsExact holds that pairs' PC0 and means, as svd finds them,
// give the untouched features back.
func TestReconstructIsExact(t *testing.T) {
	dir := t.TempDir()
	pcs, means := filepath.Join(dir, "pc0.npy"), filepath.Join(dir, "means.npy")
	scores := fromScores(t)
	if _, err := directions.SVD(context.Background(), directions.SVDOptions{CollectPath: scores.ScoresPath, TopK: 20, OutPath: pcs, MeanPath: means, Threads: 2}, pipelinetest.Silent()); err != nil {
		t.Fatal(err)
	}
	want, _ := pipelinetest.ReadGolden(t, "features.npy")
	path, _ := goldenReconstruction(t, ReconstructOptions{Options: scores, Means: means, PCs: []string{pcs}})
	got, _ := pipelinetest.ReadNPY(t, path)
	if err := testutil.Far(got, want, reconstructionRounding); err != nil {
		t.Error(err)
	}
}

// TestReconstructSameBytes holds that neither batch nor threads change a result.
func TestReconstructSameBytes(t *testing.T) {
	for _, golden := range []string{"nh", "n"} {
		var first []byte
		for _, batch := range []int{1, 7, 48} {
			for _, threads := range []int{1, 3} {
				o := ReconstructOptions{Options: fromModel(t), Means: testutil.Golden("means_" + golden + ".npy"), PCs: []string{testutil.Golden("pc0_" + golden + ".npy")}, Threads: threads}
				o.BatchSize = batch
				path, _ := goldenReconstruction(t, o)
				got := readBytes(t, path)
				if first == nil {
					first = got
				}
				if !bytes.Equal(got, first) {
					t.Errorf("%s: batch %d, %d threads: other bytes", golden, batch, threads)
				}
			}
		}
	}
}

// TestReconstructNull holds that a unit without a code keeps its mean, where the
// reference has NaN.
func TestReconstructNull(t *testing.T) {
	dir := t.TempDir()
	codes, means := filepath.Join(dir, "codes.npz"), testutil.Golden("means_n.npy")
	var b bytes.Buffer
	w := npy.NewArchiveWriter(&b, true)
	if err := errors.Join(w.WriteSparse(&npy.Sparse{Rows: 256, Cols: 300, ByRow: true, Starts: make([]int32, 257)}), w.Close(), os.WriteFile(codes, b.Bytes(), 0o666)); err != nil {
		t.Fatal(err)
	}
	path, r := goldenReconstruction(t, ReconstructOptions{
		Options: fromScores(t), Means: means, Codes: codes, Texts: testutil.Golden("text/words_fp16.pt"), Normalize: omp.Rows,
	})
	if r.Null != 256 {
		t.Errorf("%d directions are zero, want 256", r.Null)
	}
	m, _ := pipelinetest.ReadNPY(t, means)
	want := make([]float64, 32)
	for i, x := range m {
		want[i%32] += float64(x)
	}
	got, _ := pipelinetest.ReadNPY(t, path)
	for i, x := range got {
		if w := want[i%32]; math.Abs(float64(x)-w) > 1e-5*math.Max(1, math.Abs(w)) {
			t.Fatalf("at %d: %g, want the sum of the means, %g", i, x, w)
		}
	}
}

// TestCodedDirections holds that directions are products of codes and texts, for
// any run of units.
func TestCodedDirections(t *testing.T) {
	// [[0 2 0] [0 0 0] [1 0 5] [0 0 1]]
	c := &codedDirections{
		codes: &npy.Sparse{Rows: 4, Cols: 3, ByRow: true, Starts: []int32{0, 1, 1, 3, 4}, Indices: []int32{1, 2, 0, 2}, Data: []float32{2, 5, 1, 1}},
		texts: []float32{1, 0, 0, 1, 3, 4}, team: par.NewTeam(2),
	}
	n := float32(math.Hypot(16, 20))
	want := []float32{0, 1, 0, 0, 16 / n, 20 / n, 0.6, 0.8}
	got := make([]float32, 8)
	if err := errors.Join(c.read(got[:4], 0), c.read(got[4:], 2)); err != nil {
		t.Fatal(err)
	}
	if err := testutil.Far(got, want, 1e-6); err != nil {
		t.Errorf("%v: %v", err, got)
	}
}

func TestReconstructRefuses(t *testing.T) {
	scores := fromScores(t)
	for name, test := range map[string]struct {
		o    ReconstructOptions
		want string
	}{
		"PCs of neurons":     {ReconstructOptions{Means: "means_nh.npy", PCs: []string{"pc0_n.npy"}}, "pc0_n.npy: shape 256x32, want 4x256x32"},
		"second PC's shape":  {ReconstructOptions{Means: "means_n.npy", PCs: []string{"pc0_n.npy", "pc0_nh.npy"}}, "pc0_nh.npy: shape"},
		"means of something": {ReconstructOptions{Means: "s.npy", PCs: []string{"pc0_nh.npy"}}, "s.npy: shape 48x4x256"},
		"no such means":      {ReconstructOptions{Means: "nowhere.npy", PCs: []string{"pc0_nh.npy"}}, "nowhere.npy"},
		"codes of neurons":   {ReconstructOptions{Means: "means_nh.npy", Codes: "codes_n_ref.npz", Texts: "text/words.npy"}, "256 units over 300 words, want 1024 over 300"},
		"other texts":        {ReconstructOptions{Means: "means_n.npy", Codes: "codes_n_ref.npz", Texts: "text/zeroshot.npy"}, "want 256 over 10"},
	} {
		t.Run(name, func(t *testing.T) {
			o := test.o
			golden := func(name string) string {
				if name == "" {
					return ""
				}
				return testutil.Golden(name)
			}
			o.Means, o.Codes, o.Texts = golden(o.Means), golden(o.Codes), golden(o.Texts)
			for i := range o.PCs {
				o.PCs[i] = golden(o.PCs[i])
			}
			o.Options, o.FeaturesPath, o.Normalize, o.Threads = scores, filepath.Join(t.TempDir(), "f.npy"), omp.Columns, 1
			_, err := Reconstruct(context.Background(), o, pipelinetest.Silent())
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one that says %q", err, test.want)
			}
		})
	}
}

// cutting is a context that cuts a file when it is asked a second time whether it ended.
type cutting struct {
	context.Context
	asked int
	cut   func() error
}

func (c *cutting) Err() error {
	if c.asked++; c.asked == 2 {
		return c.cut()
	}
	return c.Context.Err()
}

// TestReconstructOfCutFile holds that scores or components which become shorter while they are
// read are an error with their path, and that nothing is written.
func TestReconstructOfCutFile(t *testing.T) {
	scores := pipelinetest.GoldenScores(t)
	pcs := filepath.Join(t.TempDir(), "pcs.npy")
	data, err := os.ReadFile(testutil.Golden("pc0_nh.npy"))
	if err == nil {
		err = os.WriteFile(pcs, data, 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pcs, filepath.Join(scores, artefact.ScoresFile)} {
		ctx := &cutting{Context: context.Background(), cut: func() error { return os.Truncate(path, 4096) }}
		features := filepath.Join(t.TempDir(), "f.npy")
		_, err := Reconstruct(ctx, ReconstructOptions{
			Options: source.Options{ScoresPath: scores}, Means: testutil.Golden("means_nh.npy"), PCs: []string{pcs}, FeaturesPath: features, Threads: 2,
		}, pipelinetest.Silent())
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("error %v, want one of %s", err, path)
		}
		if _, err := os.Stat(features); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("features of a cut file: %v", err)
		}
		if path == pcs {
			if err := os.WriteFile(pcs, data, 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
}
