// Package shard cuts collections and results into parts that several machines make,
// and finds, checks and opens such parts.
//
// A Shard is one of N parts of the images, or several of them in a row; a Part is an artefact
// that holds one. A
// File is a result in JSON, of all images or of a shard, which resumes.
package shard

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/usage"
)

// A Shard is one of several parts of a collection or a result, which machines make
// independently and Merge puts together, or several of them in a row that were merged to one.
// The zero Shard is the whole.
type Shard struct {
	Number, Of int // Number from 1 on
	Last       int // of several in a row, the number of the last one; else 0
}

// maxShards bounds what a manifest may claim, which Merge takes memory for.
const maxShards = 1 << 16

// Parse reads "3/16", the third of sixteen.
func Parse(s string) (Shard, error) {
	wrong := usage.Errorf("%.40q: want N/OF, such as 3/16, the third of sixteen parts, and at most %d", s, maxShards)
	number, of, ok := strings.Cut(s, "/")
	if !ok {
		return Shard{}, wrong
	}
	var sh Shard
	var err error
	if sh.Number, err = strconv.Atoi(number); err != nil {
		return Shard{}, wrong
	}
	if sh.Of, err = strconv.Atoi(of); err == nil && sh.Number > sh.Of && sh.Of > 0 && sh.Of <= maxShards {
		return Shard{}, usage.Errorf("%.40q: number %d, want N/OF with N from 1 to %d", s, sh.Number, sh.Of)
	}
	if err != nil || sh.Number < 1 || sh.Number > sh.Of || sh.Of > maxShards {
		return Shard{}, wrong
	}
	return sh, nil
}

// ParseSeveral reads "1-64/4096", the first 64 of 4096: at least two, and not all.
func ParseSeveral(s string) (Shard, error) {
	wrong := usage.Errorf("%.40q: want FIRST-LAST/OF, such as 1-64/4096, the first 64 of 4096 shards, and not all", s)
	first, rest, ok := strings.Cut(s, "-")
	last, err := Parse(rest)
	if !ok || err != nil {
		return Shard{}, wrong
	}
	sh, err := Parse(fmt.Sprintf("%s/%d", first, last.Of))
	if err != nil || sh.Number >= last.Number || sh.Number == 1 && last.Number == last.Of {
		return Shard{}, wrong
	}
	sh.Last = last.Number
	return sh, nil
}

// Check returns an error unless s is one that Parse or ParseSeveral returns.
func (s Shard) Check() (err error) {
	if s.Last == 0 {
		_, err = Parse(s.String())
	} else {
		_, err = ParseSeveral(s.String())
	}
	return err
}

func (s Shard) String() string { return fmt.Sprintf("%s/%d", s.numbers(), s.Of) }

// numbers are the number of the shard, or those of the first and the last.
func (s Shard) numbers() string {
	if s.Last == 0 {
		return strconv.Itoa(s.Number)
	}
	return fmt.Sprintf("%d-%d", s.Number, s.Last)
}

// End is the number of the last shard that s is.
func (s Shard) End() int { return max(s.Number, s.Last) }

// Count is how many shards s is.
func (s Shard) Count() int { return s.End() - s.Number + 1 }

// Recorded is what an origin says of a shard; the zero Shard if it says nothing.
func Recorded(o *origin.Shard) Shard {
	if o == nil {
		return Shard{}
	}
	return Shard{o.Number, o.Of, o.Last}
}

// Whole reports whether s is all of a collection.
func (s Shard) Whole() bool { return s.Of == 0 }

// Path is where a shard lies of what is to be at path: the number goes before the
// extension, if that is a file's.
func (s Shard) Path(path string) string {
	if s.Whole() {
		return path
	}
	return s.named(path, s.numbers(), strconv.Itoa(s.Of))
}

func (s Shard) named(path, number, of string) string {
	path = filepath.Clean(path)
	ext := filepath.Ext(path)
	if !IsFile(path) {
		ext = ""
	}
	return fmt.Sprintf("%s.%s-of-%s%s", strings.TrimSuffix(path, ext), number, of, ext)
}

// IsFile reports whether an artefact at path is a file and not a folder.
func IsFile(path string) bool { return artefact.IsDense(path) || IsJSON(path) }

// IsJSON reports whether a path names a result in JSON.
func IsJSON(path string) bool { return filepath.Ext(path) == ".json" }
