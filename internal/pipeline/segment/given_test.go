package segment

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/heat"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestSegmentSeveral segments images and a folder in one run: each path has the shares,
// label maps and drawings that it has alone, and files of one name are told apart.
func TestSegmentSeveral(t *testing.T) {
	dir := t.TempDir()
	slide, truth := testutil.Golden("seg/slide.png"), testutil.Golden("seg/truth.png")
	paths := []string{filepath.Join(dir, "a.png"), filepath.Join(dir, "more"), filepath.Join(dir, "again", "a.png")}
	copyTo(t, slide, paths[0])
	copyTo(t, truth, filepath.Join(paths[1], "b.png"))
	copyTo(t, slide, filepath.Join(paths[1], "c.png"))
	copyTo(t, truth, paths[2])
	run := func(paths ...string) (*Result, Options) {
		o := goldenSegmentation()
		o.Paths, o.SaveDir, o.ShowDir = paths, t.TempDir(), t.TempDir()
		r, err := Run(t.Context(), o, pipelinetest.Silent())
		if err != nil {
			t.Fatal(err)
		}
		return r, o
	}
	all, o := run(paths...)
	if all.Images != 4 || len(all.Paths) != len(paths) || len(all.Files) != 8 {
		t.Fatalf("%d images, %d paths, files %q", all.Images, len(all.Paths), all.Files)
	}
	for i, path := range paths {
		alone, of := run(path)
		if got := all.Paths[i]; got.Path != path || got.Images != alone.Images || !reflect.DeepEqual(got.Shares, alone.Shares) {
			t.Errorf("%s: %+v, alone %+v", path, got, alone.Shares)
		}
		if len(alone.Paths) != 0 {
			t.Errorf("%s: paths of one: %+v", path, alone.Paths)
		}
		for _, file := range alone.Files {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			into := o.SaveDir
			if filepath.Dir(file) == of.ShowDir {
				into = o.ShowDir
			}
			got, err := filepath.Glob(filepath.Join(into, "*"+filepath.Base(file)))
			if err != nil || len(got) == 0 {
				t.Fatalf("%s: no file ends so in %s (%v)", file, into, err)
			}
			same := slices.ContainsFunc(got, func(path string) bool {
				content, err := os.ReadFile(path)
				return err == nil && bytes.Equal(content, want)
			})
			if into == o.SaveDir && !same { // a drawing has the image's name on it
				t.Errorf("%s: none of %q has these labels", file, got)
			}
		}
	}
}

// TestSegmentSeveralMistakes: an image that cannot be read is skipped where there are
// others, and one that is given twice is refused.
func TestSegmentSeveralMistakes(t *testing.T) {
	o := goldenSegmentation()
	o.Paths = []string{testutil.Golden("manifest.json"), testutil.Golden("seg/slide.png")}
	r, err := Run(t.Context(), o, pipelinetest.Silent())
	if err != nil || r.Images != 1 || len(r.Skipped) != 1 || len(r.Paths) != 1 || r.Paths[0].Path != o.Paths[1] {
		t.Errorf("%+v, %v", r, err)
	}
	o.Strict = true
	if _, err := Run(t.Context(), o, pipelinetest.Silent()); err == nil || !strings.Contains(err.Error(), "manifest.json: unknown format") {
		t.Errorf("strict: %v", err)
	}
	o.Paths = []string{testutil.Golden("seg/slide.png"), testutil.Golden("seg") + "/../seg/slide.png"}
	if _, err := Run(t.Context(), o, pipelinetest.Silent()); err == nil || !strings.Contains(err.Error(), "given twice") {
		t.Errorf("the same image twice: %v", err)
	}
}

// TestSegmentOrder: where Pillow resizes, images with a palette differ by the order of
// preprocessing, and others do not.
func TestSegmentOrder(t *testing.T) {
	shares := func(path string, order imageprep.Order) string {
		o := goldenSegmentation()
		o.Paths, o.Images.Order, o.Pillow, o.Methods = []string{path}, order, true, []heat.Method{heat.ByPairs, heat.ByValues}
		r, err := Run(t.Context(), o, pipelinetest.Silent())
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(r.Shares)
	}
	palettes := pipelinetest.Palettes(t)
	if shares(palettes, imageprep.ConvertFirst) == shares(palettes, imageprep.ResizeFirst) {
		t.Error("the order makes no difference to images with a palette")
	}
	slide := testutil.Golden("seg/slide.png")
	if shares(slide, imageprep.ConvertFirst) != shares(slide, imageprep.ResizeFirst) {
		t.Error("the order makes a difference to an RGB image")
	}
}

// pairTexts writes embeddings of other texts: those of the words in reverse, and moved a
// little. It returns their rows.
func pairTexts(t *testing.T) (path string, rows []float32, outDim int) {
	t.Helper()
	words, shape, err := npy.ReadFloat32(testutil.Golden("text/seg_embeddings.npy"))
	if err != nil {
		t.Fatal(err)
	}
	P, O := shape[0], shape[1]
	rows = make([]float32, len(words))
	for p := range P {
		for o := range O {
			rows[p*O+o] = words[(P-1-p)*O+o] + 0.01*float32((3*p+5*o)%7)
		}
	}
	path = filepath.Join(t.TempDir(), "pairs.npy")
	file, err := os.Create(path)
	if err == nil {
		err = npy.WriteFloat32(file, shape, rows)
	}
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return path, rows, O
}

// TestSegmentPairTexts: the pairs are those of the other texts, found here one by one in
// float64, and pixels are compared with the words. So a method that knows texts by their
// pairs only gives what it gives for the other texts, one without pairs what it gives for
// the words, and one with both neither.
func TestSegmentPairTexts(t *testing.T) {
	path, rows, O := pairTexts(t)
	o := goldenSegmentation()
	o.Methods = []heat.Method{heat.ByPairs, heat.ByHeads, heat.ByNeurons, heat.ByValues}
	o.PairTextsPath = path
	m, err := model.OpenWith(t.Context(), o.Model, model.Details{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	s := &segmenter{o: &o, result: &Result{}, say: pipelinetest.Silent(), team: par.NewTeam(2)}
	components, err := o.components(m)
	if err != nil {
		t.Fatal(err)
	}
	defer components.Close()
	texts, err := s.pairTexts(m, len(rows)/O)
	if err != nil {
		t.Fatal(err)
	}
	pairs, err := s.pairs(m, components, texts)
	if err != nil {
		t.Fatal(err)
	}
	for p, want := range closestPairs(t, rows, O, pairs.K) {
		got := slices.Sorted(slices.Values(pairs.Index[p*pairs.K : (p+1)*pairs.K]))
		if !slices.Equal(got, want) {
			t.Errorf("text %d: pairs %v, want %v", p, got, want)
		}
	}

	shares := func(pairTexts, words string) map[string]string {
		o.PairTextsPath, o.TextsPath = pairTexts, words
		r, err := Run(t.Context(), o, pipelinetest.Silent())
		if err != nil {
			t.Fatal(err)
		}
		of := map[string]string{}
		for _, s := range r.Shares {
			of[s.Method] = fmt.Sprint(s.Classes)
		}
		return of
	}
	words := testutil.Golden("text/seg_embeddings.npy")
	both, others, alone := shares(path, words), shares("", path), shares("", words)
	if both["neurons"] != others["neurons"] || both["neurons"] == alone["neurons"] {
		t.Errorf("neurons: %s, of the other texts %s, of the words %s", both["neurons"], others["neurons"], alone["neurons"])
	}
	if both["values"] != alone["values"] || both["values"] == others["values"] {
		t.Errorf("values: %s, of the words %s, of the other texts %s", both["values"], alone["values"], others["values"])
	}
	for _, method := range []string{"pairs", "heads"} {
		if both[method] == others[method] || both[method] == alone[method] {
			t.Errorf("%s: %s, of the other texts %s, of the words %s", method, both[method], others[method], alone[method])
		}
	}
}

// closestPairs are the k pairs of largest inner product with each text, less the mean of
// the texts, by number.
func closestPairs(t *testing.T, texts []float32, O, k int) [][]int32 {
	t.Helper()
	pcs, _, err := npy.ReadFloat32(testutil.Golden("pc0_nh.npy"))
	if err != nil {
		t.Fatal(err)
	}
	P := len(texts) / O
	rows, mean := make([][]float64, P), make([]float64, O)
	for p := range rows {
		square := 0.0
		for _, x := range texts[p*O:][:O] {
			square += float64(x) * float64(x)
		}
		for i, x := range texts[p*O:][:O] {
			rows[p] = append(rows[p], float64(x)/math.Sqrt(square))
			mean[i] += rows[p][i] / float64(P)
		}
	}
	var all [][]int32
	for _, row := range rows {
		dots := make([]float64, len(pcs)/O)
		for u := range dots {
			for i := range O {
				dots[u] += float64(pcs[u*O+i]) * (row[i] - mean[i])
			}
		}
		order := make([]int32, len(dots))
		for u := range order {
			order[u] = int32(u)
		}
		slices.SortStableFunc(order, func(a, b int32) int {
			if dots[a] > dots[b] {
				return -1
			}
			return 1
		})
		all = append(all, slices.Sorted(slices.Values(order[:k])))
	}
	return all
}

// TestSegmentPairTextsMistakes: there must be a text for each word.
func TestSegmentPairTextsMistakes(t *testing.T) {
	o := goldenSegmentation()
	o.PairTextsPath, o.MainWords = testutil.Golden("text/seg_embeddings.npy"), true
	short := filepath.Join(t.TempDir(), "words.npy")
	rows, shape, err := npy.ReadFloat32(o.PairTextsPath)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(short)
	if err == nil {
		err = npy.WriteFloat32(file, []int{7, shape[1]}, rows[:7*shape[1]])
	}
	if err != nil {
		t.Fatal(err)
	}
	file.Close()
	o.TextsPath = short
	if _, err := Run(t.Context(), o, pipelinetest.Silent()); err == nil || !strings.Contains(err.Error(), "8 rows, want 7, one for each word") {
		t.Errorf("error %v", err)
	}
}
