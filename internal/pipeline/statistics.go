package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/lowrank"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/par"
)

// statisticsMode keeps, of each picture, only its image feature; scores go into
// lowrank.Extremes.
type statisticsMode struct {
	scoresMode
	model *model
	team  par.Team
}

func (s statisticsMode) row() row {
	return row{
		kind: kindStatistics, file: featuresFile,
		axes: []string{"O"}, shape: []int{s.config.OutDim}, factored: true,
	}
}

func (s statisticsMode) expander() (func(row, values []float32), error) {
	pool, err := s.model.Pool()
	if err != nil {
		return nil, err
	}
	// As whoever reads stored scores has it, whose constant is rounded once more:
	// so that the features are the same.
	pool = decomp.PoolFromSlices(pool.Heads, pool.Neurons, pool.OutDim, pool.Value, pool.Out, pool.Bias)
	values := make([]float32, s.config.Neurons())
	return func(row, scores []float32) { pool.Features(row, values, scores, 1, s.team) }, nil
}

// extremeSums are lowrank.Extremes as sums under way.
type extremeSums struct {
	*lowrank.Extremes
	team par.Team
}

func (e extremeSums) add(values []float32) { e.Add(values, e.team) }
func (e extremeSums) resumed(images int)   { e.Images = images }

func (e extremeSums) arrays() []any {
	return []any{e.Sum.High, e.Sum.Low, e.Largest.Scores, e.Largest.Images, e.Smallest.Scores, e.Smallest.Images}
}

// CheckStats returns an error when o asks for statistics in a way that there
// is not.
func (o CollectOptions) CheckStats() error {
	switch {
	case !o.StatsOnly:
		return nil
	case o.Mode != ModePairs && o.Mode != ModeLens:
		return fmt.Errorf("--stats-only is for pairs, --mode %s or %s, not for %s", ModePairs, ModeLens, o.Mode)
	case o.Mean:
		return errors.New("--stats-only has the means too: want it or --mean")
	case IsDense(o.SavePath):
		return fmt.Errorf("%s: --stats-only writes a folder, want a path without .dat or .npy", o.SavePath)
	case o.Half, o.Expand:
		return errors.New("--dtype float16 and --expand are for scores, which --stats-only does not keep")
	case o.TopK < 1:
		return fmt.Errorf("--top-k %d: want 1 or more", o.TopK)
	}
	return nil
}

// stateChunks is how many chunks are summed up between two states on disk: a
// state takes 118 MiB for RN50x16, and as much time as a few pictures.
const stateChunks = 8

// summarise sums up the scores of the pictures that are missing, appends their
// features, and adds the statistics to the folder. The features and the state
// on disk may be of different moments after a run that was killed: it goes on
// from the earlier one, and neither adds a picture twice.
func (c *collector) summarise(ctx context.Context, w *cache.ChunkWriter, plan cache.Plan) error {
	config, team := c.model.Config, par.NewTeam(c.options.Threads)
	sum := extremeSums{lowrank.NewExtremes(config.Heads()*config.Neurons(), c.options.TopK), team}
	state, err := c.resumeSums(plan.Origin, sum)
	if err != nil {
		return err
	}
	add, err := c.appender(w, plan)
	if err != nil {
		return err
	}
	next := min(w.Done(), state.Done/plan.ChunkInputs) // the next chunk
	if state.Done == plan.Inputs {
		next = w.Done()
	}
	// The rows' pictures were compared already.
	if of := w.InputSums(); len(of) < state.Done || addSums(0, of[:state.Done]) != state.Pictures {
		if err := c.sumUnchanged(ctx, state); err != nil {
			return err
		}
	}
	saved := state.Done
	err = c.run(ctx, c.from(next*plan.ChunkInputs), plan.ChunkInputs, func(chunk collected) error {
		if next == w.Done() {
			if err := add(chunk); err != nil {
				return err
			}
		}
		if next*plan.ChunkInputs >= state.Done {
			sum.add(chunk.values)
			state.add(chunk)
		}
		next++
		if state.Done >= saved+stateChunks*plan.ChunkInputs {
			saved = state.Done
			return c.saveState(state, sum)
		}
		return nil
	})
	if state.Done > saved {
		err = errors.Join(err, c.saveState(state, sum))
	}
	if err != nil {
		return err
	}
	if state.Images == 0 && c.options.Shard.whole() {
		return fmt.Errorf("%s: none of %d pictures could be read", c.data.Root, state.Inputs)
	}
	return addStatistics(w, sum.Extremes, config.Heads(), config.Neurons())
}

// addStatistics adds sums and extremes to a folder.
func addStatistics(w fileAdder, e *lowrank.Extremes, heads, neurons int) error {
	kept := min(e.Keep, e.Images)
	tail := []int{heads, neurons, kept}
	for _, f := range []struct {
		name  string
		write func(io.Writer) error
	}{
		{sumsFile, func(to io.Writer) error { return npy.Write(to, tail[:2], e.Sum.High) }},
		{sumsLowFile, func(to io.Writer) error { return npy.Write(to, tail[:2], e.Sum.Low) }},
		{largestFile, func(to io.Writer) error { return npy.WriteFloat32(to, tail, used(e.Largest.Scores, e.Keep, kept)) }},
		{largestImagesFile, func(to io.Writer) error { return npy.Write(to, tail, used(e.Largest.Images, e.Keep, kept)) }},
		{smallestFile, func(to io.Writer) error { return npy.WriteFloat32(to, tail, used(e.Smallest.Scores, e.Keep, kept)) }},
		{smallestImagesFile, func(to io.Writer) error { return npy.Write(to, tail, used(e.Smallest.Images, e.Keep, kept)) }},
	} {
		if err := w.AddFile(f.name, f.write); err != nil {
			return err
		}
	}
	return nil
}

// used returns the first n of every row of a.
func used[T any](a []T, row, n int) []T {
	if n == row {
		return a
	}
	var all []T
	for ; len(a) > 0; a = a[row:] {
		all = append(all, a[:n]...)
	}
	return all
}

// statistics is an open folder of statistics.
type statistics struct {
	*cache.Artefact
	*lowrank.Extremes
	pool *decomp.Pool
}

// openStatistics opens a folder that Collect wrote with StatsOnly.
func openStatistics(a *cache.Artefact) (*statistics, error) {
	pool, err := readPool(a)
	if err != nil {
		return nil, err
	}
	s := &statistics{Artefact: a, pool: pool}
	images := a.Manifest.Shape[0]
	largest, err := s.array(largestFile, []int{pool.Heads, pool.Neurons, -1})
	if err != nil {
		return nil, err
	}
	shape := largest.Header.Shape
	if images < 1 || shape[2] < 1 || shape[2] > images {
		return nil, fmt.Errorf("%s: %d scores a pair are kept of %d images, want 1 or more of as many", a.Path(), shape[2], images)
	}
	e := &lowrank.Extremes{Pairs: pool.Heads * pool.Neurons, Keep: shape[2], Images: images}
	if e.Sum, err = s.sums(); err != nil {
		return nil, err
	}
	if e.Largest.Scores, err = largest.Float32(); err != nil {
		return nil, err
	}
	smallest, err := s.array(smallestFile, shape)
	if err != nil {
		return nil, err
	}
	if e.Smallest.Scores, err = smallest.Float32(); err != nil {
		return nil, err
	}
	if e.Largest.Images, err = s.indices(largestImagesFile, shape); err != nil {
		return nil, err
	}
	if e.Smallest.Images, err = s.indices(smallestImagesFile, shape); err != nil {
		return nil, err
	}
	s.Extremes = e
	return s, nil
}

// sums reads the sums of scores. Those of older artefacts have one part.
func (s *statistics) sums() (lowrank.Sums, error) {
	units := s.pool.Heads * s.pool.Neurons
	sums := lowrank.NewSums(units)
	for _, part := range []struct {
		file string
		into []float64
	}{{sumsFile, sums.High}, {sumsLowFile, sums.Low}} {
		a, err := s.array(part.file, []int{s.pool.Heads, s.pool.Neurons})
		if part.file == sumsLowFile && errors.Is(err, cache.ErrMissing) {
			break
		}
		if err != nil {
			return sums, err
		}
		values, err := a.Float64()
		if err != nil {
			return sums, err
		}
		copy(part.into, values)
	}
	return sums, nil
}

// array reads a payload that must have a shape; -1 is any length.
func (s *statistics) array(name string, shape []int) (*npy.Array, error) {
	path, err := s.Payload(name)
	if err != nil {
		return nil, err
	}
	a, err := npy.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if err := finiteArray(path, a); err != nil {
		return nil, err
	}
	got := a.Header.Shape
	fits := slices.EqualFunc(got, shape, func(g, w int) bool { return g == w || w < 0 })
	if !fits {
		return nil, fmt.Errorf("%s: shape %s, want %s", path, npy.ShapeString(got), npy.ShapeString(shape))
	}
	return a, nil
}

// indices reads a payload of image numbers.
func (s *statistics) indices(name string, shape []int) ([]int32, error) {
	a, err := s.array(name, shape)
	if err != nil {
		return nil, err
	}
	numbers, err := a.Int64()
	if err != nil {
		return nil, err
	}
	indices := make([]int32, len(numbers))
	for i, n := range numbers {
		if n < 0 || n >= int64(s.Manifest.Shape[0]) {
			return nil, fmt.Errorf("%s: %s: image %d of %d", s.Path(), name, n, s.Manifest.Shape[0])
		}
		indices[i] = int32(n)
	}
	return indices, nil
}

// features reads the image features, [B,O].
func (s *statistics) features() ([]float32, error) {
	path, err := s.Payload("")
	if err != nil {
		return nil, err
	}
	features, shape, err := readFinite(path)
	if err == nil && !slices.Equal(shape, []int{s.Images, s.pool.OutDim}) {
		err = fmt.Errorf("%s: shape %s, want [%d,%d]", path, npy.ShapeString(shape), s.Images, s.pool.OutDim)
	}
	return features, err
}

// enough returns an error unless the top images are among those kept.
func (s *statistics) enough(flag string, top int) error {
	if s.Complete(top) {
		return nil
	}
	return fmt.Errorf("%s: %d largest and smallest scores of each pair are kept, %s %d wants as many: collect with --top-k %d", s.Path(), s.Keep, flag, top, top)
}

// summed are contributions of which statistics were kept.
type summed struct{ *statistics }

func (s *summed) images() int                      { return s.Images }
func (s *summed) outDim() int                      { return s.pool.OutDim }
func (s *summed) rank() int                        { return 1 }
func (s *summed) units() []int                     { return []int{s.pool.Heads, s.pool.Neurons} }
func (s *summed) origin(o SVDOptions) cache.Origin { return svdOrigin(o, s.Artefact) }
func (s *summed) close() error                     { return nil }

func (s *summed) solve(ctx context.Context, o SVDOptions, done func(int, *lowrank.Result) error) error {
	if err := s.enough("--top-k-pca", o.TopK); err != nil {
		return err
	}
	H, C, O, team := s.pool.Heads, s.pool.Neurons, s.pool.OutDim, par.NewTeam(o.Threads)
	directions := make([]float32, C*O)
	for h := range H {
		if err := ctx.Err(); err != nil {
			return err
		}
		s.pool.Directions(directions, h, 0, C, team)
		r := lowrank.NewResult(C, O, s.Images, o.TopK)
		if err := s.PairsOf(r, h, directions, s.pool.Bias[h*O:(h+1)*O], o.TopK, team); err != nil {
			return nameUnit(err, s.Path(), h*C, C, false)
		}
		if err := done(h*C, r); err != nil {
			return err
		}
	}
	return nil
}
