package pipeline

import (
	"io"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/par"
)

// This file writes what lies in an artefact's folder beside its rows.

// fileAdder takes the files beside the rows: a *cache.ChunkWriter, or a
// *cache.Repair, which writes damaged ones only.
type fileAdder interface {
	AddFile(name string, write func(io.Writer) error) error
}

// addFiles adds what lies beside the rows of the pictures that were not skipped.
func (c *collector) addFiles(w fileAdder, skipped []Skipped) error {
	if c.mode.row().factored {
		pool, err := c.model.Pool()
		if err != nil {
			return err
		}
		if err := addPool(w, pool, c.options.Expand, par.NewTeam(c.options.Threads)); err != nil {
			return err
		}
	}
	return addNames(w, c.items, skipped)
}

// addPool adds what contributions are made of besides scores.
func addPool(w fileAdder, p *decomp.Pool, expand bool, team par.Team) error {
	H, C, O := p.Heads, p.Neurons, p.OutDim
	files := []struct {
		name  string
		shape []int
		data  []float32
	}{
		{valueFile, []int{H, C / H, C}, p.Value},
		{outFile, []int{O, H, C / H}, p.Out},
		{biasFile, []int{H, O}, p.Bias},
	}
	for _, f := range files {
		if err := w.AddFile(f.name, func(to io.Writer) error { return npy.WriteFloat32(to, f.shape, f.data) }); err != nil {
			return err
		}
	}
	if !expand {
		return nil
	}
	return w.AddFile(directionsFile, func(to io.Writer) error {
		return npy.WriteFloat32(to, []int{H, C, O}, p.AllDirections(team))
	})
}

// addNames adds the names of the pictures that have a row, one a line.
func addNames(w fileAdder, items []dataset.Item, skipped []Skipped) error {
	gone := make(map[string]bool, len(skipped))
	for _, s := range skipped {
		gone[s.Name] = true
	}
	return w.AddFile(imagesFile, func(to io.Writer) error {
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
