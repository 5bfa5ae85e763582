package download

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/ui"
)

// content is the file that the servers of the tests have.
var content = func() []byte {
	b := make([]byte, 3<<20)
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	return b
}()

func TestGet(t *testing.T) {
	half := len(content) / 2
	wrong := bytes.Clone(content)
	wrong[100]++
	tests := []struct {
		name   string
		handle func(w http.ResponseWriter, r *http.Request, n int)
		change func(*File)
		ranges []string // that were asked for
		says   string
	}{
		{
			name:   "at once",
			handle: func(w http.ResponseWriter, r *http.Request, n int) { send(w, r, content) },
			ranges: []string{""},
			says:   "fetch file: 3.0 MiB in",
		},
		{
			name: "dropped in the middle",
			handle: func(w http.ResponseWriter, r *http.Request, n int) {
				if n == 1 {
					cut(w, r, content, half)
				}
				send(w, r, content)
			},
			ranges: []string{"", fmt.Sprintf("bytes=%d-", half)},
			says:   "the connection ended after 1.5 MiB of 3.0 MiB: asking again in 1 ms",
		},
		{
			name: "dropped many times, each time after enough",
			handle: func(w http.ResponseWriter, r *http.Request, n int) {
				cut(w, r, content, 1<<20) // the third has all
			},
			ranges: []string{"", "bytes=1048576-", "bytes=2097152-"},
		},
		{
			name: "Range ignored",
			handle: func(w http.ResponseWriter, r *http.Request, n int) {
				if n == 1 {
					cut(w, r, content, half)
				}
				w.Write(content)
			},
			ranges: []string{"", fmt.Sprintf("bytes=%d-", half)},
			says:   "the server sends the file from its start",
		},
		{
			name: "another range",
			handle: func(w http.ResponseWriter, r *http.Request, n int) {
				switch n {
				case 1:
					cut(w, r, content, half)
				case 2:
					w.Header().Set("Content-Range", fmt.Sprintf("bytes 7-%d/%d", len(content)-1, len(content)))
					w.WriteHeader(http.StatusPartialContent)
					w.Write(content[7:])
				default:
					send(w, r, content)
				}
			},
			ranges: []string{"", fmt.Sprintf("bytes=%d-", half), ""},
			says:   "want the bytes from",
		},
		{
			name: "changed between two requests",
			handle: func(w http.ResponseWriter, r *http.Request, n int) {
				if n == 1 {
					cut(w, r, wrong, half)
				}
				send(w, r, content) // whose ETag is not that of If-Range
			},
			ranges: []string{"", fmt.Sprintf("bytes=%d-", half)},
			says:   "the server sends the file from its start",
		},
		{
			name: "damaged before the drop",
			handle: func(w http.ResponseWriter, r *http.Request, n int) {
				r.Header.Del("If-Range")
				if n == 1 {
					cut(w, r, wrong, half)
				}
				send(w, r, content)
			},
			ranges: []string{"", fmt.Sprintf("bytes=%d-", half), ""},
			says:   "fetching it again from the start",
		},
		{
			name: "errors of a busy server",
			handle: func(w http.ResponseWriter, r *http.Request, n int) {
				if n < 3 {
					http.Error(w, "busy", http.StatusServiceUnavailable)
					return
				}
				send(w, r, content)
			},
			ranges: []string{"", "", ""},
			says:   "503 Service Unavailable: asking again in 2 ms",
		},
		{
			name: "redirected",
			handle: func(w http.ResponseWriter, r *http.Request, n int) {
				if n < 5 {
					http.Redirect(w, r, fmt.Sprintf("/%d?signature=secret", n), http.StatusFound)
					return
				}
				send(w, r, content)
			},
			ranges: []string{"", "", "", "", ""},
		},
		{
			name: "size not known, length not said",
			handle: func(w http.ResponseWriter, r *http.Request, n int) {
				w.Write(content[:half])
				w.(http.Flusher).Flush()
				w.Write(content[half:])
			},
			change: func(f *File) { f.Size = 0 },
			ranges: []string{""},
		},
		{
			name: "size not known, dropped",
			handle: func(w http.ResponseWriter, r *http.Request, n int) {
				if n == 1 {
					cut(w, r, content, half)
				}
				send(w, r, content)
			},
			change: func(f *File) { f.Size = 0 },
			ranges: []string{"", fmt.Sprintf("bytes=%d-", half)},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, tt.handle)
			f := wanted(t, s.URL)
			if tt.change != nil {
				tt.change(&f)
			}
			result, said, err := get(t, testClient(), f)
			if err != nil || result != (Result{Bytes: int64(len(content))}) {
				t.Fatalf("%+v, %v", result, err)
			}
			arrived(t, f)
			if got := s.asked(); fmt.Sprint(got) != fmt.Sprint(tt.ranges) {
				t.Errorf("asked for %q, want %q", got, tt.ranges)
			}
			if !strings.Contains(said, tt.says) || strings.Contains(said, "secret") {
				t.Errorf("said %q, want %q", said, tt.says)
			}
		})
	}
}

// The next run goes on where one was cut off, interrupted or killed.
func TestGetGoesOn(t *testing.T) {
	half := len(content) / 2
	good := func(w http.ResponseWriter, r *http.Request, n int) { send(w, r, content) }
	t.Run("after a drop", func(t *testing.T) {
		s := serve(t, func(w http.ResponseWriter, r *http.Request, n int) {
			if n == 1 {
				cut(w, r, content, half)
			}
			good(w, r, n)
		})
		c, f := testClient(), wanted(t, s.URL)
		c.Tries = 1
		if _, _, err := get(t, c, f); err == nil {
			t.Fatal("no error")
		}
		result, said, err := get(t, c, f)
		if err != nil || result.Kept != int64(half) || !strings.Contains(said, "resuming after 1.5 MiB") {
			t.Errorf("%+v, %v, said %q", result, err, said)
		}
		arrived(t, f)
		if got := s.asked(); got[1] != fmt.Sprintf("bytes=%d-", half) {
			t.Errorf("asked for %q", got)
		}
	})
	for name, part := range map[string][]byte{
		"a part of unknown origin": content[:half], "another file's part": bytes.Repeat([]byte("x"), half),
		"all of it": content, "more than there is": append(bytes.Clone(content), 'x'), "all, wrong": bytes.Repeat([]byte("x"), len(content)),
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, good)
			f := wanted(t, s.URL)
			if err := os.WriteFile(f.Path+partialSuffix, part, 0o666); err != nil {
				t.Fatal(err)
			}
			if _, _, err := get(t, testClient(), f); err != nil {
				t.Fatal(err)
			}
			arrived(t, f)
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		s := serve(t, func(w http.ResponseWriter, r *http.Request, n int) {
			if n > 1 {
				good(w, r, n)
				return
			}
			w.Header().Set("Content-Length", strconv.Itoa(len(content)))
			w.Write(content[:half])
			w.(http.Flusher).Flush()
			cancel()
			<-r.Context().Done()
		})
		f := wanted(t, s.URL)
		_, err := testClient().Get(ctx, f, ui.NewPrinter(new(bytes.Buffer), new(bytes.Buffer), time.Now))
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v, want it cancelled", err)
		}
		if _, _, err := get(t, testClient(), f); err != nil {
			t.Fatal(err)
		}
		arrived(t, f)
	})
}

func TestGetWhatIsThere(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request, n int) { send(w, r, content) })
	f := wanted(t, s.URL)
	if err := os.WriteFile(f.Path, content, 0o666); err != nil {
		t.Fatal(err)
	}
	if r, _, err := get(t, testClient(), f); err != nil || !r.There || len(s.asked()) > 0 {
		t.Errorf("%+v, %v, %d requests; want it to be there", r, err, len(s.asked()))
	}
	if err := os.WriteFile(f.Path, content[1:], 0o666); err != nil {
		t.Fatal(err)
	}
	if r, said, err := get(t, testClient(), f); err != nil || r.There || !strings.Contains(said, "it is fetched again") {
		t.Errorf("a damaged file: %+v, %v, said %q", r, err, said)
	}
	arrived(t, f)
}

// Runs at the same time fetch the file once.
func TestGetTogether(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request, n int) { send(w, r, content) })
	f := wanted(t, s.URL)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, _, err := get(t, testClient(), f); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	arrived(t, f)
	if n := len(s.asked()); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

func TestGetWaitsForTheLock(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request, n int) { send(w, r, content) })
	f := wanted(t, s.URL)
	release, err := cache.Lock(f.Path + ".lock")
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	ctx, cancel := context.WithCancel(context.Background())
	var said bytes.Buffer
	done := make(chan error)
	go func() {
		_, err := testClient().Get(ctx, f, ui.NewPrinter(&said, &said, time.Now))
		done <- err
	}()
	time.Sleep(20 * time.Millisecond)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) || len(s.asked()) > 0 {
		t.Errorf("got %v after %d requests, want it to wait", err, len(s.asked()))
	}
}

func TestRedirectKeepsEncryption(t *testing.T) {
	plain := serve(t, func(w http.ResponseWriter, r *http.Request, n int) { send(w, r, content) })
	secure := httptest.NewTLSServer(http.RedirectHandler(plain.URL, http.StatusFound))
	defer secure.Close()
	c, f := testClient(), wanted(t, secure.URL)
	if _, _, err := get(t, c, f); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown certificate: got %v", err)
	}
	c.http.Transport = secure.Client().Transport
	if _, _, err := get(t, c, f); !errors.Is(err, errDowngrade) || len(plain.asked()) > 0 {
		t.Errorf("got %v after %d plain requests, want a refusal", err, len(plain.asked()))
	}
}

// The environment's proxy is read once a process, so that another one tries it.
func TestProxy(t *testing.T) {
	const file = "CLIPNH_TEST_PROXIED"
	if path := os.Getenv(file); path != "" {
		f := File{Label: "file", URL: "http://files.invalid/file.bin", Path: path, Size: int64(len(content)), SHA256: hexSum(content)}
		if _, _, err := get(t, testClient(), f); err != nil {
			t.Fatal(err)
		}
		return
	}
	s := serve(t, func(w http.ResponseWriter, r *http.Request, n int) {
		if r.URL.String() != "http://files.invalid/file.bin" {
			t.Errorf("the proxy was asked for %s", r.URL)
		}
		send(w, r, content)
	})
	f := wanted(t, "")
	cmd := exec.Command(os.Args[0], "-test.run=^TestProxy$")
	cmd.Env = append(os.Environ(), file+"="+f.Path, "HTTP_PROXY="+s.URL, "http_proxy="+s.URL, "NO_PROXY=", "no_proxy=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	arrived(t, f)
}
