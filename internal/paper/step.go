// Package paper runs the commands behind the paper's results and reports the
// results.
//
// A Step is one command line with the paths that it reads and writes. Run executes
// a step unless its Record shows that it is done: with the same command line, on the
// same inputs, and with unchanged outputs. Rows are values from the records, next to
// the values that the paper gives. A Report is all of these as Markdown and JSON.
package paper

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/foreign"
)

// A Step is a command and the files that it reads and writes.
type Step struct {
	Name    string
	Args    []string // the command line, without the program's name and --json
	Inputs  []string // files and folders that it reads and no other step writes
	After   []string // names of the steps whose outputs it reads
	Outputs []string // files and folders that it writes
}

// A Record is the result of a step. It is stored as steps/NAME.json in Runner.Dir.
type Record struct {
	Step    string            `json:"step"`
	Key     string            `json:"key"` // SHA-256 of the command line and of what it read
	Args    []string          `json:"args"`
	Outputs map[string]string `json:"outputs"` // path: SHA-256 of the artefact's manifest, or of the file
	Seconds float64           `json:"seconds"`
	Program string            `json:"program"`           // the build that ran it
	Skipped string            `json:"skipped,omitempty"` // message of a command that skipped some inputs
	Result  json.RawMessage   `json:"result"`            // what it printed with --json
}

// maxRecord bounds the size of a record's file.
const maxRecord = 256 << 20

// A Runner runs steps.
type Runner struct {
	Dir     string // folder of the records and the report
	Program string // identifies the build
	// Exec runs a command line with --json and returns what it printed.
	Exec func(ctx context.Context, args []string) ([]byte, error)
	// Skipped reports whether an error of Exec means that the command succeeded
	// but skipped some inputs.
	Skipped func(error) bool
	Now     func() time.Time
	Store   *cache.Store

	records map[string]*Record // of the steps passed to Run so far
}

// Run executes a step unless it is already done. The steps in its After must have
// been run. It returns the step's record, and whether it was executed.
func (r *Runner) Run(ctx context.Context, s Step) (rec *Record, executed bool, err error) {
	key, err := r.key(s)
	if err != nil {
		return nil, false, err
	}
	if rec, err = r.load(s.Name); err != nil {
		return nil, false, err
	}
	if rec == nil || rec.Key != key || !rec.holds(s) {
		executed = true
		if rec, err = r.execute(ctx, s, key); err != nil {
			return nil, true, err
		}
	}
	if r.records == nil {
		r.records = map[string]*Record{}
	}
	r.records[s.Name] = rec
	return rec, executed, nil
}

// key returns the SHA-256 of a step's command line and of everything it reads.
func (r *Runner) key(s Step) (string, error) {
	state := struct {
		Program string // another may print other figures
		Args    []string
		Inputs  []string
		After   []map[string]string
	}{Program: r.Program, Args: s.Args}
	for _, path := range s.Inputs {
		print, err := fingerprint(path)
		if err != nil {
			return "", err
		}
		state.Inputs = append(state.Inputs, path, print)
	}
	for _, name := range s.After {
		rec := r.records[name]
		if rec == nil {
			panic("paper: step " + s.Name + " before " + name)
		}
		state.After = append(state.After, rec.Outputs)
	}
	text, err := json.Marshal(state)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

func (r *Runner) path(name string) string { return filepath.Join(r.Dir, "steps", name+".json") }

// load reads a record. It returns nil if there is none, or if the record is not
// valid, so that the step runs again.
func (r *Runner) load(name string) (*Record, error) {
	f, err := foreign.Open(r.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rec := new(Record)
	if err := json.NewDecoder(io.LimitReader(f, maxRecord)).Decode(rec); err != nil || rec.Step != name {
		return nil, nil
	}
	return rec, nil
}

// holds reports whether a step's outputs are unchanged since it ran.
func (rec *Record) holds(s Step) bool {
	for _, path := range s.Outputs {
		print, err := fingerprint(path)
		if err != nil || rec.Outputs[path] != print {
			return false
		}
	}
	return len(rec.Outputs) == len(s.Outputs)
}

func (r *Runner) execute(ctx context.Context, s Step, key string) (*Record, error) {
	start := r.Now()
	out, err := r.Exec(ctx, s.Args)
	rec := &Record{Step: s.Name, Key: key, Args: s.Args, Outputs: map[string]string{}, Program: r.Program}
	if err != nil && r.Skipped(err) {
		rec.Skipped, err = err.Error(), nil
	}
	if err != nil {
		return nil, err
	}
	rec.Seconds = r.Now().Sub(start).Seconds()
	var compact bytes.Buffer
	if err := json.Compact(&compact, out); err != nil {
		return nil, fmt.Errorf("%s: result is not JSON: %w", s.Name, err)
	}
	rec.Result = compact.Bytes()
	for _, path := range s.Outputs {
		if rec.Outputs[path], err = fingerprint(path); err != nil {
			return nil, err
		}
	}
	return rec, r.save(rec)
}

func (r *Runner) save(rec *Record) error {
	if err := os.MkdirAll(filepath.Dir(r.path(rec.Step)), 0o777); err != nil {
		return err
	}
	return r.Store.WriteFile(r.path(rec.Step), func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		return e.Encode(rec)
	})
}

// fingerprint returns a hash that changes with the content of path: an artefact's
// own hash, the hash of a file's content, or the hash of the names and sizes of all
// files in a folder.
func fingerprint(path string) (string, error) {
	a, err := cache.Open(path)
	if err == nil {
		return a.Hash(), nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	if !info.IsDir() {
		f, err := foreign.Open(path)
		if err != nil {
			return "", err
		}
		defer f.Close()
		_, err = io.Copy(sum, f)
		return hex.EncodeToString(sum.Sum(nil)), err
	}
	var lines []string
	err = filepath.WalkDir(path, func(at string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(at, ".lock") {
			return err
		}
		info, err := os.Stat(at) // follows links
		if err == nil {
			lines = append(lines, fmt.Sprintf("%s\x00%d\n", filepath.ToSlash(strings.TrimPrefix(at, path)), info.Size()))
		}
		return err
	})
	slices.Sort(lines)
	for _, line := range lines {
		io.WriteString(sum, line)
	}
	return hex.EncodeToString(sum.Sum(nil)), err
}
