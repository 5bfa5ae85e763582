package shift

import (
	"encoding/json"
	"io"

	"github.com/clipnh/clipnh/internal/dataset"
)

// savedShift is a concept in the file that Shift writes, as the reference has it,
// and more: by group, per_GROUPING, as per_year. Numbers that are not defined are
// null.
type savedShift struct {
	Heads   []int              `json:"heads"`
	Neurons []int              `json:"neurons"`
	Ratio   map[string]float64 `json:"ratio"` // by image
	Label   map[string]int     `json:"label,omitempty"`
	Images  int                `json:"images"`
	Mean    float64            `json:"mean_ratio"`

	*savedCorrelation
}

type savedCorrelation struct {
	R      *float64 `json:"correlation"`
	P      *float64 `json:"p_value"`
	Log10P *float64 `json:"log10_p_value"`
	Groups *float64 `json:"groups_correlation"`
}

type savedGroup struct {
	Fraction  *float64 `json:"fraction,omitempty"`
	Images    int      `json:"images"`
	MeanRatio float64  `json:"mean_ratio"`
}

// isSavedShift says whether a document of these first keys is what Shift writes,
// or the reference: a concept, and what was measured of it.
func isSavedShift(_, measure string) bool {
	switch measure {
	case "correlation", "groups_correlation", "heads":
		return true
	}
	return false
}

// writeJSON writes every concept by its text, keys in order.
func (r *Result) writeJSON(w io.Writer) error {
	all := make(map[string]json.RawMessage, len(r.Concepts))
	for i, c := range r.Concepts {
		s := savedShift{Ratio: map[string]float64{}, Images: c.Images, Mean: c.MeanRatio}
		for _, p := range c.Pairs {
			s.Heads, s.Neurons = append(s.Heads, p.Head), append(s.Neurons, p.Neuron)
		}
		if c.Label != "" {
			s.Label = map[string]int{}
			s.savedCorrelation = &savedCorrelation{c.Measured.R, c.Measured.P, c.Measured.Log10P, c.Measured.Groups}
		}
		for _, image := range r.images {
			if c.Label == "" {
				s.Ratio[image.name] = image.ratios[i]
			} else if a := image.answers[i]; a != dataset.Unknown {
				s.Ratio[image.name], s.Label[image.name] = image.ratios[i], int(a)
			}
		}
		one, err := s.encode(c.Groups, r.Grouping)
		if err != nil {
			return err
		}
		all[c.Concept] = one
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	return e.Encode(all)
}

// encode adds the groups under a key that names them.
func (s savedShift) encode(groups []Group, grouping string) (json.RawMessage, error) {
	flat, err := json.Marshal(s)
	if err != nil || grouping == "" {
		return flat, err
	}
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(flat, &fields); err != nil {
		return nil, err
	}
	by := make(map[string]savedGroup, len(groups))
	for _, g := range groups {
		by[g.Group] = savedGroup{g.Fraction, g.Images, g.MeanRatio}
	}
	if fields["per_"+grouping], err = json.Marshal(by); err != nil {
		return nil, err
	}
	return json.Marshal(fields)
}
