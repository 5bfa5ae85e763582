package clip

import (
	"sync/atomic"

	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/packed"
	"github.com/clipnh/clipnh/internal/par"
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
	l.made(into, name, "tensor", n, func(r *reader, dst []float32) error {
		w, err := r.read(l.ck, name)
		copy(dst, w)
		return err
	})
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

// load gives the tower all its parts. Their values are the same whichever way they come.
// A checkpoint that is another by then than the one that was hashed is an error: what was
// made of it would be taken for the one's.
func (l *loading) load(team par.Team) error {
	layout := packed.Layout{Weights: l.ck.weights, Kernel: kernel.Layout()}
	for _, p := range l.parts {
		layout.Sections = append(layout.Sections, p.Section)
	}
	if store := l.ck.packs; store != nil && layout.Bytes() >= store.Least {
		if f := store.Open(layout, team); f != nil {
			l.bind(f.Section)
			return nil
		}
		if w := store.Create(layout); w != nil {
			f, err := l.write(w, team)
			if err != nil {
				return err
			}
			if f != nil {
				l.bind(f.Section)
				return nil
			}
		}
	}
	values := make([][]float32, len(l.parts))
	err := l.pack(team, func(i, _ int) []float32 {
		values[i] = kernel.Alloc(l.parts[i].Len)
		return values[i]
	}, func(int, []float32) {})
	if err == nil {
		err = l.ck.Unchanged()
	}
	if err != nil {
		return err
	}
	l.bind(func(i int) []float32 { return values[i] })
	return nil
}

func (l *loading) bind(values func(i int) []float32) {
	for i, p := range l.parts {
		p.bind(values(i))
	}
}

// write packs all parts into a file, by way of as many of them in memory as there are
// threads. It returns nil where the file could not be written.
func (l *loading) write(w *packed.Writer, team par.Team) (*packed.File, error) {
	kept := false
	defer func() {
		if !kept { // also where packing panics
			w.Discard()
		}
	}()
	areas, used, most := make([][]float32, team.Size()), make([]int, team.Size()), 0
	for _, p := range l.parts {
		most = max(most, p.Len)
	}
	err := l.pack(team, func(i, worker int) []float32 {
		if areas[worker] == nil {
			areas[worker] = kernel.Alloc(most) // once: what is not used takes no memory
		}
		area := areas[worker][:l.parts[i].Len]
		clear(area[:min(len(area), used[worker])])
		used[worker] = max(used[worker], len(area))
		return area
	}, w.Write)
	if err == nil {
		err = l.ck.Unchanged()
	}
	if err != nil {
		return nil, err
	}
	kept = true
	return w.Finish(), nil
}

// pack packs every part into what area returns for it, and hands it to done. It returns
// the error of the first part that has one.
func (l *loading) pack(team par.Team, area func(i, worker int) []float32, done func(i int, values []float32)) error {
	errs, readers := make([]error, len(l.parts)), make([]reader, team.Size())
	var failed atomic.Int64 // the first part that has an error
	failed.Store(int64(len(l.parts)))
	team.Each(len(l.parts), func(i, worker int) {
		if int64(i) > failed.Load() {
			return
		}
		dst := area(i, worker)
		if errs[i] = l.parts[i].pack(&readers[worker], dst); errs[i] == nil {
			done(i, dst)
			return
		}
		for {
			first := failed.Load()
			if int64(i) >= first || failed.CompareAndSwap(first, int64(i)) {
				return
			}
		}
	})
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
