package evaluate

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/pipeline/collect"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/testutil"
	"github.com/clipnh/clipnh/internal/usage"
)

// goldenSpan are the options that span the heads of the last layer of the golden vision
// transformer as the goldens do.
func goldenSpan(t *testing.T, paths map[string]string) TextSpanOptions {
	t.Helper()
	_, shape, err := npy.ReadFloat32(testutil.GoldenViT("texts.npy"))
	if err != nil {
		t.Fatal(err)
	}
	texts := make([]string, shape[0])
	for i := range texts {
		texts[i] = fmt.Sprintf("a text of number %d", i)
	}
	return TextSpanOptions{
		Options:        source.Options{ScoresPath: paths[collect.ModeHeads], Parts: []string{paths[collect.ModeMLPs]}},
		EmbeddingsPath: testutil.GoldenViT("texts.npy"), Texts: texts, TextsPath: "texts.txt",
		TextsPerHead: 5, LastLayers: 1, Rank: 8, Threads: 2, Writer: artefact.Writer{Store: new(cache.Store)},
	}
}

// TestTextSpan compares the texts of a head with the goldens', and the features with those of
// other ways to the same: texts that explain everything change nothing, and other layers are
// ablated as by Ablate.
func TestTextSpan(t *testing.T) {
	var manifest struct {
		Checks map[string]struct {
			Picks []int `json:"textspan_picks"`
		}
	}
	file, err := os.ReadFile(testutil.GoldenViT("manifest.json"))
	if err == nil {
		err = json.Unmarshal(file, &manifest)
	}
	if err != nil {
		t.Fatal(err)
	}
	paths, dir := collectParts(t, false), t.TempDir()
	o := goldenSpan(t, paths)
	o.SpansPath = filepath.Join(dir, "spans.txt")
	r, err := TextSpan(t.Context(), o, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	var picks []int
	var want strings.Builder
	for _, head := range r.Heads {
		fmt.Fprintf(&want, "------------------\nLayer 4, Head %d\n------------------\n", head.Index)
		for _, text := range head.Texts {
			if head.Head == "l4h0" {
				picks = append(picks, text.Index)
			}
			want.WriteString(text.Text + "\n")
		}
	}
	fmt.Fprintf(&want, "------------------\nNumber of texts: %d\n", r.Distinct)
	if golden := manifest.Checks["gelu"].Picks; !slices.Equal(picks, golden) || len(r.Heads) != 4 {
		t.Errorf("texts %v of %d heads, want %v of 4", picks, len(r.Heads), golden)
	}
	if got, err := os.ReadFile(o.SpansPath); err != nil || string(got) != want.String() {
		t.Errorf("list %v:\n%s\nwant:\n%s", err, got, want.String())
	}

	// More than there is of anything is refused, unless it was not asked for.
	for want, change := range map[string]func(*TextSpanOptions){
		"{texts-per-head} 41: texts.txt has 40 texts":                                                     func(o *TextSpanOptions) { o.TextsPerHead = 41 },
		"{texts-per-head} 25: the outputs of heads have 24 dimens":                                        func(o *TextSpanOptions) { o.TextsPerHead = 25 },
		"{texts-per-head} 9: texts are projected onto {w-ov-rank}":                                        func(o *TextSpanOptions) { o.TextsPerHead = 9 },
		"{texts-per-head} 20: no head of " + paths[collect.ModeHeads] + " varies along more than 8 texts": func(o *TextSpanOptions) { o.TextsPerHead, o.Rank = 20, 24 },
		"{w-ov-rank} 25: the outputs of heads have 24 dimensions":                                         func(o *TextSpanOptions) { o.Rank = 25 },
	} {
		asked := o
		asked.SpansPath = ""
		change(&asked)
		if _, err := TextSpan(t.Context(), asked, pipelinetest.Silent()); !errors.Is(err, usage.Err) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}

	o.FitTexts = true
	o.TextsPerHead, o.LastLayers, o.SpansPath, o.FeaturesPath = 9, 2, filepath.Join(dir, "spans.json"), filepath.Join(dir, "features.npy")
	r, err = TextSpan(t.Context(), o, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	for _, head := range r.Heads {
		if e := head.Explained(); e < 1-pipelinetest.Rounding || len(head.Texts) != 8 { // as many as the span has dimensions
			t.Errorf("%s: %d texts explain %g", head.Head, len(head.Texts), e)
		}
	}
	g := goldenFirstOrder(t)
	all := func(l, h int) bool { return true }
	features := append(g.features(all, true, true), g.features(func(l, h int) bool { return l > 2 }, true, true)...)
	got, _ := pipelinetest.ReadNPY(t, o.FeaturesPath)
	if err := testutil.Far(got, features, pipelinetest.Rounding); err != nil {
		t.Errorf("heads rebuilt whole, and with layers 0 to 2 ablated: %v", err)
	}
	var written artefact.TextSpans
	if file, err = os.ReadFile(o.SpansPath); err == nil {
		err = json.Unmarshal(file, &written)
	}
	if err != nil || len(written.Heads) != 8 || written.Heads[4].Head != "l4h0" || written.Distinct != r.Distinct {
		t.Errorf("%s: %d heads, %v", o.SpansPath, len(written.Heads), err)
	}

	// Fewer texts rebuild less, and any number of threads the same bytes.
	o.TextsPerHead, o.SpansPath = 2, ""
	var first []byte
	for _, threads := range []int{1, 3} {
		o.Threads, o.FeaturesPath = threads, filepath.Join(dir, fmt.Sprint(threads, ".npy"))
		if _, err := TextSpan(t.Context(), o, pipelinetest.Silent()); err != nil {
			t.Fatal(err)
		}
		if file, err = os.ReadFile(o.FeaturesPath); err != nil || first != nil && !slices.Equal(file, first) {
			t.Errorf("%d threads: other bytes, %v", threads, err)
		}
		first = file
	}
	if got, _ := pipelinetest.ReadNPY(t, o.FeaturesPath); testutil.Far(got[:g.B*g.O], features[:g.B*g.O], pipelinetest.Rounding) == nil {
		t.Error("two texts a head rebuild everything")
	}
}

// TestTextSpanRefuses refuses what does not belong together.
func TestTextSpanRefuses(t *testing.T) {
	paths := collectParts(t, false)
	for name, test := range map[string]struct {
		change func(*TextSpanOptions)
		want   string
	}{
		"layers":         {func(o *TextSpanOptions) { o.LastLayers = 6 }, "{num-of-last-layers} 6: " + paths[collect.ModeHeads] + " has 5 layers"},
		"no MLPs":        {func(o *TextSpanOptions) { o.Parts, o.FeaturesPath = nil, filepath.Join(t.TempDir(), "f.npy") }, "heads alone, which do not sum"},
		"texts":          {func(o *TextSpanOptions) { o.Texts = o.Texts[1:] }, "embeddings of 40 texts, but texts.txt has 39"},
		"lines":          {func(o *TextSpanOptions) { o.Texts[3] = "a\nb"; o.SpansPath = filepath.Join(t.TempDir(), "s.txt") }, "text 3 is \"a\\nb\", which has several lines"},
		"another kind":   {func(o *TextSpanOptions) { o.ScoresPath = paths[collect.ModeMLPs] }, "it holds contributions of mlps, want contributions of heads"},
		"no collection":  {func(o *TextSpanOptions) { o.ScoresPath = filepath.Join(t.TempDir(), "none") }, "missing"},
		"no embeddings":  {func(o *TextSpanOptions) { o.EmbeddingsPath = filepath.Join(t.TempDir(), "none.npy") }, "none.npy"},
		"other sizes":    {func(o *TextSpanOptions) { o.EmbeddingsPath = testutil.GoldenViT("gelu/pre.npy") }, "want [texts,24]"},
		"wrong spans":    {func(o *TextSpanOptions) { o.SpansPath = testutil.GoldenViT("manifest.json") }, "exists"},
		"labels missing": {func(o *TextSpanOptions) { o.ClassesPath = testutil.GoldenViT("texts.npy"); o.Data.Kind = "images" }, "accuracy needs labels"},
	} {
		o := goldenSpan(t, paths)
		test.change(&o)
		_, err := TextSpan(t.Context(), o, pipelinetest.Silent())
		if bad := testutil.Line(err, test.want); bad != nil {
			t.Errorf("%s: %v", name, bad)
		}
	}
}
