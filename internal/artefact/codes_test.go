package artefact

import (
	"bytes"
	"encoding/json"
	"math"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/omp"
	"github.com/clipnh/clipnh/internal/origin"
)

// TestDecompositionRefuses damages the arrays that go with the matrix.
func TestDecompositionRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "codes.npz")
	write := func(d *Codes) {
		if err := d.Save(nil, path, origin.Origin{}); err != nil {
			t.Fatal(err)
		}
	}
	whole := func() *Codes {
		return &Codes{
			Rows:      &npy.Sparse{Rows: 1, Cols: 2, ByRow: true, Data: []float32{3}, Indices: []int32{1}, Starts: []int32{0, 1}},
			Residuals: []float32{0.5}, Stops: []int8{int8(omp.Weak)},
		}
	}
	write(whole())
	if d, err := (Reader{}).Codes(path, nil); err != nil || d.Stops[0] != int8(omp.Weak) || d.Residuals[0] != 0.5 {
		t.Fatalf("read %+v, %v", d, err)
	}
	for name, damage := range map[string]func(d *Codes){
		"coefficient not finite": func(d *Codes) { d.Rows.Data[0] = float32(math.NaN()) },
		"stop of no name":        func(d *Codes) { d.Stops[0] = 9 },
		"too few stops":          func(d *Codes) { d.Stops = nil },
		"too many residuals":     func(d *Codes) { d.Residuals = []float32{1, 2} },
	} {
		d := whole()
		damage(d)
		write(d)
		if _, err := (Reader{}).Codes(path, nil); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v, want one that names the file", name, err)
		}
	}
}

// TestDescriptionsQuote holds that any word makes valid JSON.
func TestDescriptionsQuote(t *testing.T) {
	words := []string{`"quoted" \ <b>`, "naïve 🦋\u2028"}
	d := &Codes{
		Rows:  &npy.Sparse{Rows: 2, Cols: 2, ByRow: true, Data: []float32{-1, 1e-9}, Indices: []int32{0, 1}, Starts: []int32{0, 2, 2}},
		Stops: []int8{int8(omp.Full), Uncoded},
	}
	var b bytes.Buffer
	if err := d.writeDescriptions(&b, words); err != nil {
		t.Fatal(err)
	}
	var got map[string][][3]any
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatalf("%v: %s", err, b.String())
	}
	want := map[string][][3]any{"0": {{0.0, -1.0, words[0]}, {1.0, 1e-9, words[1]}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
