package ptfile

import (
	"encoding/json"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// sumTolerance allows for the order of float64 additions, relative to the sum
// of absolute values.
const sumTolerance = 1e-12

// bfloat16Step is half the distance of neighbouring bfloat16 numbers, relative.
const bfloat16Step = 1.0 / 256

func mustOpen(t *testing.T, path string) *File {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func values(t *testing.T, f *File, tensor Tensor) []float32 {
	t.Helper()
	dst := make([]float32, tensor.Len())
	if err := f.Float32(tensor, dst); err != nil {
		t.Fatal(err)
	}
	return dst
}

func readJSON(t *testing.T, path string, v any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestModelGoldens(t *testing.T) {
	var keys map[string]struct {
		Shape       []int
		Sum, Abssum float64
	}
	readJSON(t, testutil.Golden("model/keys.json"), &keys)
	reference := mustOpen(t, testutil.Golden("model/tiny_sd_fp32.pt"))
	for _, tc := range []struct {
		file, format, prefix string
		extra                []string // names beside keys.json's
		tolerance            float64
	}{
		{"tiny_sd_fp32.pt", "torch zip", "", nil, sumTolerance},
		{"tiny_sd_fp16.pt", "torch zip", "", nil, sumTolerance},
		{"tiny_sd_mixed.pt", "torch zip", "", nil, sumTolerance},
		{"tiny_sd_bf16.pt", "torch zip", "", nil, bfloat16Step},
		{"tiny_openclip.pt", "torch zip", "state_dict.module.", nil, sumTolerance},
		{"tiny_legacy.pt", "torch legacy", "", nil, sumTolerance},
		{"tiny_jit.pt", "torchscript", "", []string{"input_resolution", "context_length", "vocab_size"}, sumTolerance},
	} {
		t.Run(tc.file, func(t *testing.T) {
			f := mustOpen(t, testutil.Golden("model/"+tc.file))
			if f.Format() != tc.format {
				t.Errorf("format %q, want %q", f.Format(), tc.format)
			}
			if got, want := len(f.Tensors()), len(keys)+len(tc.extra); tc.prefix == "" && got != want {
				t.Errorf("%d tensors, want %d", got, want)
			}
			for _, name := range tc.extra {
				if _, ok := f.Lookup(name); !ok {
					t.Errorf("no tensor %s", name)
				}
			}
			for name, want := range keys {
				tensor, ok := f.Lookup(tc.prefix + name)
				if !ok {
					t.Errorf("no tensor %s", tc.prefix+name)
					continue
				}
				if !slices.Equal(tensor.Shape, want.Shape) {
					t.Errorf("%s: shape %v, want %v", name, tensor.Shape, want.Shape)
					continue
				}
				got := values(t, f, tensor)
				sum, abs := 0.0, 0.0
				for _, x := range got {
					sum += float64(x)
					abs += math.Abs(float64(x))
				}
				if math.Abs(sum-want.Sum) > tc.tolerance*want.Abssum || math.Abs(abs-want.Abssum) > tc.tolerance*want.Abssum {
					t.Errorf("%s: sum %g, of absolute values %g, want %g and %g", name, sum, abs, want.Sum, want.Abssum)
				}
				same, ok := reference.Lookup(name)
				if !ok {
					t.Fatalf("no tensor %s in the reference", name)
				}
				for i, x := range values(t, reference, same) {
					if tensor.DType == BFloat16 {
						x = roundBFloat16(x)
					}
					if got[i] != x {
						t.Fatalf("%s: element %d is %g, want %g", name, i, got[i], x)
					}
				}
			}
		})
	}
}

// roundBFloat16 rounds to nearest even; x is finite.
func roundBFloat16(x float32) float32 {
	b := math.Float32bits(x)
	return math.Float32frombits((b + 0x7fff + b>>16&1) &^ 0xffff)
}

func TestModelOrder(t *testing.T) {
	f := mustOpen(t, testutil.Golden("model/tiny_sd_fp32.pt"))
	var got []string
	for _, tensor := range f.Tensors()[:3] {
		got = append(got, tensor.Name)
	}
	if want := []string{"visual.conv1.weight", "visual.bn1.weight", "visual.bn1.bias"}; !slices.Equal(got, want) {
		t.Errorf("tensors begin with %v, want %v", got, want)
	}
}

func TestInteropGoldens(t *testing.T) {
	type golden struct {
		Shape  []int
		Values []float64
	}
	// The file mixes kinds of entries: decode those of .pt files only.
	var raw map[string]json.RawMessage
	readJSON(t, testutil.Golden("interop/values.json"), &raw)
	dtypes := map[string]DType{
		"bf16.pt": BFloat16, "fp16.pt": Float16, "cuda_fp16.pt": Float16, "legacy_fp16_slice.pt": Float16,
		"fp64.pt": Float64, "i64.pt": Int64,
	}
	names := map[string]string{"dict_shared.pt": "a"}
	files, err := filepath.Glob(testutil.Golden("interop/*.pt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		base := filepath.Base(file)
		t.Run(base, func(t *testing.T) {
			var want golden
			if err := json.Unmarshal(raw[base], &want); err != nil {
				t.Fatal(err)
			}
			f := mustOpen(t, file)
			if legacy := strings.HasPrefix(base, "legacy"); legacy != (f.Format() == "torch legacy") {
				t.Errorf("format %q", f.Format())
			}
			tensor, ok := f.Lookup(names[base])
			if !ok {
				t.Fatalf("tensors %v, want one named %q", f.Tensors(), names[base])
			}
			dtype := dtypes[base]
			if dtype == 0 {
				dtype = Float32
			}
			if tensor.DType != dtype || !slices.Equal(tensor.Shape, want.Shape) {
				t.Errorf("%s %v, want %s %v", tensor.DType, tensor.Shape, dtype, want.Shape)
			}
			for i, x := range values(t, f, tensor) {
				if x != float32(want.Values[i]) {
					t.Fatalf("element %d is %g, want %g", i, x, want.Values[i])
				}
			}
			if dtype != Int64 {
				return
			}
			ints, err := f.Int64(tensor)
			if err != nil {
				t.Fatal(err)
			}
			for i, n := range ints {
				if n != int64(want.Values[i]) {
					t.Fatalf("element %d is %d, want %g", i, n, want.Values[i])
				}
			}
		})
	}
}

// TestSharedStorage reads the second tensor of dict_shared.pt: rows 1 and 2
// of the first.
func TestSharedStorage(t *testing.T) {
	f := mustOpen(t, testutil.Golden("interop/dict_shared.pt"))
	a, _ := f.Lookup("a")
	b, ok := f.Lookup("b")
	if !ok || len(f.Tensors()) != 2 || !slices.Equal(b.Shape, []int{6, 3}) {
		t.Fatalf("tensors %v, want a and b [6 3]", f.Tensors())
	}
	if got, want := values(t, f, b), values(t, f, a)[3:]; !slices.Equal(got, want) {
		t.Errorf("b is %v, want %v", got, want)
	}
}

// TestDemoArchive holds the demo's TorchScript archive to what torch.jit.load
// found in it: counts of tensors and elements, and the sum of absolute values.
func TestDemoArchive(t *testing.T) {
	f := mustOpen(t, filepath.Join("..", "demo", "assets", "tiny-clip.pt"))
	if f.Format() != "torchscript" {
		t.Errorf("format %q", f.Format())
	}
	count := map[DType]int{}
	elements, abs := 0, 0.0
	for _, tensor := range f.Tensors() {
		count[tensor.DType]++
		elements += tensor.Len()
		for _, x := range values(t, f, tensor) {
			abs += math.Abs(float64(x))
		}
	}
	if want := map[DType]int{Float32: 102, Float16: 47, Int64: 25}; !maps.Equal(count, want) {
		t.Errorf("tensors by type %v, want %v", count, want)
	}
	if elements != 2148338 {
		t.Errorf("%d elements, want 2148338", elements)
	}
	if want := 192349.43438406498; math.Abs(abs-want) > sumTolerance*want {
		t.Errorf("sum of absolute values %.17g, want %.17g", abs, want)
	}
	side, ok := f.Lookup("input_resolution")
	if n, err := f.Int64(side); !ok || err != nil || !slices.Equal(n, []int64{192}) {
		t.Errorf("input_resolution: %v, %v; want 192", n, err)
	}
}
