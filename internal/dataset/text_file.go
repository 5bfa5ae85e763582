package dataset

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/remote"
	"github.com/clipnh/clipnh/internal/textlist"
)

// mostLines bounds a list or a table at an address, in bytes.
const mostLines = 64 << 20

// readAddress reads what is at an address, of at most so many bytes.
func readAddress(ctx context.Context, at string, most int64) ([]byte, error) {
	return remote.NewSingle(ctx, at).ReadAll(most)
}

// readLines reads a list from a file or an address.
func readLines(ctx context.Context, at string) ([]string, error) {
	if !remote.Named(at) {
		return textlist.ReadFile(at)
	}
	data, err := readAddress(ctx, at, mostLines)
	if err != nil {
		return nil, err
	}
	lines, err := textlist.Read(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", remote.Shown(at), err)
	}
	return lines, nil
}

// A tableFile is a table in a file, or at an address.
type tableFile struct {
	path string // in messages
	data []byte // of what is at an address
}

// openText finds a table. What is at an address is read once.
func openText(ctx context.Context, at string) (*tableFile, error) {
	t := &tableFile{path: remote.Shown(at)}
	var err error
	if remote.Named(at) {
		t.data, err = readAddress(ctx, at, mostLines)
	}
	return t, err
}

func (t *tableFile) open() (io.ReadCloser, error) {
	if remote.Named(t.path) {
		return io.NopCloser(bytes.NewReader(t.data)), nil
	}
	return foreign.Open(t.path)
}

// columns returns the names of the table's columns.
func (t *tableFile) columns() ([]string, error) {
	r, err := t.open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	_, head, err := beginTable(&io.LimitedReader{R: r, N: maxTable + 1})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.path, err)
	}
	for i, name := range head {
		head[i] = strings.TrimSpace(name)
	}
	return head, nil
}

// read is readTable, whose errors name the table.
func (t *tableFile) read(wanted []string, optional []bool, do func(line int, fields []string) error) error {
	r, err := t.open()
	if err != nil {
		return err
	}
	defer r.Close()
	if err := readTable(r, wanted, optional, do); err != nil {
		return fmt.Errorf("%s: %w", t.path, err)
	}
	return nil
}
