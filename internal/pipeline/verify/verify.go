// Package verify reads artefacts whole and says what is wrong with them, and has
// collections repaired.
package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
)

// Options says what to look at.
type Options struct {
	Paths []string // artefacts, or folders of them

	// Where images are given, those that collections were made from are compared
	// with them. Of Data, Kind may be empty, for that of the collection.
	DataKind, DataPath string

	// Remake says how an artefact with a manifest is made again.
	Remake func(path string, m cache.Manifest) string

	Repair    bool
	Model     string // of the collections to repair
	BatchSize int
	Threads   int
	Store     *cache.Store
}

// The states of an artefact. What has several has the first of them.
const (
	StateDamaged    = "damaged"    // bytes are not those that were written, or values are NaN or infinite
	StateMissing    = "missing"    // nothing is there
	StateUnfinished = "unfinished" // the run that writes it has not ended
	StateStale      = "stale"      // what it was made from is now another
	StateUnknown    = "unknown"    // no manifest says what is right
	StateRepaired   = "repaired"   // was damaged, and is sound
	StateSound      = "sound"
)

// Result is what Verify found.
type Result struct {
	Bytes     int64          `json:"bytes"`  // that were read
	Counts    map[string]int `json:"counts"` // artefacts by state
	Artefacts []Report       `json:"artefacts"`

	Leftovers []cache.Leftover `json:"leftovers,omitempty"` // of killed runs

	Unchecked []string `json:"-"` // why images that were to be compared were not, each reason once
}

// Report is one artefact.
type Report struct {
	Path     string    `json:"path"`
	Kind     string    `json:"kind,omitempty"`
	State    string    `json:"state"`
	Bytes    int64     `json:"bytes"` // of its payloads
	Problems []Problem `json:"problems"`
	Parents  []Parent  `json:"parents"`
	Images   string    `json:"pictures,omitempty"` // "same", "same sizes", "other", or "not checked"
	Repaired []Problem `json:"repaired,omitempty"` // what was wrong
	Hint     string    `json:"hint,omitempty"`
}

// Problem is something that is wrong with an artefact.
type Problem struct {
	File  string `json:"file"`
	Chunk *int   `json:"chunk,omitempty"` // of a collection
	Text  string `json:"text"`
}

// Parent is an artefact that another was made from.
type Parent struct {
	Role  string   `json:"role"`
	State string   `json:"state"` // "same", "other", or "not checked": it is not among the paths
	Paths []string `json:"paths"` // which it is, or those of its kind that it is not

	Strangers []string `json:"of_others,omitempty"` // those of its kind that are about other images or texts, or of another model
}

// verifier is a Verify under way.
type verifier struct {
	Options
	say      ui.Reporter
	progress ui.Progress
	result   *Result
	found    []*found
	folders  []string // that were searched
	images   map[string]*imageSet
	left     []left
}

// found is something to verify.
type found struct {
	path       string
	artefact   *cache.Artefact   // one of these, or neither
	unfinished *cache.Unfinished // a collection under way
	err        error             // why neither
	*Report
}

// Run reads all of artefacts and says what is wrong with them: bytes that are
// not those that were written, payloads that are gone, numbers that are NaN or
// infinite, collections that are not finished, and artefacts made from others, or
// from images, that are not the ones that are there now. It repairs what it can
// where that is asked for.
func Run(ctx context.Context, o Options, say ui.Reporter) (*Result, error) {
	v := &verifier{Options: o, say: say, result: &Result{Counts: map[string]int{}}, images: map[string]*imageSet{}}
	if o.DataPath != "" {
		if err := dataset.There(o.DataPath); err != nil {
			return nil, err // not staleness: nothing can be compared
		}
	}
	for _, path := range o.Paths {
		if err := v.find(ctx, path); err != nil {
			return nil, err
		}
	}
	if err := v.leftovers(); err != nil {
		return nil, err
	}
	v.progress = say.Progress()
	v.progress.Start(v.size(), ui.Bytes, "verify")
	defer v.progress.Done()
	for _, f := range v.found {
		if err := v.contents(ctx, f); err != nil {
			return nil, err
		}
	}
	v.progress.Done()
	for _, f := range v.found {
		v.weightsBeside(f)
		v.featuresWithin(f)
		v.parents(f)
		if err := v.compareImages(ctx, f); err != nil {
			return nil, err
		}
	}
	v.sayLeft()
	v.layers()
	if o.Repair {
		for _, f := range v.found {
			if err := v.repair(ctx, f); err != nil {
				return nil, err
			}
		}
	}
	for _, f := range v.found {
		v.result.Counts[f.State]++
		v.result.Artefacts = append(v.result.Artefacts, *f.Report)
	}
	return v.result, nil
}

func (v *verifier) size() int64 {
	total := int64(0)
	for _, f := range v.found {
		if f.artefact != nil {
			for _, p := range f.artefact.Manifest.Payloads {
				total += p.Bytes
			}
		}
		if f.unfinished != nil {
			total += f.unfinished.Size()
		}
		if info, err := os.Stat(f.path); err == nil && filepath.Ext(f.path) == ".npy" && errors.Is(f.err, cache.ErrNoManifest) {
			total += info.Size()
		}
	}
	return total
}

// wrong adds a problem. A state is replaced by a graver one only.
func (f *found) wrong(state, file string, chunk int, text string) {
	p := Problem{File: file, Text: text}
	if chunk >= 0 {
		p.Chunk = &chunk
	}
	f.Problems = append(f.Problems, p)
	f.become(state)
}

func (f *found) become(state string) {
	order := []string{StateDamaged, StateMissing, StateUnfinished, StateStale, StateUnknown, StateSound}
	if slices.Index(order, state) < slices.Index(order, f.State) {
		f.State = state
	}
}

// contents reads all that an artefact consists of.
func (v *verifier) contents(ctx context.Context, f *found) error {
	switch {
	case f.artefact != nil:
		return v.payloads(ctx, f)
	case f.unfinished != nil:
		return v.chunks(ctx, f)
	}
	state := StateDamaged
	switch {
	case errors.Is(f.err, cache.ErrMissing):
		state = StateMissing
	case errors.Is(f.err, cache.ErrNoManifest):
		state = StateUnknown
		if err := v.foreign(ctx, f); err != nil {
			return err
		}
	case errors.Is(f.err, cache.ErrVersion), errors.Is(f.err, cache.ErrStale):
		state = StateStale
	}
	f.wrong(state, f.path, -1, f.err.Error())
	var h interface{ Hint() string }
	if errors.As(f.err, &h) {
		f.Hint = h.Hint()
	} else if state == StateDamaged {
		f.Hint = "make it again with the command that wrote it"
	}
	return nil
}

// foreign looks at the numbers in another program's file.
func (v *verifier) foreign(ctx context.Context, f *found) error {
	info, err := os.Stat(f.path)
	if err == nil {
		f.Bytes = info.Size()
		err = finitePacked(f.path, "")
	}
	if scan := newFiniteScan(cache.Manifest{}, cache.Payload{}, f.path); err == nil && scan != nil && filepath.Ext(f.path) == ".npy" {
		err = v.scan(ctx, f.path, scan)
	}
	if err != nil && ctx.Err() == nil {
		f.wrong(StateDamaged, f.path, -1, err.Error())
	}
	return ctx.Err()
}

// scan sends a file through a scan.
func (v *verifier) scan(ctx context.Context, path string, scan *finiteScan) error {
	file, err := foreign.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	buf := make([]byte, 1<<20)
	for ctx.Err() == nil {
		n, err := file.Read(buf)
		v.read(int64(n))
		scan.Write(buf[:n])
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if scan.at >= 0 {
		return errors.New(scan.text())
	}
	return ctx.Err()
}

// read counts bytes that were read.
func (v *verifier) read(n int64) {
	v.result.Bytes += n
	v.progress.Add(n)
}

func (v *verifier) payloads(ctx context.Context, f *found) error {
	a := f.artefact
	f.Kind = a.Manifest.Kind
	scans := map[string]*finiteScan{}
	damage, err := a.VerifyEach(ctx, v.read, func(p cache.Payload) io.Writer {
		path := payloadPath(a, p)
		if s := newFiniteScan(a.Manifest, p, path); s != nil {
			scans[path] = s
			return s
		}
		return nil
	})
	if err != nil {
		return err
	}
	broken := map[string]bool{}
	for _, d := range damage {
		f.wrong(StateDamaged, d.File, d.Chunk, d.Err.Error())
		broken[d.File] = true
	}
	for _, p := range a.Manifest.Payloads {
		f.Bytes += p.Bytes
		path := payloadPath(a, p)
		if s := scans[path]; s != nil && s.at >= 0 {
			f.wrong(StateDamaged, path, -1, s.text())
		} else if !broken[path] {
			if err := finitePacked(path, a.Manifest.Kind); err != nil {
				f.wrong(StateDamaged, path, -1, err.Error())
			}
		}
	}
	if f.State == StateDamaged {
		f.Hint = v.Remake(a.Path(), a.Manifest)
	}
	return nil
}

func payloadPath(a *cache.Artefact, p cache.Payload) string {
	path, err := a.Payload(p.File)
	if err != nil {
		return a.Path() // cannot be: p is one of its own
	}
	return path
}

// chunks looks at a collection that is not finished.
func (v *verifier) chunks(ctx context.Context, f *found) error {
	u := f.unfinished
	f.Kind, f.Bytes = u.Plan.Kind, u.Size()
	f.wrong(StateUnfinished, f.path, -1, fmt.Sprintf("not finished, %d of %s %s done", len(u.Chunks), quantity.Of(u.Of, "chunk"), quantity.Is(len(u.Chunks), u.Of)))
	f.Hint = "run the command that makes it again: it resumes from there"
	damage, err := u.Verify(ctx, v.read)
	for _, d := range damage {
		f.wrong(StateDamaged, d.File, d.Chunk, d.Err.Error())
	}
	if len(damage) > 0 {
		f.Hint = "run the command that makes it again: it collects damaged chunks, and those after them, once more"
	}
	return err
}
