package score

import (
	"errors"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/usage"
)

func saveError(n int) error {
	return usage.Errorf("{save-path} takes the measures of one description, want one, not %d", n)
}

// origin says what the measures of a description were made from.
func (m *measurement) origin(d *description) (origin.Origin, error) {
	o := artefact.DerivedFrom(m.scores.Artefact).Own()
	o.Texts, o.Mode = cache.ListHash(m.Words), "n"
	units := m.pcs.Units
	if units.IsPairs() {
		o.Mode = "nh"
	}
	if a := d.codes.Artefact; a != nil {
		o.Code = artefact.OriginOf(a).Code
	}
	if d.way != nil {
		o.Code = &origin.Code{Components: m.Components, Normalize: d.way.Normalize.String(), Method: d.way.Method.String(), Units: "all", Neurons: units.Neurons()}
		if units.IsPairs() {
			o.Code.Heads = units.Shape[0]
		}
	}
	if o.Code != nil && len(m.Units) > 0 {
		code := *o.Code
		names := make([]string, len(m.units))
		for i, u := range m.units {
			names[i] = units.Name(u)
		}
		code.Units, o.Code = strings.Join(names, " "), &code
	}
	err := errors.Join(
		artefact.AddParent(&o, "components", m.PCsPath, m.pcs.Artefact),
		artefact.AddParent(&o, "embeddings", m.EmbeddingsPath, m.words.Artefact))
	if d.way == nil {
		err = errors.Join(err, artefact.AddParent(&o, "codes", d.name, d.codes.Artefact))
	}
	return o, err
}
