package evaluate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
	"github.com/clipnh/clipnh/internal/unit"
)

// ledgerOptions keep the labelled golden images, in groups of a table.
func ledgerOptions(t testing.TB) LedgerOptions {
	t.Helper()
	o := LedgerOptions{ScoresPath: pipelinetest.GoldenScores(t), Data: pipelinetest.LabelledFolder(t), ClassesPath: testutil.Golden("text/zeroshot.npy"), Threads: 2}
	items, _ := pipelinetest.LabelledNames(t)
	var table strings.Builder
	table.WriteString("file,shelf\n")
	for i, item := range items[1:] { // the first belongs to no group
		fmt.Fprintf(&table, "%s,%d\n", filepath.Base(item.Name), 9+i%2)
	}
	o.Groups = dataset.TableOptions{Path: filepath.Join(t.TempDir(), "t.csv"), Image: "file", Group: "shelf"}
	if err := os.WriteFile(o.Groups.Path, []byte(table.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	return o
}

func openedLedger(t testing.TB, o LedgerOptions) *Ledger {
	t.Helper()
	l, err := OpenLedger(t.Context(), o, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// TestLedger compares with Ablate, by names of units: the same numbers, whatever the number
// of threads.
func TestLedger(t *testing.T) {
	o := ledgerOptions(t)
	random := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 40, 700} {
		var off []int
		var units []string
		for range n {
			if u := random.IntN(4 * 256); !slices.Contains(off, u) {
				off, units = append(off, u), append(units, unit.Pair(u, 256))
			}
		}
		l := openedLedger(t, o)
		got, err := l.Without(t.Context(), off, false)
		if err != nil {
			t.Fatal(err)
		}
		a := AblateOptions{
			Options: fromScores(t), Modes: []string{AblatePairs}, Threads: 2, ClassesPath: o.ClassesPath,
			Means: []string{testutil.Golden("means_nh.npy")}, Units: units, Groups: o.Groups,
		}
		a.Data = o.Data
		if n == 0 {
			a.Units, a.Except = []string{"n0"}, true
			for i := 1; i < 256; i++ {
				a.Units = append(a.Units, fmt.Sprint("n", i))
			}
		}
		want, err := Ablate(t.Context(), a, pipelinetest.Silent())
		if err != nil {
			t.Fatal(err)
		}
		want.ImageNames, want.Labels, want.ClassNames, want.Baseline.Predictions, want.Variants[0].Predictions = nil, nil, nil, nil, nil
		if x, y := jsonText(t, got), jsonText(t, want.Evaluation); x != y {
			t.Errorf("%d pairs off: %s\nwant %s", n, x, y)
		}
		if n == 700 && got.Variants[0].Correct == got.Baseline.Correct {
			t.Error("700 pairs off change nothing")
		}
		o.Threads = 1
		if again, err := openedLedger(t, o).Without(t.Context(), off, false); err != nil || !reflect.DeepEqual(again, got) {
			t.Errorf("%d pairs off with one thread: %+v, %v", n, again, err)
		}
	}
}

func jsonText(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestLedgerByZero compares with features of scores that are zero.
func TestLedgerByZero(t *testing.T) {
	l := openedLedger(t, ledgerOptions(t))
	var off []int
	for u := 3; u < 4*256; u += 2 {
		off = append(off, u)
	}
	got, err := l.Without(t.Context(), off, true)
	if err != nil {
		t.Fatal(err)
	}
	var want VariantScore
	feature := make([]float32, l.OV.OutDim)
	for i := range l.Names {
		row, err := l.Row(i)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range off {
			row[u] = 0
		}
		l.OV.Features(feature, make([]float32, l.OV.Inner()), row, 1, par.NewTeam(1))
		if err := l.judge.count(&want, feature, l.Labels[i:i+1], par.NewTeam(1)); err != nil {
			t.Fatal(err)
		}
	}
	if v := got.Variants[0]; v.Correct != want.Correct || v.CorrectTop5 != want.CorrectTop5 || v.Correct == got.Baseline.Correct {
		t.Errorf("%d and %d correct, want %d and %d, not %d", v.Correct, v.CorrectTop5, want.Correct, want.CorrectTop5, got.Baseline.Correct)
	}
}

// TestLedgerColumns: columns are those of the rows, and a bounded number is kept.
func TestLedgerColumns(t *testing.T) {
	l := openedLedger(t, ledgerOptions(t))
	row, err := l.Row(2)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range []int{0, 1023, 5, 0} {
		c, err := l.Column(t.Context(), u)
		if err != nil || len(c) != len(l.Names) || c[2] != row[u] {
			t.Errorf("column %d: %v, %v", u, c, err)
		}
	}
	if last := l.columns[len(l.columns)-1]; len(l.columns) != 3 || last.pair != 0 {
		t.Errorf("%d columns kept, the last of pair %d", len(l.columns), last.pair)
	}
	if _, err := l.Without(t.Context(), make([]int, l.MaxOff()+1), false); err == nil || !strings.Contains(err.Error(), "want at most") {
		t.Errorf("too many pairs: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := l.Without(ctx, []int{77}, false); !errors.Is(err, context.Canceled) {
		t.Errorf("a client that went: %v", err)
	}
}

// TestLedgerWithout labels or classes is whole but for accuracies.
func TestLedgerWithoutLabels(t *testing.T) {
	o := ledgerOptions(t)
	for _, spoil := range []func(o *LedgerOptions){
		func(o *LedgerOptions) { o.ClassesPath = "" }, func(o *LedgerOptions) { o.Data.Path = "" },
	} {
		bare := o
		spoil(&bare)
		l := openedLedger(t, bare)
		if l.Unjudged() == nil || len(l.Features) != len(l.Names)*l.OV.OutDim || len(l.Means) != 1024 {
			t.Errorf("%v: %d features, %d means", l.Unjudged(), len(l.Features), len(l.Means))
		}
		if names, embeddings := l.Classes(); (names != nil) != (bare.ClassesPath != "") || len(embeddings) != len(names)*l.OV.OutDim {
			t.Errorf("%v: %d classes with %d numbers", l.Unjudged(), len(names), len(embeddings))
		}
		if _, err := l.Without(t.Context(), []int{1}, false); err != l.Unjudged() {
			t.Errorf("accuracies without labels: %v", err)
		}
	}
}

// BenchmarkWithout is a toggle on 50,000 images, once the scores of its pairs were read. The pairs
// are as strong as the classes: of a model with many pairs, each changes less.
func BenchmarkWithout(b *testing.B) {
	const images = 50_000
	for _, classes := range []int{10, 1000} {
		for _, off := range []int{1, 10} {
			b.Run(fmt.Sprintf("classes=%d/off=%d", classes, off), func(b *testing.B) {
				l := drawnLedger(images, classes, off, runtime.GOMAXPROCS(0))
				pairs := make([]int, off)
				for u := range pairs {
					pairs[u] = u
				}
				start := processTime()
				for b.Loop() {
					if _, err := l.Without(b.Context(), pairs, false); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64((processTime()-start).Milliseconds())/float64(b.N), "ms-processor")
			})
		}
	}
}
