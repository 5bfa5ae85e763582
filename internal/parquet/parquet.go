// Package parquet reads images from Parquet files, as Hugging Face's data sets have them: a
// column that is a struct of bytes and path, and perhaps a column of labels.
//
// Open lists a file once, from end to end, and keeps where the bytes of each row are;
// Table.Open then reads one of them, in any order and from many goroutines. Pages that are
// not compressed are read from their places; of the others, some are kept unpacked in a Cache.
//
// The format's structures and their encoding are those of parquet-go. Pages are unpacked and
// taken apart here, because files are strangers': parquet-go allocates what a file says. What
// is allocated here for a list, a page or a run of values is bounded by the bytes that
// there are. Listing takes about 100 bytes for each byte of the file's directory, some 60
// for each row, and one page of each column.
package parquet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/clipnh/clipnh/internal/blob"
	"github.com/clipnh/clipnh/internal/remote"
)

// ErrDamaged is wrapped by errors of reading an image whose bytes are not as the file says.
// Others are of the file.
var ErrDamaged = errors.New("damaged in the Parquet file")

// magic is at the beginning and at the end of a file.
const magic = "PAR1"

// Is reports whether a file that begins with head is a Parquet file.
func Is(head []byte) bool { return bytes.HasPrefix(head, []byte(magic)) }

// Named reports whether a file's name is that of a Parquet file.
func Named(name string) bool {
	return strings.HasSuffix(strings.ToLower(remote.Shown(name)), ".parquet")
}

// A Table is a list of images.
type Table struct {
	Path string
	Rows []Row // in the order of the file

	Labelled bool     // there is a column of labels
	Classes  []string // the names that the file has for labels, which are then numbers; nil if it has none

	pages  []page
	cache  *Cache
	listed blob.Listed
}

// A Row is an image.
type Row struct {
	Path  string // what the file calls it; may be empty
	Label string // a number, or the name of a class; empty where there is none
	Size  int64  // bytes, or NoBytes

	page int32 // place in Table.pages
	at   int32 // of the first byte, in the page
}

// NoBytes is the Size of a row without an image.
const NoBytes = -1

// A page is where some images are.
type page struct {
	at           int64 // in the file
	packed, size int32 // bytes in the file, and unpacked
	codec        codec
}

// mostNames bounds the bytes of paths and labels.
var mostNames int64 = 1 << 30

// Open lists the rows of a Parquet file, which has one column of images. Labels are in the column
// of the name label, or, if that is empty, in one of the usual names, if there is one. Errors name the
// file. Pages are kept in cache, which several tables may share.
func Open(ctx context.Context, path, label string, cache *Cache) (*Table, error) {
	listed, file, err := blob.List(ctx, path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	t := &Table{Path: path, cache: cache, listed: listed}
	l := &lister{ctx: ctx, src: file, label: label, t: t, texts: map[string]string{}}
	if err := l.list(); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("%s: %w", remote.Shown(path), err)
	}
	return t, nil
}

// lister lists a table.
type lister struct {
	ctx   context.Context
	src   io.ReaderAt
	label string // the column of labels; empty: one of labelNames
	t     *Table
	texts map[string]string // those of the row group, each kept once
	names int64             // bytes of them
}

func (l *lister) list() error {
	meta, err := readFooter(l.src, l.t.listed.Size)
	if err != nil {
		return err
	}
	columns, err := findColumns(meta, l.label)
	if err != nil {
		return err
	}
	l.t.Labelled, l.t.Classes = columns.label != nil, columns.classes
	for i := range meta.RowGroups {
		g := &meta.RowGroups[i]
		if g.NumRows < 0 || g.NumRows > l.t.listed.Size-int64(len(l.t.Rows)) {
			return fmt.Errorf("row group %d has %d rows, more than the file has bytes", i, g.NumRows)
		}
		clear(l.texts)
		first := len(l.t.Rows)
		l.t.Rows = append(l.t.Rows, make([]Row, g.NumRows)...)
		if err := l.rows(g, columns, l.t.Rows[first:]); err != nil {
			return fmt.Errorf("row group %d: %w", i, err)
		}
	}
	return nil
}

// text is a text that outlives the page it is from.
func (l *lister) text(b []byte) (string, error) {
	if text, ok := l.texts[string(b)]; ok {
		return text, nil
	}
	if l.names += int64(len(b)); l.names > mostNames {
		return "", fmt.Errorf("paths and labels of more than %d bytes in all", mostNames)
	}
	text := string(b)
	l.texts[text] = text
	return text, nil
}

// There reports whether the file can be opened. If it is not what was listed, or the server of its
// address does not say, that is an error.
func (t *Table) There() (bool, error) { return t.listed.There() }

// Exact tells the file from others, as a blob's does.
func (t *Table) Exact() string { return t.listed.Exact() }

// Open opens a row's image, Row.Size bytes.
func (t *Table) Open(r *Row) (io.ReadCloser, error) {
	if r.Size == NoBytes {
		return nil, fmt.Errorf("%w: the row has no image", ErrDamaged)
	}
	f, err := t.listed.Open()
	if err != nil {
		return nil, err
	}
	p := &t.pages[r.page]
	if p.codec == uncompressed {
		return section{io.NewSectionReader(f, p.at+int64(r.at), r.Size), f}, nil
	}
	defer f.Close()
	data, err := t.cache.page(t, r.page, func() ([]byte, error) { return p.read(f) })
	if err != nil {
		return nil, err
	}
	if int64(len(data)) < int64(r.at)+r.Size {
		return nil, fmt.Errorf("%w: its page has %d bytes", ErrDamaged, len(data))
	}
	return io.NopCloser(bytes.NewReader(data[r.at:][:r.Size])), nil
}

// section is a part of a file that ends with it.
type section struct {
	io.Reader
	io.Closer
}

// read reads a page and unpacks it.
func (p *page) read(src io.ReaderAt) ([]byte, error) {
	packed := make([]byte, p.packed)
	if _, err := src.ReadAt(packed, p.at); err != nil && err != io.EOF {
		return nil, err
	}
	return p.codec.unpack(packed, int(p.size))
}
