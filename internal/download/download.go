// Package download fetches single files over HTTP. A file appears at its path only
// once it is complete and has the expected SHA-256.
//
// Until then its bytes are in PATH.partial. A download that was interrupted or killed
// resumes from there. The checksum is computed from the file on disk, including the
// bytes of earlier runs, before the file is renamed. Servers are not trusted: they may
// drop the connection, stall, send too little, too much or other data, ignore range
// requests, or redirect. Requests that can succeed on another try are repeated, a
// bounded number of times.
package download

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"time"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/ui"
)

// A File is what is to be on disk.
type File struct {
	Label  string // what to call it in messages
	URL    string // http or https
	Path   string // where it is to be; the folder must exist
	Size   int64  // bytes; 0 where it is not known
	SHA256 string // 64 hex digits, small letters
}

// limit is how many bytes are taken at most.
func (f File) limit() int64 {
	if f.Size > 0 {
		return f.Size
	}
	return maxUnknown
}

// maxUnknown bounds files whose size is not known, in bytes.
const maxUnknown = 8 << 30

// A Reporter is told how a download gets on. A *ui.Printer is one.
type Reporter interface {
	Progress() ui.Progress
	Note(format string, args ...any)
	Warn(format string, args ...any)
}

// A Client downloads files.
type Client struct {
	Agent string        // User-Agent
	Stall time.Duration // the longest silence of a server
	Slow  int64         // bytes a second, below which over Stall a request is given up
	Tries int           // requests in a row that bring next to nothing, until it gives up
	Pause time.Duration // before the second request, doubled from then on

	http *http.Client
}

// Slowest is the rate that a server must keep up, in bytes a second: at it the
// smallest published model takes seventeen hours.
const Slowest = 4 << 10

const (
	maxRedirects = 10
	maxPause     = 30 * time.Second // between requests, unless the server asks for more
	maxAskedFor  = 2 * time.Minute  // what a server may ask for
	maxRequests  = 100              // of one file, however much each brings
	minProgress  = 1 << 20          // bytes; a request that brings less counts as failed
)

// NewClient returns a Client with settings for the open internet. It takes the
// proxies that the environment names (HTTPS_PROXY, HTTP_PROXY, NO_PROXY).
func NewClient(agent string) *Client {
	return &Client{
		Agent: agent, Stall: 30 * time.Second, Slow: Slowest, Tries: 5, Pause: time.Second,
		http: &http.Client{
			CheckRedirect: checkRedirect,
			Transport: &http.Transport{
				Proxy:               http.ProxyFromEnvironment,
				DialContext:         (&net.Dialer{Timeout: 30 * time.Second}).DialContext,
				TLSHandshakeTimeout: 30 * time.Second,
				ForceAttemptHTTP2:   true,
				DisableCompression:  true, // sums are of the bytes as they are
			},
		},
	}
}

var (
	errRedirects = fmt.Errorf("more than %d redirects", maxRedirects)
	errDowngrade = errors.New("redirected from https to a connection that is not encrypted")
	errScheme    = errors.New("want an http or https URL")
)

// checkRedirect follows a bounded number of redirects within http and https, none
// of which gives up encryption.
func checkRedirect(to *http.Request, via []*http.Request) error {
	switch {
	case to.URL.Scheme != "http" && to.URL.Scheme != "https":
		return fmt.Errorf("redirected to %s: %w", foreign.Quote(redacted(to.URL.String())), errScheme)
	case len(via) > maxRedirects:
		return errRedirects
	case via[len(via)-1].URL.Scheme == "https" && to.URL.Scheme != "https":
		return errDowngrade
	}
	return nil
}

// A Result says what a download did.
type Result struct {
	Bytes int64 // size of the file
	Kept  int64 // bytes that an earlier run had brought
	There bool  // the file was there already
}

// Get sees to it that the file is at its path with its checksum. If it is there
// already nothing is asked of the server; if what is there has another checksum it is
// replaced once the right one has come. Another run that is at work on the same
// file is waited for. After an error, cancellation included, what has arrived stays in
// PATH.partial for the next run, unless it is known to be wrong. Errors may have a
// method Hint.
func (c *Client) Get(ctx context.Context, f File, say Reporter) (Result, error) {
	if u, err := url.Parse(f.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return Result{}, fmt.Errorf("%s: %s: %w", f.Label, foreign.Quote(redacted(f.URL)), errScheme)
	}
	// A folder that cannot be written may hold the file all the same.
	if r, err := alreadyComplete(ctx, f, say); err != nil || r.There {
		return r, err
	}
	release, waited, err := lock(ctx, f, say)
	if err != nil {
		return Result{}, err
	}
	defer release()
	if waited {
		if r, err := alreadyComplete(ctx, f, say); err != nil || r.There {
			return r, err
		}
	}
	p, err := openPartial(f)
	if err != nil {
		return Result{}, err
	}
	defer p.close()
	kept := p.size
	t := &transfer{client: c, file: f, partial: p, say: say, mixed: kept > 0}
	defer t.done()
	if kept > 0 {
		say.Note("%s: resuming after %s", f.Label, ui.FormatBytes(kept))
	}
	for round := 1; ; round++ {
		if err := t.fill(ctx); err != nil {
			return Result{}, err
		}
		t.done()
		sum, _, err := Sum(ctx, p.path)
		if err != nil {
			return Result{}, err
		}
		if sum == f.SHA256 {
			break
		}
		if err := p.reset(); err != nil {
			return Result{}, err
		}
		if !t.mixed || round > 1 {
			return Result{}, hinted{
				fmt.Errorf("%s: what %s sends has SHA-256 %s, want %s", f.Label, redacted(f.URL), sum, f.SHA256),
				"it is not the file that was published, or it was damaged on the way: try again, or another {url}",
			}
		}
		say.Warn("%s: the parts of several requests do not have the SHA-256 that is wanted: fetching it again from the start", f.Label)
		t.mixed, kept = false, 0
	}
	return Result{Bytes: p.size, Kept: min(kept, p.size)}, p.publish(f.Path)
}

// alreadyComplete reports a file that is at its path and is the one wanted.
func alreadyComplete(ctx context.Context, f File, say Reporter) (Result, error) {
	sum, size, err := Sum(ctx, f.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Result{}, nil
	case err != nil:
		return Result{}, err
	case sum != f.SHA256:
		say.Warn("%s: SHA-256 %s, want %s: it is fetched again", f.Path, sum, f.SHA256)
		return Result{}, nil
	}
	return Result{Bytes: size, There: true}, nil
}

// lock takes the lock of f, waiting for another run that has it.
func lock(ctx context.Context, f File, say Reporter) (release func(), waited bool, err error) {
	for ; ; waited = true {
		release, err := cache.Lock(f.Path + ".lock")
		if !errors.Is(err, cache.ErrLocked) {
			return release, waited, err
		}
		if !waited {
			say.Note("%s: another clipnh is fetching it, waiting (%s)", f.Label, f.Path+".lock")
		}
		if err := sleep(ctx, 200*time.Millisecond); err != nil {
			return nil, waited, err
		}
	}
}

// Sum returns the SHA-256 of a regular file, in hex, and its size.
func Sum(ctx context.Context, path string) (sum string, size int64, err error) {
	file, err := foreign.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer file.Close()
	hash := sha256.New()
	size, err = io.CopyBuffer(hash, &cancellable{ctx, file}, make([]byte, 1<<20))
	if err != nil {
		return "", 0, fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(hash.Sum(nil)), size, nil
}

// cancellable reads until the context is cancelled.
type cancellable struct {
	ctx context.Context
	r   io.Reader
}

func (c *cancellable) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(b)
}

// sleep waits for d, or until the context is cancelled.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// room returns an error when left bytes do not fit on the disk of path.
func room(path string, left int64) error {
	free, err := cache.Free(filepath.Dir(path))
	if err != nil || left <= 0 || uint64(left) <= free {
		return nil // where it cannot be told, writing will
	}
	return fmt.Errorf("%s: %s are still to come, the disk has room for %s", path, ui.FormatBytes(left), ui.FormatBytes(int64(free)))
}

// hinted is an error with advice.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }
func (h hinted) Hint() string  { return h.hint }
