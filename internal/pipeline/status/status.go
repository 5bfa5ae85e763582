// Package status says how far a collection is that is made in shards, by the journals of the runs
// that make it.
package status

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
)

// Options says what to look at.
type Options struct {
	Path string           // as it was given with {shard}
	Late time.Duration    // a shard whose last chunk is older than this has stopped
	Now  func() time.Time // the clock
}

// What a shard may be.
const (
	Done    = "done"
	Running = "running" // a chunk was finished lately, and the lock may be held
	Stopped = "stopped" // the last chunk is older, or nobody holds the lock
	Begun   = "begun"   // there is no finished chunk
	Missing = "missing"
	Damaged = "damaged"
)

// States are what shards may be, in the order of reports.
var States = []string{Done, Running, Stopped, Begun, Missing, Damaged}

// A Shard is a part of a collection.
type Shard struct {
	Number   int      `json:"shard"` // from 1
	Path     string   `json:"path"`
	State    string   `json:"state"`       // done, running, stopped, begun, missing or damaged
	Images   *int     `json:"images"`      // in all; null where not known
	Finished int      `json:"finished"`    // of these, skipped ones included
	Skipped  int      `json:"skipped"`     // of these
	Rate     *float64 `json:"rate"`        // images a second, of the last chunks of a running one; null where not known
	Ago      *float64 `json:"seconds_ago"` // since the last chunk was finished; null where not known
	Error    string   `json:"error"`       // of a damaged one
	Failed   string   `json:"failed"`      // the last error of the command that makes one that is neither done nor running; empty where none is known

	kind string // of an unfinished one
	err  error  // of which Error is the text
}

func (s *Shard) damaged(err error) { s.State, s.Error, s.err = Damaged, err.Error(), err }

// A Part is of several shards in a row, which were merged to be merged again.
type Part struct {
	First int    `json:"first"` // numbers of shards
	Last  int    `json:"last"`
	Path  string `json:"path"`
	State string `json:"state"` // done, begun or damaged
	Error string `json:"error"` // of a damaged one

	of      *origin.Shard  // of a part that is done
	all     cache.Chunking // of the images of all shards
	skipped int
}

// Result is how far a collection is.
type Result struct {
	Path     string         `json:"path"`
	Whole    bool           `json:"whole"` // the collection is there, and complete
	Kind     string         `json:"-"`     // of what such a run makes; empty where that is not known
	State    string         `json:"state"` // of a run without shards that is not finished: running, stopped or begun; empty otherwise
	Shards   []Shard        `json:"shards"`
	Parts    []Part         `json:"parts"`  // of several shards each, which a merge has made or begun
	Counts   map[string]int `json:"counts"` // of shards by state
	Images   *int           `json:"images"` // of all shards; null where none says it
	Finished int            `json:"finished"`
	Skipped  int            `json:"skipped"`
	Rate     *float64       `json:"rate"`         // images a second, of the running shards together; null where not known
	Left     *float64       `json:"seconds_left"` // until the slowest of the running shards is done; null where not known
	Again    []int          `json:"again"`        // shards to run again
	Command  []string       `json:"command"`      // that makes the shards, without {shard}; empty where it is not known
	Hidden   bool           `json:"hidden"`       // a password or a signature of an address is left out of the command
	Folder   string         `json:"folder"`       // that relative paths in the command are below
	Next     string         `json:"next"`         // what to do; empty while shards are running and none is to be run again
	Layers   []Layer        `json:"layers"`       // of a folder with a collection of each of several layers of neurons; empty of others
}

func newResult(path string) *Result {
	return &Result{Path: path, Counts: map[string]int{}, Shards: []Shard{}, Parts: []Part{}, Again: []int{}, Command: []string{}, Layers: []Layer{}}
}

// Run looks at the shards beside a path. It takes no locks and changes nothing.
func Run(ctx context.Context, o Options) (*Result, error) {
	r := newResult(o.Path)
	whole, err := cache.Open(o.Path)
	if err == nil {
		r.Whole = !artefact.IsShard(whole.Manifest.Kind)
	}
	paths, besideErr := shard.Beside(o.Path)
	of := 0
	if besideErr != nil {
		if r.Whole {
			r.Next = "nothing is left to do"
			return r, nil
		}
		if errors.Is(err, cache.ErrDamaged) || errors.Is(err, cache.ErrVersion) {
			return nil, err
		}
		if found, err := o.layers(ctx, r, artefact.LayersWithin(o.Path)); found || err != nil {
			return r, err
		}
		err := o.alone(r, besideErr)
		told := shard.Told(o.Path)
		if !errors.Is(err, cache.ErrMissing) || len(told) == 0 {
			return r, err
		}
		if of = told[0]; len(told) > 1 {
			return nil, twoRuns(o.Path, of, told[1])
		}
	}
	at := map[int]string{}
	for _, path := range paths {
		s := shard.Of(o.Path, path)
		if of != 0 && s.Of != of {
			return nil, twoRuns(o.Path, of, s.Of)
		}
		if of = s.Of; s.Last > 0 {
			r.Parts = append(r.Parts, partAt(path, s))
		} else {
			at[s.Number] = path
		}
	}
	run := o.runOf(of)
	slices.SortFunc(r.Parts, func(a, b Part) int { return cmp.Or(a.First-b.First, a.Last-b.Last) })
	for n := 1; n <= of; n++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s := Shard{Number: n, Path: at[n], State: Missing}
		if s.Path == "" {
			s.Path = shard.Shard{Number: n, Of: of}.Path(o.Path)
		}
		if of := o.look(&s); of != nil {
			r.Images = &of.Inputs
		}
		if s.State != Done && s.State != Running {
			r.within(&s)
		}
		if s.State != Done && s.State != Running {
			if f := (shard.Shard{Number: n, Of: of}).FailureOf(run); f != nil {
				s.Failed = fmt.Sprintf("%s (status %d)", f.Error, f.Status)
			}
		}
		r.Shards = append(r.Shards, s)
		r.count(s)
	}
	if c := shard.CommandOf(run, of); c != nil {
		r.Command, r.Folder, r.Hidden = c.Words, c.Folder, c.Hidden
	}
	r.advise(of)
	return r, nil
}

// runOf is the path that the run was given which makes these shards, beside which its command lies
// and how they failed: of one of several layers, that of all.
func (o Options) runOf(of int) string {
	if run := artefact.RunOfLayer(o.Path); run != "" && shard.CommandOf(o.Path, of) == nil && shard.CommandOf(run, of) != nil {
		return run
	}
	return o.Path
}

// twoRuns is the error of shards of several runs beside a path.
func twoRuns(path string, of, others int) error {
	err := fmt.Errorf("%s: shards of %d and of %d are beside it, want those of one run", path, of, others)
	return hint.With(err, "remove those that are not wanted")
}

// partAt looks at a part.
func partAt(path string, s shard.Shard) Part {
	p := Part{First: s.Number, Last: s.Last, Path: path, State: Done}
	a, err := cache.Open(path)
	switch {
	case errors.Is(err, cache.ErrMissing):
		p.State = Begun
	case err == nil && a.Manifest.Origin.Shard != nil:
		p.of, p.all, p.skipped = a.Manifest.Origin.Shard, shard.OfAll(a.Manifest), len(a.Manifest.Skipped)
		if artefact.WholeKind(a.Manifest.Kind) == artefact.KindSummary {
			var skipped []cache.Skipped
			skipped, err = artefact.SkippedOf(a)
			p.skipped = len(skipped)
		}
	case err == nil:
		err = fmt.Errorf("%s: %w: it does not say which shards it is", path, cache.ErrDamaged)
	}
	if err != nil && p.State == Done {
		p.State, p.Error = Damaged, err.Error()
	}
	return p
}

// within has a shard that is not finished be done where a part has it. The first shard of a part
// has all that were skipped.
func (r *Result) within(s *Shard) {
	for _, p := range r.Parts {
		if p.State != Done || s.Number < p.First || s.Number > p.Last {
			continue
		}
		lo, hi, err := shard.Shard{Number: s.Number, Of: p.of.Of}.Bounds(p.all)
		if err != nil {
			continue
		}
		n, all := hi-lo, p.of.Inputs
		*s = Shard{Number: s.Number, Path: p.Path, State: Done, Images: &n, Finished: n}
		r.Images = &all
		if s.Number == p.First {
			s.Skipped = p.skipped
		}
		return
	}
}

// count takes a shard into the numbers of all.
func (r *Result) count(s Shard) {
	r.Counts[s.State]++
	r.Finished += s.Finished
	r.Skipped += s.Skipped
	if s.State != Done && s.State != Running {
		r.Again = append(r.Again, s.Number)
	}
	r.add(s)
}

// add takes a shard's rate into that of all.
func (r *Result) add(s Shard) {
	if s.Rate == nil {
		return
	}
	total, left := *s.Rate, float64(*s.Images-s.Finished) / *s.Rate
	if r.Rate != nil {
		total += *r.Rate
	}
	if r.Left != nil {
		left = max(left, *r.Left)
	}
	r.Rate, r.Left = &total, &left
}

// look reads what there is of a shard, and returns which part it says that it is; nil if nothing
// says it.
func (o Options) look(s *Shard) *origin.Shard {
	a, err := cache.Open(s.Path)
	if err == nil && artefact.WholeKind(a.Manifest.Kind) == artefact.KindSummary {
		return s.summary(a)
	}
	if err == nil {
		n := a.Manifest.Inputs
		s.State, s.Images, s.Finished, s.Skipped = Done, &n, n, len(a.Manifest.Skipped)
		return a.Manifest.Origin.Shard
	}
	u, err := cache.InspectUnfinished(s.Path)
	if errors.Is(err, cache.ErrMissing) {
		for _, at := range []string{s.Path, s.Path + cache.StateEnd} { // a folder without a journal yet, or a state of segment or shift
			if _, err := os.Stat(at); err == nil {
				s.State = Begun
			}
		}
		return nil
	}
	if err != nil {
		s.damaged(err)
		return nil
	}
	s.kind = artefact.WholeKind(u.Plan.Kind)
	if s.kind == artefact.KindSummary {
		return o.sums(s, u.Plan.Origin.Shard)
	}
	n, cut := u.Plan.Inputs, u.Plan.Chunking()
	s.State, s.Images, s.Finished, s.Skipped = Begun, &n, cut.First(len(u.Chunks)), u.Skipped
	if len(u.At) == 0 || u.At[len(u.At)-1].IsZero() {
		if len(u.Chunks) > 0 {
			s.State = Stopped // by a build that wrote no times
		}
		return u.Plan.Origin.Shard
	}
	ago := max(o.Now().Sub(u.At[len(u.At)-1]), 0)
	seconds := ago.Seconds()
	s.Ago, s.State = &seconds, Running
	rate, longest := pace(u.At, cut)
	if ago > max(o.Late, 3*longest) || cache.WriterGone(s.Path) {
		s.State = Stopped
	} else if rate > 0 {
		s.Rate = &rate
	}
	return u.Plan.Origin.Shard
}

// summary fills in what a finished summary says.
func (s *Shard) summary(a *cache.Artefact) *origin.Shard {
	lo, hi, err := shard.RangeOf(a.Manifest)
	var skipped []cache.Skipped
	if err == nil {
		skipped, err = artefact.SkippedOf(a)
	}
	if err != nil {
		s.damaged(err)
		return nil
	}
	n := hi - lo
	s.State, s.Images, s.Finished, s.Skipped = Done, &n, n, len(skipped)
	return a.Manifest.Origin.Shard
}

// sums fills in what the state of a summary says, which has no rows and one state for all
// images so far.
func (o Options) sums(s *Shard, of *origin.Shard) *origin.Shard {
	s.State = Begun
	u, err := cache.InspectState(s.Path)
	if errors.Is(err, cache.ErrMissing) {
		return of
	}
	if err != nil {
		s.damaged(err)
		return nil
	}
	s.kind = artefact.WholeKind(u.Kind)
	ago := max(o.Now().Sub(u.At), 0)
	seconds := ago.Seconds()
	s.State, s.Images, s.Finished, s.Skipped, s.Ago = Running, &u.Inputs, u.Done, u.Skipped, &seconds
	if ago > o.Late || cache.WriterGone(s.Path) {
		s.State = Stopped
	} else if u.Rate > 0 {
		s.Rate = &u.Rate
	}
	return of
}

// pace is how many inputs a second the last chunks took, 0 if not known, and the longest time
// between two of them.
func pace(at []time.Time, cut cache.Chunking) (rate float64, longest time.Duration) {
	const last = 8
	done := len(at)
	at = at[max(0, len(at)-last-1):]
	for i := len(at) - 1; i > 0; i-- {
		if at[i-1].IsZero() {
			at = at[i:]
			break
		}
		longest = max(longest, at[i].Sub(at[i-1]))
	}
	took := at[len(at)-1].Sub(at[0])
	if len(at) < 2 || took <= 0 {
		return 0, longest
	}
	inputs := cut.First(done) - cut.First(done-len(at)+1)
	return float64(inputs) / took.Seconds(), longest
}

// advise says what to do next.
func (r *Result) advise(of int) {
	switch {
	case r.Whole:
		r.Next = "nothing is left to do: the shards were merged and can be removed"
	case len(r.Again) > 0:
		r.Next = fmt.Sprintf("run the command that makes the shards again, with {shard} N/%d for N = %s", of, Ranges(r.Again))
	case r.Counts[Done] == of:
		r.Next = "clipnh merge {save-path} " + r.Path
	}
}

// Ranges writes ascending numbers as "1-3,7", which a Slurm array takes too.
func Ranges(numbers []int) string {
	var parts []string
	for i := 0; i < len(numbers); {
		k := i
		for k+1 < len(numbers) && numbers[k+1] == numbers[k]+1 {
			k++
		}
		part := strconv.Itoa(numbers[i])
		if k > i {
			part += "-" + strconv.Itoa(numbers[k])
		}
		parts, i = append(parts, part), k+1
	}
	return strings.Join(parts, ",")
}
