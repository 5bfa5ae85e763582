package clip

import (
	"cmp"
	"slices"
	"sync/atomic"

	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/packed"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/ptfile"
)

// loading collects the parts of a tower's weights, to load them all at once: from a
// file of packed weights, or from the checkpoint, by all threads.
type loading struct {
	ck    *Checkpoint
	parts []part
}

// part is a slice of packed weights.
type part struct {
	packed.Section
	pack func(r *reader, dst []float32) error // fills dst, which is zero, from the checkpoint
	bind func(values []float32)               // takes them for the tower, which does not write to them
}

func newLoading(ck *Checkpoint) *loading { return &loading{ck: ck} }

// add adds a part of n values. Its name and packing must say all that its values depend
// on beside the weights and kernel.Layout.
func (l *loading) add(name, packing string, n int, pack func(*reader, []float32) error, bind func([]float32)) {
	l.parts = append(l.parts, part{packed.Section{Name: name, Packing: packing, Len: n}, pack, bind})
}

// made adds values that are made of tensors.
func (l *loading) made(into *[]float32, name, packing string, n int, pack func(*reader, []float32) error) {
	l.add(name, packing, n, pack, func(values []float32) { *into = values })
}

// tensor adds a tensor of n values as it is.
func (l *loading) tensor(into *[]float32, name string, n int) {
	l.made(into, name, "tensor", n, func(_ *reader, dst []float32) error { return l.ck.readInto(dst, name) })
}

// weights adds the numbers of a tensor that set writes, in half precision if they are so in the
// checkpoint.
func (l *loading) weights(into *kernel.Weights, name, packing string, n int, set func(dst kernel.Weights, tensor []float32)) {
	half := l.ck.half(name)
	l.add(name, packing+precisionOf(half), kernel.WeightsLen(n, half), func(r *reader, dst []float32) error {
		values, err := r.read(l.ck, name)
		if err == nil {
			set(kernel.PackedWeights(dst, n, half), values)
		}
		return err
	}, func(packed []float32) { *into = kernel.PackedWeights(packed, n, half) })
}

// half reports whether a tensor's numbers are of half precision.
func (ck *Checkpoint) half(name string) bool { return ck.tensors[name].DType == ptfile.Float16 }

// precisionOf tells packings of halves from others.
func precisionOf(half bool) string {
	if half {
		return " f16"
	}
	return ""
}

// conv adds a convolution. read returns what kernel.PackConv takes.
func (l *loading) conv(into **kernel.Conv, name string, spec kernel.ConvSpec, read func(*reader) (weights [][]float32, bias []float32, err error)) {
	l.add(name, spec.Packing(), spec.PackedLen(), func(r *reader, dst []float32) error {
		weights, bias, err := read(r)
		if err == nil {
			kernel.PackConv(dst, spec, weights, bias)
		}
		return err
	}, func(values []float32) { *into = kernel.PackedConv(spec, values) })
}

// load gives towers all their parts, those of several sets together. Their values are the
// same whichever way they come. A checkpoint that is another by then than the one that was
// hashed is an error: what was made of it would be taken for the one's.
func load(team par.Team, sets ...*loading) error {
	var j job
	defer j.discard() // where packing fails or panics
	for _, l := range sets {
		layout := packed.Layout{Weights: l.ck.weights, Kernel: kernel.Layout()}
		for _, p := range l.parts {
			layout.Sections = append(layout.Sections, p.Section)
		}
		store, kept := l.ck.packs, (*packed.Writer)(nil)
		if store != nil && layout.Bytes() >= store.Least {
			if f := store.Open(layout, team); f != nil {
				l.bind(f.Section)
				continue
			}
			kept = store.Create(layout)
		}
		j.add(l, kept)
	}
	err := j.pack(team)
	for _, s := range j.sets {
		if err == nil {
			err = s.ck.Unchanged()
		}
	}
	if err != nil {
		return err
	}
	if again := j.finish(); len(again) > 0 {
		return load(team, again...) // its store tries no more
	}
	return nil
}

func (l *loading) bind(values func(i int) []float32) {
	for i, p := range l.parts {
		p.bind(values(i))
	}
}

// job is the packing of sets that no file has.
type job struct {
	sets  []*unpacked
	parts []partOf
}

// unpacked is a set whose parts are packed into a file, or into memory where there is none.
type unpacked struct {
	*loading
	file   *packed.Writer
	values [][]float32
}

// partOf is a part and the set that it belongs to.
type partOf struct {
	*unpacked
	i int
}

func (j *job) add(l *loading, file *packed.Writer) {
	s := &unpacked{l, file, make([][]float32, len(l.parts))}
	j.sets = append(j.sets, s)
	for i := range l.parts {
		j.parts = append(j.parts, partOf{s, i})
	}
}

// pack packs every part; those for files by way of as many of them in memory as there are
// threads. It returns the error of the first part that has one.
func (j *job) pack(team par.Team) error {
	areas, most := make([]packArea, team.Size()), 0
	for _, s := range j.sets {
		for _, p := range s.parts {
			if s.file != nil {
				most = max(most, p.Len)
			}
		}
	}
	defer func() {
		for _, a := range areas {
			a.free()
		}
	}()
	// The largest first: the last of all keeps one thread busy while the others have none left.
	order := make([]int, len(j.parts))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return j.parts[b].part().Len - j.parts[a].part().Len })

	errs, readers := make([]error, len(j.parts)), make([]reader, team.Size())
	var failed atomic.Int64 // the first part that has an error
	failed.Store(int64(len(j.parts)))
	team.Each(len(order), func(n, worker int) {
		at := order[n]
		if int64(at) > failed.Load() {
			return
		}
		if errs[at] = j.parts[at].pack(&readers[worker], &areas[worker], most); errs[at] == nil {
			return
		}
		for {
			first := failed.Load()
			if int64(at) >= first || failed.CompareAndSwap(first, int64(at)) {
				return
			}
		}
	})
	return cmp.Or(errs...)
}

func (p partOf) part() *part { return &p.parts[p.i] }

// pack packs a part into its place; area serves those for a file, of most values at most.
func (p partOf) pack(r *reader, area *packArea, most int) error {
	n := p.part().Len
	if p.file == nil {
		p.values[p.i] = kernel.Alloc(n)
		return p.part().pack(r, p.values[p.i])
	}
	dst := area.take(n, most)
	err := p.part().pack(r, dst)
	if err == nil {
		p.file.Write(p.i, dst)
	}
	return err
}

// packArea is memory for one part after the other.
type packArea struct {
	values   []float32
	used     int // of values, those that are not zero any more
	giveBack func()
}

// take returns n zeros, of at most most.
func (a *packArea) take(n, most int) []float32 {
	if a.values == nil {
		a.values, a.giveBack = kernel.Borrow(most) // what is not used takes no memory
	}
	clear(a.values[:min(n, a.used)])
	a.used = max(a.used, n)
	return a.values[:n]
}

func (a *packArea) free() {
	if a.giveBack != nil {
		a.giveBack()
	}
}

// finish binds all sets, and returns those whose file could not be written.
func (j *job) finish() (again []*loading) {
	for _, s := range j.sets {
		values := func(i int) []float32 { return s.values[i] }
		if s.file != nil {
			f := s.file.Finish()
			s.file = nil
			if f == nil {
				again = append(again, s.loading)
				continue
			}
			values = f.Section
		}
		s.bind(values)
	}
	return again
}

// discard gives up the files that are not finished.
func (j *job) discard() {
	for _, s := range j.sets {
		if s.file != nil {
			s.file.Discard()
		}
	}
}
