package ptfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/nlpodyssey/gopickle/pickle"
	"github.com/nlpodyssey/gopickle/types"

	"github.com/clipnh/clipnh/internal/foreign"
)

// unpickler turns a pickle into a tree of containers, module trees and views.
// It collects the storages that the pickle names; their place in the file is
// for the caller to fill in.
type unpickler struct {
	scripted bool // allow the classes of a TorchScript archive

	skipped []string // classes of objects that were left out
	named   string   // the first class that is not read
	module  bool     // one of those is a module of torch's

	storages []*storage // in the order of first mention
	keys     []string   // of the storages
	byKey    map[string]*storage
}

// load runs a pickle that scan has passed.
func (u *unpickler) load(data []byte) (_ any, err error) {
	defer func() {
		// The unpickler has bytes as Go slices, which cannot be keys of its maps.
		if r := recover(); r != nil {
			err = fmt.Errorf("pickle: %s", brief(fmt.Errorf("%v", r)))
		}
	}()
	machine := pickle.NewUnpickler(bytes.NewReader(data))
	machine.FindClass = u.global
	machine.PersistentLoad = u.persistent
	v, err := machine.Load()
	if refusal := u.refusal(v); refusal != nil { // perhaps the cause of err
		return nil, fmt.Errorf("pickle: %w", refusal)
	}
	if err != nil {
		return nil, fmt.Errorf("pickle: %s", brief(err))
	}
	return v, nil
}

// readPickle returns the bytes of the pickle that begins at offset at, after
// scanning it, and its number of opcodes.
func readPickle(r io.ReaderAt, at, size int64) (data []byte, ops int, err error) {
	limit := min(size-at, maxPickle)
	for want := int64(4096); ; want *= 4 {
		data = make([]byte, min(want, limit))
		if err := readFull(r, data, at); err != nil {
			return nil, 0, err
		}
		n, ops, err := scan(data)
		if err == nil {
			return data[:n], ops, nil
		}
		if !errors.Is(err, errShortPickle) || want >= limit {
			return nil, 0, err
		}
	}
}

// opaque stands for an allowed global whose value does not matter here.
type opaque struct{}

// storageClass is one of torch's storage classes.
type storageClass DType

// global resolves what a pickle may name. The unpickler itself resolves
// collections.OrderedDict before, and two harmless makers of bare objects.
func (u *unpickler) global(module, name string) (any, error) {
	switch module {
	case "torch":
		d := dtypeOf(func(d DType) bool { return dtypes[d].storage == name })
		if d != 0 {
			return storageClass(d), nil
		}
		if name == "Size" {
			return tupleOf, nil
		}
		if name == "device" {
			return ignored, nil
		}
		if dtypeOf(func(d DType) bool { return dtypes[d].name == name }) != 0 {
			return opaque{}, nil
		}
	case "torch._utils":
		switch name {
		case "_rebuild_tensor", "_rebuild_tensor_v2":
			return rebuildTensor, nil
		case "_rebuild_parameter", "_rebuild_parameter_with_state":
			return firstArgument, nil
		}
	case "torch._tensor":
		if name == "_rebuild_from_type_v2" {
			return rebuildSubclass, nil
		}
	case "torch.nn.parameter":
		if name == "Parameter" { // the class that _rebuild_from_type_v2 is told
			return opaque{}, nil
		}
	case "collections":
		if name == "defaultdict" {
			return newDict, nil
		}
	case "torch.jit._pickle":
		switch name {
		case "build_intlist", "build_doublelist", "build_boollist":
			return ignored, nil
		case "build_tensorlist", "restore_type_tag":
			return firstArgument, nil
		}
	}
	if u.scripted && (module == "__torch__" || strings.HasPrefix(module, "__torch__.")) {
		return moduleClass{}, nil
	}
	if harmless(module, name) {
		u.skip(module, name)
		return skipped, nil
	}
	u.refuse(module, name)
	return refused, nil
}

// callable is a function that a pickle may apply. It is a pointer since the
// unpickler uses whatever a pickle says as a key of maps.
type callable struct {
	call func(args []any) (any, error)
}

// Call implements gopickle's types.Callable.
func (c *callable) Call(args ...any) (any, error) { return c.call(args) }

// What pickles may call.
var (
	// ignored takes anything and makes nothing of interest.
	ignored = &callable{func([]any) (any, error) { return opaque{}, nil }}

	// firstArgument returns what it is given first.
	firstArgument = &callable{func(args []any) (any, error) {
		if len(args) == 0 {
			return nil, fmt.Errorf("call without arguments")
		}
		return args[0], nil
	}}

	// tupleOf is torch.Size, a tuple made of a tuple.
	tupleOf = &callable{func(args []any) (any, error) {
		if len(args) == 1 {
			if t, ok := args[0].(*types.Tuple); ok {
				return t, nil
			}
		}
		return nil, fmt.Errorf("torch.Size of something else than a tuple")
	}}

	// rebuildTensor is torch._utils._rebuild_tensor and its second version.
	rebuildTensor = &callable{newView}
)

// newView makes a view of (storage, offset, shape, strides, ...); the
// rest, about gradients, is of no use here. The view is not checked yet: that
// is done under the tensor's name (flatten.go).
func newView(args []any) (any, error) {
	if len(args) < 4 {
		return nil, fmt.Errorf("tensor of %d arguments, want at least 4", len(args))
	}
	store, isStorage := args[0].(*storage)
	offset, isInt := args[1].(int)
	shape, isShape := integers(args[2])
	strides, isStrides := integers(args[3])
	if !isStorage || !isInt || !isShape || !isStrides {
		return nil, fmt.Errorf("tensor of (%T, %T, %T, %T), want a storage, an integer and two tuples of at most %d integers",
			args[0], args[1], args[2], args[3], maxDims)
	}
	return &view{store, shape, strides, offset}, nil
}

// integers returns the elements of a short tuple of integers.
func integers(v any) ([]int, bool) {
	tuple, ok := v.(*types.Tuple)
	if !ok || tuple.Len() > maxDims {
		return nil, false
	}
	list := make([]int, tuple.Len())
	for i, v := range *tuple {
		if list[i], ok = v.(int); !ok {
			return nil, false
		}
	}
	return list, true
}

// persistent resolves torch's reference to a storage:
// ("storage", class, key, location, number of elements), and in the older form
// a sixth value, None unless the storage is itself a part of another.
func (u *unpickler) persistent(id any) (any, error) {
	const wanted = `want ("storage", class, key, location, elements)`
	tuple, ok := id.(*types.Tuple)
	if ok && tuple.Len() > 0 && tuple.Get(0) == "module" { // the older form's reference to a class and its source
		u.refuse("torch.nn.", "Module")
		return refused, nil
	}
	if !ok || tuple.Len() < 5 || tuple.Len() > 6 {
		return nil, fmt.Errorf("reference by %T, %s", id, wanted)
	}
	t := *tuple
	class, isClass := t[1].(storageClass)
	key, isKey := t[2].(string)
	_, isPlace := t[3].(string) // "cpu", "cuda:0"
	n, isInt := t[4].(int)
	if t[0] != "storage" || !isClass || !isKey || !isPlace || !isInt {
		return nil, fmt.Errorf("reference by (%T, %T, %T, %T, %T), %s", t[0], t[1], t[2], t[3], t[4], wanted)
	}
	if len(t) == 6 && t[5] != nil {
		return nil, fmt.Errorf("storage %s is part of another one, which torch stopped writing in 2017", foreign.Quote(key))
	}
	if len(key) > maxRecord || !printable(key) {
		return nil, fmt.Errorf("storage %s: not printable, or more than %d bytes", foreign.Quote(key), maxRecord)
	}
	d := DType(class)
	if n < 0 || n > math.MaxInt64/d.Size() {
		return nil, fmt.Errorf("storage %s of %d elements", foreign.Quote(key), n)
	}
	if s, known := u.byKey[key]; known {
		if s.dtype != d || s.elements != n {
			return nil, fmt.Errorf("storage %s is %d elements of %s and also %d of %s", foreign.Quote(key), s.elements, s.dtype, n, d)
		}
		return s, nil
	}
	s := &storage{dtype: d, elements: n}
	if u.byKey == nil {
		u.byKey = make(map[string]*storage)
	}
	u.byKey[key] = s
	u.storages = append(u.storages, s)
	u.keys = append(u.keys, key)
	return s, nil
}

// moduleClass is any class of a TorchScript archive. Its code is not looked at.
type moduleClass struct{}

// PyNew implements gopickle's types.PyNewable.
func (moduleClass) PyNew(args ...any) (any, error) {
	if len(args) != 0 {
		return nil, fmt.Errorf("module made of %d arguments, want none", len(args))
	}
	return &module{}, nil
}

// module is an object of a TorchScript archive: its attributes in order.
type module struct{ attributes *types.Dict }

// PySetState implements gopickle's types.PyStateSettable.
func (m *module) PySetState(state any) error {
	attributes, ok := state.(*types.Dict)
	if !ok {
		return fmt.Errorf("module with a state of type %T, want a dict of attributes", state)
	}
	m.attributes = attributes
	return nil
}
