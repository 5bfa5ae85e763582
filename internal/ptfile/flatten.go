package ptfile

import (
	"fmt"
	"strconv"

	"github.com/nlpodyssey/gopickle/types"

	"github.com/clipnh/clipnh/internal/foreign"
)

// Bounds of the tree that a pickle makes. A pickle may refer to one container
// from many places, so that a small one could stand for a tree without end.
const (
	maxDepth = 100  // containers within containers
	maxName  = 1024 // bytes of a tensor's name

	nodes, nodesPerOp        = 1 << 10, 2  // values visited, and more for each opcode
	nameBytes, nameBytesPerB = 1 << 16, 16 // bytes of names, and more for each byte of pickle
)

// flatten lists the tensors of an unpickled value with their dotted names. bytes and ops
// are the length of the pickle and its number of opcodes. Other values are ignored.
func flatten(v any, bytes, ops int) ([]Tensor, error) {
	w := walker{nodes: nodes + nodesPerOp*ops, nameBytes: nameBytes + nameBytesPerB*bytes}
	if err := w.visit("", nil, v, 0); err != nil {
		return nil, err
	}
	return w.tensors, nil
}

type walker struct {
	tensors   []Tensor
	nodes     int // visits left
	nameBytes int // bytes left
}

// visit adds the tensors of v, which is at a place, to the list.
func (w *walker) visit(name string, at *place, v any, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%s: containers nest deeper than %d", foreign.Name(name), maxDepth)
	}
	switch v := v.(type) {
	case *view:
		return w.tensor(name, at, v)
	case *types.Dict:
		return w.entries(name, at, *v, depth)
	case *module:
		if v.attributes == nil {
			return nil
		}
		return w.entries(name, at, *v.attributes, depth)
	case *types.OrderedDict:
		for e := v.List.Front(); e != nil; e = e.Next() {
			entry := e.Value.(*types.OrderedDictEntry)
			if err := w.entry(name, at, entry.Key, entry.Value, depth); err != nil {
				return err
			}
		}
	case *types.List:
		return w.items(name, at, *v, depth)
	case *types.Tuple:
		return w.items(name, at, *v, depth)
	}
	return nil
}

func (w *walker) tensor(name string, at *place, v *view) error {
	if err := v.check(); err != nil {
		if name == "" {
			return err
		}
		return fmt.Errorf("%s: %w", foreign.Name(name), err)
	}
	w.tensors = append(w.tensors, Tensor{name, v.store.dtype, v.shape, v, at})
	return nil
}

func (w *walker) entries(name string, at *place, entries types.Dict, depth int) error {
	for _, e := range entries {
		if err := w.entry(name, at, e.Key, e.Value, depth); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) items(name string, at *place, items []any, depth int) error {
	for i, v := range items {
		if err := w.entry(name, at, i, v, depth); err != nil {
			return err
		}
	}
	return nil
}

// entry visits what key leads to from the container at path name.
func (w *walker) entry(name string, at *place, key, v any, depth int) error {
	if w.nodes--; w.nodes < 0 {
		return fmt.Errorf("%s: containers are shared so often that their tree is larger than the pickle", foreign.Name(name))
	}
	if !holder(v) {
		return nil
	}
	var step string
	below := &place{above: at}
	switch k := key.(type) {
	case string:
		step, below.key, below.named = k, k, true
	case int:
		step = strconv.Itoa(k)
	default:
		return fmt.Errorf("%s: a key of type %T, want a string or an integer", foreign.Name(name), key)
	}
	if !printable(step) {
		return fmt.Errorf("%s: the key %s is not printable", foreign.Name(name), foreign.Quote(step))
	}
	if depth > 0 {
		step = name + "." + step
	}
	if w.nameBytes -= len(step); w.nameBytes < 0 || len(step) > maxName {
		return fmt.Errorf("%s: names of more than %d bytes, or far longer than the pickle", foreign.Quote(step), maxName)
	}
	return w.visit(step, below, v, depth+1)
}

// holder says whether v is a tensor or may hold one.
func holder(v any) bool {
	switch v.(type) {
	case *view, *module, *types.Dict, *types.OrderedDict, *types.List, *types.Tuple:
		return true
	}
	return false
}
