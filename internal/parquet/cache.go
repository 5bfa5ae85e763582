package parquet

import "sync"

// A Cache keeps the pages that were unpacked last, so that images that are read in the order
// of their rows are unpacked once. Its zero value is ready for use.
type Cache struct {
	mu   sync.Mutex
	kept []*unpacked // those used last at the end
}

// kept pages: the one that images are read from, and the next, into which the first of
// several readers has got.
const keptPages = 2

// An unpacked is a page of a table.
type unpacked struct {
	of    *Table
	index int32
	once  func() ([]byte, error)
}

// page returns a page, which unpack makes unless it is kept or being made.
func (c *Cache) page(t *Table, index int32, unpack func() ([]byte, error)) ([]byte, error) {
	return c.entry(t, index, unpack).once()
}

func (c *Cache) entry(t *Table, index int32, unpack func() ([]byte, error)) *unpacked {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, u := range c.kept {
		if u.of == t && u.index == index {
			c.kept = append(append(c.kept[:i:i], c.kept[i+1:]...), u)
			return u
		}
	}
	u := &unpacked{t, index, sync.OnceValues(unpack)}
	c.kept = append(c.kept, u)
	if len(c.kept) > keptPages {
		c.kept = append(c.kept[:0:0], c.kept[1:]...)
	}
	return u
}
