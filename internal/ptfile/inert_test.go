package ptfile

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// float64Type is numpy.dtype("f8"), as protocol 2 writes it.
const float64Type = "cnumpy\ndtype\nX\x02\x00\x00\x00f8\x89\x88\x87R(K\x03X\x01\x00\x00\x00<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"

// neighbours are objects that lie beside weights in checkpoints, as Python's pickle
// writes them under protocol 2, which torch.save uses, and the classes that are
// left out with them.
var neighbours = map[string]struct {
	pickle  string
	skipped []string
}{
	"numpy scalar": {"cnumpy.core.multiarray\nscalar\n" + float64Type + bytesOf("\x00\x00\x00\x00\x00\x00\u00f8?") + "\x86R",
		[]string{"numpy.core.multiarray.scalar", "numpy.dtype"}},
	"numpy 2 scalar": {"cnumpy._core.multiarray\nscalar\n" + float64Type + bytesOf("\x00\x00\x00\x00\x00\x00\u00f8?") + "\x86R",
		[]string{"numpy._core.multiarray.scalar", "numpy.dtype"}},
	"numpy array": {"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + bytesOf("b") + "\x87R(K\x01K\x01\x85" + float64Type + "\x89" + bytesOf("\x00\x00\x00\x00\x00\x00\x00\x00") + "tb",
		[]string{"numpy.core.multiarray._reconstruct", "numpy.ndarray", "numpy.dtype"}},
	"Namespace": {"cargparse\nNamespace\nq\x00)\x81q\x01}q\x02(X\x02\x00\x00\x00lrq\x03G?\xb9\x99\x99\x99\x99\x99\x9aX\x06\x00\x00\x00layersq\x06]q\x07(K\x01K\x02eub",
		[]string{"argparse.Namespace"}},
	"path":                {"cpathlib\nPosixPath\nq\x00X\x01\x00\x00\x00/q\x01X\x04\x00\x00\x00dataq\x02\x86q\x03Rq\x04", []string{"pathlib.PosixPath"}},
	"path of Python 3.13": {"cpathlib._local\nPosixPath\nX\x01\x00\x00\x00/\x85R", []string{"pathlib._local.PosixPath"}},
	"datetime": {"cdatetime\ndatetime\nq\x00" + bytesOf("\x07\u00e8\x01\x02\x03\x04\x05\x00\x00\x00") + "cdatetime\ntimezone\nq\x06cdatetime\ntimedelta\nq\x07K\x00K\x00K\x00\x87q\x08Rq\x09\x85q\x0aRq\x0b\x86q\x0cRq\x0d",
		[]string{"datetime.datetime", "datetime.timezone", "datetime.timedelta"}},
	"Counter":         {"ccollections\nCounter\nq\x00}q\x01X\x01\x00\x00\x00aq\x02K\x02s\x85q\x05Rq\x06", []string{"collections.Counter"}},
	"deque":           {"ccollections\ndeque\nq\x00)Rq\x01(K\x01K\x02e", []string{"collections.deque"}},
	"SimpleNamespace": {"ctypes\nSimpleNamespace\nq\x00)Rq\x01}q\x02X\x01\x00\x00\x00aq\x03K\x01sb", []string{"types.SimpleNamespace"}},
	"UUID":            {"cuuid\nUUID\nq\x00)\x81q\x01}q\x02X\x03\x00\x00\x00intq\x03K\x05sb", []string{"uuid.UUID"}},
	// As protocol 4 writes them.
	"numpy scalar, protocol 4": {"\x8c\x16numpy._core.multiarray\x94\x8c\x06scalar\x94\x93\x94\x8c\x05numpy\x94\x8c\x05dtype\x94\x93\x94\x8c\x02f8\x94\x89\x88\x87\x94R\x94C\x08\x00\x00\x00\x00\x00\x00\xf8?\x94\x86\x94R\x94",
		[]string{"numpy._core.multiarray.scalar", "numpy.dtype"}},
	"set, protocol 4":       {"\x8f\x94(K\x01K\x02\x90", nil},
	"frozenset, protocol 4": {"(K\x01K\x02\x91\x94", nil},
	"object, protocol 4":    {"\x8c\x08argparse\x94\x8c\x09Namespace\x94\x93\x94)}\x92}b", []string{"argparse.Namespace"}},
	"set":                   {"c__builtin__\nset\nq\x00]q\x01(K\x01K\x02X\x01\x00\x00\x00xq\x02e\x85q\x03Rq\x04", nil},
	"bytes":                 {bytesOf("\x00\u00ff"), nil},
	"complex":               {"c__builtin__\ncomplex\nq\x00G\x00\x00\x00\x00\x00\x00\x00\x00G?\xf0\x00\x00\x00\x00\x00\x00\x86q\x01Rq\x02", nil},
	"old object":            {"ccopy_reg\n_reconstructor\n(cargparse\nNamespace\nc__builtin__\nobject\nNtR}X\x01\x00\x00\x00aK\x01sb", []string{"argparse.Namespace"}},
	"OmegaConf": {"comegaconf.dictconfig\nDictConfig\n)\x81}(" + pickleString("_metadata") + "comegaconf.base\nContainerMetadata\n)\x81}" + pickleString("object_type") + "c__builtin__\ndict\nsb" + pickleString("_parent") + "Nub",
		[]string{"omegaconf.dictconfig.DictConfig", "omegaconf.base.ContainerMetadata"}},
}

// TestBesides reads weights beside each of the objects, in both torch forms.
func TestBesides(t *testing.T) {
	for name, tc := range neighbours {
		object := dict("state_dict", dict("w", whole), "beside", tc.pickle)
		for form, file := range map[string]string{
			"zip":    archiveOf(proto2 + object + "."),
			"legacy": legacyOf(object, "]("+pickleString("0")+"e", legacyStorage(6, sixFloats)),
		} {
			t.Run(name+"/"+form, func(t *testing.T) {
				f, err := parseString(file)
				if err != nil {
					t.Fatal(err)
				}
				if len(f.Tensors()) != 1 || f.Tensors()[0].Name != "state_dict.w" {
					t.Errorf("tensors %v", f.Tensors())
				}
				if got := f.Skipped(); !slices.Equal(got, tc.skipped) {
					t.Errorf("left out %q, want %q", got, tc.skipped)
				}
				values := make([]float32, 6)
				if err := f.Float32(f.Tensors()[0], values); err != nil || values[5] != 5 {
					t.Errorf("read %v, %v", values, err)
				}
			})
		}
	}
}

// TestContainers reads tensors in a defaultdict and of a class derived from
// torch's.
func TestContainers(t *testing.T) {
	inner := strings.TrimSuffix(strings.TrimPrefix(whole, rebuild), "R")
	derived := "ctorch._tensor\n_rebuild_from_type_v2\n(" + rebuild + "ctorch.nn.parameter\nParameter\n" + inner + "}tR"
	f, err := parseString(archiveOf(proto2 + "ccollections\ndefaultdict\nc__builtin__\nlist\n\x85R(" + pickleString("a") + whole + pickleString("b") + derived + "u."))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		if tensor, ok := f.Lookup(name); !ok || !slices.Equal(tensor.Shape, []int{2, 3}) {
			t.Errorf("%s: %v, %t", name, tensor, ok)
		}
	}
}

// TestWholeModuleHint holds that a file that cannot be read comes with what to do.
func TestWholeModuleHint(t *testing.T) {
	for pickle, want := range map[string]string{
		"cclip.model\nCLIP\n)\x81.":                                     ".state_dict()",
		"cos\nsystem\n" + pickleString("true") + "\x85R.":               "do not load it",
		"cposix\nsystem\n.":                                             "do not load it",
		"c__builtin__\neval\n" + pickleString("1") + "\x85R.":           "do not load it",
		dict("args", "ctraining.params\nArgs\n)\x81", "w", whole) + ".": `["state_dict"]`,
	} {
		_, err := parseString(archiveOf(proto2 + pickle))
		var h interface{ Hint() string }
		if !errors.As(err, &h) || !strings.Contains(h.Hint(), want) {
			t.Errorf("%v without the hint %q", err, want)
		}
	}
	legacy := legacyOf("("+pickleString("module")+"cclip.model\nCLIP\n"+pickleString("model.py")+pickleString("class CLIP")+"tQ)\x81", "]", "")
	if _, err := parseString(legacy); testutil.Line(err, "a whole pickled module") != nil {
		t.Errorf("the older form's reference to a class: %v", err)
	}
}
