package ptfile

import (
	"bytes"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// maxRead is the package's promise of what a read takes beside its destination.
const maxRead = 3 << 20

// checkParsed opens fuzzed bytes and holds what comes out to the package's
// promises: memory in proportion, errors of one line, distinct names, tensors
// no larger than the file, reads that end.
func checkParsed(t *testing.T, file []byte) {
	var f *File
	if !testutil.Parsed(t, testutil.Multiple(len(file), memoryFactor), func() (err error) {
		f, err = parse(bytes.NewReader(file), int64(len(file)), "fuzz.pt")
		return err
	}, "fuzz.pt: ") {
		return
	}
	const most = 200 // tensors read: many may share one storage
	for i, tensor := range f.Tensors() {
		if again, ok := f.Lookup(tensor.Name); !ok || again.view != tensor.view {
			t.Errorf("%s is not found by its name", tensor.Name)
		}
		n := tensor.Len()
		if n < 0 || n*tensor.DType.Size() > len(file) {
			t.Fatalf("%s: shape %v of %s in a file of %d bytes", tensor.Name, tensor.Shape, tensor.DType, len(file))
		}
		if i >= most {
			continue
		}
		dst := make([]float32, n)
		testutil.Parsed(t, maxRead, func() error { return f.Float32(tensor, dst) }, "fuzz.pt: ")
	}
}

// maxSeed is the longest seed, in bytes: mutating long ones takes long.
const maxSeed = 32 << 10

// FuzzOpen parses whole files. Its seeds are the small files of torch itself
// among the goldens, hand-made ones of every form, and all hostile ones.
func FuzzOpen(f *testing.F) {
	testutil.Seed(f, "interop/*.pt")
	pkl := entry{name: "x/data.pkl", data: proto2 + whole + "."}
	zero := entry{name: "x/data/0", data: sixFloats}
	wide := zero
	wide.wide = true
	f.Add([]byte(zipFile(pkl, wide, entry{name: "x/byteorder", data: "little"})))
	f.Add([]byte(zipFile(entry{name: "m/data.pkl", data: proto2 + "c__torch__\nRoot\n)\x81" + dict("block", someModule+"("+pickleString("w")+whole+"ub") + "b."},
		entry{name: "m/data/0", data: sixFloats}, entry{name: "m/constants.pkl"})))
	f.Add([]byte(legacyOf(whole, "]("+pickleString("0")+"e", legacyStorage(6, sixFloats))))
	for _, cases := range hostiles() {
		for _, tc := range cases {
			if len(tc.file) <= maxSeed {
				f.Add([]byte(tc.file))
			}
		}
	}
	f.Fuzz(checkParsed)
}

// FuzzZip tampers with the directory and the headers of an archive, whose
// lengths random bytes would seldom keep right.
func FuzzZip(f *testing.F) {
	f.Add("x/data/0", "", sixFloats, uint16(0), uint16(0), uint16(0), 0, 0, true)
	f.Add("x/data/0", "x/data/1", sixFloats, uint16(1), uint16(8), uint16(8), -1, 1, false)
	f.Add("x/constants.pkl", "", "", uint16(0), uint16(8), uint16(0), 1<<40, 1<<40, true)
	f.Fuzz(func(t *testing.T, name, localName, data string, flags, method, localMethod uint16, grow, header int, wide bool) {
		if len(name) > 1<<15 || len(localName) > 1<<15 {
			return
		}
		checkParsed(t, []byte(zipFile(
			entry{name: "x/data.pkl", data: proto2 + whole + "."},
			entry{name: name, localName: localName, data: data, flags: flags, method: method, localMethod: localMethod,
				grow: grow, header: header, wide: wide},
			entry{name: "x/data/1", data: sixFloats},
		)))
	})
}

// FuzzPickle puts pickles into otherwise right files of two forms, which a
// fuzzer could not keep right for their checksums and lengths.
func FuzzPickle(f *testing.F) {
	for _, pickle := range []string{
		proto2 + whole + ".",
		proto2 + ordered + "(" + pickleString("a") + whole + "ub.",
		proto2 + dict("state_dict", dict("w", whole), "n", "](K\x01G@\x04\x00\x00\x00\x00\x00\x00Ne") + ".",
		proto2 + "c__torch__\nRoot\n)\x81" + dict("block", someModule+"("+pickleString("w")+whole+"ub") + "b.",
		"\x80\x04" + long('\x95', uint64(len(whole))+1) + whole + ".",
		"(" + "ctorch\nSize\n(K\x01\x85tR" + "ctorch\ndevice\n" + pickleString("cpu") + "\x85R" + whole + "q\x01h\x01t.",
		"]q\x00h\x00a.",
		"\x8c\x05torch\x94\x8c\x0cFloatStorage\x94\x93\x94\x8a\x01\x05L12345678901234567890L\nI01\n.",
	} {
		f.Add([]byte(pickle))
	}
	for _, tc := range hostilePickles() {
		if len(tc.file) <= maxSeed {
			f.Add([]byte(tc.file))
		}
	}
	for _, tc := range foreignObjects {
		f.Add([]byte(proto2 + dict("w", whole, "beside", tc.pickle) + "."))
	}
	f.Fuzz(func(t *testing.T, pickle []byte) {
		checkParsed(t, []byte(zipFile(
			entry{name: "x/data.pkl", data: string(pickle)},
			entry{name: "x/data/0", data: sixFloats},
			entry{name: "x/constants.pkl"},
		)))
		checkParsed(t, []byte(legacyOf(string(pickle), "]("+pickleString("0")+"e", legacyStorage(6, sixFloats))))
	})
}

// FuzzSafetensors parses headers followed by data.
func FuzzSafetensors(f *testing.F) {
	f.Add(`{"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}`, sixFloats)
	f.Add(`{"__metadata__":{"format":"pt"},"a":{"dtype":"F16","shape":[],"data_offsets":[0,2]},"b":{"data_offsets":[2,4],"shape":[2,1],"dtype":"BOOL"}}  `, "\x00\x3c\x01\x00")
	f.Add(`{"e":{"dtype":"I64","shape":[3,0],"data_offsets":[0,0]}}`, "")
	for _, tc := range hostileSafetensors() {
		if header := tc.file[8:]; len(header) <= maxSeed {
			end := strings.LastIndex(header, "}") + 1
			f.Add(header[:end], header[end:])
		}
	}
	f.Fuzz(func(t *testing.T, header, data string) {
		checkParsed(t, []byte(safetensorsOf(header, data)))
	})
}

// FuzzWriteTensor writes and reads back.
func FuzzWriteTensor(f *testing.F) {
	f.Add(2, 3, []byte(sixFloats))
	f.Add(0, 1<<33, []byte{})
	f.Fuzz(func(t *testing.T, rows, columns int, raw []byte) {
		if rows < 0 || columns < 0 || rows > 1<<31-1 || columns > 1<<31-1 || rows*columns*4 > len(raw) {
			return
		}
		data := make([]float32, rows*columns)
		toFloat32(data, raw, Float32)
		var file bytes.Buffer
		if err := WriteTensor(&file, []int{rows, columns}, data); err != nil {
			t.Fatal(err)
		}
		opened, err := parse(bytes.NewReader(file.Bytes()), int64(file.Len()), "fuzz.pt")
		if err != nil {
			t.Fatal(err)
		}
		tensor, _ := opened.Lookup("")
		got := make([]float32, len(data))
		if err := opened.Float32(tensor, got); err != nil {
			t.Fatal(err)
		}
		var again bytes.Buffer
		if err := WriteTensor(&again, tensor.Shape, got); err != nil || !bytes.Equal(file.Bytes(), again.Bytes()) {
			t.Errorf("read back and written again: %v, or other bytes", err)
		}
	})
}
