package cache

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"

	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/quantity"
)

// Plan describes what a ChunkWriter collects. Equal plans give equal bytes, so a
// plan has everything that the bytes depend on, such as the number of inputs per
// chunk, but not the number of workers.
type Plan struct {
	Kind   string
	Tool   string    // version of this program
	Axes   []string  // letters; the axis of the rows comes first
	Row    []int     // shape of one row
	DType  npy.DType // npy.Float32 or npy.Float16
	Origin origin.Origin

	Inputs      int   // at least one; each gives a row or is skipped
	ChunkInputs int   // per chunk; the last, and those before a cut, may have fewer
	Cuts        []int // inputs before which a chunk ends, ascending, above 0 and below Inputs; see KeptCuts

	// Listed, which may be empty, is a checksum of each input as it was listed, such as its
	// name and size. It is kept while the artefact is unfinished, so that a run which resumes
	// with another list can say where that first differs, and decides nothing.
	Listed []uint32

	// Payload is the main payload's name in the artefact's folder, or empty if
	// the artefact is a single file. A payload named *.dat has no header.
	Payload string
}

// manifest returns the plan as the manifest of an artefact without rows, which is
// the plan's fingerprint.
func (p Plan) manifest(at layout) (Manifest, error) {
	m := Manifest{
		Format: Format, Version: Version, Kind: p.Kind, Tool: p.Tool,
		Axes: p.Axes, Shape: append([]int{0}, p.Row...), DType: p.DType.String(),
		Origin: p.Origin, Inputs: p.Inputs, ChunkInputs: p.ChunkInputs, Cuts: p.Cuts,
		Payloads: []Payload{{File: p.Payload}},
	}
	row, err := m.rowBytes()
	switch {
	case err != nil:
	case p.Inputs < 1 || p.ChunkInputs < 1:
		err = fmt.Errorf("%s in chunks of %d, want at least one", quantity.Of(p.Inputs, "input"), p.ChunkInputs)
	case row > (math.MaxInt64-1<<20)/int64(p.Inputs):
		err = fmt.Errorf("%s of %d bytes: more than can be counted", quantity.Of(p.Inputs, "row"), row)
	case len(p.Axes) != len(m.Shape):
		err = fmt.Errorf("%s for rows of %d", quantity.Of(len(p.Axes), "axis"), len(p.Row))
	case filepath.Ext(at.payload) != ".dat":
		m.Payloads[0].Header = int64(len(npy.AppendHeader(nil, p.DType, m.Shape)))
	}
	if err == nil {
		err = m.checkCuts()
	}
	if err != nil {
		return m, fmt.Errorf("%s: %w", at.path, err)
	}
	return m, nil
}

// plan returns the fingerprint of a finished artefact, that of its Plan.
func (m Manifest) plan() Manifest {
	m.Skipped, m.CRC = nil, ""
	m.Shape = slices.Clone(m.Shape)
	if len(m.Shape) > 0 {
		m.Shape[0] = 0
	}
	m.Payloads = []Payload{{File: m.Payloads[0].File, Header: m.Payloads[0].Header}}
	return m
}

// header returns the .npy header of the main payload, size bytes long.
func (m Manifest) header(size int64) ([]byte, error) {
	if size == 0 {
		return nil, nil
	}
	dtype := npy.Float32
	if m.DType == npy.Float16.String() {
		dtype = npy.Float16
	}
	b := npy.AppendHeader(nil, dtype, m.Shape)
	if int64(len(b)) != size {
		return nil, fmt.Errorf("header of %d bytes, want %d", size, len(b))
	}
	return b, nil
}
