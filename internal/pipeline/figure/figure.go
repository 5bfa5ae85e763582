// Package figure writes what has no manifest: figures, and results in JSON for
// people. What says that such a file is this program's, and may be replaced, is in
// the file.
package figure

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/canvas"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/plot"
)

// Figures and results in JSON have no manifest. What says that they are a command's of this
// program, and that it may replace them, is in them: a PNG file's maker, an SVG file's
// last line, the first keys of a JSON document.
const (
	anyMaker = "clipnh" // of figures of builds that did not say which command drew them
	mostKeys = 1 << 20  // bytes up to the second key
)

// Maker is what files that a command draws have as their maker.
func Maker(command string) string { return "clipnh " + command }

func mark(maker string) string { return "<!-- Drawn by " + maker + " -->\n" }

// CanDraw returns ErrExists if what is at path is not a figure that DrawFigure wrote for
// this command. An empty path is fine.
func CanDraw(path, command string) error {
	if path == "" {
		return nil
	}
	format, err := plot.FormatOf(path)
	if err != nil {
		return err
	}
	return CanReplace(path, "a figure of "+Maker(command), func(f *os.File) (bool, error) {
		if format == plot.SVG {
			own, err := endsIn(f, mark(Maker(command)))
			if own || err != nil {
				return own, err
			}
			return endsIn(f, mark(anyMaker))
		}
		maker, err := canvas.Maker(f)
		return maker == Maker(command) || maker == anyMaker, err
	})
}

// endsIn reports whether a file ends in a text.
func endsIn(f *os.File, text string) (bool, error) {
	end := make([]byte, len(text))
	if _, err := f.Seek(-int64(len(end)), io.SeekEnd); err != nil {
		return false, nil // shorter than that
	}
	_, err := io.ReadFull(f, end)
	return string(end) == text, err
}

// DrawFigure writes what draw draws to path, and that this command drew it.
func DrawFigure(store *cache.Store, path, command string, draw func(io.Writer, plot.Format) error) error {
	format, err := plot.FormatOf(path)
	if err != nil {
		return err
	}
	return store.WriteFile(path, func(w io.Writer) error {
		var b bytes.Buffer
		if err := draw(&b, format); err != nil {
			return err
		}
		if format == plot.PNG {
			return canvas.Sign(w, b.Bytes(), Maker(command))
		}
		b.WriteString(mark(Maker(command)))
		_, err := w.Write(b.Bytes())
		return err
	})
}

// CanWriteJSON returns ErrExists unless path is empty, nothing lies there, or a
// JSON document whose first key, and first key within its value, if that has
// keys, are such as ours accepts.
func CanWriteJSON(path, what string, ours func(first, second string) bool) error {
	if path == "" {
		return nil
	}
	return CanReplace(path, what, func(f *os.File) (bool, error) {
		first, second, ok := firstKeys(f)
		return ok && ours(first, second), nil
	})
}

// firstKeys returns the first key of a JSON document, and the first key of its
// value, if that is a document too.
func firstKeys(r io.Reader) (first, second string, ok bool) {
	d := json.NewDecoder(io.LimitReader(r, mostKeys))
	key := func() (name string, ok bool) {
		open, err := d.Token()
		if err != nil || open != json.Delim('{') {
			return "", false
		}
		token, err := d.Token()
		name, isName := token.(string)
		return name, err == nil && isName
	}
	if first, ok = key(); ok {
		second, _ = key()
	}
	return first, second, ok
}

// CanReplace returns ErrExists if there is something at path that ours does not
// know.
func CanReplace(path, what string, ours func(f *os.File) (bool, error)) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(path); err == nil {
			return hint.With(fmt.Errorf("%s: %w: it is a link to nothing", path, cache.ErrExists), "give another path, or remove it first")
		}
		return nil
	}
	if err != nil {
		return err
	}
	known := false
	if info.Mode().IsRegular() {
		f, err := foreign.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		if known, err = ours(f); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	if !known {
		return hint.With(fmt.Errorf("%s: %w, and is not %s", path, cache.ErrExists, what), "give another path, or remove it first")
	}
	return nil
}

// MakerOf is who made the PNG file at path, empty where nothing says so.
func MakerOf(path string) (string, error) {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return "", err
	}
	f, err := foreign.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return canvas.Maker(f)
}
