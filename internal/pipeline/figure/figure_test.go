package figure

import (
	"bytes"
	"errors"
	"image"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/canvas"
	"github.com/clipnh/clipnh/internal/plot"
)

// TestFiguresOfCommands lets a command replace the figures that it drew, and those of older
// builds, which do not say who drew them; not those of another command.
func TestFiguresOfCommands(t *testing.T) {
	draw := func(w io.Writer, format plot.Format) error {
		if format == plot.SVG {
			_, err := io.WriteString(w, "<svg></svg>\n")
			return err
		}
		return png.Encode(w, image.NewRGBA(image.Rect(0, 0, 2, 2)))
	}
	store := new(cache.Store)
	for _, name := range []string{"a.png", "a.svg"} {
		path := filepath.Join(t.TempDir(), name)
		if err := errors.Join(CanDraw(path, "watch"), DrawFigure(store, path, "watch", draw)); err != nil {
			t.Fatal(err)
		}
		if err := CanDraw(path, "watch"); err != nil {
			t.Errorf("%s: its own: %v", name, err)
		}
		if err := CanDraw(path, "ablate"); !errors.Is(err, cache.ErrExists) {
			t.Errorf("%s: another command's: %v, want %v", name, err, cache.ErrExists)
		}
		older := []byte("<svg></svg>\n<!-- Drawn by clipnh -->\n")
		if filepath.Ext(name) == ".png" {
			var drawn, signed bytes.Buffer
			if err := errors.Join(draw(&drawn, plot.PNG), canvas.Sign(&signed, drawn.Bytes(), "clipnh")); err != nil {
				t.Fatal(err)
			}
			older = signed.Bytes()
		}
		if err := os.WriteFile(path, older, 0o666); err != nil {
			t.Fatal(err)
		}
		if err := CanDraw(path, "ablate"); err != nil {
			t.Errorf("%s: of an older build: %v", name, err)
		}
	}
}
