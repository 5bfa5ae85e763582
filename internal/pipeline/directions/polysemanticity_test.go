package directions

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/pipeline/collecttest"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
	"github.com/clipnh/clipnh/internal/unit"
)

// clearOnly zeroes what the goldens leave open, in both.
func clearOnly(got, want []float32, clear []bool) {
	for i, is := range clear {
		if !is {
			got[i], want[i] = 0, 0
		}
	}
}

// TestPolysemanticity compares pairs and neurons with the goldens where the
// choice of the top images is clear.
func TestPolysemanticity(t *testing.T) {
	scores := pipelinetest.GoldenScores(t)
	for _, threads := range []int{1, 3} {
		dir := t.TempDir()
		o := PolysemanticityOptions{
			CollectPath: scores, TopImages: 10, Pairs: true, Neurons: true, List: 3, Threads: threads,
			PairsPath: filepath.Join(dir, "nh.npy"), NeuronsPath: filepath.Join(dir, "n.npy"), PlotPath: filepath.Join(dir, "p.svg"),
		}
		result, err := Polysemanticity(context.Background(), o, pipelinetest.Silent())
		if err != nil {
			t.Fatal(err)
		}
		for i, test := range []struct{ path, golden string }{{o.PairsPath, "poly_nh"}, {o.NeuronsPath, "poly_n"}} {
			got, shape := pipelinetest.ReadNPY(t, test.path)
			want, wantShape := pipelinetest.ReadGolden(t, test.golden+".npy")
			if !slices.Equal(shape, wantShape) {
				t.Errorf("%s: shape %v, want %v", test.golden, shape, wantShape)
			}
			p := result.Units[i]
			lowest := slices.Min(got)
			if float32(p.Lowest[0].Score) != lowest || float32(p.Highest[0].Score) != slices.Max(got) || p.Lowest[1].Score < p.Lowest[0].Score {
				t.Errorf("%s: lowest %v, highest %v, want %g first", test.golden, p.Lowest, p.Highest, lowest)
			}
			wantName := "n" + strings.TrimPrefix(unit.Pair(slices.Index(got, lowest), 256), "h0n")
			if i == 0 {
				wantName = unit.Pair(slices.Index(got, lowest), 256)
			}
			if p.Lowest[0].Name != wantName || len(p.Lowest) != 3 || p.Count != len(got) {
				t.Errorf("%s: %+v, want %s first", test.golden, p, wantName)
			}
			clearOnly(got, want, pipelinetest.GoldenBools(t, test.golden+"_clear.npy"))
			if err := testutil.Far(got, want, pipelinetest.Rounding); err != nil {
				t.Errorf("%s: %v", test.golden, err)
			}
		}
		figure, err := os.ReadFile(o.PlotPath)
		if err != nil || !strings.Contains(string(figure), "neuron-head pairs") {
			t.Errorf("figure: %v", err)
		}
	}
}

// TestPolysemanticityOfStatistics holds that pairs' scores are those of stored
// scores, byte for byte, and that neurons are refused.
func TestPolysemanticityOfStatistics(t *testing.T) {
	scores, statistics := collecttest.GoldenImages(t, "scores"), collecttest.GoldenStatistics(t)
	collecttest.Collect(t, scores)
	collecttest.Collect(t, statistics)
	var files [][]byte
	for _, path := range []string{scores.SavePath, statistics.SavePath} {
		out := filepath.Join(t.TempDir(), "nh.npy")
		o := PolysemanticityOptions{CollectPath: path, TopImages: 10, Pairs: true, PairsPath: out, Threads: 2}
		if _, err := Polysemanticity(context.Background(), o, pipelinetest.Silent()); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, data)
	}
	if !bytes.Equal(files[0], files[1]) {
		t.Error("statistics give other scores than stored scores")
	}
	for want, o := range map[string]PolysemanticityOptions{
		"need scores":               {TopImages: 10, Neurons: true},
		"{top-images} 21 wants as ": {TopImages: 21, Pairs: true},
	} {
		o.CollectPath, o.Threads = statistics.SavePath, 1
		if _, err := Polysemanticity(context.Background(), o, pipelinetest.Silent()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}
