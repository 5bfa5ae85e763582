package artefact

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/quantity"
)

// A HeadText is one of the texts of a head, in the order in which they were taken.
type HeadText struct {
	Text      string   `json:"text"`
	Explained *float64 `json:"explained,omitempty"` // share of the head's variance, 0 to 1, by the texts up to this one; a .txt has none
}

// mostSpans bounds the size of a list of texts of heads.
const mostSpans = 1 << 28

// HeadTexts reads the texts that span heads, of layers of heads each, from what textspan wrote, or
// the authors' script: those of each head, none of heads that it does not list.
func (r Reader) HeadTexts(path string, facts Facts, layers, heads int) ([][]HeadText, error) {
	a, err := r.Open(path, facts, KindTextSpans)
	if err != nil {
		return nil, err
	}
	data, err := foreign.ReadFile(path, mostSpans)
	if err == nil {
		err = a.Unreplaced()
	}
	if err != nil {
		return nil, missing(err, path, KindTextSpans)
	}
	parse := parseSpans
	if filepath.Ext(path) == ".json" {
		parse = parseSpansJSON
	}
	spans, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	all := make([][]HeadText, layers*heads)
	for _, s := range spans {
		at := s.Layer*heads + s.Index
		switch {
		case s.Layer < 0 || s.Layer >= layers || s.Index < 0 || s.Index >= heads:
			return nil, fmt.Errorf("%s: %w: texts of layer %d, head %d, of another model: want heads of %s of %s", path, cache.ErrStale,
				s.Layer, s.Index, quantity.Of(layers, "layer"), quantity.Of(heads, "head"))
		case all[at] != nil:
			return nil, fmt.Errorf("%s: texts of layer %d, head %d twice", path, s.Layer, s.Index)
		}
		all[at] = s.texts
	}
	return all, nil
}

type headTexts struct {
	Layer, Index int
	texts        []HeadText
}

// parseSpansJSON reads the form of TextSpans in JSON.
func parseSpansJSON(data []byte) ([]headTexts, error) {
	var from struct {
		Heads []struct {
			Layer *int       `json:"layer"`
			Index *int       `json:"index"`
			Texts []HeadText `json:"texts"`
		} `json:"heads"`
	}
	if err := json.Unmarshal(data, &from); err != nil {
		return nil, foreign.Short(err)
	}
	var all []headTexts
	for i, h := range from.Heads {
		if h.Layer == nil || h.Index == nil {
			return nil, fmt.Errorf("head %d: no layer or index, want what textspan writes as .json", i)
		}
		all = append(all, headTexts{*h.Layer, *h.Index, append([]HeadText{}, h.Texts...)})
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no heads, want what textspan writes as .json")
	}
	return all, nil
}

var (
	spanRule = regexp.MustCompile(`^-{3,}$`)
	spanHead = regexp.MustCompile(`^Layer (\d{1,6}), Head (\d{1,6})$`)
	spanEnd  = regexp.MustCompile(`^(?:Current accuracy|Number of texts): `)
)

// parseSpans reads the list that TextSpans and the authors' script write.
func parseSpans(data []byte) ([]headTexts, error) {
	lines := strings.Split(strings.TrimSuffix(string(bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))), "\n"), "\n")
	is := func(r *regexp.Regexp, i int) bool { return i < len(lines) && r.MatchString(lines[i]) }
	var all []headTexts
	for i := 0; i < len(lines); {
		switch m := []string(nil); {
		case is(spanRule, i) && is(spanHead, i+1) && is(spanRule, i+2):
			m = spanHead.FindStringSubmatch(lines[i+1])
			layer, _ := strconv.Atoi(m[1])
			head, _ := strconv.Atoi(m[2])
			all = append(all, headTexts{layer, head, []HeadText{}})
			i += 3
		case len(all) > 0 && is(spanRule, i) && (is(spanEnd, i+1) || i+1 == len(lines)):
			return all, nil
		case len(all) == 0 || !utf8.ValidString(lines[i]):
			return nil, fmt.Errorf("line %d: %s, want the list that textspan writes: a rule, \"Layer 3, Head 1\", a rule, and texts", i+1, foreign.Quote(lines[i]))
		default:
			last := &all[len(all)-1]
			last.texts = append(last.texts, HeadText{Text: lines[i]})
			i++
		}
	}
	return all, nil
}
