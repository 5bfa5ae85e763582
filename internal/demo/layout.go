// Package demo holds the example that the program carries: a tiny CLIP-ResNet,
// really trained on drawn images, with its vocabulary and its data sets.
//
// Layout writes the example to a folder in the layout of the published models and
// data sets, so that the same code runs on it as on real data. Expected returns what
// an independent implementation, in PyTorch, measured on it. The scripts that drew
// the images, trained the model and measured are in scripts/demo.
package demo

import (
	"bytes"
	"cmp"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// What Layout writes, as slash-separated paths relative to its folder.
const (
	Model      = "tiny-clip.pt"          // TorchScript archive like OpenAI's
	Vocabulary = "bpe_demo_vocab.txt.gz" // merges of the tokenizer
	Templates  = "templates.txt"         // prompts, {} is the class name
	Words      = "words.txt"             // words and phrases, one per line

	ImageNet        = "imagenet"                // labelled val/WNID/*.JPEG, unlabelled test/*.JPEG
	ImageNetClasses = "imagenet/classes.txt"    // WNID, a tab, the class name
	Attributes      = "imagenet/attributes.csv" // what is true of the labelled images

	PascalContext        = "VOC2010"      // scenes and label maps
	PascalContextClasses = "cls_demo.txt" // names of label 1 and up, synonyms after commas

	Cars       = "stanford_cars"     // images and the devkit's .mat files
	CarColours = "refined_train.csv" // class and colour by file name
)

//go:embed assets
var embedded embed.FS

// assets returns the files that Layout writes.
func assets() fs.FS {
	sub, err := fs.Sub(embedded, "assets")
	if err != nil {
		panic("demo: the embedded folder has another name")
	}
	return sub
}

// Laid is the result of Layout.
type Laid struct {
	Written, Kept int   // files; kept ones existed with the same content
	Bytes         int64 // of both
}

// Layout writes the demo's files to dir, which it creates if needed. Existing files
// with the same content are kept; beside them, files with other names are ignored. If any
// file exists with different content, Layout writes nothing and returns a *DiffersError. A
// folder that holds other files only is an error.
// Each file appears whole or not at all.
func Layout(dir string) (Laid, error) { return layout(assets(), dir) }

func layout(files fs.FS, dir string) (Laid, error) {
	var laid Laid
	var missing, differ []string
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		want, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		laid.Bytes += int64(len(want))
		path := filepath.Join(dir, filepath.FromSlash(name))
		switch same, err := holds(path, want); {
		case errors.Is(err, fs.ErrNotExist):
			missing = append(missing, name)
		case err != nil:
			return err
		case same:
			laid.Kept++
		default:
			differ = append(differ, path)
		}
		return nil
	})
	if err != nil {
		return Laid{}, fmt.Errorf("write the demo: %w", err)
	}
	if len(differ) > 0 {
		return Laid{}, &DiffersError{Paths: differ}
	}
	if entries, err := os.ReadDir(dir); laid.Kept == 0 && err == nil && len(entries) > 0 {
		return Laid{}, fmt.Errorf("write the demo: %s: a folder that holds other files, such as %q; want a new or empty one", dir, entries[0].Name())
	}
	for _, name := range missing {
		content, err := fs.ReadFile(files, name)
		if err == nil {
			err = write(filepath.Join(dir, filepath.FromSlash(name)), content, add)
		}
		if err != nil {
			return laid, fmt.Errorf("write the demo: %w", err)
		}
		laid.Written++
	}
	return laid, nil
}

// Log is the file in which SaveLog keeps what the commands of a demo printed.
const Log = "log.txt"

const logBegin = "# Written by clipnh demo\n"

// SaveLog writes what the commands of a demo printed, in place of an earlier log. A file of
// that name that is something else is an error.
func SaveLog(dir string, content []byte) error {
	path := filepath.Join(dir, Log)
	was, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("write the log: %w", err)
	case !bytes.HasPrefix(was, []byte(logBegin)):
		return fmt.Errorf("write the log: %s: already exists, and is not a log of clipnh demo", path)
	}
	if err := write(path, append([]byte(logBegin), content...), os.Rename); err != nil {
		return fmt.Errorf("write the log: %w", err)
	}
	return nil
}

// holds reports whether path is a regular file with exactly this content.
func holds(path string, content []byte) (bool, error) {
	info, err := os.Stat(path)
	if err != nil {
		return false, err
	}
	if !info.Mode().IsRegular() || info.Size() != int64(len(content)) {
		return false, nil
	}
	got, err := os.ReadFile(path)
	return bytes.Equal(got, content), err
}

// add gives a temporary file its name, unless another process has written the same one
// meanwhile, and has perhaps opened it: that one stays.
func add(temporary, path string) error {
	err := os.Link(temporary, path)
	switch {
	case errors.Is(err, fs.ErrExist):
		content, err := os.ReadFile(temporary)
		if err != nil {
			return err
		}
		if same, err := holds(path, content); err != nil || !same {
			return cmp.Or(err, error(&DiffersError{Paths: []string{path}}))
		}
	case err != nil: // there are file systems without links
		return os.Rename(temporary, path)
	}
	return os.Remove(temporary)
}

// write writes a file through a temporary one in the same folder, which put gives its name.
// It does not sync: if power is lost and the content is damaged, the next Layout reports it.
func write(path string, content []byte, put func(temporary, path string) error) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".clipnh-demo-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(content)
	if e := f.Chmod(0o644); err == nil { // CreateTemp makes it readable by its owner only
		err = e
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return put(f.Name(), path)
}

// DiffersError is returned by Layout when files with the demo's names exist and have
// different content.
type DiffersError struct{ Paths []string }

func (e *DiffersError) Error() string {
	const maxNames = 3
	names := strings.Join(e.Paths[:min(maxNames, len(e.Paths))], ", ")
	if more := len(e.Paths) - maxNames; more > 0 {
		names += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("write the demo: %s: content differs from the demo's; nothing was written", names)
}

// Hint returns advice for the user.
func (e *DiffersError) Hint() string {
	return `run "clipnh demo {dir} DIR" with another folder, or delete these files first`
}
