package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"
)

// content is what test servers serve: some blocks and a part of one.
var content = func() []byte {
	data := make([]byte, 3*blockBytes+12345)
	random := rand.NewChaCha8([32]byte{7})
	random.Read(data)
	return data
}()

// impatient has requests repeated at once, for the time of a test.
func impatient(t *testing.T) {
	t.Helper()
	pause, most, wait := FirstPause, MostPause, stall
	FirstPause, MostPause, stall = time.Millisecond, 2*time.Millisecond, 200*time.Millisecond
	t.Cleanup(func() { FirstPause, MostPause, stall = pause, most, wait })
}

// serve serves the content with a tag.
func serve(w http.ResponseWriter, r *http.Request, tag string) {
	w.Header().Set("ETag", tag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

func server(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL + "/a/photos.tar"
}

func readAll(o *Object) ([]byte, error) { return io.ReadAll(io.NewSectionReader(o, 0, o.Size+10)) }

func TestReadAt(t *testing.T) {
	o, err := Open(t.Context(), server(t, func(w http.ResponseWriter, r *http.Request) { serve(w, r, `"1"`) }))
	if err != nil {
		t.Fatal(err)
	}
	if o.Size != int64(len(content)) {
		t.Fatalf("size %d, want %d", o.Size, len(content))
	}
	if got, err := readAll(o); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	var group sync.WaitGroup
	for range 50 {
		off, n := random.IntN(len(content)), random.IntN(2*blockBytes)
		group.Go(func() {
			p := make([]byte, n)
			got, err := o.ReadAt(p, int64(off))
			want := min(n, len(content)-off)
			if got != want || (err != nil) != (want < n) || err != nil && err != io.EOF || !bytes.Equal(p[:got], content[off:off+want]) {
				t.Errorf("%d bytes from %d: %d, %v", n, off, got, err)
			}
		})
	}
	group.Wait()
	if there, err := o.There(); !there || err != nil {
		t.Error(there, err)
	}
}

// TestPassing: what may pass does not end reading.
func TestPassing(t *testing.T) {
	impatient(t)
	for name, fail := range map[string]func(w http.ResponseWriter, r *http.Request){
		"503":       func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) },
		"429":       func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Retry-After", "1"); w.WriteHeader(429) },
		"dropped":   func(w http.ResponseWriter, r *http.Request) { hijacked(w).Close() },
		"cut short": func(w http.ResponseWriter, r *http.Request) { part(w, r, len(content), 100, 0) },
		"stalls":    func(w http.ResponseWriter, r *http.Request) { part(w, r, len(content), 100, time.Second) },
		"no range":  func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(206) },
		"lies": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Range", "bytes 5-9/9000000")
			w.WriteHeader(206)
		},
		"lies again": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Range", "bytes 0-0/0")
			w.WriteHeader(206)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var requests atomic.Int64
			o, err := Open(t.Context(), server(t, func(w http.ResponseWriter, r *http.Request) {
				if requests.Add(1)%3 != 0 {
					fail(w, r)
					return
				}
				serve(w, r, `"1"`)
			}))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := readAll(o); err != nil || !bytes.Equal(got, content) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
}

// part answers with less than was asked for, and then waits.
func part(w http.ResponseWriter, r *http.Request, size, sent int, wait time.Duration) {
	var from, to int
	fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to)
	w.Header().Set("ETag", `"1"`)
	w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, size))
	w.Header().Set("Content-Length", fmt.Sprint(to-from+1))
	w.WriteHeader(206)
	w.Write(content[from:min(from+sent, to)])
	w.(http.Flusher).Flush()
	time.Sleep(wait)
	panic(http.ErrAbortHandler)
}

func hijacked(w http.ResponseWriter) net.Conn {
	c, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	return c
}

// TestLasting: what does not pass ends reading, and is said.
func TestLasting(t *testing.T) {
	impatient(t)
	for want, h := range map[string]http.HandlerFunc{
		"404 Not Found":                        http.NotFound,
		"503 Service Unavailable, at the last": func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) },
		"403 Forbidden":                        func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(403) },
		"does not give ranges of bytes":        func(w http.ResponseWriter, r *http.Request) { w.Write(content) },
		"the server gives 1 to 1": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Range", "bytes 1-1/10")
			w.WriteHeader(206)
		},
		"says that it sends 9": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Range", "bytes 0-0/10")
			w.Header().Set("Content-Length", "9")
			w.WriteHeader(206)
			w.Write(content[:9])
		},
		"want the bytes and the size": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Range", "bytes 0-0/99999999999999999999")
			w.WriteHeader(206)
		},
		"a redirect from http to file": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		},
		"more than 10 redirects": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) },
	} {
		at := server(t, h)
		if _, err := Open(t.Context(), at+"?token=secret"); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") || !strings.HasPrefix(err.Error(), at+": ") {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if _, err := Open(t.Context(), server(t, http.NotFound)); !errors.Is(err, ErrMissing) {
		t.Errorf("%v, want %v", err, ErrMissing)
	}
}

// TestChanged: an object that is replaced is never mixed with the one before.
func TestChanged(t *testing.T) {
	for name, tags := range map[string][2]string{"strong": {`"1"`, `"2"`}, "weak": {`W/"1"`, `W/"2"`}, "lost": {`"1"`, ""}} {
		t.Run(name, func(t *testing.T) {
			var now atomic.Value
			now.Store(tags[0])
			o, err := Open(t.Context(), server(t, func(w http.ResponseWriter, r *http.Request) { serve(w, r, now.Load().(string)) }))
			if err != nil {
				t.Fatal(err)
			}
			now.Store(tags[1])
			_, err = o.ReadAt(make([]byte, 10), 5)
			var h interface{ Hint() string }
			if !errors.Is(err, ErrChanged) || !errors.As(err, &h) || !strings.Contains(h.Hint(), "another ETag") {
				t.Errorf("%v, want %v, with a hint", err, ErrChanged)
			}
			if _, c := o.There(); !errors.Is(c, ErrChanged) || errors.Is(c, ErrFailed) {
				t.Errorf("there: %v, want %v", c, ErrChanged)
			}
		})
	}
	// By size, where the server gives neither tag nor time.
	size := int64(50)
	o, err := Open(t.Context(), server(t, func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content[:size]))
	}))
	if err != nil {
		t.Fatal(err)
	}
	size = 51
	if _, err := o.ReadAt(make([]byte, 10), 5); !errors.Is(err, ErrChanged) {
		t.Errorf("%v, want %v", err, ErrChanged)
	}
}

// TestCancelled: waiting for a server ends with the command.
func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	requests := make(chan bool, 10)
	at := server(t, func(w http.ResponseWriter, r *http.Request) { requests <- true; w.WriteHeader(503) })
	go func() {
		<-requests
		cancel()
	}()
	if _, err := Open(ctx, at); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
}

// TestAhead: blocks that are read in order are asked for before they are needed, each once.
func TestAhead(t *testing.T) {
	var mu sync.Mutex
	asked := map[string]int{}
	o, err := Open(t.Context(), server(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked[r.Header.Get("Range")]++
		mu.Unlock()
		serve(w, r, `"1"`)
	}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.ReadAt(make([]byte, 10), 0); err != nil {
		t.Fatal(err)
	}
	n := 0
	for range 10_000 {
		mu.Lock()
		n = len(asked)
		mu.Unlock()
		if n == 5 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if n != 5 {
		t.Errorf("asked for %v after the first block was read, want one byte and all four blocks", asked)
	}
	if _, err := readAll(o); err != nil {
		t.Fatal(err)
	}
	if len(asked) != 5 {
		t.Errorf("asked for %v, want one byte and four blocks", asked)
	}
	for r, n := range asked {
		if n != 1 {
			t.Errorf("%s: asked for %d times", r, n)
		}
	}
}

func TestEmpty(t *testing.T) {
	o, err := Open(t.Context(), server(t, func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(nil))
	}))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := o.ReadAt(make([]byte, 1), 0); n != 0 || err != io.EOF || o.Size != 0 {
		t.Errorf("%d bytes of %d, %v", n, o.Size, err)
	}
}

func TestShown(t *testing.T) {
	for at, want := range map[string]string{
		"photos?x#y": "photos?x#y", "https://h/a b/{0..9}.tar": "https://h/a b/{0..9}.tar",
		"https://me:pass@h:8/a.tar?X-Amz-Signature=1#f": "https://h:8/a.tar", "HTTP://h": "http://h", "S3://B/K?1": "s3://B/K?1", "s3://b/k?1": "s3://b/k?1",
		"s3://b/C#/1.tar": "s3://b/C#/1.tar", "https://h/a.tar#?x": "https://h/a.tar",
	} {
		if got := Shown(at); got != want {
			t.Errorf("%s: %s, want %s", at, got, want)
		}
	}
	if got, ok := Beside("s3://b/a/x.tar", "classes.txt"); got != "s3://b/a/classes.txt" || !ok {
		t.Error(got, ok)
	}
	if got, ok := Beside("S3://b/a/x.tar", "classes.txt"); got != "S3://b/a/classes.txt" || !ok {
		t.Error(got, ok)
	}
	if got, ok := Beside("https://h/x.tar?signed", "classes.txt"); ok {
		t.Error(got)
	}
}

// TestS3 holds that requests for buckets are signed by the environment's keys, and those without
// keys are not.
func TestS3(t *testing.T) {
	var seen *http.Request
	at := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = r
		serve(w, r, `"1"`)
	}))
	defer at.Close()
	t.Setenv("AWS_ENDPOINT_URL", at.URL)
	t.Setenv("AWS_REGION", "eu-west-9")
	t.Setenv("AWS_ACCESS_KEY_ID", "who")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	o, err := Open(t.Context(), "s3://photos/a b/100%.tar")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := readAll(o); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if seen.URL.Path != "/photos/a b/100%.tar" {
		t.Errorf("path %q", seen.URL.Path)
	}
	if o, err := Open(t.Context(), "S3://photos/a b/100%.tar"); err != nil || o.Address != "s3://photos/a b/100%.tar" {
		t.Errorf("with the scheme in capitals: %+v, %v", o, err)
	}
	if who := seen.Header.Get("Authorization"); !strings.HasPrefix(who, "AWS4-HMAC-SHA256 Credential=who/") || !strings.Contains(who, "/eu-west-9/s3/aws4_request, SignedHeaders=") {
		t.Errorf("authorization %q", who)
	}
	for bucket, want := range map[string]string{"b": "https://b.s3.eu-west-9.amazonaws.com/k%20k", "b.c": "https://s3.eu-west-9.amazonaws.com/b.c/k%20k"} {
		t.Setenv("AWS_ENDPOINT_URL", "")
		s, err := newSigner(bucket)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.address("k k").String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	t.Setenv("AWS_ENDPOINT_URL", "file:///etc")
	if _, err := Open(t.Context(), "s3://b/k"); err == nil || !strings.Contains(err.Error(), "want https://HOST") {
		t.Error(err)
	}
}

// TestRefusedTo: an error of a server that refuses a request says whether it had credentials, and
// what to see to.
func TestRefusedTo(t *testing.T) {
	at := server(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusForbidden) })
	to, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	with := func(who *credentials.Credentials) *signer {
		return &signer{region: "us-east-1", who: who, profile: &profile{}}
	}
	for _, test := range []struct {
		s3         *signer
		want, hint string
	}{
		{nil, "not allowed: the server answers 403 Forbidden", "before the host, NAME:PASSWORD@HOST"},
		{with(credentials.NewChainCredentials(nil)), "not allowed: the server answers 403 Forbidden, to a request without credentials", "none were found: set AWS_ACCESS_KEY_ID"},
		{with(credentials.NewStaticV4("a", "b", "")), "not allowed: the server answers 403 Forbidden", "AWS_REGION"},
	} {
		o := &Object{ctx: t.Context(), url: to, s3: test.s3}
		_, err := o.look(t.Context(), nil)
		var h interface{ Hint() string }
		if !errors.Is(err, ErrRefused) || !errors.Is(err, ErrFailed) || err.Error() != test.want || !errors.As(err, &h) || !strings.Contains(h.Hint(), test.hint) {
			t.Errorf("%v, want %s with the hint %s", err, test.want, test.hint)
		}
	}
}

func FuzzContentRange(f *testing.F) {
	f.Add("bytes 0-1023/146515")
	f.Add("bytes */0")
	f.Fuzz(func(t *testing.T, text string) {
		first, last, size, err := contentRange(text)
		if err == nil && (first < 0 || first > last || last >= size) {
			t.Errorf("%q: %d %d %d", text, first, last, size)
		}
	})
}
