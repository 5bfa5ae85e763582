package shard

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/ui"
)

// This file keeps results that are one JSON file, such as counts: artefacts of
// which shards can be made, and merged; and while they are under way, what came of
// the first inputs, so that a run goes on after it was killed.

// isResult reports whether artefacts of a kind are such results.
func isResult(kind string) bool {
	return kind == artefact.KindSegmentation || kind == artefact.KindRatios
}

// StateEnd is what the name of an unfinished run's state ends in.
const StateEnd = ".sum"

// MaxState bounds a state that may be damaged.
const MaxState = 1 << 30

var StateTable = crc32.MakeTable(crc32.Castagnoli)

// A File is the artefact that a run writes.
type File struct {
	Path string
	plan cache.Manifest

	Release  func() // of open
	Complete bool   // known after open

	saved time.Time     // when the state was saved last
	cost  time.Duration // what that took
}

// Result plans the artefact of a shard of a result, at path, and returns where
// its inputs begin and end.
func (s Shard) Result(path, kind string, origin origin.Origin, inputs int) (f *File, lo, hi int, err error) {
	plan := cache.Plan{Kind: kind, Axes: []string{"B"}, Origin: origin, Inputs: inputs, ChunkInputs: 1}
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
	f, _, _, err := Shard{}.Result(path, artefact.WholeKind(m.Kind), m.Origin, shards[0].InputsInAll())
	return f, err
}

// Open keeps other writers out until release is called, and fills into with what
// an earlier run has left, finished or not. It returns how many inputs that is of,
// all of them if the artefact is complete. A restart takes nothing of it.
func (f *File) Open(into any, restart bool, say ui.Reporter) (done int, err error) {
	if f.Release, err = cache.LockArtefact(f.statePath() + ".run"); err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			f.Release()
		}
	}()
	if f.Complete, err = f.there(into, restart, say); err != nil || restart {
		return 0, err
	}
	if f.Complete {
		return f.plan.Inputs, nil
	}
	if done, err = f.resume(into); done > 0 {
		say.Note("%s: resuming after %d of %d images", f.Path, done, f.plan.Inputs)
	}
	return done, err
}

// there fills into with what an earlier run has finished, and reports whether one
// has. What was made from something else is ErrStale. A restart takes nothing for
// finished, and gives up what is unfinished.
func (f *File) there(into any, restart bool, say ui.Reporter) (bool, error) {
	if err := cache.CanSave(f.Path, f.plan.Kind); err != nil {
		return false, err
	}
	if restart {
		return false, f.removeState()
	}
	a, err := cache.Open(f.Path)
	switch {
	case errors.Is(err, cache.ErrMissing), errors.Is(err, cache.ErrNoManifest):
		return false, nil
	case errors.Is(err, cache.ErrRemoved):
		say.Note(artefact.RemovedNote, f.Path)
		return false, nil
	case err == nil:
		err = a.IsOf(f.plan.Kind, f.plan.Origin)
	}
	if err != nil {
		return false, hint.With(err, "give another path, or discard what is there with {restart}")
	}
	if err := ReadResult(a, into); err != nil {
		return false, err
	}
	return true, f.removeState() // of a run that died before it did so
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
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := decodeResult(data, into); err != nil {
		return fmt.Errorf("%s: %w: %w", path, cache.ErrDamaged, err)
	}
	return nil
}

func decodeResult(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("text after the end")
	}
	return nil
}

// Finish writes the artefact.
func (f *File) Finish(result any) error {
	_, err := cache.Save(f.Path, f.plan, func(w io.Writer) error { return encodeResult(w, result) })
	if err != nil {
		return err
	}
	return f.removeState()
}

func encodeResult(w io.Writer, result any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(result)
}

// resultState begins the file that an unfinished run leaves: a line of it, and
// behind that the result so far.
type resultState struct {
	Kind   string        `json:"kind"`
	Origin origin.Origin `json:"origin"`
	Inputs int           `json:"inputs"`
	Done   int           `json:"done"`   // inputs that the result is of
	CRC    uint32        `json:"crc32c"` // of what follows
}

func (f *File) statePath() string { return f.Path + StateEnd }

func (f *File) state(done int, result []byte) resultState {
	return resultState{f.plan.Kind, f.plan.Origin, f.plan.Inputs, done, crc32.Checksum(result, StateTable)}
}

// rarely is how many times longer the work between two states is than the saving
// of one.
const rarely = 20

// Save keeps the result of the first inputs, if it is time to, or at any rate if
// it must.
func (f *File) Save(done int, result func() any, must bool) error {
	start := time.Now()
	if f.saved.IsZero() {
		f.saved = start // which is when the work began
	}
	if !must && start.Sub(f.saved) < max(rarely*f.cost, 50*time.Millisecond) {
		return nil
	}
	var b bytes.Buffer
	if err := encodeResult(&b, result()); err != nil {
		return err
	}
	err := cache.WriteFile(f.statePath(), func(w io.Writer) error {
		if err := json.NewEncoder(w).Encode(f.state(done, b.Bytes())); err != nil {
			return err
		}
		_, err := w.Write(b.Bytes())
		return err
	})
	f.saved = time.Now()
	f.cost = f.saved.Sub(start)
	return err
}

// resume fills into with what an earlier run left, if it left anything, and
// returns how many inputs that is of.
func (f *File) resume(into any) (done int, err error) {
	data, err := readBounded(f.statePath())
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	line, result, _ := bytes.Cut(data, []byte("\n"))
	var found resultState
	if err := json.Unmarshal(line, &found); err != nil {
		return 0, f.Unusable(err)
	}
	want := f.state(found.Done, result)
	want.CRC = found.CRC
	if got, _ := json.Marshal(found); !sameJSON(got, want) {
		return 0, fmt.Errorf("%s: %w: it belongs to a run with other options; remove it, or discard it with {restart}", f.statePath(), cache.ErrStale)
	}
	switch {
	case crc32.Checksum(result, StateTable) != found.CRC:
		return 0, f.Unusable(fmt.Errorf("%w: its CRC-32C is not the one in it", cache.ErrDamaged))
	case found.Done < 0 || found.Done > found.Inputs:
		return 0, f.Unusable(fmt.Errorf("inconsistent counts: %d of %d inputs done", found.Done, found.Inputs))
	}
	if err := decodeResult(result, into); err != nil {
		return 0, f.Unusable(err)
	}
	return found.Done, nil
}

func (f *File) Unusable(err error) error {
	return fmt.Errorf("%s: %w (remove it to start over)", f.statePath(), err)
}

// sameJSON reports whether v is written so.
func sameJSON(data []byte, v any) bool {
	want, err := json.Marshal(v)
	return err == nil && bytes.Equal(data, want)
}

// readBounded reads a file that is not larger than states are.
func readBounded(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > MaxState {
		return nil, fmt.Errorf("%s: %d bytes, want at most %d", path, info.Size(), MaxState)
	}
	return os.ReadFile(path)
}

func (f *File) removeState() error {
	return cache.RemoveFile(f.statePath())
}
