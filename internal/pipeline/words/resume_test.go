package words

import (
	"context"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/omp"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/coding"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestSparseGoesOn interrupts a run in its second batch of three, and goes on
// with another number of threads.
func TestSparseGoesOn(t *testing.T) {
	o := goldenCoding(t, "pc0_nh.npy")
	o.PCsPath = manyDirections(t, 20)
	whole, cut := t.TempDir(), t.TempDir()
	want := runSparse(t, sparseInto(whole, o))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	_, err := Sparse(ctx, sparseInto(cut, o), &pipelinetest.Interrupting{Reporter: pipelinetest.Silent(), After: workUnits + 10, Cancel: cancel})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, want that it was interrupted", err)
	}
	if left := files(t, cut); len(left) != 1 || left["codes.npz.work"] == "" {
		t.Errorf("left behind: %d files", len(left))
	}
	// Other work must not be gone on with.
	other := o
	other.Normalize = omp.Rows
	if _, err := Sparse(context.Background(), sparseInto(cut, other), pipelinetest.Silent()); !errors.Is(err, cache.ErrStale) {
		t.Errorf("with another normalization: %v, want stale", err)
	}
	// Nor is it taken away with outputs that are there.
	some := sparseInto(t.TempDir(), other)
	some.Units = []string{"h0n0"}
	runSparse(t, some)
	for name, data := range files(t, filepath.Dir(some.DecompositionPath)) {
		if err := os.WriteFile(filepath.Join(cut, name), []byte(data), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	some.DecompositionPath, some.DescriptionsPath = sparseInto(cut, other).DecompositionPath, sparseInto(cut, other).DescriptionsPath
	if result := runSparse(t, some); !result.Complete {
		t.Errorf("result %+v, want it complete", result)
	}
	o.Threads = 1
	spoilt := t.TempDir()
	if err := os.CopyFS(spoilt, os.DirFS(cut)); err != nil {
		t.Fatal(err)
	}
	pipelinetest.SpoilPartial(t, spoilt)
	say, said := pipelinetest.Heard()
	if _, err := Sparse(context.Background(), sparseInto(spoilt, o), say); err != nil || !strings.Contains(said.String(), "; to be made again: 1 chunk\n") {
		t.Errorf("after damage: %v, said %q", err, said.String())
	}
	say, said = pipelinetest.Heard()
	got, err := Sparse(context.Background(), sparseInto(cut, o), say)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(said.String(), "resuming after 8192 of 20480 pairs") || strings.Contains(said.String(), "made again") {
		t.Errorf("said %q", said.String())
	}
	got.Paths = want.Paths
	if !reflect.DeepEqual(got, want) {
		t.Errorf("result %+v, want %+v", got, want)
	}
	if !reflect.DeepEqual(files(t, cut), files(t, whole)) {
		t.Error("other bytes than those of an undisturbed run")
	}
}

// TestSparseThere runs again what is complete, without its descriptions, and
// after a kill just before the decomposition's manifest was written.
func TestSparseThere(t *testing.T) {
	dir := t.TempDir()
	o := sparseInto(dir, goldenCoding(t, "pc0_nh.npy"))
	first := runSparse(t, o)
	want := files(t, dir)
	again := runSparse(t, o)
	if !again.Complete {
		t.Errorf("again: %+v, want it complete", again)
	}
	again.Complete = false
	if !reflect.DeepEqual(again, first) {
		t.Errorf("again: %+v, want %+v", again, first)
	}
	for _, gone := range []string{"texts.json", "texts.json.json"} {
		if err := os.Remove(filepath.Join(dir, gone)); err != nil {
			t.Fatal(err)
		}
	}
	if result := runSparse(t, o); result.Complete || !reflect.DeepEqual(files(t, dir), want) {
		t.Errorf("descriptions were not made again: %+v", result)
	}
	manifest := filepath.Join(dir, "codes.npz.json")
	if err := os.Rename(manifest, manifest+".away"); err != nil {
		t.Fatal(err)
	}
	if _, err := Sparse(context.Background(), o, pipelinetest.Silent()); !errors.Is(err, cache.ErrExists) {
		t.Errorf("over a file of another program: %v, want that it exists", err)
	}
	// A run that died while it replaced them leaves the new manifest beside.
	for _, pending := range []string{".pending", ".tmp"} { // the second of older builds
		err := os.Rename(manifest+".away", manifest+pending)
		if err != nil {
			t.Fatal(err)
		}
		if result := runSparse(t, o); !result.Complete || !reflect.DeepEqual(files(t, dir), want) {
			t.Errorf("after a kill that left %s: %+v, or other bytes", pending, result)
		}
		if err := os.Rename(manifest, manifest+".away"); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(manifest+".away", manifest); err != nil {
		t.Fatal(err)
	}
	only := o
	only.DecompositionPath = ""
	if result := runSparse(t, only); !result.Complete || result.Residual != nil {
		t.Errorf("descriptions alone: %+v, want them complete", result)
	}
}

// TestSparseStops codes a direction that is not there and others with more words
// than there are dimensions.
func TestSparseStops(t *testing.T) {
	data, shape := pipelinetest.ReadGolden(t, "pc0_n.npy")
	clear(data[5*shape[1] : 6*shape[1]])
	o := goldenCoding(t, "pc0_n.npy")
	o.PCsPath, o.Components = filepath.Join(t.TempDir(), "pcs.npy"), 40
	if err := new(cache.Store).WriteFile(o.PCsPath, func(w io.Writer) error { return npy.WriteFloat32(w, shape, data) }); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	say, said := pipelinetest.Heard()
	result, err := Sparse(context.Background(), sparseInto(dir, o), say)
	if err != nil {
		t.Fatal(err)
	}
	early := 0
	for stop, n := range result.Stops {
		if stop != "full" {
			early += n
		}
	}
	if early != 256 || len(result.StoppedEarly) != mostStopsNamed || result.StoppedEarly[5] != (EarlyStop{"n5", 0, "weak"}) {
		t.Errorf("stops %v, the sixth %+v", result.Stops, result.StoppedEarly[5])
	}
	if !strings.Contains(said.String(), "codes of 256 of 256 neurons have fewer than 40 words") {
		t.Errorf("said %q", said.String())
	}
	if text := descriptions(t, filepath.Join(dir, "texts.json")); len(text["5"]) != 0 || len(text["6"]) > shape[1] {
		t.Errorf("unit 5 has %d words, unit 6 %d", len(text["5"]), len(text["6"]))
	}
	// Coded at once, codes do not go through the work of an unfinished run.
	o.Units = []string{"n6", "n255"}
	fresh, err := coding.Describe(context.Background(), coding.DescribeOptions{Options: o})
	if err != nil {
		t.Fatal(err)
	}
	kept, err := coding.Describe(context.Background(), coding.DescribeOptions{Options: o, DecompositionPath: filepath.Join(dir, "codes.npz")})
	if err != nil || !reflect.DeepEqual(kept, fresh) {
		t.Errorf("kept as %+v, %v; coded as %+v", kept, err, fresh)
	}
}

// TestDescribe describes units by coding them, from a decomposition, and from
// scikit-learn's own.
func TestDescribe(t *testing.T) {
	o := goldenCoding(t, "pc0_nh.npy")
	dir := t.TempDir()
	runSparse(t, sparseInto(dir, o))
	o.Units = []string{"h3n100", "h0n0"}
	describe := func(change func(o *coding.DescribeOptions)) ([]coding.Description, error) {
		d := coding.DescribeOptions{Options: o}
		change(&d)
		return coding.Describe(context.Background(), d)
	}
	coded, err := describe(func(*coding.DescribeOptions) {})
	if err != nil {
		t.Fatal(err)
	}
	if len(coded) != 2 || coded[0].Unit != "h3n100" || coded[0].Index != 868 || coded[1].Unit != "h0n0" || coded[0].Stop != "full" || len(coded[1].Terms) != 8 {
		t.Fatalf("descriptions %+v", coded)
	}
	golden := descriptions(t, testutil.Golden("codes_nh_descriptions.json"))["0"]
	for i, term := range coded[1].Terms {
		if term.Word != golden[i][2] || math.Abs(float64(term.Coefficient)-golden[i][1].(float64)) > codeRounding {
			t.Errorf("term %d: %+v, want %v", i, term, golden[i])
		}
	}
	fromFile := func(o *coding.DescribeOptions) {
		o.DecompositionPath, o.PCsPath, o.EmbeddingsPath = filepath.Join(dir, "codes.npz"), "", ""
	}
	read, err := describe(fromFile)
	if err != nil || !reflect.DeepEqual(read, coded) {
		t.Errorf("from the decomposition: %+v, %v; want %+v", read, err, coded)
	}
	short, err := describe(func(o *coding.DescribeOptions) { fromFile(o); o.Components = 3 })
	if err != nil || len(short[0].Terms) != 3 || !reflect.DeepEqual(short[0].Terms, coded[0].Terms[:3]) || short[0].Residual != nil {
		t.Errorf("three words: %+v, %v", short, err)
	}
	foreign, err := describe(func(o *coding.DescribeOptions) { o.DecompositionPath = testutil.Golden("codes_nh_ref.npz") })
	if err != nil || foreign[1].Terms[0].Word != coded[1].Terms[0].Word || foreign[1].Residual != nil {
		t.Errorf("from scikit-learn's: %+v, %v", foreign, err)
	}

	someDir := t.TempDir()
	some := o
	some.Units = []string{"h0n0"}
	runSparse(t, sparseInto(someDir, some))
	for name, test := range map[string]struct {
		change func(o *coding.DescribeOptions)
		want   string
	}{
		"unit not coded": {func(o *coding.DescribeOptions) {
			fromFile(o)
			o.DecompositionPath = filepath.Join(someDir, "codes.npz")
		}, "h3n100 is not among the units"},
		"heads unknown": {func(o *coding.DescribeOptions) {
			o.DecompositionPath, o.PCsPath = testutil.Golden("codes_nh_ref.npz"), ""
		}, "want {pcs-path} too"},
		"codes of neurons":  {func(o *coding.DescribeOptions) { o.DecompositionPath = testutil.Golden("codes_n_ref.npz") }, "256 units over 300 words, want 1024 over 300"},
		"other words":       {func(o *coding.DescribeOptions) { fromFile(o); o.Words = o.Words[1:] }, "texts"},
		"typo":              {func(o *coding.DescribeOptions) { fromFile(o); o.Units = []string{"h0n999"} }, `unit "h0n999": want a pair, h0n0 to h3n255`},
		"nothing there":     {func(o *coding.DescribeOptions) { o.DecompositionPath = "nowhere.npz" }, "nowhere.npz"},
		"not a matrix":      {func(o *coding.DescribeOptions) { o.DecompositionPath = testutil.Golden("interop/savez.npz") }, `no array "format"`},
		"typo while coding": {func(o *coding.DescribeOptions) { o.Units = []string{"n256"} }, `unit "n256"`},
		"other directions": {func(o *coding.DescribeOptions) {
			fromFile(o)
			rows, shape := pipelinetest.ReadGolden(t, "pc0_nh.npy")
			o.PCsPath = saveRows(t, artefact.KindComponents, "pcs.npy", shape, rows, origin.Origin{})
		}, "components"},
	} {
		if _, err := describe(test.change); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one that says %q", name, err, test.want)
		}
	}
}
