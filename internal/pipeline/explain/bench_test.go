package explain

import (
	"io"
	"path/filepath"
	"testing"

	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// BenchmarkSheet is how long a sheet takes to draw and to encode.
func BenchmarkSheet(b *testing.B) {
	o := tinyOptions(pipelinetest.TinyModel(), filepath.Join(testutil.Golden("dataset"), pipelinetest.GoldenNames(b)[0]))
	o.SaveDir, o.Maps = filepath.Join(b.TempDir()), 6
	var x *Explanation
	_, err := Run(b.Context(), o, Sink{
		Begin:       func(*Setup) error { return nil },
		Explanation: func(e *Explanation) error { x = e; return nil },
	}, pipelinetest.Silent())
	if err != nil {
		b.Fatal(err)
	}
	x.crop.W, x.crop.H = 224, 224
	x.crop.Pix = make([]byte, 3*224*224)
	for i := range x.crop.Pix {
		x.crop.Pix[i] = byte(i * i >> 7)
	}
	b.Run("draw", func(b *testing.B) {
		for b.Loop() {
			drawSheet(x)
		}
	})
	c := drawSheet(x)
	b.Run("encode", func(b *testing.B) {
		for b.Loop() {
			if err := c.WritePNG(io.Discard, sheetMaker); err != nil {
				b.Fatal(err)
			}
		}
	})
}
