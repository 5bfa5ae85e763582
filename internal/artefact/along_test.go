package artefact

import (
	"math"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/par"
)

// TestAlong compares products with those of parts that are read one by one, of more images than are
// read at a time and by several readers at once. A part that is not finite is named.
func TestAlong(t *testing.T) {
	const images, layers, heads, outDim = 40, 2, 3, 1024
	random := rand.New(rand.NewPCG(1, 2))
	data, vector := make([]float32, images*layers*heads*outDim), make([]float32, outDim)
	for _, x := range [][]float32{data, vector} {
		for i := range x {
			x[i] = float32(random.NormFloat64())
		}
	}
	if len(data) <= alongNumbers {
		t.Fatal("all parts are read at once")
	}
	open := func() *Parts {
		t.Helper()
		path := filepath.Join(t.TempDir(), "heads.npy")
		if err := (Writer{}).SaveFloat32(KindHeads, path, []string{"B", "L", "H", "O"}, []int{images, layers, heads, outDim}, data, origin.Origin{}); err != nil {
			t.Fatal(err)
		}
		p, err := (Reader{}).Parts(path, nil, KindHeads)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Close() })
		return p
	}
	p := open()
	if p.file.Header.DType != npy.Float32 {
		t.Fatalf("kept as %v", p.file.Header.DType)
	}
	got := make([]float32, layers*heads*images)
	along, buffers := p.Along(vector), make([]AlongBuffer, 3)
	par.NewTeam(3).Each(4, func(i, worker int) {
		if err := along.Read(got[i*10:], images, i*10, 10, &buffers[worker]); err != nil {
			t.Error(err)
		}
	})
	for i := range images {
		for h := range layers * heads {
			want := 0.0
			for o, x := range data[(i*layers*heads+h)*outDim:][:outDim] {
				want += float64(x) * float64(vector[o])
			}
			if x := got[h*images+i]; math.Abs(float64(x)-want) > 1e-3 {
				t.Fatalf("head %d of image %d: %g, want %g", h, i, x, want)
			}
		}
	}

	data[((7*layers+1)*heads+2)*outDim+5] = float32(math.NaN())
	p = open()
	if err := p.Along(vector).Read(got, images, 0, images, &buffers[0]); err == nil || !strings.Contains(err.Error(), "[7,1,2,5]") || !strings.Contains(err.Error(), "NaN") {
		t.Errorf("not finite: %v", err)
	}
}
