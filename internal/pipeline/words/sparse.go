package words

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/omp"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/coding"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/usage"
)

// SparseOptions says what to code and where to.
type SparseOptions struct {
	coding.Options
	DescriptionsPath  string // JSON; one of the two may be empty
	DecompositionPath string // .npz
	Restart           bool   // discard what is there
	Store             *cache.Store
	Strict            bool // refuse to resume what other kernels began
}

// SparseResult is what Sparse wrote.
type SparseResult struct {
	Unit       string `json:"unit"` // pair or neuron
	Units      int    `json:"units"`
	Words      int    `json:"words"`
	Components int    `json:"num_components"`
	Method     string `json:"method"`
	Normalize  string `json:"normalize"`

	// Of codes that are known: not when only descriptions were asked for and
	// are there already.
	Residual     *float64       `json:"mean_residual,omitempty"` // norm of what the words leave of a direction
	Stops        map[string]int `json:"stops,omitempty"`         // units by why their code ended, see omp.Stop
	StoppedEarly []EarlyStop    `json:"stopped_early,omitempty"` // the first of them

	Complete bool     `json:"already_complete"` // nothing was left to do
	Paths    []string `json:"paths"`
}

// EarlyStop is a unit whose code has fewer words than were asked for.
type EarlyStop struct {
	Unit  string `json:"unit"`
	Words int    `json:"words"`
	Stop  string `json:"stop"` // see omp.Stop
}

// mostStopsNamed bounds SparseResult.StoppedEarly.
const mostStopsNamed = 100

// Sparse writes principal directions as short sums of words; see package omp.
// It can be interrupted, killed and started again: finished batches of units are
// kept beside the outputs, and the bytes in the end are those of an undisturbed
// run.
func Sparse(ctx context.Context, o SparseOptions, say ui.Reporter) (*SparseResult, error) {
	if err := artefact.Apart(o.DescriptionsPath, o.DecompositionPath); err != nil {
		return nil, err
	}
	if err := artefact.MakeFolders(o.DescriptionsPath, o.DecompositionPath); err != nil {
		return nil, err
	}
	c, err := coding.Open(o.Options)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	slices.Sort(c.Indices)
	if n := len(c.Indices) * c.Components; n > math.MaxInt32 {
		return nil, usage.Errorf("{num-components} %d: %s in all, want at most %d, fewer words or units", c.Components, quantity.Of(n, "coefficient"), math.MaxInt32)
	}
	s := &sparse{options: o, say: say, coding: c}
	if s.origin, err = c.Origin(); err != nil {
		return nil, err
	}
	return s.run(ctx)
}

// sparse is a Sparse under way.
type sparse struct {
	options SparseOptions
	say     ui.Reporter
	coding  *coding.Coding
	origin  origin.Origin
}

func (s *sparse) run(ctx context.Context) (*SparseResult, error) {
	o, c := s.options, s.coding
	result := &SparseResult{
		Unit: c.PCs.Units.Kind(), Units: len(c.Indices), Words: len(c.Words), Components: c.Components, Method: c.Method.String(), Normalize: c.Normalize.String(),
	}
	for _, path := range []string{o.DecompositionPath, o.DescriptionsPath} {
		if path != "" {
			result.Paths = append(result.Paths, path)
		}
	}
	coded, err := s.alreadyComplete(o.DecompositionPath, artefact.KindCodes)
	if err != nil {
		return nil, err
	}
	described, err := s.alreadyComplete(o.DescriptionsPath, artefact.KindDescriptions)
	if err != nil {
		return nil, err
	}
	result.Complete = (coded || o.DecompositionPath == "") && (described || o.DescriptionsPath == "")
	var d *artefact.Codes
	switch {
	case coded:
		if d, err = o.Artefacts.Codes(o.DecompositionPath, nil); err == nil {
			err = d.Want(c.PCs.Units.Count(), len(c.Words))
		}
	case !result.Complete:
		d, err = s.code(ctx)
	}
	if err != nil {
		return nil, err
	}
	if !coded && o.DecompositionPath != "" {
		if err := d.Save(o.Store, o.DecompositionPath, s.origin); err != nil {
			return nil, err
		}
	}
	if !described && o.DescriptionsPath != "" {
		if err := d.SaveDescriptions(o.Store, o.DescriptionsPath, c.Words, len(c.Indices), s.origin); err != nil {
			return nil, err
		}
	}
	if d != nil {
		s.summarize(result, d)
	}
	return result, s.removeWork()
}

// The work of an unfinished run is an artefact of its own in a folder beside the
// first output. It has a row for each unit:
//
//	0            words of its code, n
//	1            omp.Stop
//	2            residual
//	3 to 3+K     the words, n of them, in the order chosen
//	3+K to 3+2K  their coefficients
//
// Everything is float32, which has the whole numbers up to 2^24.
const (
	workFile = "codes.npy"
	workHead = 3
	maxWords = 1 << 24
)

// workUnits is how many units are kept or lost together: as many as are coded
// at the same time where there are many.
const workUnits = coding.BatchUnits

func (s *sparse) workPath() string {
	if s.options.DecompositionPath != "" {
		return s.options.DecompositionPath + artefact.WorkEnd
	}
	return s.options.DescriptionsPath + artefact.WorkEnd
}

// code codes all units, or those that an earlier run has left.
func (s *sparse) code(ctx context.Context) (*artefact.Codes, error) {
	c := s.coding
	if len(c.Words) > maxWords {
		return nil, fmt.Errorf("%s: %s, want at most %d", c.WordsPath, quantity.Of(len(c.Words), "word"), maxWords)
	}
	w, err := s.options.Store.OpenChunks(s.workPath(), cache.Plan{
		Kind: artefact.KindUnfinishedCodes, Axes: []string{"U", "V"}, Row: []int{workHead + 2*c.Components}, DType: npy.Float32,
		Origin: withoutContributions(s.origin), Inputs: len(c.Indices), ChunkInputs: workUnits, Payload: workFile,
	}, s.options.Restart)
	switch {
	case errors.Is(err, cache.ErrComplete):
	case err != nil:
		return nil, err
	default:
		defer w.Close()
		if err := s.fill(ctx, w); err != nil {
			return nil, err
		}
		if _, err := w.Finish(); err != nil {
			return nil, err
		}
	}
	work, kernel, err := s.readWork()
	if err != nil {
		return nil, err
	}
	codes := artefact.NewCodes(work, c.Indices, c.PCs.Units.Count())
	codes.Kernel = kernel
	return codes, nil
}

// fill appends the batches that are missing.
func (s *sparse) fill(ctx context.Context, w *cache.ChunkWriter) error {
	c := s.coding
	left := c.Indices[min(w.Done()*workUnits, len(c.Indices)):]
	if len(left) == 0 {
		return nil
	}
	if err := s.sayResumed(w, len(c.Indices)-len(left)); err != nil {
		return err
	}
	progress := s.say.Progress()
	unit := ui.Neurons
	if c.PCs.Units.IsPairs() {
		unit = ui.Pairs
	}
	progress.Start(int64(len(left)), unit, "sparse")
	defer progress.Done()
	if err := c.Prepare(ctx, len(left)); err != nil {
		return err
	}
	for len(left) > 0 {
		batch := left[:min(workUnits, len(left))]
		told := 0
		codes, err := c.Code(ctx, batch, func(steps int) {
			done := steps / c.Components
			progress.Add(int64(done - told))
			told = done
		})
		if ctx.Err() != nil {
			return hint.With(ctx.Err(), "finished batches are kept: run the same command again to resume")
		}
		if err != nil {
			return err
		}
		if err := w.Append(workRows(codes), nil); err != nil {
			return err
		}
		left = left[len(batch):]
	}
	return nil
}

// workRows are codes as the work of an unfinished run has them.
func workRows(c *omp.Codes) []float32 {
	K := c.Atoms
	width := workHead + 2*K
	rows := make([]float32, c.Count*width)
	for i := range c.Count {
		row := rows[i*width : (i+1)*width]
		support, coefficients := c.Code(i)
		row[0], row[1], row[2] = float32(len(support)), float32(c.Stops[i]), c.Residuals[i]
		for j, word := range support {
			row[workHead+j] = float32(word)
		}
		copy(row[workHead+K:], coefficients)
	}
	return rows
}

// readWork reads the codes of all units, and who computed them; see cache.Families.
func (s *sparse) readWork() (*omp.Codes, string, error) {
	a, err := cache.Open(s.workPath())
	if err != nil {
		return nil, "", err
	}
	if err := artefact.VerifyChecksums(a); err != nil {
		return nil, "", hint.With(err, "discard it with {restart}")
	}
	path, err := a.Payload("")
	if err != nil {
		return nil, "", err
	}
	f, err := npy.Open(path)
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	count, K, words := len(s.coding.Indices), s.coding.Components, len(s.coding.Words)
	width := workHead + 2*K
	if !slices.Equal(f.Shape, []int{count, width}) {
		return nil, "", fmt.Errorf("%s: shape %s, want [%d,%d]", path, npy.ShapeString(f.Shape), count, width)
	}
	codes := &omp.Codes{
		Count: count, Atoms: K, Words: words,
		Sizes: make([]int32, count), Support: make([]int32, count*K), Coefficients: make([]float32, count*K),
		Residuals: make([]float32, count), Stops: make([]omp.Stop, count),
	}
	row := make([]float32, width)
	for i := range count {
		if err := f.ReadFloat32(row, int64(i)*int64(width)); err != nil {
			return nil, "", err
		}
		if !(row[0] >= 0 && row[0] <= float32(K) && row[1] >= 0 && row[1] <= float32(omp.Dependent)) {
			return nil, "", fmt.Errorf("%s: row %d: %w", path, i, cache.ErrDamaged)
		}
		n := int(row[0])
		codes.Sizes[i], codes.Stops[i], codes.Residuals[i] = int32(n), omp.Stop(row[1]), row[2]
		for j, word := range row[workHead : workHead+n] {
			if !(word >= 0 && word < float32(words)) {
				return nil, "", fmt.Errorf("%s: row %d: %w", path, i, cache.ErrDamaged)
			}
			codes.Support[i*K+j] = int32(word)
		}
		copy(codes.Coefficients[i*K:], row[workHead+K:workHead+K+n])
	}
	return codes, a.Manifest.Families(), nil
}

// removeWork takes away the finished work of these outputs. Its manifest goes
// last but for the folder: without it, the rest would be nobody's.
func (s *sparse) removeWork() error {
	path := s.workPath()
	a, err := cache.Open(path)
	if err == nil {
		err = a.IsOf(artefact.KindUnfinishedCodes, withoutContributions(s.origin))
	}
	if err != nil && !errors.Is(err, cache.ErrDamaged) {
		return nil // there is none, or it is that of other outputs
	}
	for _, name := range []string{workFile, "manifest.json"} {
		if err := os.Remove(filepath.Join(path, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	os.Remove(path) // stays where other things lie in it
	return nil
}

// summarize says how the codes ended, and tells the reader of codes that ended
// early.
func (s *sparse) summarize(r *SparseResult, d *artefact.Codes) {
	sum := 0.0
	r.Stops = map[string]int{}
	var early int
	for _, u := range s.coding.Indices {
		stop := omp.Stop(d.Stops[u])
		r.Stops[stop.String()]++
		sum += float64(d.Residuals[u])
		if stop == omp.Full {
			continue
		}
		if early++; early <= mostStopsNamed {
			words, _ := d.Rows.Slice(u)
			r.StoppedEarly = append(r.StoppedEarly, EarlyStop{s.coding.PCs.Units.Name(u), len(words), stop.String()})
		}
	}
	mean := sum / float64(len(s.coding.Indices))
	r.Residual = &mean
	if early > 0 {
		s.say.Note("codes of %d of %s have fewer than %s: %s", early, quantity.Of(r.Units, r.Unit), quantity.Of(r.Components, "word"), s.reasons(r))
	}
}

// reasons lists why codes ended early.
func (s *sparse) reasons(r *SparseResult) string {
	meaning := []struct {
		stop omp.Stop
		text string
	}{
		{omp.Weak, "nothing is left that a word describes (weak)"},
		{omp.Repeated, "the best word was taken already (repeated)"},
		{omp.Dependent, "the best word is a mixture of those taken (dependent)"},
	}
	var parts []string
	for _, m := range meaning {
		if n := r.Stops[m.stop.String()]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d because %s", n, m.text))
		}
	}
	return strings.Join(parts, ", ")
}
