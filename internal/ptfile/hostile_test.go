package ptfile

import (
	"fmt"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// hostile is a file and what the error about it must say.
type hostile struct{ name, file, want string }

// hostiles lists all of them by kind.
func hostiles() map[string][]hostile {
	return map[string][]hostile{
		"content": hostileContents(), "zip": hostileZips(), "pickle": archived(hostilePickles()), "tensor": hostileTensors(),
		"script": hostileScripts(), "legacy": hostileLegacies(), "safetensors": hostileSafetensors(),
	}
}

// archived puts pickles into archives.
func archived(cases []hostile) []hostile {
	for i := range cases {
		cases[i].file = archiveOf(cases[i].file)
	}
	return cases
}

// TestHostile opens each file and reads what it has. There must be an error of
// one short line that names the file and the place.
func TestHostile(t *testing.T) {
	const longest = 400
	for kind, cases := range hostiles() {
		for _, tc := range cases {
			t.Run(kind+"/"+tc.name, func(t *testing.T) {
				var err error
				if testutil.Parsed(t, testutil.Multiple(len(tc.file), memoryFactor), func() error {
					err = readAll(tc.file)
					return err
				}, tc.want) {
					t.Fatal("no error")
				}
				if msg := err.Error(); !strings.HasPrefix(msg, "file.pt: ") || len(msg) > longest {
					t.Errorf("error %q, want the file first and at most %d bytes", msg, longest)
				}
			})
		}
	}
}

// readAll opens a file and reads every tensor twice.
func readAll(file string) error {
	f, err := parseString(file)
	if err != nil {
		return err
	}
	for range 2 {
		for _, tensor := range f.Tensors() {
			if tensor.Len() > len(file) {
				return fmt.Errorf("%s has %d elements in a file of %d bytes", tensor.Name, tensor.Len(), len(file))
			}
			err = f.Float32(tensor, make([]float32, tensor.Len()))
		}
	}
	return err
}

func hostileContents() []hostile {
	return []hostile{
		{"empty", "", "the file is empty"},
		{"text", "version https://git-lfs", `neither a torch nor a safetensors file: it begins with "version https://"`},
		{"short", "P", "neither a torch nor a safetensors file"},
		{"other pickle", proto2 + "K\x01.", "a pickle without torch's magic number"},
		{"other zip", zipFile(entry{name: "a.txt"}), "a zip file without data.pkl, so not torch's"},
		{"NumPy's zip", zipFile(entry{name: "a.npy"}), "a zip file without data.pkl, a NumPy archive (.npz), want torch's"},
		{"zip around", zipFile(entry{name: "RN50.pt"}), "a zip file without data.pkl; it holds RN50.pt"},
		{"Git LFS", "version https://git-lfs.github.com/spec/v1\noid sha256:afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762\nsize 256159219\n",
			"a Git LFS pointer, not the file itself, want a torch or safetensors file"},
		{"HTML", "<!DOCTYPE html>\n<html class=\"\">\n", "an HTML page, as a server sends it to a browser, want a torch"},
		{"index", `{"weight_map": {"a": "b"}}`, "neither a torch nor a safetensors file"},
	}
}

func hostileZips() []hostile {
	pkl := entry{name: "x/data.pkl", data: proto2 + whole + "."}
	zero := entry{name: "x/data/0", data: sixFloats}
	good := zipFile(pkl, zero)
	with := func(change func(pkl, zero *entry)) string {
		p, z := pkl, zero
		change(&p, &z)
		return zipFile(p, z)
	}
	replace := func(fromEnd int, s string) string {
		at := len(good) - fromEnd
		return good[:at] + s + good[at+len(s):]
	}
	// Places in good, from its end.
	const end, locator, end64 = endSize, endSize + locator64Size, endSize + locator64Size + end64Size
	return []hostile{
		{"only a signature", localSignature, "zip file without end record"},
		{"cut short", good[:len(good)-1], "zip file without end record"},
		{"cut in the directory", good[:len(good)-end64-1] + good[len(good)-end:], "which ends beyond byte"},
		{"several disks", replace(end-4, "\x01"), "zip file of several parts"},
		{"entry counts differ", replace(end64-24, "\x09"), "zip file of several parts"},
		{"2^62 entries", replace(end64-24, "\x00\x00\x00\x00\x00\x00\x00\x40\x00\x00\x00\x00\x00\x00\x00\x40"), "zip directory of"},
		{"too few entries", replace(end64-24, "\x01\x00\x00\x00\x00\x00\x00\x00\x01"), "bytes after its 1 entries"},
		{"too many entries", replace(end64-24, "\x03\x00\x00\x00\x00\x00\x00\x00\x03"), "zip directory of 110 bytes for 3 entries"},
		{"no entry", strings.Replace(good, centralSignature, "PK\x01\x03", 1), "zip directory: entry 0 at byte"},
		{"entry too long", strings.Replace(good, "\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", "\x08\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 1), "entry 1 at byte"},
		{"directory of 2^62 bytes", replace(end64-40, "\x00\x00\x00\x00\x00\x00\x00\x40"), "which ends beyond byte"},
		{"directory at 2^63", replace(end64-48, "\x00\x00\x00\x00\x00\x00\x00\x80"), "which ends beyond byte"},
		{"end record at 2^62", replace(locator-8, "\x00\x00\x00\x00\x00\x00\x00\x40"), "which is outside the file"},
		{"no end record there", replace(locator-8, "\x05\x00\x00\x00\x00\x00\x00\x00"), "no zip64 end record at byte 5"},

		{"name with ..", zipFile(pkl, zero, entry{name: "x/../../etc"}), `is named "x/../../etc", want a clean relative path`},
		{"name of ..", zipFile(pkl, zero, entry{name: "../"}), `is named "../"`},
		{"absolute name", zipFile(pkl, zero, entry{name: "/etc"}), `is named "/etc"`},
		{"empty name", zipFile(pkl, zero, entry{}), `is named ""`},
		{"name with backslash", zipFile(pkl, zero, entry{name: `a\b`}), "is named"},
		{"name with newline", zipFile(pkl, zero, entry{name: "a\nb"}), `is named "a\nb"`},
		{"name of bytes", zipFile(pkl, zero, entry{name: "a\xff"}), "is named"},
		{"long name", zipFile(pkl, zero, entry{name: strings.Repeat("a/", 10_000) + "a"}), "of at most 512 bytes"},
		{"long local name", with(func(_, z *entry) { z.localName = strings.Repeat("\x01", 30_000) }), "the header at byte"},
		{"duplicate name", zipFile(pkl, zero, zero), "two entries are named x/data/0"},
		{"two pickles", zipFile(pkl, zero, entry{name: "y/data.pkl"}), "two pickles, x/data.pkl and y/data.pkl"},

		{"deflated pickle", with(func(p, _ *entry) { p.method = 8 }), "record x/data.pkl: compressed by method 8"},
		{"deflated storage", with(func(_, z *entry) { z.method = 8 }), "record x/data/0: compressed by method 8"},
		{"deflated only locally", with(func(_, z *entry) { z.localMethod = 8 }), "says encrypted or compressed"},
		{"encrypted", with(func(_, z *entry) { z.flags = 1 }), "record x/data/0: it is encrypted"},
		{"other local name", with(func(_, z *entry) { z.localName = "x/data/1" }), `names "x/data/1"`},
		{"header elsewhere", with(func(_, z *entry) { z.header = 1 }), "record x/data/0: no header at byte"},
		{"header beyond", with(func(_, z *entry) { z.header = 1 << 20 }), "is not before the directory"},
		{"storage beyond", with(func(_, z *entry) { z.grow = 4 }), "which end beyond byte"},
		{"short storage", with(func(_, z *entry) { z.data = z.data[4:] }), "record x/data/0: 20 bytes, want 24 for 6 elements of float32"},
		{"long storage", with(func(_, z *entry) { z.data += "abcd" }), "record x/data/0: 28 bytes, want 24"},
		{"no storage", zipFile(pkl, entry{name: "x/constants/0", data: sixFloats}), "no record x/data/0"},
		{"bad checksum of pickle", with(func(p, _ *entry) { p.crc = 1 }), "record x/data.pkl: CRC-32 is"},
		{"bad checksum of storage", with(func(_, z *entry) { z.crc = 1 }), "the only tensor: x/data/0: CRC-32 is"},
		{"shared bytes", overlapping(), "records x/data/0 and x/data/1 overlap at byte"},
		{"zip64 field cut", with(func(_, z *entry) { z.wide, z.noWideEnd = true, true }), "no zip64 field, though a size needs it"},
		{"big-endian", zipFile(pkl, zero, entry{name: "x/byteorder", data: "big"}), `record x/byteorder: "big", want "little"`},
		{"long byteorder", zipFile(pkl, zero, entry{name: "x/byteorder", data: strings.Repeat("l", 99)}), "99 bytes, want at most 16"},
	}
}

// overlapping is an archive whose storage 0 holds the local record of storage
// 1: a zip bomb's way to give the same bytes to many records.
func overlapping() string {
	const headAndName = localSize + len("x/data/1")
	size := headAndName + 8 // bytes of storage 0: two floats, of which storage 1 is one
	one := entry{name: "x/data/1", data: floats(1)}
	inner := zipFile(one)[:headAndName+4] + "abcd"
	return zipFile(
		entry{name: "x/data.pkl", data: proto2 + "(" +
			tensorOf(reference("ctorch\nCharStorage\n", "0", size), pickleInt(0), pickleTuple([]int{size}), pickleTuple([]int{1})) +
			tensorOf(reference(float32s, "1", 1), pickleInt(0), ")", ")") + "t."},
		entry{name: "x/data/0", data: inner},
		entry{name: "x/data/1", data: floats(1), header: -size})
}

// hostilePickles has pickles instead of files.
func hostilePickles() []hostile {
	deep := strings.Repeat("]", 200) + whole + strings.Repeat("a", 200)
	bomb := whole + "q\x00" + strings.Repeat("\x85q\x00h\x00h\x00\x86q\x00", 15)
	longKey := strings.Repeat("k", 900)
	many := whole + "q\x01" + "0" + "}" + pickleString(longKey) + "}("
	for i := range 300 {
		many += pickleString(fmt.Sprint(i)) + "h\x01"
	}
	many += "us"
	cases := []hostile{
		{"empty", "", "ends before STOP"},
		{"no STOP", "N", "ends before STOP"},
		{"cut argument", "X\x05\x00\x00\x00abc", "at byte 0: BINUNICODE: "},
		{"odd set", "\x8fN\x90.", "at byte 2: ADDITEMS: no mark is open"},
		{"bytes in a set", "\x8f(C\x01a\x90.", "pickle: runtime error: hash of unhashable type []uint8"},
		{"bytes as key", ordered + "C\x01aNs.", "pickle: hash of unhashable type"},
		{"bytes cut short", "C\x05abc.", "the pickle ends before STOP"},
		{"bytes of 2^60", long('\x8e', 1<<60) + ".", "BINBYTES8: 1152921504606846976 bytes, want at most"},
		{"opcode 255", "\xff", "at byte 0: opcode 0xff, which torch does not write"},
		{"INST", "(ios\nsystem\n.", "at byte 1: opcode 0x69"},
		{"bytes", "C\x01a.", "torch zip file without tensors"},
		{"PERSID", "Pabc\n.", "opcode 0x50"},
		{"extension", "\x82\x01.", "opcode 0x82"},
		{"string of 2^62 bytes", long('\x8d', 1<<62) + "a.", "BINUNICODE8: 4611686018427387904 bytes, want at most"},
		{"string of 2^64-1 bytes", long('\x8d', 1<<64-1) + "a.", "BINUNICODE8: 18446744073709551615 bytes"},
		{"frame of 2^62 bytes", long('\x95', 1<<62) + "N.", "FRAME: 4611686018427387904 bytes"},
		{"frame beyond the end", long('\x95', 100) + "N.", "ends before STOP"},
		{"frame within a frame", long('\x95', 11) + long('\x95', 2) + "N.", "beginning of a new frame"},
		{"long without bytes", "\x8a\x00.", "at byte 0: LONG1: no bytes"},
		{"endless line", "I" + strings.Repeat("1", 5000) + "\n.", "INT: a line of more than 4096 bytes"},
		{"pop from nothing", "0.", "POP: 0 values on the stack, want 1"},
		{"pop below a mark", "N(0.", "at byte 2: POP: 0 values"},
		{"odd SETITEMS", "}(Nu.", "at byte 3: SETITEMS: 1 items, want pairs"},
		{"odd DICT", "(Nd.", "DICT: 1 items, want pairs"},
		{"no mark", "]e.", "APPENDS: no mark is open"},
		{"memo not written", "h\x07.", "BINGET: nothing was put at 7"},
		{"too many marks", strings.Repeat("(", 1001), "MARK: 1000 marks are open"},
		{"too many opcodes", strings.Repeat("N0", maxOps/2) + "N.", "the pickle goes on"},

		{"os.system", "cos\nsystem\n(" + pickleString("true") + "tR.", `names "os.system"`},
		{"os.system off the stack", pickleString("os") + pickleString("system") + "\x93.", `names "os.system"`},
		{"whole module", "ctorch.nn.modules.linear\nLinear\n)\x81.", `pickle: a whole pickled module (it names "torch.nn.modules.linear.Linear"), want only its weights`},
		{"whole model", "cclip.model\nCLIP\n)\x81}" + pickleString("_modules") + dict("visual", "cclip.model\nResNet\n)\x81") + "sb.",
			`a whole pickled module (it names "clip.model.CLIP"), want`},
		{"module beside weights", dict("model", "ctorch.nn.modules.linear\nLinear\n)\x81", "w", whole) + ".", `a whole pickled module (it names "torch.nn.modules.linear.Linear")`},
		{"object of a class of its own", dict("args", "ctraining.params\nArgs\n)\x81", "w", whole) + ".",
			`it names "training.params.Args", which is not one of the few things that a state dict needs`},
		{"only harmless objects", dict("args", "cargparse\nNamespace\n)\x81") + ".", `without tensors; skipped objects: "argparse.Namespace"`},
		{"eval", "c__builtin__\neval\n" + pickleString("1") + "\x85R.", `names "__builtin__.eval"`},
		{"long class", "c" + strings.Repeat("m", 4000) + "\n" + strings.Repeat("n", 4000) + "\n.", "(7941 more bytes)"},
		{"tensor of a harmless object", "cargparse\nNamespace\n)\x81" + "q\x05}" + pickleString("w") + whole + "sb.", `without tensors; skipped objects`},
		{"tensor over a harmless object", dict("w", tensorOf("cargparse\nNamespace\n)\x81", pickleInt(0), pickleTuple([]int{1}), pickleTuple([]int{1}))) + ".", "tensor of (*ptfile.inert"},
		{"complex storage", "ctorch\nComplexFloatStorage\n.", `names "torch.ComplexFloatStorage"`},
		{"name with escapes", "c\x1b[2J\nx\n.", `names "\x1b[2J.x"`},
		{"script class outside a script", "c__torch__\nM\n)\x81.", `names "__torch__.M"`},
		{"call of no function", "N)R.", "pickle: REDUCE requires"},
		{"call by no tuple", rebuild + "NR.", "REDUCE args must be"},
		{"size of no tuple", "ctorch\nSize\n(NtR.", "torch.Size of something else"},
		{"parameter of nothing", "ctorch._utils\n_rebuild_parameter\n)R.", "call without arguments"},
		{"huge value in a message", "(" + strings.Repeat(pickleString(longKey), 50) + "t" + pickleString(longKey) + "R.", "REDUCE"},

		{"no tensors", dict("epoch", "K\x03") + ".", "torch zip file without tensors"},
		{"deep", deep + ".", "containers nest deeper than 100"},
		{"cycle", "]q\x00h\x00a.", "containers nest deeper than 100"},
		{"shared without end", bomb + ".", "their tree is larger than the pickle"},
		{"long name", dict(strings.Repeat("k", 1025), whole) + ".", "names of more than 1024 bytes"},
		{"names longer than the pickle", many + ".", "or far longer than the pickle"},
		{"name of control characters", dict("a\nb", whole) + ".", `the key "a\nb" is not printable`},
		{"name of bytes", dict("a\xff", whole) + ".", "is not printable"},
		{"tuple as key", "}N\x85" + whole + "s.", "a key of type *types.Tuple"},
		{"function as key", ordered + rebuild + whole + "s.", "a key of type *ptfile.callable"},
		{"one name twice", dict("a", whole, "a", whole) + ".", `two tensors are named "a"`},
		{"colliding names", dict("a.b", whole, "a", dict("b", whole)) + ".", `two tensors are named "a.b"`},

		{"reference by a string", pickleString("storage") + "Q.", "reference by string"},
		{"reference to a module", strings.Replace(reference(float32s, "0", 6), "storage", "modules", 1) + ".", "want (\"storage\", class, key"},
		{"reference by five things", "(NNNNNtQ.", "reference by (<nil>"},
		{"part of a storage", strings.Replace(reference(float32s, "0", 6), "tQ", ")tQ", 1) + ".", "is part of another one"},
		{"storage with a newline", reference(float32s, "a\nb", 6) + ".", `storage "a\nb": not printable`},
		{"storage of a long name", reference(float32s, strings.Repeat("k", 513), 6) + ".", "more than 512 bytes"},
		{"negative storage", strings.Replace(whole, pickleInt(6), "J\xff\xff\xff\xff", 1) + ".", `storage "0" of -1 elements`},
		{"storage of 2^62 elements", reference(float32s, "0", 1<<62) + ".", `storage "0" of 4611686018427387904 elements`},
		{"storage of two types", "(" + reference(float32s, "0", 6) + reference("ctorch\nHalfStorage\n", "0", 6) + "t.",
			`storage "0" is 6 elements of float32 and also 6 of float16`},
		{"unknown storage", "(" + reference(float32s, "9", 6) + whole + "t.", "no record x/data/9"},
		{"path as storage", "(" + reference(float32s, "../data.pkl", 6) + whole + "t.", "no record x/data/../data.pkl"},
		{"tensor larger than its storage", strings.Replace(whole, pickleInt(6), pickleInt(5), 1) + ".", "reach beyond the storage of 5 elements"},
		{"tensor of little", rebuild + "(NtR.", "tensor of 1 arguments"},
		{"tensor of nothing", rebuild + "(NNNNtR.", "tensor of (<nil>, <nil>, <nil>, <nil>)"},
	}
	return cases
}

func hostileTensors() []hostile {
	minus := "J\xff\xff\xff\xff"
	huge := pickleInt(1 << 62)
	over := func(offset, shape, strides string) string {
		return archiveOf(dict("w", tensorOf(reference(float32s, "0", 6), offset, shape, strides)) + ".")
	}
	ints := func(list ...int) string { return pickleTuple(list) }
	return []hostile{
		{"negative dimension", over("K\x00", "("+minus+"t", ints(1)), "w: dimension 0 is -1"},
		{"huge dimension", over("K\x00", "("+huge+"t", ints(0)), "w: dimension 0 is 4611686018427387904"},
		{"product overflows", over("K\x00", ints(1<<31-1, 1<<31-1, 1<<31-1), ints(1, 1, 1)), "w: shape"},
		{"empty but huge", over("K\x00", "("+huge+"K\x00t", ints(1, 1)), "w: dimension 0 is"},
		{"negative stride", over("K\x00", ints(2), "("+minus+"t"), "w: stride 0 is -1"},
		{"stride of 2^62", over("K\x00", ints(3), "("+huge+"t"), "reach beyond the storage of 6 elements"},
		{"stride of nothing", over("K\x00", ints(6), ints(0)), "meets an element twice"},
		{"overlapping strides", over("K\x00", ints(2, 2), ints(1, 1)), "meets an element twice"},
		{"rows that overlap", over("K\x00", ints(2, 3), ints(2, 1)), "meets an element twice"},
		{"negative offset", over(minus, ints(2), ints(1)), "w: offset -1 into a storage of 6 elements"},
		{"offset beyond", over("K\x07", ints(0), ints(1)), "w: offset 7"},
		{"offset at the end", over("K\x06", ")", ")"), "reach beyond"},
		{"last element beyond", over("K\x01", ints(2, 3), ints(3, 1)), "reach beyond"},
		{"one stride too few", over("K\x00", ints(2, 3), ints(1)), "2 dimensions and 1 strides"},
		{"65 dimensions", over("K\x00", ints(make([]int, 65)...), ints(make([]int, 65)...)), "two tuples of at most 64 integers"},
		{"dimension of 2^80", over("K\x00", "(\x8a\x0b\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01t", ints(1)), "two tuples of at most 64 integers"},
		{"dimension True", over("K\x00", "(\x88t", ints(1)), "two tuples of at most 64 integers"},
	}
}

func hostileScripts() []hostile {
	script := func(pickle string) string {
		return zipFile(entry{name: "x/data.pkl", data: pickle}, entry{name: "x/data/0", data: sixFloats}, entry{name: "x/constants.pkl"})
	}
	return []hostile{
		{"module of arguments", script("c__torch__\nM\n(Nt\x81."), "module made of 1 arguments"},
		{"state of no dict", script("c__torch__\nM\n)\x81" + whole + "b."), "module with a state of type *ptfile.view"},
		{"module within itself", script("c__torch__\nM\n)\x81q\x00}" + pickleString("m") + "h\x00sb."), "nest deeper than 100"},
		{"no tensors", script("c__torch__\nM\n)\x81."), "torchscript file without tensors"},
		{"like torch's module", script("c__torch__x\nM\n)\x81."), `names "__torch__x.M"`},
	}
}

func hostileLegacies() []hostile {
	key := "](" + pickleString("0") + "e"
	data := legacyStorage(6, sixFloats)
	good := legacyOf(whole, key, data)
	return []hostile{
		{"only the first byte", "\x80", "the magic number, the pickle at byte 0: "},
		{"other magic number", strings.Replace(good, "\x50\x19", "\x50\x18", 1), "without torch's magic number"},
		{"other protocol", strings.Replace(good, "M\xe9\x03", "M\xe8\x03", 1), "a protocol version other than 1001"},
		{"big-endian", strings.Replace(good, "\x88", "\x89", 1), "written on a big-endian machine"},
		{"no description", strings.Replace(good, dict("little_endian", "\x88"), "N", 1), "the machine's description is a <nil>"},
		{"global in the protocol", strings.Replace(good, "M\xe9\x03", "cos\nsystem\n", 1), `the protocol version, the pickle at byte 15: pickle: it names "os.system"`},
		{"storage in the keys", legacyOf(whole, reference(float32s, "0", 6), data), "the storage keys are not a list of the 1 storages in use"},
		{"too few keys", legacyOf(whole, "]", data), "not a list of the 1 storages"},
		{"unknown key", legacyOf(whole, "]("+pickleString("1")+"e", data), `the storage key "1" is not in use`},
		{"key of no string", legacyOf(whole, "](Ne", data), `the storage key "" is not in use`},
		{"key twice", legacyOf("("+whole+reference(float32s, "1", 6)+"t", "]("+pickleString("0")+pickleString("0")+"e", data+data), "or listed twice"},
		{"other count", legacyOf(whole, key, legacyStorage(5, sixFloats)), `storage "0" at byte`},
		{"count of 2^63", legacyOf(whole, key, "\x00\x00\x00\x00\x00\x00\x00\x80"+sixFloats), "-9223372036854775808 elements, want 6"},
		{"cut in a storage", good[:len(good)-1], "24 bytes, but the file ends after 23"},
		{"cut in a count", good[:len(good)-30], "the file ends at byte"},
		{"cut in the keys", good[:len(good)-34], "the storage keys, the pickle at byte"},
		{"bytes left over", good + "x", "1 bytes after the last storage"},
	}
}
