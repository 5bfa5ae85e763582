package shard

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
)

// This file keeps results that are one JSON file, such as counts: artefacts of
// which shards can be made, and merged; and while they are under way, the result of
// the first inputs, so that a run goes on after it was killed.

// maxResult bounds a result that may be damaged.
const maxResult = 1 << 30

// A File is the artefact that a run writes.
type File struct {
	Path string
	plan cache.Manifest

	Store    *cache.Store
	Strict   bool   // refuse to resume what other kernels began
	Release  func() // of open
	Complete bool   // known after open

	// Sums are the checksums of the inputs so far: after Open those of an earlier
	// run, which left them with its result; see cache.SumOf. Of a complete one they are
	// empty if an older build wrote it.
	Sums []uint32

	// Listed are checksums of the inputs as they were listed, set before Open; see
	// cache.Plan.
	Listed []uint32

	// HeldBy, which may be nil, tells what holds the first inputs from all that may be in its
	// place at another time; it is empty where that cannot be told. Held says, after Open, that
	// it is as it was when an earlier run left its result.
	HeldBy func(inputs int) string
	Held   bool

	merged bool          // of shards: nothing is computed
	kernel string        // the families that have computed the inputs which are done
	saved  time.Time     // when the state was saved last
	cost   time.Duration // what that took
}

// Result plans the artefact of a shard of a result, at path, and returns where
// its inputs begin and end. ends are where archives end, if shards are cut there.
func (s Shard) Result(path, kind string, origin origin.Origin, inputs int, ends []int) (f *File, lo, hi int, err error) {
	plan := cache.Plan{Kind: kind, Axes: []string{"B"}, Origin: origin, Inputs: inputs, ChunkInputs: 1, Cuts: cache.KeptCuts(ends, 1)}
	if lo, hi, err = s.RestrictPlan(&plan); err != nil {
		return nil, 0, 0, err
	}
	return &File{Path: s.Path(path), plan: cache.Manifest{
		Kind: plan.Kind, Axes: plan.Axes, Shape: []int{plan.Inputs}, Origin: plan.Origin, Inputs: plan.Inputs, ChunkInputs: plan.ChunkInputs,
	}}, lo, hi, nil
}

// WholeOf plans the artefact that shards make up.
func WholeOf(shards []Part, path string) (*File, error) {
	m := shards[0].Manifest
	m.Origin.Shard = nil
	f, _, _, err := Shard{}.Result(path, artefact.WholeKind(m.Kind), m.Origin, shards[0].InputsInAll(), nil)
	if err != nil {
		return nil, err
	}
	f.merged = true
	for _, p := range shards {
		f.kernel = cache.AddFamilies(f.kernel, p.Manifest.Families())
		f.Sums = append(f.Sums, p.InputSums()...) // too few of shards of older builds
	}
	return f, nil
}

// Open keeps other writers out until release is called, and fills into with what
// an earlier run has left, finished or not. It returns how many inputs that is of,
// all of them if the artefact is complete. A restart takes nothing of it.
func (f *File) Open(into any, restart bool, say ui.Reporter) (done int, err error) {
	if f.Release, err = f.state().Lock(); err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			f.Release()
		}
	}()
	if f.Complete, err = f.alreadyComplete(into, restart, say); err != nil || restart {
		return 0, err
	}
	if f.Complete {
		return f.plan.Inputs, nil
	}
	if done, err = f.resume(into); err == nil && done > 0 {
		say.Note("%s: resuming after %d of %s", f.Path, done, quantity.Of(f.plan.Inputs, "image"))
		err = artefact.CheckFamilies(f.Path, f.kernel, cache.Family(), f.Strict, say.Warn)
	}
	return done, err
}

// alreadyComplete fills into with what an earlier run has finished, and reports whether one
// has. What was made from something else is ErrStale. A restart takes nothing for
// finished, and gives up what is unfinished.
func (f *File) alreadyComplete(into any, restart bool, say ui.Reporter) (bool, error) {
	w := artefact.Writer{Store: f.Store, Restart: restart, Note: say.Note}
	a, err := w.Complete(f.Path, f.plan.Kind, func(origin.Origin) origin.Origin { return f.plan.Origin })
	if err == nil && restart {
		return false, f.state().Remove()
	}
	if err != nil || a == nil {
		return false, err
	}
	if err := ReadResult(a, into); err != nil {
		return false, err
	}
	f.Sums = a.InputSums()
	return true, f.state().Remove() // of a run that died before it did so
}

// ReadResult decodes the JSON of an artefact, whose bytes it compares with their
// checksum.
func ReadResult(a *cache.Artefact, into any) error {
	if err := artefact.VerifyChecksums(a); err != nil {
		return err
	}
	path, err := a.Payload("")
	if err != nil {
		return err
	}
	file, err := foreign.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := decodeResult(file, into); err != nil {
		return fmt.Errorf("%s: %w: %w", path, cache.ErrDamaged, err)
	}
	return a.Unreplaced()
}

func decodeResult(r io.Reader, into any) error {
	d := json.NewDecoder(io.LimitReader(r, maxResult))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return foreign.Short(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("text after the end")
	}
	return nil
}

// Finish writes the artefact.
func (f *File) Finish(result any) error {
	m := f.plan
	if !f.merged {
		f.kernel = cache.AddFamilies(f.kernel, cache.Family())
	}
	m.Payloads = []cache.Payload{{Kernel: f.kernel}}
	if len(f.Sums) == m.Inputs {
		m.Payloads[0].Inputs = cache.SumsText(f.Sums)
	}
	_, err := f.Store.Save(f.Path, m, func(w io.Writer) error { return encodeResult(w, result) })
	if err != nil {
		return err
	}
	return f.state().Remove()
}

func encodeResult(w io.Writer, result any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(result)
}

// state is where the result of the first inputs is kept.
func (f *File) state() cache.State {
	return cache.State{Artefact: f.Path, Kind: f.plan.Kind, Origin: f.plan.Origin, Inputs: f.plan.Inputs, Store: f.Store}
}

// A progress is how many inputs a result so far is of, who computed it, and the inputs'
// checksums.
type progress struct {
	Done   int    `json:"done"`
	Kernel string `json:"kernel,omitempty"` // the families that computed it; see cache.Families
	Inputs string `json:"inputs_crc32c"`
	Listed string `json:"listed_crc32c,omitempty"`
	HeldBy string `json:"held_by,omitempty"`
}

// Add adds the checksum of the next input.
func (f *File) Add(sum uint32) { f.Sums = append(f.Sums, sum) }

// saveEvery is how many times longer the work between two states is than the saving
// of one.
const saveEvery = 20

// Save keeps the result of the first inputs, whose checksums have been added, if it
// is time to, or at any rate if it must.
func (f *File) Save(done int, result func() any, must bool) error {
	start := time.Now()
	if f.saved.IsZero() {
		f.saved = start // which is when the work began
	}
	if !must && start.Sub(f.saved) < max(saveEvery*f.cost, 50*time.Millisecond) {
		return nil
	}
	f.kernel = cache.AddFamilies(f.kernel, cache.Family())
	p := progress{done, f.kernel, cache.SumsText(f.Sums[:done]), cache.SumsText(f.Listed), f.heldBy(done)}
	err := f.state().Save(p, func(w io.Writer) error { return encodeResult(w, result()) })
	f.saved = time.Now()
	f.cost = f.saved.Sub(start)
	return err
}

func (f *File) heldBy(done int) string {
	if f.HeldBy == nil {
		return ""
	}
	return f.HeldBy(done)
}

// resume fills into with what an earlier run left, if it left anything, and
// returns how many inputs that is of.
func (f *File) resume(into any) (done int, err error) {
	var p progress
	found, err := f.state().Load(&p, func(r io.Reader) error {
		if p.Done < 0 || p.Done > f.plan.Inputs {
			return fmt.Errorf("inconsistent counts: %d of %s done", p.Done, quantity.Of(f.plan.Inputs, "input"))
		}
		if f.Sums, err = cache.ParseSums(p.Inputs); err != nil {
			return err
		}
		if len(f.Sums) != p.Done {
			return fmt.Errorf("checksums of %s, want %d", quantity.Of(len(f.Sums), "input"), p.Done)
		}
		return decodeResult(r, into)
	})
	if err != nil || !found {
		return 0, err // f.kernel stays: of a merge it is that of the shards
	}
	f.Held = p.HeldBy != "" && p.HeldBy == f.heldBy(p.Done)
	if f.kernel = p.Kernel; p.Done > 0 && p.Kernel == "" {
		f.kernel = cache.UnknownFamily
	}
	return p.Done, nil
}

// Unusable is the error of a finished result whose contents are not what its
// manifest says.
func (f *File) Unusable(err error) error {
	return fmt.Errorf("%s: %w: %w", f.Path, cache.ErrDamaged, err)
}
