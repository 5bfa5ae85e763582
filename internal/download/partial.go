package download

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strings"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/foreign"
)

const (
	partialSuffix = ".partial"
	originSuffix  = ".partial.json"
	maxOrigin     = 64 << 10 // bytes
)

// partial is what has arrived of a file: PATH.partial, and beside it in
// PATH.partial.json where it came from, by which the server can tell whether the rest
// belongs to it.
type partial struct {
	path, originPath string
	file             *os.File
	size             int64
	origin           origin
}

// origin is where the bytes of a partial file came from.
type origin struct {
	URL      string `json:"url"`
	ETag     string `json:"etag,omitempty"`
	Modified string `json:"last_modified,omitempty"`
}

// originOf is what a response says about the file.
func originOf(url string, h http.Header) origin {
	o := origin{URL: redacted(url), ETag: h.Get("ETag"), Modified: h.Get("Last-Modified")}
	if len(o.ETag) > 1024 || len(o.Modified) > 1024 {
		return origin{URL: o.URL}
	}
	return o
}

// validator is what If-Range is to hold for a request to url, or empty. Weak
// tags do not promise equal bytes.
func (o origin) validator(url string) string {
	switch {
	case o.URL != redacted(url):
		return "" // of another server, whose tags are its own; the checksum will tell
	case o.ETag != "" && !strings.HasPrefix(o.ETag, "W/"):
		return o.ETag
	}
	return o.Modified
}

// openPartial opens what an earlier run left, or begins. Of a file of known
// size more than that is no part.
func openPartial(f File) (*partial, error) {
	p := &partial{path: f.Path + partialSuffix, originPath: f.Path + originSuffix}
	if info, err := os.Lstat(p.path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", p.path)
	}
	var err error
	if p.file, err = os.OpenFile(p.path, os.O_RDWR|os.O_CREATE, 0o666); err != nil {
		return nil, err
	}
	info, err := p.file.Stat()
	if err == nil {
		p.size = info.Size()
		p.readOrigin()
		if p.size > f.limit() {
			err = p.reset()
		}
	}
	if err != nil {
		return nil, errors.Join(err, p.file.Close())
	}
	return p, nil
}

// readOrigin reads where the bytes came from. Without it they are asked for
// without a condition, and the checksum tells whether they belong together.
func (p *partial) readOrigin() {
	data, err := foreign.ReadFile(p.originPath, maxOrigin)
	if err != nil || json.Unmarshal(data, &p.origin) != nil {
		p.origin = origin{}
	}
}

// from notes where the bytes that follow come from.
func (p *partial) from(o origin) error {
	if o == p.origin {
		return nil
	}
	data, err := json.Marshal(o)
	if err != nil {
		return err
	}
	p.origin = o
	return os.WriteFile(p.originPath, append(data, '\n'), 0o666)
}

// write appends b.
func (p *partial) write(b []byte) error {
	n, err := p.file.WriteAt(b, p.size)
	p.size += int64(n)
	return err
}

// reset forgets everything that has arrived.
func (p *partial) reset() error {
	if err := p.file.Truncate(0); err != nil {
		return err
	}
	p.size = 0
	return p.from(origin{})
}

// publish gives the file its name, lastingly.
func (p *partial) publish(path string) error {
	if err := p.file.Sync(); err != nil {
		return err
	}
	if err := p.file.Close(); err != nil {
		return err
	}
	if err := cache.Rename(p.path, path); err != nil {
		return err
	}
	if err := os.Remove(p.originPath); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// close lets go of the file, and does away with it where nothing has arrived.
// After publish it does nothing.
func (p *partial) close() {
	if p.file.Close() == nil && p.size == 0 {
		os.Remove(p.path)
		os.Remove(p.originPath)
	}
}
