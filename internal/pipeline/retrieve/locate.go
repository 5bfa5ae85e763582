package retrieve

import (
	"fmt"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/pipeline/source"
)

// locate finds the files of the images by their names.
func (d *renderer) locate(result *Result) error {
	d.items = dataset.ByName(d.data.Items)
	for _, n := range result.Neurons {
		for _, u := range n.Units {
			for _, t := range u.Top {
				if d.items[t.Name] == nil {
					err := fmt.Errorf("%s: image %s of %s is not there", d.Data.Path, t.Name, d.ScoresPath)
					return hint.With(err, "give the {dataset} and {data-path} that the scores were collected from")
				}
			}
		}
	}
	if d.ScoresPath == "" {
		return nil
	}
	a, err := d.collection()
	if err != nil {
		return err
	}
	if !artefact.IsDense(d.ScoresPath) {
		source.NameOtherImages(d.data, d.Data.Path, a, d.ScoresPath, d.say)
	}
	d.recorded, err = source.RecordedImages(a, d.ScoresPath, d.data, d.Strict)
	return err
}

// collection is the artefact of the scores, or nil of another program's dense file.
func (d *renderer) collection() (*cache.Artefact, error) {
	if !artefact.IsDense(d.ScoresPath) {
		return cache.Open(d.ScoresPath)
	}
	dense, err := d.Artefacts.Dense(d.ScoresPath, d.Shape, nil)
	if err != nil {
		return nil, err
	}
	return dense.Artefact, dense.Close()
}
