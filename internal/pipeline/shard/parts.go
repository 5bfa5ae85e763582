package shard

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/usage"
)

// A Part is an open shard.
type Part struct {
	*cache.Artefact
	shard Shard
}

// Beside returns the paths in the same folder as path that have the name of a
// shard of it.
func Beside(path string) ([]string, error) {
	dir, _, _ := around(path)
	entries, err := os.ReadDir(filepath.Clean(dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var found []string
	for _, e := range entries {
		if at := dir + e.Name(); !Of(path, at).Whole() {
			found = append(found, at)
		}
	}
	if len(found) == 0 {
		err := fmt.Errorf("%s: %w: no shards beside it, such as %s", path, cache.ErrMissing, Shard{Number: 1, Of: 16}.Path(path))
		return nil, hint.With(err, "run the command that makes them, such as collect, with {shard} 1/16 and so on first, or name the shards")
	}
	return found, nil
}

// Fewest chooses, of paths beside path that have the name of a shard of it, the fewest that make
// up want, or all of them if that is zero: of shards that were merged in a tree, those that were
// merged last. Such that are not finished are left aside, and so is want itself. Where shards are
// missing, it returns those that cover the others; of several cuts, all paths.
func Fewest(path string, paths []string, want Shard) []string {
	from := map[int][]Shard{} // by their number
	at := map[Shard]string{}
	cut := want
	for _, p := range paths {
		s := Of(path, p)
		if !want.Whole() && (s == want || s.Of != want.Of || s.Number < want.Number || s.End() > want.End()) {
			continue
		}
		if s.Last > 0 {
			if _, err := cache.Open(p); errors.Is(err, cache.ErrMissing) {
				continue
			}
		}
		if cut.Whole() {
			cut = Shard{Number: 1, Of: s.Of, Last: s.Of}
		} else if cut.Of != s.Of {
			return paths
		}
		from[s.Number], at[s] = append(from[s.Number], s), p
	}
	needs := make([]int, cut.End()+2) // shards from a number on; one that is missing counts as many
	best := make([]Shard, cut.End()+2)
	for n := cut.End(); n >= cut.Number && n > 0; n-- {
		needs[n], best[n] = needs[n+1]+maxShards, Shard{Number: n}
		for _, s := range from[n] {
			if more := needs[s.End()+1] + 1; more < needs[n] {
				needs[n], best[n] = more, s
			}
		}
	}
	var found []string
	for n := cut.Number; n > 0 && n <= cut.End(); n = best[n].End() + 1 {
		if p := at[best[n]]; p != "" {
			found = append(found, p)
		}
	}
	return found
}

// around returns the folder of a path's shards, and what their names have before and after
// their numbers.
func around(path string) (dir, prefix, suffix string) {
	before, after, _ := strings.Cut(Shard{}.named(path, "*", "*"), "*-of-*")
	dir, prefix = filepath.Split(before)
	return dir, prefix, after
}

// Of says by its name which shard of a path is at another path in the same folder; the zero
// Shard if none.
func Of(path, at string) Shard {
	_, prefix, suffix := around(path)
	middle, ok := strings.CutPrefix(filepath.Base(at), prefix)
	if ok {
		middle, ok = strings.CutSuffix(middle, suffix)
	}
	middle = strings.Replace(middle, "-of-", "/", 1)
	s, err := Parse(middle)
	if err != nil {
		s, err = ParseSeveral(middle)
	}
	if !ok || err != nil {
		return Shard{}
	}
	return s
}

// OpenAll opens shards of one collection or result and returns them in their order: those that
// make up want, or all of them if that is zero. Of is what they are of, in messages.
// Unless anyDevice says so, those of different devices do not belong together.
func OpenAll(of string, paths []string, want Shard, anyDevice bool) ([]Part, error) {
	var all []Part
	for i, path := range paths {
		a, err := cache.Open(path)
		if err != nil {
			return nil, withOthers(err, of, path, paths)
		}
		p, err := newPart(a)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			err = p.fits(all[0], anyDevice)
		}
		if err == nil && !want.Whole() && (p.shard.Of != want.Of || p.shard.Number < want.Number || p.shard.End() > want.End()) {
			err = fmt.Errorf("%s: %w: it is shard %s, want those of %s", path, cache.ErrStale, p.shard, want)
		}
		if err != nil {
			return nil, err
		}
		p.Manifest.Origin.Shard.Cuts = sharedWith(all, p)
		all = append(all, p)
	}
	if want.Whole() && len(all) > 0 {
		want = Shard{Number: 1, Of: all[0].shard.Of, Last: all[0].shard.Of}
	}
	slices.SortStableFunc(all, func(a, b Part) int { return a.shard.Number - b.shard.Number })
	var missing []int
	next := want.Number
	for i, p := range all {
		if p.shard.Number < next {
			return nil, usage.Errorf("%s: shard %s again, which %s is too", p.Path(), p.shard, all[i-1].Path())
		}
		for ; next < p.shard.Number; next++ {
			missing = append(missing, next)
		}
		next = p.shard.End() + 1
	}
	for ; next <= want.End(); next++ {
		missing = append(missing, next)
	}
	return all, lacking(of, want.Of, missing)
}

// sharedWith returns the cuts of a part in the memory of those of the parts before, which are the
// same: there may be as many as archives, in each of thousands of shards.
func sharedWith(before []Part, p Part) []int {
	if len(before) == 0 {
		return p.Manifest.Origin.Shard.Cuts
	}
	return before[0].Manifest.Origin.Shard.Cuts
}

// lacking is the error of shards that are missing; nil if none is.
func lacking(path string, of int, missing []int) error {
	if missing == nil {
		return nil
	}
	const shown = 8
	var numbers []string
	for _, n := range missing[:min(len(missing), shown)] {
		numbers = append(numbers, strconv.Itoa(n))
	}
	list := strings.Join(numbers, ", ")
	if more := len(missing) - shown; more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	err := fmt.Errorf("%s: %w: of %s, number %s", path, cache.ErrMissing, quantity.Of(of, "shard"), list)
	return hint.With(err, fmt.Sprintf("run the command that makes them, such as collect, again with {shard} %d/%d and so on", missing[0], of))
}

// withOthers adds to the error of a shard that is not there which others are, beside it or
// beside what they are to be merged to, and were not given.
func withOthers(err error, of, path string, given []string) error {
	var h interface{ Hint() string }
	if !errors.Is(err, cache.ErrMissing) || errors.As(err, &h) {
		return err
	}
	known := map[string]bool{}
	for _, at := range given {
		known[filepath.Clean(at)] = true
	}
	var others []string
	for _, whole := range []string{of, wholeOf(path)} {
		found, _ := Beside(whole)
		for _, at := range found {
			if at = filepath.Clean(at); !known[at] {
				known[at] = true
				others = append(others, at)
			}
		}
	}
	if others == nil {
		return err
	}
	return hint.With(err, "other shards are there: "+strings.Join(others, ", "))
}

var shardName = regexp.MustCompile(`\.[0-9]+(-[0-9]+)?-of-[0-9]+`)

// wholeOf is the path of what a shard is of, by its name.
func wholeOf(path string) string {
	dir, name := filepath.Split(path)
	return dir + shardName.ReplaceAllString(name, "")
}

// newPart reads which shard an artefact is.
func newPart(a *cache.Artefact) (Part, error) {
	m := a.Manifest
	if !artefact.IsShard(m.Kind) || m.Origin.Shard == nil {
		err := artefact.WrongKind(a.Path(), m.Kind, "a shard")
		return Part{}, hint.With(err, "give what collect, segment or shift wrote with {shard} N/OF")
	}
	s := Recorded(m.Origin.Shard)
	if err := s.Check(); err != nil {
		return Part{}, fmt.Errorf("%s: %w: shard %w", a.Path(), cache.ErrDamaged, err)
	}
	p := Part{a, s}
	all := OfAll(m)
	lo, hi, err := s.Bounds(all)
	inputs := hi - lo
	if artefact.WholeKind(m.Kind) == artefact.KindSummary {
		inputs = 1 // its one row, of all images
	}
	if err == nil && !slices.Equal(m.Cuts, localCuts(m, all, lo, hi)) {
		return Part{}, fmt.Errorf("%s: %w: its chunks do not end where those of shard %s do", a.Path(), cache.ErrDamaged, s)
	}
	if err != nil || m.Inputs != inputs || (m.Payloads[0].Chunks == nil) != artefact.IsResult(artefact.WholeKind(m.Kind)) {
		return Part{}, fmt.Errorf("%s: %w: %s of %d in chunks of %d, want those of shard %s", a.Path(), cache.ErrDamaged, quantity.Of(m.Inputs, "image"), p.InputsInAll(), m.ChunkInputs, s)
	}
	return p, nil
}

// localCuts are the cuts that the shard of inputs lo to hi has, or none if it has no chunks of them.
func localCuts(m cache.Manifest, all cache.Chunking, lo, hi int) []int {
	if kind := artefact.WholeKind(m.Kind); kind == artefact.KindSummary || artefact.IsResult(kind) {
		return nil
	}
	return all.Part(lo, hi)
}

// Count is how many shards p is.
func (p Part) Count() int { return p.shard.Count() }

// InputsInAll is how many images all shards have.
func (p Part) InputsInAll() int {
	return p.Manifest.Origin.Shard.Inputs
}

// fits returns an error (ErrStale) unless p and other are of one collection.
func (p Part) fits(other Part, anyDevice bool) error {
	if p.shard.Of != other.shard.Of {
		return fmt.Errorf("%s: %w: shard %s beside shard %s (%s)", p.Path(), cache.ErrStale, p.shard, other.shard, other.Path())
	}
	ofAnyDevice := func(m cache.Manifest) cache.Manifest {
		m = common(m)
		m.Origin.Device = nil
		return m
	}
	if err := p.cutAs(other); err != nil {
		return err
	}
	err := p.Agrees(other.Artefact, common)
	byDevice := err != nil && p.Agrees(other.Artefact, ofAnyDevice) == nil
	switch {
	case err == nil, byDevice && anyDevice:
		return nil
	case byDevice:
		return hint.With(fmt.Errorf("%s and %s were computed on different devices: %w", other.Path(), p.Path(), err),
			"make one of them again on the other's device, or merge them with {force}")
	}
	return hint.With(fmt.Errorf("%s and %s do not belong to one run: %w", other.Path(), p.Path(), err), "make one of them again with what the other was made with")
}

// cutAs returns an error (ErrStale) unless p and other are of one way to cut images into chunks,
// which builds of before and after they were cut by archives differ in.
func (p Part) cutAs(other Part) error {
	a, b := p.Manifest.Origin.Shard, other.Manifest.Origin.Shard
	if a.Inputs != b.Inputs || slices.Equal(a.Cuts, b.Cuts) {
		return nil
	}
	older, newer := p, other
	switch {
	case len(b.Cuts) == 0:
		older, newer = other, p
	case len(a.Cuts) > 0:
		return fmt.Errorf("%s and %s do not belong to one run: %w: their chunks end with other archives", other.Path(), p.Path(), cache.ErrStale)
	}
	err := fmt.Errorf("%s: %w: it was cut at chunks of images, as older builds do, and %s at archives", older.Path(), cache.ErrStale, newer.Path())
	return hint.With(err, "make the shards that are cut at chunks again with {restart}")
}

// common is what all shards of a collection agree in.
func common(m cache.Manifest) cache.Manifest {
	o := m.Origin
	o.Shard = nil
	return cache.Manifest{Kind: m.Kind, Axes: m.Axes, DType: m.DType, ChunkInputs: m.ChunkInputs, Origin: o}
}

// RangeOf returns where a collection's images begin and end among those that its
// data set has.
func RangeOf(m cache.Manifest) (lo, hi int, err error) {
	if m.Origin.Shard == nil {
		return 0, m.Inputs, nil
	}
	s := Recorded(m.Origin.Shard)
	if err := s.Check(); err != nil {
		return 0, 0, err
	}
	return s.Bounds(OfAll(m))
}

// severalDevices is what a collection says whose shards were computed on different ones.
const severalDevices = "several"

// DeviceOf is what computed shards, nil for this program.
func DeviceOf(parts []Part) *origin.Device {
	first := parts[0].Manifest.Origin.Device
	for _, p := range parts[1:] {
		d := p.Manifest.Origin.Device
		if (d == nil) != (first == nil) || d != nil && *d != *first {
			return &origin.Device{Name: severalDevices, Provider: severalDevices, Runtime: severalDevices, Precision: origin.Float32}
		}
	}
	return first
}
