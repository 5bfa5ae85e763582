package live

import (
	"slices"
	"sync"
)

// recent keeps the values that were used last, a bounded number of them. It is safe for
// concurrent use.
type recent[K comparable, V any] struct {
	most int

	mu   sync.Mutex
	kept []entry[K, V] // the one used last comes last
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
	r.kept = slices.DeleteFunc(r.kept, func(e entry[K, V]) bool { return e.key == key })
	if len(r.kept) >= r.most {
		r.kept = slices.Delete(r.kept, 0, 1)
	}
	r.kept = append(r.kept, entry[K, V]{key, value})
}
