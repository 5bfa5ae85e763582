package explore

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/hint"
)

// types are the kinds of files that are served, by the ends of their names.
var types = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml", ".jpg": "image/jpeg", ".png": "image/png", ".json": "application/json; charset=utf-8",
	".txt": "text/plain; charset=utf-8", "": "text/plain; charset=utf-8", ".LICENSE": "text/plain; charset=utf-8",
}

// pages are first parts of addresses that pages have behind #, and pagesOfHeads those in a report
// of heads.
var (
	pages        = []string{"p", "n", "h", "i", "s", "t", "c", "m", "list", "about"}
	pagesOfHeads = []string{"h", "i", "s", "t", "about"}
)

const indexFile = "index.html"

// route answers a request for a path without its first slash.
func (s *Server) route(w http.ResponseWriter, r *http.Request, at string) {
	first, _, _ := strings.Cut(at, "/")
	switch {
	case first == "api":
		s.api(w, r, strings.TrimPrefix(at, "api/"))
	case !only(w, r, s, http.MethodGet, http.MethodHead):
	case at == "" || at == indexFile:
		w.Header().Set("Content-Type", types[".html"])
		w.Header().Set("Cache-Control", "no-cache")
		http.ServeContent(w, r, indexFile, time.Time{}, bytes.NewReader(s.index))
	case slices.Contains(s.pages(), first):
		s.toPage(w, r, at)
	default:
		s.file(w, r, at)
	}
}

func (s *Server) pages() []string {
	if s.o.Report.OfHeads() {
		return pagesOfHeads
	}
	return pages
}

// only answers requests of other methods, and reports whether the method is one of some.
func only(w http.ResponseWriter, r *http.Request, s *Server, methods ...string) bool {
	if slices.Contains(methods, r.Method) {
		return true
	}
	w.Header().Set("Allow", strings.Join(methods, ", "))
	s.fail(w, http.StatusMethodNotAllowed, "method", fmt.Sprintf("%.20q: want %s", r.Method, strings.Join(methods, " or ")))
	return false
}

// toPage sends a plain address of a page to the one that the page has.
func (s *Server) toPage(w http.ResponseWriter, r *http.Request, at string) {
	page := escaped(at)
	if r.URL.RawQuery != "" {
		page += "?" + cleanQuery(r.URL.RawQuery)
	}
	w.Header().Set("Location", s.base+"#/"+page)
	w.WriteHeader(http.StatusTemporaryRedirect)
}

// file answers with a file of the report.
func (s *Server) file(w http.ResponseWriter, r *http.Request, at string) {
	kind, known := types[path.Ext(at)]
	if !known || !isServed(at) {
		s.fail(w, http.StatusNotFound, "not found", "no such file in the report")
		return
	}
	f, info, err := s.o.Report.file(at)
	if err != nil {
		s.fail(w, http.StatusNotFound, "not found", "no such file in the report")
		return
	}
	defer f.Close()
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-cache")
	http.ServeContent(w, r, at, info.ModTime(), f)
}

// isServed reports whether a path can be that of a file of a report: without empty parts,
// ., .. or hidden ones.
func isServed(at string) bool {
	if !fs.ValidPath(at) || strings.ContainsAny(at, "\\:\x00") {
		return false
	}
	return !slices.ContainsFunc(strings.Split(at, "/"), func(part string) bool { return part[0] == '.' })
}

// readSeekCloser is what ServeContent needs of a file.
type readSeekCloser interface {
	io.ReadSeeker
	io.Closer
}

// file opens a regular file of the report. Links that lead out of the folder are not
// followed.
func (r *Report) file(at string) (readSeekCloser, fs.FileInfo, error) {
	// Opening a pipe would wait without end.
	info, err := r.root.Stat(at)
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, errors.New("not a regular file")
	}
	f, err := r.root.Open(at)
	if err != nil {
		return nil, nil, err
	}
	return f, info, nil
}

// liveMeta is what tells a page that answers are live.
const liveMeta = `<meta name="clipnh-live" content="1">`

var deadMeta = regexp.MustCompile(`<meta name="clipnh-live" content="[^"]*">`)

// headsMark is in the first page of a report of heads whose pages have live parts.
const headsMark = "data-heads-live"

// mostIndex bounds the first page in bytes.
const mostIndex = 1 << 20

// readIndex reads the first page and makes it live.
func (s *Server) readIndex() ([]byte, error) {
	f, _, err := s.o.Report.file(indexFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, hint.With(fmt.Errorf("%s: %w: its first page is not there", filepath.Join(s.o.Report.Dir, indexFile), cache.ErrDamaged), remake)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: first page: %w", s.o.Report.Dir, err)
	}
	defer f.Close()
	page, err := io.ReadAll(io.LimitReader(f, mostIndex+1))
	if err != nil {
		return nil, err
	}
	head := bytes.Index(page, []byte("<head>"))
	if len(page) > mostIndex || head < 0 {
		return nil, fmt.Errorf("%s: %s is not the first page of a report", s.o.Report.Dir, indexFile)
	}
	if s.o.Report.OfHeads() && !bytes.Contains(page, []byte(headsMark)) {
		s.say.Warn("%s: its pages are of a build whose pages of heads have no live part: %s", s.o.Report.Dir, remake)
		return page, nil
	}
	if deadMeta.Match(page) {
		return deadMeta.ReplaceAllLiteral(page, []byte(liveMeta)), nil
	}
	return slices.Insert(page, head+len("<head>"), []byte(liveMeta)...), nil
}
