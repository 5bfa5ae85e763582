package imageprep

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/testutil"
)

// side is the input side of the golden model.
const side = 64

func goldenPaths(t testing.TB, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(testutil.Golden(pattern))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no golden files %s (%v)", pattern, err)
	}
	return paths
}

// TestGoldenRGB reads every golden image and its RGB form, a PNG file.
func TestGoldenRGB(t *testing.T) {
	for _, path := range goldenPaths(t, "images/*") {
		name := filepath.Base(path)
		t.Run(name, func(t *testing.T) {
			got, err := ReadFile(path, Options{})
			if err != nil {
				t.Fatal(err)
			}
			stem := strings.TrimSuffix(name, filepath.Ext(name))
			want, err := ReadFile(testutil.Golden("images_rgb/"+stem+".png"), Options{})
			if err != nil {
				t.Fatal(err)
			}
			if err := differ(got, want); err != nil {
				t.Error(err)
			}
		})
	}
}

// sameBits compares tensors for equality of bits.
func sameBits(got, want []float32) error {
	if len(got) != len(want) {
		return fmt.Errorf("%d values, want %d", len(got), len(want))
	}
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			return fmt.Errorf("at %d: got %v, want %v", i, got[i], want[i])
		}
	}
	return nil
}

// preprocess runs the chain on a file.
func preprocess(dst []float32, path string) error {
	b, err := Load(path)
	if err != nil {
		return err
	}
	return PreprocessFile(dst, b, Input{Side: side}, Options{})
}

// preprocessed runs the chain on files and concatenates the tensors.
func preprocessed(t *testing.T, paths []string) []float32 {
	t.Helper()
	out := make([]float32, len(paths)*3*side*side)
	for i, path := range paths {
		if err := preprocess(out[i*3*side*side:(i+1)*3*side*side], path); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func TestGoldenPreprocessed(t *testing.T) {
	tests := []struct {
		paths []string
		want  string
	}{
		{goldenPaths(t, "images/*"), "preprocessed.npy"},
		{goldenPaths(t, "dataset/*.png")[:4], "dataset_pre4.npy"},
	}
	for _, test := range tests {
		t.Run(test.want, func(t *testing.T) {
			want, _, err := npy.ReadFloat32(testutil.Golden(test.want))
			if err != nil {
				t.Fatal(err)
			}
			if err := sameBits(preprocessed(t, test.paths), want); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestGoldenDataset(t *testing.T) {
	data, err := os.ReadFile(testutil.Golden("dataset_sha256.json"))
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]string
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	paths := goldenPaths(t, "dataset/*.png")
	if len(paths) != len(want) {
		t.Fatalf("%d images, want %d", len(paths), len(want))
	}
	for _, path := range paths {
		var b bytes.Buffer
		if err := binary.Write(&b, binary.LittleEndian, preprocessed(t, []string{path})); err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(b.Bytes())
		if got := hex.EncodeToString(sum[:]); got != want[filepath.Base(path)] {
			t.Errorf("%s: SHA-256 %s, want %s", filepath.Base(path), got, want[filepath.Base(path)])
		}
	}
}
