package artefact

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/origin"
)

func someSpans() TextSpans {
	accuracy := 0.75
	return TextSpans{Accuracy: &accuracy, Distinct: 3, Heads: []HeadSpan{
		{Head: "l2h0", Layer: 2, Index: 0, Rank: 2, Texts: []SpanText{{4, "a photo of a dog", 0.25}, {7, "------", 0.5}}},
		{Head: "l2h1", Layer: 2, Index: 1, Rank: 2, Texts: []SpanText{}},
		{Head: "l3h1", Layer: 3, Index: 1, Rank: 2, Texts: []SpanText{{1, "Layer 1, Head 0", 1}}},
	}}
}

// TestHeadTexts reads back what Save writes, in both forms, with and without an accuracy.
func TestHeadTexts(t *testing.T) {
	from := origin.Origin{Model: "x", Weights: strings.Repeat("a", 64), Transformer: &origin.Transformer{Activation: "gelu", Heads: 2, Layers: 4, NeuronLayer: -1}}
	for _, name := range []string{"spans.txt", "spans.json", "alone.txt", "alone.json"} {
		spans, path := someSpans(), filepath.Join(t.TempDir(), name)
		alone := strings.HasPrefix(name, "alone")
		if alone {
			spans.Accuracy = nil
		}
		if err := spans.Save(new(cache.Store), path, from); err != nil {
			t.Fatal(err)
		}
		if alone { // as of another program
			if err := os.Remove(path + ".json"); err != nil {
				t.Fatal(err)
			}
		}
		got, err := Reader{}.HeadTexts(path, Of(from), 4, 2)
		if err != nil || len(got) != 8 {
			t.Fatalf("%s: %v, %v", name, got, err)
		}
		for _, h := range spans.Heads {
			texts := got[h.Layer*2+h.Index]
			if texts == nil || len(texts) != len(h.Texts) {
				t.Fatalf("%s: %s has %v, want %v", name, h.Head, texts, h.Texts)
			}
			for i, text := range h.Texts {
				if texts[i].Text != text.Text || (texts[i].Explained != nil) != (filepath.Ext(name) == ".json") || texts[i].Explained != nil && *texts[i].Explained != text.Explained {
					t.Errorf("%s: %s has %+v, want %+v", name, h.Head, texts[i], text)
				}
			}
		}
		if got[0] != nil || got[6] != nil {
			t.Errorf("%s: texts %v of heads that it does not list", name, got)
		}
		for _, other := range [][2]int{{3, 2}, {4, 1}} { // of too few layers, and heads
			if _, err := (Reader{}).HeadTexts(path, Of(from), other[0], other[1]); !errors.Is(err, cache.ErrStale) || !strings.Contains(err.Error(), path) {
				t.Errorf("%s of %d layers of %d heads: %v", name, other[0], other[1], err)
			}
		}
		of := from
		of.Weights = strings.Repeat("b", 64)
		if _, err := (Reader{}).HeadTexts(path, Of(of), 4, 2); errors.Is(err, cache.ErrStale) == alone {
			t.Errorf("%s of other weights: %v", name, err)
		}
	}
}

func TestHeadTextsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"a dog\n":                             "line 1: \"a dog\", want the list",
		"---\nLayer 1, Head 0\na dog\n":       "line 1",
		"---\nLayer 1, Head 0\n---\na\xffdog": "line 4",
		"---\nLayer 1, Head 0\n---\na dog\n---\nLayer 1, Head 0\n---\n": "twice",
		"":                              "line 1",
		`{"heads": []}`:                 "no heads",
		`{"heads": [{"head": "l1h0"}]}`: "no layer",
		`{"heads": {}}`:                 "cannot unmarshal",
	} {
		path := filepath.Join(t.TempDir(), "spans.txt")
		if strings.HasPrefix(text, "{") {
			path = strings.TrimSuffix(path, ".txt") + ".json"
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := Reader{}.HeadTexts(path, nil, 2, 1)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), path) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// FuzzParseSpans holds that a list is read as it is written, and that no input is a crash.
func FuzzParseSpans(f *testing.F) {
	var list strings.Builder
	spans := someSpans()
	if err := spans.list(&list); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(list.String()))
	f.Add([]byte(`{"heads": [{"layer": 1, "index": 0, "texts": [{"text": "a dog", "explained": 0.5}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, parse := range []func([]byte) ([]headTexts, error){parseSpans, parseSpansJSON} {
			heads, err := parse(data)
			if err == nil && (len(heads) == 0 || slices.ContainsFunc(heads, func(h headTexts) bool { return h.texts == nil })) {
				t.Errorf("%v", heads)
			}
		}
	})
}
