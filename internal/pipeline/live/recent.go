package live

import (
	"slices"
	"sync"
)

// recent keeps the values that were used last, a bounded number of them, or of what they take. It
// is safe for concurrent use.
type recent[K comparable, V any] struct {
	most int
	size func(V) int // what a value takes of most; nil: 1

	mu    sync.Mutex
	kept  []entry[K, V] // the one used last comes last
	taken int
}

type entry[K comparable, V any] struct {
	key   K
	value V
}

func (r *recent[K, V]) get(key K) (value V, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.kept, func(e entry[K, V]) bool { return e.key == key })
	if i < 0 {
		return value, false
	}
	e := r.kept[i]
	r.kept = append(slices.Delete(r.kept, i, i+1), e)
	return e.value, true
}

func (r *recent[K, V]) put(key K, value V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.IndexFunc(r.kept, func(e entry[K, V]) bool { return e.key == key }); i >= 0 {
		r.drop(i, i+1)
	}
	r.taken += r.of(value)
	r.kept = append(r.kept, entry[K, V]{key, value})
	over := 0
	for excess := r.taken - r.most; excess > 0 && over < len(r.kept); over++ {
		excess -= r.of(r.kept[over].value)
	}
	r.drop(0, over)
}

// drop forgets entries.
func (r *recent[K, V]) drop(from, to int) {
	for _, e := range r.kept[from:to] {
		r.taken -= r.of(e.value)
	}
	r.kept = slices.Delete(r.kept, from, to)
}

func (r *recent[K, V]) of(value V) int {
	if r.size == nil {
		return 1
	}
	return r.size(value)
}
