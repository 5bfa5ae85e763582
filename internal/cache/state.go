package cache

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"io/fs"
	"time"

	"github.com/clipnh/clipnh/internal/build"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/quantity"
)

// A State is how far a run is that writes its artefact at the end, such as a sum
// over images. It is kept on disk beside the artefact, so that a run that was
// killed resumes:
//
//	a line of JSON, the key and the progress
//	the body, which the run writes
//	the CRC-32C of all this, four bytes, little-endian
//
// The key says what the state belongs to: kind, origin and number of inputs of
// the artefact, and the program and the version of the format that wrote it. A
// state of another key is not resumed.
type State struct {
	Artefact string // its path; the state is at Artefact + StateEnd
	Kind     string
	Origin   origin.Origin
	Inputs   int
	Store    *Store // nil is as in other places
}

// StateEnd is what the name of a state ends in.
const StateEnd = ".sum"

// maxProgress bounds the first line of a state that may be damaged, foreignProgress that
// of a file which does not begin as a state does.
const (
	maxProgress     = 1 << 30
	foreignProgress = 1 << 20
)

const (
	stateFormat = "clipnh state"
	stateMark   = `{"format":"` + stateFormat + `",`
)

// stateHead is the first line.
type stateHead struct {
	stateKey
	Progress json.RawMessage `json:"progress"`
}

type stateKey struct {
	Format  string        `json:"format"`
	Version int           `json:"version"`
	Program string        `json:"program"`
	Kind    string        `json:"kind"`
	Origin  origin.Origin `json:"origin"`
	Inputs  int           `json:"inputs"`
}

// Path is where the state is.
func (s State) Path() string { return s.Artefact + StateEnd }

// Lock keeps other writers of the artefact out until release is called.
func (s State) Lock() (release func(), err error) {
	return s.Store.LockArtefact(s.Path() + ".run")
}

func (s State) key() stateKey {
	return stateKey{stateFormat, Version, build.Current().Name(), s.Kind, s.Origin, s.Inputs}
}

// Save writes a state, wholly or not at all: progress as JSON, and what body
// writes.
func (s State) Save(progress any, body func(io.Writer) error) error {
	return s.Store.WriteFile(s.Path(), func(to io.Writer) error { return s.Write(to, progress, body) })
}

// Write is Save to any writer.
func (s State) Write(to io.Writer, progress any, body func(io.Writer) error) error {
	text, err := json.Marshal(progress)
	if err != nil {
		return err
	}
	sum := crc32.New(castagnoli)
	w := io.MultiWriter(to, sum)
	if err := json.NewEncoder(w).Encode(stateHead{s.key(), text}); err != nil {
		return err
	}
	if err := body(w); err != nil {
		return err
	}
	return binary.Write(to, binary.LittleEndian, sum.Sum32())
}

// Load fills progress with what an earlier run saved, and has body read the rest.
// It reports false where there is no state. One of another key is a
// *MismatchError (ErrStale), a damaged one ErrDamaged.
func (s State) Load(progress any, body func(io.Reader) error) (bool, error) {
	f, err := foreign.Open(s.Path())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	err = s.Read(f, progress, body)
	if err == nil || errors.Is(err, ErrStale) {
		return err == nil, err
	}
	return false, hint.With(fmt.Errorf("read %s: %w", s.Path(), err), "remove it, or discard it with {restart}")
}

// Read is Load from any reader.
func (s State) Read(from io.Reader, progress any, body func(io.Reader) error) error {
	r := &summing{r: bufio.NewReaderSize(from, 1<<16), sum: crc32.New(castagnoli)}
	line, err := r.line()
	if err != nil {
		return err
	}
	if _, err := checkVersion(line, stateFormat); err != nil {
		return err
	}
	var head stateHead
	if err := strict(line, &head); err != nil {
		return err
	}
	wrong, err := differences(head.stateKey, s.key())
	if err != nil {
		return err
	}
	if wrong != nil {
		return &MismatchError{s.Path(), wrong, false, "remove it, or discard it with {restart}"}
	}
	if err := strict(head.Progress, progress); err != nil {
		return err
	}
	if err := body(r); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return r.end()
}

// An UnfinishedState is how far a run is that keeps a State.
type UnfinishedState struct {
	Kind    string
	Origin  origin.Origin
	Inputs  int       // of the artefact
	Done    int       // of these, skipped ones included
	Skipped int       // of these
	Listed  []uint32  // checksums of the inputs as they were listed; empty where it has none
	Rate    float64   // inputs a second, as the run said; 0 where it did not
	At      time.Time // when it was saved
}

// InspectState reads the first line of the state beside an artefact, which it does not
// compare with its checksum. It fails with ErrMissing if there is none.
func InspectState(artefact string) (*UnfinishedState, error) {
	s := State{Artefact: artefact}
	f, err := foreign.Open(s.Path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open %s: %w", s.Path(), ErrMissing)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	u, err := inspectState(f)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", s.Path(), err)
	}
	u.At = info.ModTime()
	return u, nil
}

func inspectState(from io.Reader) (*UnfinishedState, error) {
	r := &summing{r: bufio.NewReaderSize(from, 1<<16), sum: crc32.New(castagnoli)}
	line, err := r.line()
	if err != nil {
		return nil, err
	}
	if _, err := checkVersion(line, stateFormat); err != nil {
		return nil, err
	}
	var head stateHead
	if err := strict(line, &head); err != nil {
		return nil, err
	}
	var progress struct { // as far as the progress of every kind has it
		Done    int       `json:"done"`
		Skipped []Skipped `json:"skipped"`
		Rate    float64   `json:"rate"`
		Listed  string    `json:"listed_crc32c"`
	}
	if err := json.Unmarshal(head.Progress, &progress); err != nil {
		return nil, foreign.Short(err)
	}
	if progress.Done < 0 || progress.Done > head.Inputs || len(progress.Skipped) > progress.Done || !(progress.Rate >= 0) {
		return nil, fmt.Errorf("%w: %s done of %d, %d skipped", ErrDamaged, quantity.Of(progress.Done, "input"), head.Inputs, len(progress.Skipped))
	}
	listed, err := ParseSums(progress.Listed)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return &UnfinishedState{Listed: listed, Kind: head.Kind, Origin: head.Origin, Inputs: head.Inputs, Done: progress.Done, Skipped: len(progress.Skipped), Rate: progress.Rate}, nil
}

// Remove removes the state, if there is one, and what killed writers of it left.
func (s State) Remove() error { return s.Store.RemoveFile(s.Path()) }

// summing sums up what is read from r.
type summing struct {
	r   *bufio.Reader
	sum hash.Hash32
}

// Read reads up to the checksum, which is the last four bytes.
func (s *summing) Read(b []byte) (int, error) {
	const sum = 4
	ahead, err := s.r.Peek(min(len(b), s.r.Size()-sum) + sum)
	if len(ahead) <= sum {
		if err == nil || err == io.EOF || err == bufio.ErrBufferFull {
			err = io.EOF
		}
		return 0, err
	}
	n := copy(b, ahead[:len(ahead)-sum])
	s.sum.Write(b[:n])
	s.r.Discard(n)
	return n, nil
}

// line reads up to a newline, at most maxProgress bytes.
func (s *summing) line() ([]byte, error) {
	most := foreignProgress
	if begin, _ := s.r.Peek(len(stateMark)); string(begin) == stateMark {
		most = maxProgress
	}
	var line []byte
	for {
		part, err := s.r.ReadSlice('\n')
		line = append(line, part...)
		if err == nil {
			s.sum.Write(line)
			return line, nil
		}
		if err != bufio.ErrBufferFull || len(line) > most {
			return nil, fmt.Errorf("%w: no line of at most %d bytes at its beginning", ErrDamaged, most)
		}
	}
}

// end compares the checksum with what is left: itself.
func (s *summing) end() error {
	rest := make([]byte, 5)
	n, _ := io.ReadFull(s.r, rest)
	switch {
	case n > 4:
		return fmt.Errorf("%w: bytes after the end", ErrDamaged)
	case n < 4 || binary.LittleEndian.Uint32(rest) != s.sum.Sum32():
		return fmt.Errorf("%w: its CRC-32C is not the one in it", ErrDamaged)
	}
	return nil
}
