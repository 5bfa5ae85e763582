package ptfile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nlpodyssey/gopickle/types"

	"github.com/clipnh/clipnh/internal/foreign"
)

// inert stands for any object of a class that is not torch's: the options of a
// training run, a date, a path. Neither the class nor the object is made; what
// the pickle does with it, setting state or adding items, is dropped, so that a
// tensor in it is not found.
type inert struct{ _ byte } // not empty: pointers to two must differ

var (
	skipped  = &inert{} // of a class that many checkpoints contain next to the weights
	refused  = &inert{} // any other class: the file is refused once it has been looked through
	instance = &inert{} // an object of such a class
)

// Call implements gopickle's types.Callable.
func (o *inert) Call(...any) (any, error) { return o, nil }

// PyNew implements gopickle's types.PyNewable.
func (o *inert) PyNew(...any) (any, error) {
	if o == refused {
		return instance, nil
	}
	return o, nil
}

// PySetState implements gopickle's types.PyStateSettable.
func (o *inert) PySetState(any) error { return nil }

// Set implements gopickle's types.DictSetter.
func (o *inert) Set(_, _ any) {}

// Add implements gopickle's types.SetAdder.
func (o *inert) Add(any) {}

// Append implements gopickle's types.ListAppender.
func (o *inert) Append(any) {}

// harmlessClasses are the classes that training programs save with the weights, by
// module. nil means every class of the module; .* also covers the modules below it.
var harmlessClasses = map[string][]string{
	"numpy":                  nil,
	"numpy.core.multiarray":  {"scalar", "_reconstruct"},
	"numpy._core.multiarray": {"scalar", "_reconstruct"},
	"numpy.core.numeric":     {"_frombuffer"},
	"numpy._core.numeric":    {"_frombuffer"},
	"numpy.dtypes":           nil,
	"argparse":               {"Namespace"},
	"types":                  {"SimpleNamespace"},
	"pathlib.*":              nil,
	"datetime":               nil,
	"decimal":                {"Decimal"},
	"fractions":              {"Fraction"},
	"uuid":                   {"UUID"},
	"collections":            {"Counter", "deque"},
	"_codecs":                {"encode"}, // bytes, as protocol 2 writes them
	"__builtin__":            {"set", "frozenset", "slice", "complex", "bytearray", "bytes", "list", "dict", "tuple", "int", "float", "str", "bool"},
	"builtins":               {"set", "frozenset", "slice", "complex", "bytearray", "bytes", "list", "dict", "tuple", "int", "float", "str", "bool"},
	"typing":                 nil,
	"torch":                  {"Generator", "memory_format", "contiguous_format", "channels_last", "strided"},
	"torch.serialization":    {"_get_layout"},
	"torch.torch_version":    {"TorchVersion"},
	"omegaconf.*":            nil,
	"yacs.config":            {"CfgNode"},
	"easydict":               {"EasyDict"},
	"ml_collections.*":       nil,
}

func harmless(module, name string) bool {
	top, _, _ := strings.Cut(module, ".")
	if _, ok := harmlessClasses[top+".*"]; ok {
		return true
	}
	names, ok := harmlessClasses[module]
	return ok && (names == nil || slices.Contains(names, name))
}

// skip notes that an object of that class was left out. Python's own types of
// values are of no interest.
func (u *unpickler) skip(module, name string) {
	const most = 16
	switch module {
	case "__builtin__", "builtins", "_codecs", "typing":
		return
	}
	class := module + "." + name
	if len(u.skipped) < most && !slices.Contains(u.skipped, class) && len(class) <= maxRecord && printable(class) {
		u.skipped = append(u.skipped, class)
	}
}

// refusal is the error of a pickle that names a class that is not read, whose
// value is root; nil if it names none.
func (u *unpickler) refusal(root any) error {
	if u.named == "" {
		return nil
	}
	if root == any(instance) || u.module {
		return hinted{
			fmt.Errorf("a whole pickled module (it names %s), want only its weights", foreign.Quote(u.named)),
			`if you trust the file, save its weights from Python with its classes installed: torch.save(torch.load(path, weights_only=False).state_dict(), "weights.pt")`,
		}
	}
	top, _, _ := strings.Cut(u.named, ".")
	if slices.Contains(commanding, top) {
		return hinted{
			fmt.Errorf("it names %s, which is not one of the few things that a state dict needs", foreign.Quote(u.named)),
			"loading this file with torch.load can run any command: do not load it",
		}
	}
	return hinted{
		fmt.Errorf("it names %s, which is not one of the few things that a state dict needs", foreign.Quote(u.named)),
		`if you trust the file, save its weights from Python: torch.save(torch.load(path, weights_only=False)["state_dict"], "weights.pt")`,
	}
}

// commanding are modules of Python's that give a pickle power over the machine.
var commanding = []string{
	"os", "posix", "nt", "sys", "subprocess", "builtins", "__builtin__", "commands", "shutil", "socket", "runpy", "importlib", "imp",
	"ctypes", "pty", "code", "pickle", "webbrowser", "timeit", "pip", "asyncio", "multiprocessing", "functools", "operator", "marshal", "bdb", "pdb",
}

// refuse notes that the pickle names a class that is not read, the first of
// them, and whether one is a torch module.
func (u *unpickler) refuse(module, name string) {
	if u.named == "" {
		u.named = module + "." + name
	}
	if strings.HasPrefix(module, "torch.nn.") {
		u.module = true
	}
}

// rebuildSubclass is torch._tensor._rebuild_from_type_v2, which makes a tensor
// of a class derived from torch's by (function, class, arguments, state).
var rebuildSubclass = &callable{func(args []any) (any, error) {
	if len(args) >= 3 {
		make, ok := args[0].(*callable)
		inner, isTuple := args[2].(*types.Tuple)
		if ok && isTuple && make == rebuildTensor {
			return newView(*inner)
		}
	}
	return nil, fmt.Errorf("a tensor subclass that is not built by _rebuild_tensor_v2")
}}

// newDict is collections.defaultdict, of which the default is not looked at.
var newDict = &callable{func([]any) (any, error) { return types.NewDict(), nil }}
