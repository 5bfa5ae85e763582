package ptfile

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"
)

// TestSafetensors reads one tensor of each type. The header is as the format's
// description shows it: names, then dtype, shape and data_offsets in any order,
// a text map under __metadata__, and spaces as padding.
func TestSafetensors(t *testing.T) {
	header := `{"__metadata__":{"format":"pt"},
		"visual.conv1.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},
		"half":{"shape":[2],"dtype":"F16","data_offsets":[26,30]},
		"brain":{"dtype":"BF16","data_offsets":[24,26],"shape":[]},
		"double":{"dtype":"F64","shape":[1],"data_offsets":[30,38]},
		"i8":{"dtype":"I8","shape":[1],"data_offsets":[38,39]},
		"i16":{"dtype":"I16","shape":[1],"data_offsets":[39,41]},
		"i32":{"dtype":"I32","shape":[1],"data_offsets":[41,45]},
		"i64":{"dtype":"I64","shape":[1],"data_offsets":[45,53]},
		"u8":{"dtype":"U8","shape":[1],"data_offsets":[53,54]},
		"bool":{"dtype":"BOOL","shape":[1],"data_offsets":[54,55]},
		"empty":{"dtype":"I64","shape":[4,0],"data_offsets":[26,26]}}   `
	data := sixFloats + "\x49\xc0" + "\x00\x3c\x00\xb8" + "\x00\x00\x00\x00\x00\x00\xe0\x3f" +
		"\xff" + "\xfe\xff" + "\xfd\xff\xff\xff" + "\xfc\xff\xff\xff\xff\xff\xff\xff" + "\xfb" + "\x01"
	f, err := parseString(safetensorsOf(header, data))
	if err != nil {
		t.Fatal(err)
	}
	if f.Format() != "safetensors" {
		t.Errorf("format %q", f.Format())
	}
	want := []struct {
		name   string
		dtype  DType
		shape  []int
		values []float32
	}{
		{"visual.conv1.weight", Float32, []int{2, 3}, []float32{0, 1, 2, 3, 4, 5}},
		{"half", Float16, []int{2}, []float32{1, -0.5}},
		{"brain", BFloat16, []int{}, []float32{-3.140625}},
		{"double", Float64, []int{1}, []float32{0.5}},
		{"i8", Int8, []int{1}, []float32{-1}},
		{"i16", Int16, []int{1}, []float32{-2}},
		{"i32", Int32, []int{1}, []float32{-3}},
		{"i64", Int64, []int{1}, []float32{-4}},
		{"u8", Uint8, []int{1}, []float32{251}},
		{"bool", Bool, []int{1}, []float32{1}},
		{"empty", Int64, []int{4, 0}, nil},
	}
	tensors := f.Tensors()
	if len(tensors) != len(want) {
		t.Fatalf("%d tensors, want %d", len(tensors), len(want))
	}
	for i, w := range want {
		got := tensors[i]
		if got.Name != w.name || got.DType != w.dtype || !slices.Equal(got.Shape, w.shape) {
			t.Errorf("tensor %d is %s %s %v, want %s %s %v", i, got.Name, got.DType, got.Shape, w.name, w.dtype, w.shape)
		}
		if v := values(t, f, got); !slices.Equal(v, w.values) {
			t.Errorf("%s is %v, want %v", w.name, v, w.values)
		}
	}
}

func hostileSafetensors() []hostile {
	one := func(rest string) string { return safetensorsOf(`{"w":`+rest+`}`, sixFloats) }
	two := func(a, b string) string {
		return safetensorsOf(`{"a":{"dtype":"U8","shape":`+a+`},"b":{"dtype":"U8","shape":`+b+`}}`, sixFloats)
	}
	good := one(`{"dtype":"F32","shape":[6],"data_offsets":[0,24]}`)
	length := func(n uint64) string { return string(binary.LittleEndian.AppendUint64(nil, n)) + good[8:] }
	return []hostile{
		{"header of 2^62 bytes", length(1 << 62), "safetensors header of 4611686018427387904 bytes in a file of"},
		{"header of 2^64-1 bytes", length(1<<64 - 1), "safetensors header of 18446744073709551615 bytes"},
		{"header beyond the file", length(uint64(len(good) - 7)), "safetensors header of"},
		{"header too short", length(20), "safetensors header: near byte"},
		{"header of one byte", length(1), "the JSON is cut short"},
		{"text", "12345678{}", "safetensors header of"},
		{"no JSON", safetensorsOf(`{"a" 1}`, ""), "near byte"},
		{"bytes after the object", safetensorsOf(`{}{}`, ""), "2 bytes after the object"},
		{"not UTF-8", safetensorsOf("{\"\xff\":1}", ""), "not UTF-8"},
		{"no tensors", safetensorsOf(`{}`, ""), "safetensors file without tensors"},
		{"entry of no object", one(`[1]`), `w: "[", want "{"`},
		{"deep arrays", one(strings.Repeat("[", 100_000)), `w: "[", want "{"`},
		{"deep shape", one(`{"dtype":"F32","shape":` + strings.Repeat("[", 100_000)), `w: "[", want an integer`},
		{"unknown key", one(`{"dtype":"F32","stride":[1]}`), `w: the key "stride" is unknown`},
		{"key twice", one(`{"dtype":"F32","dtype":"F32"}`), `w: the key "dtype" is unknown or given twice`},
		{"missing key", one(`{"dtype":"F32","shape":[6]}`), "w: want dtype, shape and two data_offsets"},
		{"one offset", one(`{"dtype":"F32","shape":[6],"data_offsets":[0]}`), "two data_offsets"},
		{"three offsets", one(`{"dtype":"F32","shape":[6],"data_offsets":[0,24,24]}`), "more than 2 numbers"},
		{"unknown dtype", one(`{"dtype":"F8_E4M3","shape":[6],"data_offsets":[0,24]}`), `w: dtype "F8_E4M3" is not supported`},
		{"dtype of a number", one(`{"dtype":5}`), `w: "5", want a string`},
		{"negative dimension", one(`{"dtype":"F32","shape":[-6],"data_offsets":[0,24]}`), `w: "-6", want an integer from 0 up`},
		{"fraction", one(`{"dtype":"F32","shape":[6.0],"data_offsets":[0,24]}`), `w: "6.0", want an integer`},
		{"2^64", one(`{"dtype":"F32","shape":[18446744073709551616],"data_offsets":[0,24]}`), "want an integer"},
		{"2^62", one(`{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,24]}`), "is larger than the file"},
		{"product of 2^64", one(`{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,24]}`), "is larger than the file"},
		{"empty but huge", one(`{"dtype":"F32","shape":[0,4611686018427387904],"data_offsets":[0,0]}`), "is larger than the file"},
		{"65 dimensions", one(`{"dtype":"F32","shape":[` + strings.Repeat("1,", 64) + `1],"data_offsets":[0,4]}`), "more than 64 numbers"},
		{"offsets reversed", one(`{"dtype":"F32","shape":[6],"data_offsets":[24,0]}`), "w: data_offsets [24, 0] in 24 bytes"},
		{"offset beyond", one(`{"dtype":"F32","shape":[6],"data_offsets":[4,28]}`), "w: data_offsets [4, 28] in 24 bytes"},
		{"length and shape differ", one(`{"dtype":"F32","shape":[5],"data_offsets":[0,24]}`), "w: 24 bytes, want 20 for shape [5] of float32"},
		{"bytes left over", one(`{"dtype":"F32","shape":[5],"data_offsets":[0,20]}`), "24 bytes of data, want 20"},
		{"cut data", good[:len(good)-1], "w: data_offsets [0, 24] in 23 bytes of data"},
		{"hole", two(`[10],"data_offsets":[0,10]`, `[10],"data_offsets":[14,24]`), "b: its data begin at byte 14, want 10"},
		{"overlap", two(`[14],"data_offsets":[0,14]`, `[14],"data_offsets":[10,24]`), "b: its data begin at byte 10, want 14"},
		{"same bytes", two(`[24],"data_offsets":[0,24]`, `[24],"data_offsets":[0,24]`), "b: its data begin at byte 0, want 24"},
		{"name twice", safetensorsOf(`{"w":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"w":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}`, ""),
			`the key "w" is given twice`},
		{"metadata twice", safetensorsOf(`{"__metadata__":{},"__metadata__":{}}`, ""), `"__metadata__" is given twice`},
		{"metadata of numbers", safetensorsOf(`{"__metadata__":{"a":1}}`, ""), `"1", want a string`},
		{"name of control characters", safetensorsOf(`{"a\u001b":{}}`, ""), `the name "a\x1b" is not printable`},
		{"long name", safetensorsOf(`{"`+strings.Repeat("a", 1025)+`":{}}`, ""), "longer than 1024 bytes"},
	}
}
