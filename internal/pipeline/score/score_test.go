package score

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/describe"
	"github.com/clipnh/clipnh/internal/omp"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
	"github.com/clipnh/clipnh/internal/textlist"
)

// goldenOptions measure golden codes on the golden images, whose scores a folder has.
func goldenOptions(t testing.TB, kind string) Options {
	t.Helper()
	path := testutil.Golden("text/words.txt")
	words, err := textlist.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return Options{
		ScoresPath: pipelinetest.GoldenScores(t), PCsPath: testutil.Golden("pc0_" + kind + ".npy"), EmbeddingsPath: testutil.Golden("text/words.npy"),
		Words: words, WordsPath: path, DecompositionPaths: []string{testutil.Golden("codes_" + kind + "_ref.npz")}, Components: 8, Threads: 2,
	}
}

func measureOf(t testing.TB, o Options) *Result {
	t.Helper()
	r, err := Run(context.Background(), o, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// swap is what two images of almost the same prediction may change, of 48: float32
// products order them by rounding.
const swap = 2e-3

// TestGolden compares measures with those of an independent script in NumPy, SciPy
// and scikit-learn (testdata/make_scores.py).
func TestGolden(t *testing.T) {
	text, err := os.ReadFile("testdata/scores.json")
	if err != nil {
		t.Fatal(err)
	}
	var want map[string][4]float64
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"nh", "n"} {
		compared, exact := 0, 0
		for _, u := range measureOf(t, goldenOptions(t, kind)).Descriptions[0].All {
			w, found := want[u.Unit]
			if !found {
				continue
			}
			compared++
			got := [4]float64{u.Correlation, u.AUC, u.FirstCorrelation, u.FirstAUC}
			same := true
			for i := range got {
				same = same && math.Abs(got[i]-w[i]) < 1e-6
				if tolerance := swap + float64(i%2)*1.5/(10*38); math.Abs(got[i]-w[i]) > tolerance {
					t.Errorf("%s: measures %v, want %v", u.Unit, got, w)
					break
				}
			}
			if same {
				exact++
			}
		}
		if compared < 80 || exact < compared*9/10 {
			t.Errorf("%s: %d units compared, %d of them to the last digit: want 80 or more, and 9 of 10", kind, compared, exact)
		}
	}
}

// TestSameBytes holds that neither threads nor blocks change anything, and that
// another seed changes the floor only.
func TestSameBytes(t *testing.T) {
	o := goldenOptions(t, "nh")
	o.Ways = []Way{{describe.Nearest, omp.Rows}, {describe.NonNegative, omp.None}}
	want := measureOf(t, o)
	o.Threads = 5
	if got := measureOf(t, o); !reflect.DeepEqual(got, want) {
		t.Error("5 threads give another result than 2")
	}
	o.Seed = 1
	other := measureOf(t, o)
	if reflect.DeepEqual(other.Descriptions[0].Words, want.Descriptions[0].Words) || !reflect.DeepEqual(other.Descriptions[0].All, want.Descriptions[0].All) {
		t.Error("another seed: want another floor, and the same units")
	}
	o.Seed, o.Units = 0, []string{"h3n255", "n7"}
	some := measureOf(t, o)
	if n := len(some.Descriptions[0].All); n != 5 {
		t.Fatalf("%d units, want h3n255 and the four pairs of n7", n)
	}
	for at, d := range some.Descriptions {
		for _, u := range d.All {
			if !reflect.DeepEqual(u, want.Descriptions[at].All[u.Index]) {
				t.Errorf("%s: %s measured alone: %+v, among all %+v", d.Name, u.Unit, u, want.Descriptions[at].All[u.Index])
			}
		}
	}
}

// TestSave writes the measures of all units and reads them back.
func TestSave(t *testing.T) {
	o := goldenOptions(t, "n")
	o.SavePath = filepath.Join(t.TempDir(), "true.npy")
	o.Units = []string{"n3", "n200"}
	r := measureOf(t, o)
	values, shape := pipelinetest.ReadNPY(t, o.SavePath)
	if !reflect.DeepEqual(shape, []int{256, 4}) || r.Path != o.SavePath {
		t.Fatalf("shape %v in %q", shape, r.Path)
	}
	for n := range 256 {
		want := [4]float32{0, 0.5, 0, 0.5}
		for _, u := range r.Descriptions[0].All {
			if u.Index == n {
				want = [4]float32{float32(u.Correlation), float32(u.AUC), float32(u.FirstCorrelation), float32(u.FirstAUC)}
			}
		}
		if got := [4]float32(values[n*4:]); got != want {
			t.Errorf("n%d: %v, want %v", n, got, want)
		}
	}
	a, err := (artefact.Reader{}).Open(o.SavePath, nil, artefact.KindWordScores)
	if err != nil {
		t.Fatal(err)
	}
	if origin := a.Manifest.Origin; origin.Mode != "n" || origin.Parents["contributions"] == "" || origin.Files["components"] == "" || origin.Files["codes"] == "" || origin.Files["embeddings"] == "" {
		t.Errorf("origin %+v", origin)
	}
}

func TestRefuses(t *testing.T) {
	dir := t.TempDir()
	for name, test := range map[string]struct {
		change func(o *Options)
		want   string
		is     error
	}{
		"no such scores":       {func(o *Options) { o.ScoresPath = filepath.Join(dir, "none") }, "none", cache.ErrMissing},
		"components of others": {func(o *Options) { o.PCsPath = testutil.Golden("text/words.npy") }, "shape 300x32, want 256x32 as the scores have it", nil},
		"codes of neurons":     {func(o *Options) { o.DecompositionPaths = []string{testutil.Golden("codes_n_ref.npz")} }, "256 units over 300 words, want 1024 over 300", nil},
		"other words":          {func(o *Options) { o.Words = o.Words[1:] }, "embeddings of 300 words, but", nil},
		"no such unit":         {func(o *Options) { o.Units = []string{"h9n0"} }, `unit "h9n0"`, nil},
		"two to save":          {func(o *Options) { o.SavePath = dir + "/x.npy"; o.Ways = []Way{{}} }, "{save-path} takes the measures of one description, want one, not 2", nil},
		"no such attributes":   {func(o *Options) { o.AttributesPath = filepath.Join(dir, "none.csv") }, "none.csv", os.ErrNotExist},
		"image without a line": {func(o *Options) { o.AttributesPath = table(t, "image,a\nx.png,red\n") }, "no line for image", nil},
		"no head":              {func(o *Options) { o.AttributesPath = table(t, "x.png,red\n") }, `line 1: want the names of columns, the first "image"`, nil},
		"a line twice":         {func(o *Options) { o.AttributesPath = table(t, "image,a\nx.png,red\nx.png,blue\n") }, `line 3: image "x.png" has a line already`, nil},
		"not a table": {func(o *Options) {
			o.AttributesPath = table(t, "<!DOCTYPE html>\n<html><body>Not found</body></html>\n")
		}, "want a table of comma-separated values", nil},
		"textspan without what": {func(o *Options) {
			o.PCsPath, o.DecompositionPaths, o.Ways = testutil.Golden("pc0_n.npy"), nil, []Way{{Method: describe.TextSpan}}
		}, "want {svd-scores}", nil},
	} {
		t.Run(name, func(t *testing.T) {
			o := goldenOptions(t, "nh")
			test.change(&o)
			_, err := Run(context.Background(), o, pipelinetest.Silent())
			if err == nil || !strings.Contains(err.Error(), test.want) || test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("error %v, want one that says %q", err, test.want)
			}
			if _, err := os.Stat(filepath.Join(dir, "x.npy")); err == nil {
				t.Error("something was written")
			}
		})
	}
}

// table writes a table of attributes.
func table(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "attributes.csv")
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}
