package artefact

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/origin"
)

// A SpanText is one of the texts that span the outputs of a head.
type SpanText struct {
	Index     int     `json:"index"` // in the list of texts
	Text      string  `json:"text"`
	Explained float64 `json:"explained"` // share of the head's variance, 0 to 1, by the texts up to this one
}

// A HeadSpan is the texts that span the outputs of a head, in the order in which they were
// taken.
type HeadSpan struct {
	Head  string     `json:"head"` // l10h3, or h3 of an attention pool
	Layer int        `json:"layer"`
	Index int        `json:"index"` // of the head in its layer
	Rank  int        `json:"rank"`  // of the span that texts were projected onto
	Texts []SpanText `json:"texts"`
}

// Explained is the share of the head's variance that its texts explain, 0 to 1.
func (h HeadSpan) Explained() float64 {
	if len(h.Texts) == 0 {
		return 0
	}
	return h.Texts[len(h.Texts)-1].Explained
}

// TextSpans are the texts of several heads.
type TextSpans struct {
	Heads    []HeadSpan `json:"heads"` // one layer after the other
	Distinct int        `json:"distinct_texts"`
	// Accuracy is top-1 with these heads rebuilt from their texts and all else kept, 0 to 1;
	// nil where there are no labels.
	Accuracy *float64 `json:"accuracy,omitempty"`
	// Published is the accuracy of the authors' script, with the heads of earlier layers at
	// their means too: Accuracy where there are no earlier layers.
	Published *float64 `json:"published_accuracy,omitempty"`
}

// IsTextSpans reports whether a path names a form of text spans.
func IsTextSpans(path string) bool {
	ext := filepath.Ext(path)
	return ext == ".txt" || ext == ".json"
}

// Save writes the spans: as JSON, or, to a .txt, as the authors' script lists them.
func (t *TextSpans) Save(store *cache.Store, path string, o origin.Origin) error {
	texts := 0
	if o.TextSpan != nil {
		texts = o.TextSpan.Texts
	}
	m := cache.Manifest{Kind: KindTextSpans, Axes: []string{"H", "K"}, Shape: []int{len(t.Heads), texts}, Origin: o, Payloads: []cache.Payload{{Kernel: cache.Family()}}}
	_, err := store.Save(path, m, func(w io.Writer) error {
		if filepath.Ext(path) == ".json" {
			e := json.NewEncoder(w)
			e.SetEscapeHTML(false)
			e.SetIndent("", "  ")
			return e.Encode(t)
		}
		return t.list(w)
	})
	return err
}

// list writes the spans as the authors' script does:
//
//	------------------
//	Layer 20, Head 3
//	------------------
//	TEXT
//	...
//	------------------
//	Current accuracy: 71.2
//	Number of texts: 412
//
// with the accuracy that their script measures, and without where there is none.
func (t *TextSpans) list(to io.Writer) error {
	const line = "------------------\n"
	w := bufio.NewWriter(to)
	for _, h := range t.Heads {
		fmt.Fprintf(w, "%sLayer %d, Head %d\n%s", line, h.Layer, h.Index, line)
		for _, text := range h.Texts {
			w.WriteString(text.Text + "\n")
		}
	}
	w.WriteString(line)
	if t.Published != nil {
		fmt.Fprintf(w, "Current accuracy: %s\n", strconv.FormatFloat(100**t.Published, 'f', -1, 64))
	}
	fmt.Fprintf(w, "Number of texts: %d\n", t.Distinct)
	return w.Flush()
}

// CheckSpanTexts returns an error if one of the texts cannot be a line of a list.
func CheckSpanTexts(path string, texts []string) error {
	if filepath.Ext(path) != ".txt" {
		return nil
	}
	for i, text := range texts {
		if strings.ContainsAny(text, "\r\n") {
			return fmt.Errorf("%s: text %d is %s, which has several lines: want a .json", path, i, foreign.Quote(text))
		}
	}
	return nil
}
