package agreement

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/directions"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
)

const (
	testImages = 200
	testDim    = 8
)

// testModel makes a model of random weights and skewed scores, of which some columns are
// given, and embeddings that are the components of some pairs.
func testModel(t *testing.T, heads, neurons int, seed uint64, names []string, columns map[int][]float32, words []int) Model {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 1))
	normal := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(random.NormFloat64())
		}
		return x
	}
	const width = 4
	ov := decomp.OVFromSlices(heads, neurons, testDim, normal(heads*width*neurons), normal(testDim*heads*width), normal(heads*testDim))
	scores := make([]float32, testImages*heads*neurons)
	for i := range scores {
		scores[i] = float32(random.ExpFloat64())
		if column := columns[i%(heads*neurons)]; column != nil {
			scores[i] = column[i/(heads*neurons)]
		}
	}
	dir := t.TempDir()
	m := Model{pipelinetest.ScoresOf(t, ov, names, scores, origin.Origin{}), filepath.Join(dir, "pc0.npy"), filepath.Join(dir, "words.npy")}
	_, err := directions.SVD(t.Context(), directions.SVDOptions{CollectPath: m.ScoresPath, TopK: 20, Threads: 2, OutPath: m.PCsPath}, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	pcs, _ := pipelinetest.ReadNPY(t, m.PCsPath)
	var embeddings []float32
	for _, u := range words {
		embeddings = append(embeddings, pcs[u*testDim:(u+1)*testDim]...)
	}
	f, err := os.Create(m.EmbeddingsPath)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(npy.WriteFloat32(f, []int{len(words), testDim}, embeddings), f.Close()); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestRun finds the pairs whose scores were planted, also where the sign of a component is
// that of -v, and no agreement where there is none, with any number of threads.
func TestRun(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	names := make([]string, testImages)
	one, other, negative := make([]float32, testImages), make([]float32, testImages), make([]float32, testImages)
	for i := range names {
		names[i] = fmt.Sprintf("%04d.jpg", i)
		one[i], other[i] = float32(random.ExpFloat64()), float32(random.ExpFloat64())
		negative[i] = -2*other[i] + 0.1*float32(random.NormFloat64())
	}
	here := testModel(t, 2, 6, 5, names, map[int][]float32{3: one, 8: other}, []int{3, 8, 5})
	there := testModel(t, 3, 5, 6, names, map[int][]float32{11: one, 7: negative}, []int{11, 7, 2})
	o := Options{
		Here: here, There: there, Texts: []string{"red", "boat", "none"}, Words: []string{"none", "boat", "red"},
		Closest: 3, Permutations: 100, Seed: 1, Threads: 1,
	}
	result, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		word, here, there string
		least             float64
	}{1: {"boat", "h1n2", "h1n2", .99}, 2: {"red", "h0n3", "h2n1", 1 - 1e-6}} {
		if got := result.Words[i]; want.word != "" && (got.Word != want.word || got.Here.Name() != want.here || got.There.Name() != want.there || got.Correlation < want.least) {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	if r := result.Words[0].Correlation; result.Images != testImages || result.Above() != 2 || r > .4 || result.ByChance < .1 || result.ByChance > .4 {
		t.Errorf("%d images, by chance %g, %d above; without agreement %g", result.Images, result.ByChance, result.Above(), r)
	}
	o.Threads = 3
	if again, err := Run(t.Context(), o); err != nil || !reflect.DeepEqual(again, result) {
		t.Errorf("3 threads: %+v, %v, want %+v", again, err, result)
	}

	o.Words = []string{"red", "sky"}
	if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), `no embedding of "sky"`) {
		t.Errorf("another word: %v", err)
	}
	o.Words = o.Texts
	swapped := slices.Clone(names)
	swapped[7], swapped[8] = swapped[8], swapped[7]
	o.There = testModel(t, 3, 5, 6, swapped, nil, []int{11, 7, 2})
	if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "image 7 differs") {
		t.Errorf("other images: %v", err)
	}
}

// TestStandardise holds that equal scores correlate with nothing, and are no NaN.
func TestStandardise(t *testing.T) {
	x := []float32{3, 3, 3}
	standardise(x, true)
	y := []float32{1, 2, 6}
	standardise(y, true)
	if !slices.Equal(x, []float32{0, 0, 0}) && !slices.Equal(x, []float32{float32(math.Copysign(0, -1)), 0, 0}) || math.Abs(float64(y[0]-0.5345225)) > 1e-6 {
		t.Errorf("%v, %v", x, y)
	}
}
