package download

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestGetFails(t *testing.T) {
	half := len(content) / 2
	tests := []struct {
		name     string
		handle   func(w http.ResponseWriter, r *http.Request, n int)
		change   func(*Client, *File)
		want     string // in the error
		requests int
		partial  int // bytes that stay
	}{
		{
			name:   "nothing but a part, each time",
			handle: func(w http.ResponseWriter, r *http.Request, n int) { cut(w, r, content, 1000) },
			want:   "the connection ended after 2.9 KiB of 3.0 MiB (3 requests)", requests: 3, partial: 3000,
		},
		{
			name: "nothing comes",
			handle: func(w http.ResponseWriter, r *http.Request, n int) {
				w.Header().Set("Content-Length", strconv.Itoa(len(content)))
				w.Write(content[:1000])
				w.(http.Flusher).Flush()
				<-r.Context().Done()
			},
			change: func(c *Client, _ *File) { c.Stall, c.Tries = 50*time.Millisecond, 1 },
			want:   "nothing came for 50 ms after 1000 B of 3.0 MiB", requests: 1, partial: 1000,
		},
		{
			name:   "not even a head comes",
			handle: func(w http.ResponseWriter, r *http.Request, n int) { <-r.Context().Done() },
			change: func(c *Client, _ *File) { c.Stall, c.Tries = 50*time.Millisecond, 2 },
			want:   "nothing came for 50 ms (2 requests)", requests: 2,
		},
		{
			name: "a trickle",
			handle: func(w http.ResponseWriter, r *http.Request, n int) {
				w.Header().Set("Content-Length", strconv.Itoa(len(content)))
				for i := 0; r.Context().Err() == nil; i++ {
					w.Write(content[i : i+1])
					w.(http.Flusher).Flush()
					time.Sleep(5 * time.Millisecond)
				}
			},
			change: func(c *Client, _ *File) { c.Stall, c.Slow, c.Tries = 100*time.Millisecond, 1<<20, 1 },
			want:   "B/s for ", requests: 1, partial: -1,
		},
		{
			name: "sent to a file",
			handle: func(w http.ResponseWriter, r *http.Request, n int) {
				w.Header().Set("Location", "file:///etc/passwd")
				w.WriteHeader(http.StatusFound)
			},
			want: `redirected to "file:///etc/passwd": want an http or https URL`, requests: 1,
		},
		{
			name: "sent to another protocol",
			handle: func(w http.ResponseWriter, r *http.Request, n int) {
				http.Redirect(w, r, "ftp://files.example/"+strings.Repeat("x", 500), http.StatusFound)
			},
			want: `redirected to "ftp://files.example/xxx`, requests: 1,
		},
		{
			name:   "says that it has more",
			handle: func(w http.ResponseWriter, r *http.Request, n int) { send(w, r, append(content, 'x')) },
			want:   "has 3145729 bytes, want 3145728", requests: 1,
		},
		{
			name: "sends more",
			handle: func(w http.ResponseWriter, r *http.Request, n int) {
				for {
					if _, err := w.Write(content); err != nil {
						return
					}
				}
			},
			want: "sends more than 3.0 MiB", requests: 1,
		},
		{
			name: "says that it has more than any file",
			handle: func(w http.ResponseWriter, r *http.Request, n int) {
				w.Header().Set("Content-Length", strconv.Itoa(1<<40))
				w.Write(content)
			},
			change: func(_ *Client, f *File) { f.Size = 0 },
			want:   "has 1.0 TiB, want at most 8.0 GiB", requests: 1,
		},
		{
			name: "other bytes",
			handle: func(w http.ResponseWriter, r *http.Request, n int) {
				send(w, r, bytes.Repeat([]byte("x"), len(content)))
			},
			want: "has SHA-256 " + hexSum(bytes.Repeat([]byte("x"), len(content))) + ", want " + hexSum(content), requests: 1,
		},
		{
			name: "other bytes, in parts",
			handle: func(w http.ResponseWriter, r *http.Request, n int) {
				r.Header.Del("If-Range")
				cut(w, r, bytes.Repeat([]byte("x"), len(content)), half)
			},
			want: "has SHA-256", requests: 4,
		},
		{
			name:   "not there",
			handle: func(w http.ResponseWriter, r *http.Request, n int) { http.NotFound(w, r) },
			want:   "404 Not Found", requests: 1,
		},
		{
			name: "always busy",
			handle: func(w http.ResponseWriter, r *http.Request, n int) {
				http.Error(w, "busy", http.StatusTooManyRequests)
			},
			want: "429 Too Many Requests (3 requests)", requests: 3,
		},
		{
			name: "compressed on the way",
			handle: func(w http.ResponseWriter, r *http.Request, n int) {
				w.Header().Set("Content-Encoding", "gzip")
				w.Write(content)
			},
			want: `sends "Content-Encoding: gzip"`, requests: 1,
		},
		{
			name:   "sent round in circles",
			handle: func(w http.ResponseWriter, r *http.Request, n int) { http.Redirect(w, r, "/", http.StatusFound) },
			want:   "more than 10 redirects", requests: 11,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, tt.handle)
			c, f := testClient(), wanted(t, s.URL)
			if tt.change != nil {
				tt.change(c, &f)
			}
			_, _, err := get(t, c, f)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if _, err := os.Lstat(f.Path); err == nil {
				t.Error("a file has the final name")
			}
			if got := len(s.asked()); got != tt.requests {
				t.Errorf("%d requests, want %d", got, tt.requests)
			}
			info, err := os.Stat(f.Path + partialSuffix)
			if tt.partial < 0 && (err != nil || info.Size() == 0) {
				t.Errorf("of the part %v, %v is kept, want some bytes", info, err)
			}
			if tt.partial > 0 && (err != nil || info.Size() != int64(tt.partial)) {
				t.Errorf("of the part %v, %v is kept, want %d bytes", info, err, tt.partial)
			}
			if names := folder(t, f); tt.partial == 0 && len(names) > 0 {
				t.Errorf("the folder holds %q, want nothing", names)
			}
		})
	}
}

// TestNoNetwork gives up at once where there is nobody to ask, and says where to put the
// file by hand.
func TestNoNetwork(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	for _, url := range []string{"http://" + address + "/file.bin?key=secret", "http://nowhere.invalid/file.bin"} {
		c, f := testClient(), wanted(t, url)
		c.Pause, c.Tries = time.Minute, 5
		start := time.Now()
		_, said, err := get(t, c, f)
		if err == nil || time.Since(start) > 20*time.Second || strings.Contains(said, "asking again") {
			t.Fatalf("%s: %v after %s, said %q", url, err, time.Since(start), said)
		}
		var h interface{ Hint() string }
		published, _, _ := strings.Cut(url, "?")
		if !errors.As(err, &h) || !strings.Contains(h.Hint(), "download "+published+" by other means and save it as "+f.Path+":") || strings.Contains(h.Hint(), "secret") {
			t.Errorf("%s: %v without the hint", url, err)
		}
	}
}

// TestNetworkThatGoes asks again when the network is gone after something came.
func TestNetworkThatGoes(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request, n int) { cut(w, r, content, 2<<20) })
	c, f := testClient(), wanted(t, s.URL)
	c.Pause = 50 * time.Millisecond
	s.Config.SetKeepAlivesEnabled(false)
	go func() {
		for len(s.asked()) == 0 {
			time.Sleep(time.Millisecond)
		}
		s.Listener.Close()
	}()
	_, said, err := get(t, c, f)
	if err == nil || strings.Count(said, "asking again") < 2 {
		t.Errorf("%v, said %q, want several requests", err, said)
	}
}

func TestGetRefusesAddresses(t *testing.T) {
	for _, url := range []string{"file:///etc/passwd", "ftp://files.example/a", "a/b", "http://[::1"} {
		_, _, err := get(t, testClient(), wanted(t, url))
		if err == nil || !errors.Is(err, errScheme) {
			t.Errorf("%s: %v", url, err)
		}
	}
}
