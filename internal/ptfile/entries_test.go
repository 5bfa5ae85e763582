package ptfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// withKeys are the tensors of a file that dicts alone lead to.
func withKeys(f *File) []Tensor {
	return slices.DeleteFunc(f.Tensors(), func(t Tensor) bool { return !t.HasKeys() })
}

// entriesOf are these tensors, to be written again.
func entriesOf(f *File) []Entry {
	var entries []Entry
	for _, tensor := range withKeys(f) {
		keys, _ := tensor.Keys()
		entries = append(entries, Entry{keys, tensor.DType, tensor.Shape, func(w io.Writer) error { return f.Copy(w, tensor) }})
	}
	return entries
}

func copied(t testing.TB, f *File, tensor Tensor) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := f.Copy(&b, tensor); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var writers = map[string]func(io.Writer, []Entry) error{FormatZip: WriteZip, FormatSafetensors: WriteSafetensors}

// TestWriteEntries writes every golden model in both formats and reads it back: names in
// their order, shapes, types and bytes are the same, and so are the bytes of two writes.
func TestWriteEntries(t *testing.T) {
	for _, name := range []string{"tiny_sd_fp32.pt", "tiny_sd_fp16.pt", "tiny_sd_mixed.pt", "tiny_sd_bf16.pt", "tiny_legacy.pt", "tiny_openclip.pt", "tiny_jit.pt"} {
		for format, write := range writers {
			t.Run(name+" as "+format, func(t *testing.T) {
				in := mustOpen(t, testutil.Golden("model/"+name))
				entries := entriesOf(in)
				var file, again bytes.Buffer
				if err := errors.Join(write(&file, entries), write(&again, entries)); err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(file.Bytes(), again.Bytes()) {
					t.Error("two writes differ")
				}
				sameTensors(t, in, file.Bytes(), format)
			})
		}
	}
}

// sameTensors compares a written file with the one whose tensors it has.
func sameTensors(t *testing.T, in *File, file []byte, format string) {
	t.Helper()
	out, err := parse(bytes.NewReader(file), int64(len(file)), "out.pt")
	if err != nil {
		t.Fatal(err)
	}
	tensors := withKeys(in)
	if out.Format() != format || len(out.Tensors()) != len(tensors) {
		t.Fatalf("%d tensors in a %s file, want %d in a %s file", len(out.Tensors()), out.Format(), len(tensors), format)
	}
	for i, want := range tensors {
		got := out.Tensors()[i]
		if got.Name != want.Name || got.DType != want.DType || !slices.Equal(got.Shape, want.Shape) {
			t.Fatalf("tensor %d is %s, %s %v, want %s, %s %v", i, got.Name, got.DType, got.Shape, want.Name, want.DType, want.Shape)
		}
		if !bytes.Equal(copied(t, out, got), copied(t, in, want)) {
			t.Errorf("%s: other bytes", want.Name)
		}
		if s := got.view.store; format == FormatZip && s.at%zipAlignment != 0 || s.at%int64(got.DType.Size()) != 0 {
			t.Errorf("%s begins at byte %d", want.Name, s.at)
		}
	}
}

// TestKeys holds that dicts stay dicts: those of open_clip's training checkpoints have the
// weights in one of them, under names with dots.
func TestKeys(t *testing.T) {
	f := mustOpen(t, testutil.Golden("model/tiny_openclip.pt"))
	keys, ok := f.Tensors()[0].Keys()
	if want := []string{"state_dict", "module.visual.conv1.weight"}; !ok || keys[0] != want[0] || !strings.HasPrefix(keys[1], "module.") || len(keys) != 2 {
		t.Errorf("keys %q, want those such as %q", keys, want)
	}
	file := zipFile(entry{name: "x/data.pkl", data: proto2 + dict("list", "]"+whole+"a", "w", whole) + "."}, entry{name: "x/data/0", data: sixFloats})
	f, err := parseString(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"list.0": false, "w": true} {
		tensor, found := f.Lookup(name)
		if _, ok := tensor.Keys(); !found || ok != want {
			t.Errorf("%s: found %v, keys %v, want keys %v", name, found, ok, want)
		}
	}
	single := mustOpen(t, testutil.Golden("interop/fp32.pt"))
	if _, ok := single.Tensors()[0].Keys(); ok && single.Tensors()[0].Name == "" {
		t.Error("a single tensor has keys")
	}
}

// TestCopy compares copied bytes with the values that Float32 gives, for tensors of every
// type and layout among the goldens.
func TestCopy(t *testing.T) {
	for _, name := range []string{"bf16.pt", "fp16.pt", "fp32.pt", "legacy_fp16_slice.pt", "slice.pt", "transposed.pt", "dict_shared.pt", "fp64.pt", "i64.pt"} {
		f := mustOpen(t, testutil.Golden("interop/"+name))
		for _, tensor := range f.Tensors() {
			raw, want := copied(t, f, tensor), values(t, f, tensor)
			got := make([]float32, len(want))
			if len(raw) != len(want)*tensor.DType.Size() {
				t.Fatalf("%s: %d bytes for %d elements", name, len(raw), len(want))
			}
			toFloat32(got, raw, tensor.DType)
			if !slices.Equal(got, want) {
				t.Errorf("%s %s: copied %v, want %v", name, tensor.Name, got, want)
			}
		}
	}
}

// TestCopyDamaged holds that a copy finds a wrong checksum, whichever way it reads.
func TestCopyDamaged(t *testing.T) {
	for _, strides := range [][]int{{3, 1}, {1, 2}} {
		s := &storage{record: "x/data/0", dtype: Float32, elements: 6, checksum: true, crc: 1}
		f := &File{path: "file.pt", r: strings.NewReader(sixFloats)}
		err := f.Copy(io.Discard, Tensor{"w", Float32, []int{2, 3}, &view{s, []int{2, 3}, strides, 0}, nil})
		if err == nil || !strings.HasPrefix(err.Error(), "file.pt: w: x/data/0: CRC-32 is ") {
			t.Errorf("strides %v: %v, want a wrong CRC-32", strides, err)
		}
	}
}

func TestWriteEntriesRefuses(t *testing.T) {
	zeros := func(n int) func(io.Writer) error {
		return func(w io.Writer) error { _, err := w.Write(make([]byte, n)); return err }
	}
	one := func(keys ...string) Entry { return Entry{keys, Float32, []int{1}, zeros(4)} }
	for name, entries := range map[string][]Entry{
		"twice":            {one("a"), one("a")},
		"twice, below":     {one("a", "b"), one("a", "b")},
		"tensor, not dict": {one("a"), one("a", "b")},
		"dict, not tensor": {one("a", "b"), one("a")},
		"no name":          {one()},
		"too short":        {{[]string{"a"}, Float32, []int{2}, zeros(4)}},
		"too long":         {{[]string{"a"}, Float16, []int{2}, zeros(6)}},
		"own error":        {{[]string{"a"}, Float16, []int{2}, func(io.Writer) error { return errFull }}},
	} {
		for format, write := range writers {
			if format == FormatSafetensors && strings.HasSuffix(name, "not tensor") || format == FormatSafetensors && name == "tensor, not dict" {
				continue // a and a.b are two names
			}
			if err := write(io.Discard, entries); err == nil {
				t.Errorf("%s as %s: no error", name, format)
			}
		}
	}
	if err := WriteSafetensors(io.Discard, []Entry{one("a", "b"), one("a.b")}); err == nil {
		t.Error("two tensors of one joined name: no error")
	}
}

// TestWriteEntriesFull writes to a file system that is full after n bytes.
func TestWriteEntriesFull(t *testing.T) {
	f := mustOpen(t, testutil.Golden("model/tiny_sd_fp16.pt"))
	entries := entriesOf(f)[:20]
	for format, write := range writers {
		var whole bytes.Buffer
		if err := write(&whole, entries); err != nil {
			t.Fatal(err)
		}
		for n := 0; n < whole.Len(); n += whole.Len()/37 + 1 {
			w := fullAfter(n)
			if err := write(&w, entries); !errors.Is(err, errFull) {
				t.Errorf("%s, full after %d bytes: %v", format, n, err)
			}
		}
	}
}

// TestRound holds that every number of a short type stays itself, and that others go to
// the nearer one, or, half way, to that with an even last bit.
func TestRound(t *testing.T) {
	for _, d := range []DType{Float16, BFloat16} {
		at := func(bits uint16) float64 { return d.Value(binary.LittleEndian.AppendUint16(nil, bits)) }
		for bits := range 1 << 15 {
			x, next := at(uint16(bits)), at(uint16(bits+1))
			if math.IsNaN(x) {
				if !math.IsNaN(d.Round(x)) {
					t.Fatalf("%s: NaN becomes %g", d, d.Round(x))
				}
				continue
			}
			if d.Round(x) != x || d.Round(-x) != -x {
				t.Fatalf("%s: %g becomes %g", d, x, d.Round(x))
			}
			if math.IsInf(next, 0) || math.IsNaN(next) {
				continue
			}
			half, even := x/2+next/2, x
			if bits&1 == 1 {
				even = next
			}
			if got := d.Round(half); got != even {
				t.Fatalf("%s: half way between %g and %g becomes %g, want %g", d, x, next, got, even)
			}
			if got := d.Round(x + (next-x)*0.4); got != x {
				t.Fatalf("%s: nearer to %g than to %g, becomes %g", d, x, next, got)
			}
		}
	}
	if got := Float16.Round(1e6); !math.IsInf(got, 1) {
		t.Errorf("1e6 as float16 is %g, want infinity", got)
	}
	for _, d := range []DType{Float32, Float64} {
		if got := d.Round(0.1); math.Abs(got-0.1) > 1e-8 || (got == 0.1) != (d == Float64) {
			t.Errorf("0.1 as %s is %g", d, got)
		}
	}
}

// FuzzWriteEntries writes what another file's tensors are, and reads it back.
func FuzzWriteEntries(f *testing.F) {
	f.Add([]byte(zipFile(entry{name: "x/data.pkl", data: proto2 + dict("a", dict("w", whole), "b", whole) + "."}, entry{name: "x/data/0", data: sixFloats})))
	f.Add([]byte(safetensorsOf(`{"w":{"dtype":"F16","shape":[3],"data_offsets":[0,6]},"a<b":{"dtype":"F32","shape":[1,1],"data_offsets":[6,10]},"e":{"dtype":"I64","shape":[0,2],"data_offsets":[10,10]}}`, "0123456789")))
	f.Add([]byte(legacyOf(dict("w", whole), "]("+pickleString("0")+"e", legacyStorage(6, sixFloats))))
	f.Fuzz(func(t *testing.T, file []byte) {
		in, err := parse(bytes.NewReader(file), int64(len(file)), "fuzz.pt")
		if err != nil {
			return
		}
		for _, tensor := range in.Tensors() {
			if in.Copy(io.Discard, tensor) != nil {
				return // a wrong checksum
			}
		}
		entries := entriesOf(in)
		if len(entries) == 0 {
			return
		}
		for format, write := range writers {
			var out bytes.Buffer
			if err := write(&out, entries); err != nil {
				t.Skip(fmt.Sprint(format, err)) // a name that a pickle may have and a file of tensors not
			}
			sameTensors(t, in, out.Bytes(), format)
		}
	})
}
