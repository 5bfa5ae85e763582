package download

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/clipnh/clipnh/internal/ui"
)

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// server counts the requests to a handler, and keeps their Range headers.
type server struct {
	*httptest.Server
	mu     sync.Mutex
	ranges []string
}

func serve(t *testing.T, handle func(w http.ResponseWriter, r *http.Request, n int)) *server {
	s := new(server)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.ranges = append(s.ranges, r.Header.Get("Range"))
		n := len(s.ranges)
		s.mu.Unlock()
		handle(w, r, n)
	}))
	t.Cleanup(s.Close)
	return s
}

// asked returns the Range headers so far.
func (s *server) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.ranges...)
}

// send answers as a good server of data.
func send(w http.ResponseWriter, r *http.Request, data []byte) {
	w.Header().Set("ETag", `"`+hexSum(data)[:16]+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

// cut sends the head and the first n bytes of what is asked for, and hangs up.
func cut(w http.ResponseWriter, r *http.Request, data []byte, n int) {
	recorder := httptest.NewRecorder()
	send(recorder, r, data)
	for key, values := range recorder.Header() {
		w.Header()[key] = values
	}
	body := recorder.Body.Bytes()
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(recorder.Code)
	w.Write(body[:min(n, len(body))])
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

func testClient() *Client {
	c := NewClient("clipnh/test")
	c.Pause, c.Stall, c.Tries = time.Millisecond, 5*time.Second, 3
	return c
}

// get downloads content and returns what was said, too.
func get(t *testing.T, c *Client, f File) (Result, string, error) {
	t.Helper()
	var said bytes.Buffer
	result, err := c.Get(context.Background(), f, ui.NewPrinter(&said, &said, time.Now))
	return result, said.String(), err
}

func wanted(t *testing.T, url string) File {
	return File{Label: "file", URL: url, Path: filepath.Join(t.TempDir(), "file.bin"), Size: int64(len(content)), SHA256: hexSum(content)}
}

// arrived checks that the file is there, right, and alone.
func arrived(t *testing.T, f File) {
	t.Helper()
	got, err := os.ReadFile(f.Path)
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("the file has %d bytes, %v, want the %d of the server", len(got), err, len(content))
	}
	if names := folder(t, f); len(names) != 1 {
		t.Errorf("the folder holds %q, want the file alone", names)
	}
}

func folder(t *testing.T, f File) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(f.Path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
