package collect

import (
	"io"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/source"
)

// This file writes what is in an artefact's folder beside its rows.

// addFiles adds what goes beside the rows of the images that were not skipped.
func (c *collector) addFiles(w artefact.FileAdder, skipped []source.Skipped) error {
	if read := c.mode.row().ov; read != nil {
		ov, err := read()
		if err != nil {
			return err
		}
		if err := artefact.AddOV(w, ov, c.options.Expand, par.NewTeam(c.options.Threads)); err != nil {
			return err
		}
	}
	return addNames(w, c.items, skipped)
}

// addNames adds the names of the images that have a row, one a line.
func addNames(w artefact.FileAdder, items []dataset.Item, skipped []source.Skipped) error {
	gone := make(map[string]bool, len(skipped))
	for _, s := range skipped {
		gone[s.Name] = true
	}
	return w.AddFile(artefact.ImagesFile, func(to io.Writer) error {
		for _, item := range items {
			if gone[item.Name] {
				continue
			}
			if _, err := io.WriteString(to, item.Name+"\n"); err != nil {
				return err
			}
		}
		return nil
	})
}
