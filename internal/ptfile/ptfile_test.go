package ptfile

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// TestForms opens well-formed files beyond what the goldens have.
func TestForms(t *testing.T) {
	pkl := entry{name: "x/data.pkl", data: proto2 + whole + "."}
	zero := entry{name: "x/data/0", data: sixFloats}
	wide := zero
	wide.wide = true
	good := zipFile(pkl, zero)
	row := tensorOf(reference(float32s, "0", 6), "K\x03", pickleTuple([]int{3}), pickleTuple([]int{1}))
	all := []float32{0, 1, 2, 3, 4, 5}
	type tensor struct {
		name   string
		shape  []int
		values []float32
	}
	for _, tc := range []struct {
		name, file, format string
		want               []tensor
	}{
		{"no folder", zipFile(entry{name: "data.pkl", data: pkl.data}, entry{name: "data/0", data: sixFloats}), "torch zip",
			[]tensor{{"", []int{2, 3}, all}}},
		{"zip64 field", zipFile(pkl, wide), "torch zip", []tensor{{"", []int{2, 3}, all}}},
		{"only the 32-bit end record", good[:len(good)-endSize-locator64Size-end64Size] + good[len(good)-endSize:], "torch zip",
			[]tensor{{"", []int{2, 3}, all}}},
		{"byte order and folders", zipFile(entry{name: "x/"}, pkl, entry{name: "x/byteorder", data: "little"},
			entry{name: "x/.data/serialization_id", data: "1"}, entry{name: "x/deep/data.pkl"}, zero), "torch zip",
			[]tensor{{"", []int{2, 3}, all}}},
		{"compressed code", zipFile(pkl, zero, entry{name: "x/code/a.py", method: 8}), "torchscript",
			[]tensor{{"", []int{2, 3}, all}}},
		{"dicts, lists and others", archiveOf(dict(
			"epoch", "K\x03", "state_dict", ordered+"("+pickleString("b.w")+row+"u", "list", "](K\x01"+row+"e",
			"deep", dict("", "("+row+"t"), "scalar", tensorOf(reference(float32s, "0", 6), "K\x05", ")", ")"),
		) + "."), "torch zip", []tensor{
			{"state_dict.b.w", []int{3}, all[3:]}, {"list.1", []int{3}, all[3:]}, {"deep..0", []int{3}, all[3:]},
			{"scalar", []int{}, all[5:]},
		}},
		{"integer keys", archiveOf("}(K\x07" + row + "J\xff\xff\xff\xff" + row + "u."), "torch zip",
			[]tensor{{"7", []int{3}, all[3:]}, {"-1", []int{3}, all[3:]}}},
		{"empty tensor", archiveOf("(" + whole + tensorOf(reference(float32s, "0", 6), "K\x06", pickleTuple([]int{0, 3}), pickleTuple([]int{3, 1})) + "t."),
			"torch zip", []tensor{{"0", []int{2, 3}, all}, {"1", []int{0, 3}, []float32{}}}},
		{"state dict with metadata", archiveOf(ordered + "(" + pickleString("w") + whole + "u" + dict("_metadata", ordered) + "b."),
			"torch zip", []tensor{{"w", []int{2, 3}, all}}},
		{"allowed types", archiveOf("(" + "ctorch\nSize\n(K\x01\x85tR" + "ctorch\ndevice\n" + pickleString("cpu") + "\x85R" + "ctorch\nfloat16\n" + whole + "t."),
			"torch zip", []tensor{{"3", []int{2, 3}, all}}},
		{"python 2 strings", archiveOf(strings.ReplaceAll(whole, "X\x07\x00\x00\x00storage", "U\x07storage") + "."), "torch zip",
			[]tensor{{"", []int{2, 3}, all}}},
		{"frames", archiveOf("\x80\x04" + long('\x95', uint64(len(whole))+1) + whole + "."), "torch zip", []tensor{{"", []int{2, 3}, all}}},
		{"module tree", zipFile(entry{name: "m/data.pkl", data: proto2 + "c__torch__.models\nRoot\n)\x81" + dict(
			"scale", row, "training", "\x88", "none", "N",
			"block", someModule+"("+pickleString("w")+whole+"ub",
			"bare", "c__torch__.models\nBare\n)\x81",
			"list", "ctorch.jit._pickle\nbuild_tensorlist\n]"+row+"a\x85R",
		) + "b."}, entry{name: "m/data/0", data: sixFloats}, entry{name: "m/constants.pkl", data: ")."}, entry{name: "m/constants/0", data: "other"}), "torchscript",
			[]tensor{{"scale", []int{3}, all[3:]}, {"block.w", []int{2, 3}, all}, {"list.0", []int{3}, all[3:]}}},
		{"legacy", legacyOf(whole, "]("+pickleString("0")+"e", legacyStorage(6, sixFloats)), "torch legacy",
			[]tensor{{"", []int{2, 3}, all}}},
		{"legacy under protocol 1", strings.Replace(legacyOf(whole, "]("+pickleString("0")+"e", legacyStorage(6, sixFloats)),
			proto2+"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", "L119547037146038801333356L\n.", 1), "torch legacy",
			[]tensor{{"", []int{2, 3}, all}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f, err := parseString(tc.file)
			if err != nil {
				t.Fatal(err)
			}
			if f.Format() != tc.format {
				t.Errorf("format %q, want %q", f.Format(), tc.format)
			}
			tensors := f.Tensors()
			if len(tensors) != len(tc.want) {
				t.Fatalf("%d tensors, want %d: %v", len(tensors), len(tc.want), tensors)
			}
			for i, want := range tc.want {
				got := tensors[i]
				if got.Name != want.name || !slices.Equal(got.Shape, want.shape) {
					t.Errorf("tensor %d is %s %v, want %s %v", i, got.Name, got.Shape, want.name, want.shape)
				}
				if v := values(t, f, got); !slices.Equal(v, want.values) {
					t.Errorf("%s is %v, want %v", got.Name, v, want.values)
				}
			}
		})
	}
}

func TestOpenErrors(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none.pt")
	if _, err := Open(missing); !os.IsNotExist(err) {
		t.Errorf("missing file: %v", err)
	}
	folder := t.TempDir()
	if _, err := Open(folder); err == nil || err.Error() != folder+": a folder, want a file" {
		t.Errorf("folder: %v", err)
	}
}

// TestReadErrors asks a good file for the wrong things.
func TestReadErrors(t *testing.T) {
	f, err := parseString(archiveOf(proto2 + dict("w", whole) + "."))
	if err != nil {
		t.Fatal(err)
	}
	w, _ := f.Lookup("w")
	if _, ok := f.Lookup("v"); ok {
		t.Error("there is a tensor v")
	}
	if err := f.Float32(w, make([]float32, 5)); err == nil || err.Error() != "file.pt: w: room for 5 elements, want 6 for shape [2 3]" {
		t.Errorf("short destination: %v", err)
	}
	if _, err := f.Int64(w); err == nil || err.Error() != "file.pt: w: type float32, want integers" {
		t.Errorf("integers of floats: %v", err)
	}
}

// TestFileShrinks reads a tensor after the file has lost its end.
func TestFileShrinks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.safetensors")
	file := safetensorsOf(`{"w":{"dtype":"F32","shape":[6],"data_offsets":[0,24]}}`, sixFloats)
	if err := os.WriteFile(path, []byte(file), 0o666); err != nil {
		t.Fatal(err)
	}
	f := mustOpen(t, path)
	if err := os.Truncate(path, int64(len(file)-1)); err != nil {
		t.Fatal(err)
	}
	err := f.Float32(f.Tensors()[0], make([]float32, 6))
	if err == nil || !strings.HasPrefix(err.Error(), path+": w: the file ends at byte") {
		t.Errorf("error %v", err)
	}
}

// TestMemory opens files made of the costliest structures and compares what
// they allocate with the bound in the package comment.
func TestMemory(t *testing.T) {
	const size, constant = 1 << 17, 1 << 18
	fill := func(s string) string { return strings.Repeat(s, size/len(s)) }
	memo := ordered[:len(ordered)-2] + "q\x00"
	var puts strings.Builder
	for i := range uint32(size / 6) {
		puts.WriteString("Nr" + string([]byte{byte(i), byte(i >> 8), byte(i >> 16), 0}))
	}
	many := make([]entry, size/100)
	for i := range many {
		many[i].name = strings.Repeat("a", 8) + string([]byte{'a' + byte(i%26), 'a' + byte(i/26%26), 'a' + byte(i/676)})
	}
	header := `{"__metadata__":{"a":""`
	for header = header + "}"; len(header) < size; {
		header += fmt.Sprintf(`,"%x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`, len(header))
	}
	for _, tc := range []struct{ name, file string }{
		{"empty dicts", archiveOf(fill("}") + ".")},
		{"empty lists", archiveOf(fill("]") + ".")},
		{"tuples", archiveOf(fill("(t") + ".")},
		{"nested tuples", archiveOf("N" + fill("\x85") + ".")},
		{"ordered dicts", archiveOf(memo + fill("h\x00)R") + ".")},
		{"numbers", archiveOf(fill("K\x01") + ".")},
		{"copies", archiveOf("N" + fill("2") + ".")},
		{"memo", archiveOf(puts.String() + ".")},
		{"memoize", archiveOf("N" + fill("\x94") + ".")},
		{"references", archiveOf("(" + reference(float32s, "0", 6) + "q\x00" + fill("h\x00") + "t.")},
		{"one string", archiveOf(pickleString(strings.Repeat("a", size)) + ".")},
		{"strings", archiveOf(fill(pickleString("a")) + ".")},
		{"one shared tensor", archiveOf("(" + whole + "q\x00" + fill("h\x00") + "t.")},
		{"legacy", legacyOf(fill("}"), "]", "")},
		{"zip entries", zipFile(many...)},
		{"header", safetensorsOf(header+"}", "")},
		{"header of metadata", safetensorsOf(`{"__metadata__":{"a":"`+fill("x")+`"}}`, "")},
		{"header of brackets", safetensorsOf("{"+fill("["), "")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			f, err := parseString(tc.file)
			runtime.ReadMemStats(&after)
			took := after.TotalAlloc - before.TotalAlloc
			t.Logf("%d bytes a byte", took/uint64(len(tc.file)))
			if took > memoryFactor*uint64(len(tc.file))+constant {
				t.Errorf("%d bytes allocated for a file of %d", took, len(tc.file))
			}
			runtime.KeepAlive(f)
			runtime.KeepAlive(err)
		})
	}
}
