package shard

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/foreign"
)

// Beside shards lie two kinds of small files, for people who look how far they are: one with
// the command that makes them, and one with the error of each shard that failed last. They
// are no part of any result, and nothing is computed of them.

// mostTold bounds such a file, in bytes.
const mostTold = 64 << 10

// A Command is a command line that makes shards, without the number of one.
type Command struct {
	Words  []string `json:"command"`
	Folder string   `json:"folder"` // that relative paths in it are below
	Worked bool     `json:"worked"` // it has made a shard
	Hidden bool     `json:"hidden"` // what is secret in an address is left out of it
}

// A Failure is how a shard failed last.
type Failure struct {
	Error  string `json:"error"`
	Status int    `json:"status"` // with which the command ended
}

// commandPath is where the command of shards lies. No shard has its name.
func commandPath(path string, of int) string {
	return fmt.Sprintf("%s.of-%d.command", filepath.Clean(path), of)
}

// failureEnd is what the name of a failure ends in.
const failureEnd = ".error"

func (s Shard) failurePath(path string) string { return s.Path(path) + failureEnd }

// KeepCommand keeps the command that makes a shard of what is to be at path. Of several that
// differ the last counts. What a killed writer left of the file goes.
func (s Shard) KeepCommand(store *cache.Store, path string, c Command) error {
	at, known := commandPath(path, s.Of), CommandOf(path, s.Of)
	if known != nil && known.Folder == c.Folder && known.Worked == c.Worked && known.Hidden == c.Hidden && slices.Equal(known.Words, c.Words) && !store.Left(at) {
		return nil
	}
	return keepTold(store, at, c)
}

// ForgetCommand removes the command that makes the shards of a path.
func (s Shard) ForgetCommand(path string) error { return removed(commandPath(path, s.Of)) }

// CommandOf returns the command that makes the shards of a path; nil if it is not known.
func CommandOf(path string, of int) *Command {
	var c Command
	if !readTold(commandPath(path, of), &c) || len(c.Words) == 0 {
		return nil
	}
	return &c
}

// Told returns the numbers of shards, in ascending order, of the runs that have such files beside a
// path: there may be no shard yet, where each failed before it wrote anything.
func Told(path string) []int {
	dir, _, _ := around(path)
	entries, err := os.ReadDir(filepath.Clean(dir))
	if err != nil {
		return nil
	}
	var all []int
	for _, e := range entries {
		of := 0
		if shard, is := strings.CutSuffix(e.Name(), failureEnd); is {
			of = Of(path, shard).Of
		} else if rest, is := strings.CutPrefix(e.Name(), filepath.Base(path)); is {
			fmt.Sscanf(rest, ".of-%d.command", &of)
			if e.Name() != filepath.Base(commandPath(path, of)) {
				continue
			}
		}
		if of > 1 && of <= maxShards && !slices.Contains(all, of) {
			all = append(all, of)
		}
	}
	slices.Sort(all)
	return all
}

// KeepFailure keeps how a shard failed.
func (s Shard) KeepFailure(store *cache.Store, path string, f Failure) error {
	return keepTold(store, s.failurePath(path), f)
}

// Forget removes what is kept of an earlier failure of a shard.
func (s Shard) Forget(path string) error { return removed(s.failurePath(path)) }

func removed(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// FailureOf returns how a shard failed last; nil if nothing is known of that.
func (s Shard) FailureOf(path string) *Failure {
	var f Failure
	if !readTold(s.failurePath(path), &f) || f.Error == "" {
		return nil
	}
	f.Error = strings.ToValidUTF8(strings.Join(strings.Fields(f.Error), " "), "?")
	return &f
}

func keepTold(store *cache.Store, path string, v any) error {
	data, err := json.Marshal(v)
	if err != nil || len(data) >= mostTold {
		return err // which is too long to be of use
	}
	return store.WriteFile(path, func(w io.Writer) error {
		_, err := w.Write(append(data, '\n'))
		return err
	})
}

// readTold reads such a file, and says whether it is there and whole.
func readTold(path string, into any) bool {
	data, err := foreign.ReadFile(path, mostTold)
	return err == nil && json.Unmarshal(data, into) == nil
}
