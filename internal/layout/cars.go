package layout

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/remote"
)

const (
	carsImages  = 8144 // of the train split
	carsBoth    = 16185
	carsClasses = 196
	maxRows     = 1 << 20 // of the colour table
	maxTable    = 64 << 20
)

const coloursFile = "refined_train.csv"

// cars checks the train split of Stanford Cars and its table of refined colours,
// which may lie in the folder, beside it, or in cars_refined beside it.
func cars(ctx context.Context, root string) ([]Part, error) {
	files := dataset.FindCars(root)
	root = files.Root
	images := Part{Name: "cars_train", Unit: "images", Published: carsImages}
	if files.Classes == files.Annotations {
		images = Part{Name: filepath.Base(files.Images), Unit: "images", Published: carsBoth}
	}
	names, err := list(ctx, files.Images, isImage)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	images.Count = len(names)
	if len(names) == 0 {
		images.problem("no images in %s", files.Images)
	}
	parts := []Part{images}
	for _, path := range slices.Compact([]string{files.Classes, files.Annotations}) {
		name, err := filepath.Rel(root, path)
		if err != nil {
			return nil, err
		}
		p := Part{Name: filepath.ToSlash(name), Unit: "bytes"}
		if err := checkMAT(path, &p); err != nil {
			p.problem("%v", err)
		}
		parts = append(parts, p)
	}
	return append(parts, colours(root, names)), nil
}

// carsPacked is cars of archives. The table of colours may be beside the first.
func carsPacked(ctx context.Context, path string) ([]Part, error) {
	images := Part{Name: "cars_train", Unit: "images", Published: carsImages}
	d, err := readable(ctx, dataset.Cars, path, &images)
	if d == nil {
		return []Part{images}, err
	}
	if remote.Named(path) {
		images.note("%s is looked for on disk only", coloursFile)
		return []Part{images}, nil
	}
	names := make([]string, len(d.Items))
	for i := range d.Items {
		names[i] = filepath.Base(d.Items[i].Name[strings.LastIndexByte(d.Items[i].Name, '!')+1:])
	}
	return []Part{images, colours(filepath.Dir(path), names)}, nil
}

// checkMAT looks at the head of a MATLAB 5 file: 116 bytes of text, 8 of no
// concern, version 0x0100, and the letters MI in the file's byte order.
func checkMAT(path string, p *Part) error {
	file, err := foreign.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	p.Count = int(info.Size())
	head := make([]byte, 128)
	if _, err := io.ReadFull(file, head); err != nil {
		return fmt.Errorf("%s: %d bytes, want the head of a MATLAB 5 file", path, info.Size())
	}
	if tail := string(head[124:]); !bytes.HasPrefix(head, []byte("MATLAB 5.0")) || tail != "\x00\x01IM" && tail != "\x01\x00MI" {
		return fmt.Errorf("%s: %w", path, foreign.Explain(file, "a MATLAB 5 file",
			fmt.Errorf("begins with %s, want a MATLAB 5 file", foreign.Quote(string(head[:16])))))
	}
	return nil
}

var carColour = regexp.MustCompile(`^([0-9]{1,3})_[0-9]{1,2}$`)

// colours checks the table of refined colours against the images.
func colours(root string, images []string) Part {
	p := Part{Name: coloursFile, Unit: "rows"}
	for _, path := range []string{filepath.Join(root, coloursFile), filepath.Join(root, "..", coloursFile), filepath.Join(root, "..", "cars_refined", coloursFile)} {
		if file, err := foreign.Open(path); err == nil {
			defer file.Close()
			p.Name = path
			readColours(file, path, images, &p)
			return p
		}
	}
	p.problem("neither in %s nor beside it", root)
	return p
}

// readColours checks a table of colours: rows of an image's name and a CLASS_COLOUR.
func readColours(file io.Reader, path string, images []string, p *Part) {
	reader := csv.NewReader(io.LimitReader(file, maxTable))
	head, err := reader.Read()
	if err != nil || len(head) != 2 || head[0] != "image" || head[1] != "Class" {
		p.problem("%s: begins with %s, %v, want the columns image,Class", path, foreign.QuoteAll(head[:min(len(head), 4)]), err)
		return
	}
	there := map[string]bool{}
	for _, name := range images {
		there[name] = true
	}
	joined, unknown := 0, []string{}
	for {
		row, err := reader.Read()
		if err == io.EOF {
			break
		}
		if err != nil || p.Count == maxRows {
			p.problem("%s: row %d: %v", path, p.Count+1, err)
			return
		}
		p.Count++
		m := carColour.FindStringSubmatch(row[1])
		class := 0
		if m != nil {
			class, _ = strconv.Atoi(m[1])
		}
		if class < 1 || class > carsClasses {
			p.problem("%s: row %d: Class %s, want CLASS_COLOUR with a class of 1 to %d", path, p.Count, foreign.Quote(row[1]), carsClasses)
			return
		}
		if there[row[0]] {
			joined++
			delete(there, row[0])
		} else {
			unknown = append(unknown, foreign.Quote(row[0]))
		}
	}
	if len(unknown) > 0 {
		p.note("%s of images that are not in cars_train: %s", quantity.Of(len(unknown), "row"), some(unknown))
	}
	if n := len(images) - joined; n > 0 {
		p.note("%s without a row, left out where colours count", quantity.Of(n, "image"))
	}
	if joined == 0 && len(images) > 0 {
		p.problem("no row names an image of cars_train")
	}
}

// list returns the names of the files in dir that are wanted; names that begin with a
// dot are passed over.
func list(ctx context.Context, dir string, wanted func(name string) bool) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if !e.IsDir() && e.Name()[0] != '.' && wanted(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names, errors.Join(err, ctx.Err())
}

// isImage tells by the extension.
func isImage(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".jpg", ".jpeg", ".png":
		return true
	}
	return false
}
