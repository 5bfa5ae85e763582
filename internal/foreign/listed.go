package foreign

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// ErrChanged is wrapped by the error of a file that is not as it was listed.
var ErrChanged = errors.New("the file was changed after it was listed")

// A Listed is a file as it was when what is in it was listed.
type Listed struct {
	Path string
	Size int64 // bytes

	changed time.Time // when
}

// List opens a file, as Open does, for what is in it to be listed.
func List(path string) (Listed, *os.File, error) {
	file, err := Open(path)
	if err != nil {
		return Listed{}, nil, err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return Listed{}, nil, err
	}
	return Listed{path, info.Size(), info.ModTime()}, file, nil
}

// Open opens the file again. If it has another size, or was changed at another time, that
// is ErrChanged.
func (l *Listed) Open() (*os.File, error) {
	now, file, err := List(l.Path)
	if err != nil {
		return nil, err
	}
	if now.Size != l.Size || !now.changed.Equal(l.changed) {
		file.Close()
		return nil, fmt.Errorf("%s: %w", l.Path, ErrChanged)
	}
	return file, nil
}

// There reports whether the file can be opened. If it was changed since it was listed, that is an
// error.
func (l *Listed) There() (bool, error) {
	file, err := l.Open()
	if errors.Is(err, ErrChanged) {
		return false, err
	}
	if err != nil {
		return false, nil
	}
	return true, file.Close()
}
