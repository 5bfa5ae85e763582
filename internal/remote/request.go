package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// How patient requests are. Variables for tests.
var (
	FirstPause = 250 * time.Millisecond // before a request is repeated; each is twice the one before
	MostPause  = 20 * time.Second

	stall = 30 * time.Second // without a byte
)

const (
	mostTries     = 8
	silentTries   = 4 // at a host that never answered: more often than not, the address is wrong
	mostRedirects = 10
	mostIdle      = 32 // connections to a host that are kept for the next request
)

// errPassing wraps errors of requests that are worth repeating.
var errPassing = errors.New("may pass")

// answered are the hosts that have answered a request, whatever they said.
var answered sync.Map

// client sends all requests. Answers are never unpacked: places are those of the bytes as
// they are.
var client = &http.Client{
	Transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   30 * time.Second,
		ResponseHeaderTimeout: time.Minute,
		MaxIdleConnsPerHost:   mostIdle,
		DisableCompression:    true,
		ForceAttemptHTTP2:     true,
	},
	CheckRedirect: func(to *http.Request, via []*http.Request) error {
		switch from := via[len(via)-1]; {
		case len(via) > mostRedirects:
			return fmt.Errorf("more than %d redirects", mostRedirects)
		case to.URL.Scheme != "https" && (to.URL.Scheme != "http" || from.URL.Scheme == "https"):
			return fmt.Errorf("a redirect from %s to %s, which is not followed", from.URL.Scheme, to.URL.Scheme)
		case from.Header.Get(signedHeader) != "":
			return http.ErrUseLastResponse // signed for this place
		}
		known().authorize(to, true)
		return nil
	},
}

// An answer is what a server says of an object.
type answer struct {
	size          int64
	tag, modified string
}

// look asks for one byte: other than with HEAD, which many signed addresses do not allow, the
// answer also says whether the server gives ranges. The answer must be of the same object,
// unless that is nil.
func (o *Object) look(ctx context.Context, same *Object) (a answer, err error) {
	err = o.repeat(ctx, func(ctx context.Context) error {
		a, err = o.get(ctx, 0, make([]byte, 1), same)
		return err
	})
	return a, err
}

// fetch fills data with the bytes from off on, all of which the object has.
func (o *Object) fetch(data []byte, off int64) error {
	return o.repeat(o.ctx, func(ctx context.Context) error {
		_, err := o.get(ctx, off, data, o)
		return err
	})
}

// repeat repeats a request that fails for a reason that may pass.
func (o *Object) repeat(ctx context.Context, request func(context.Context) error) error {
	pause := FirstPause
	for try := 1; ; try++ {
		err := request(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, errPassing) && (errors.Is(err, ErrMissing) || errors.Is(err, ErrChanged)):
			return err
		case !errors.Is(err, errPassing):
			return failed{err}
		}
		tries := mostTries
		if _, ok := answered.Load(o.url.Host); !ok {
			tries = silentTries
		}
		if try >= tries {
			return failed{fmt.Errorf("%w, at the last of %d tries", unwrapped(err), try)}
		}
		wait := pause/2 + rand.N(pause) // so that many readers do not come back at once
		var later retryAfter
		if errors.As(err, &later) && later.d > wait {
			wait = min(later.d, MostPause)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		pause = min(2*pause, MostPause)
	}
}

// passing is an error after which a request is repeated.
type passing struct{ error }

func (p passing) Unwrap() error        { return p.error }
func (p passing) Is(target error) bool { return target == errPassing }

// failed is an error that wraps ErrFailed, and says nothing of that.
type failed struct{ error }

func (f failed) Unwrap() error        { return f.error }
func (f failed) Is(target error) bool { return target == ErrFailed }

func unwrapped(err error) error {
	var p passing
	if errors.As(err, &p) {
		return p.error
	}
	return err
}

// retryAfter is an error of a server that says when to come back.
type retryAfter struct {
	error
	d time.Duration
}

func (r retryAfter) Unwrap() error { return r.error }

// get asks for the bytes from off on that fill data. Of an object, the answer must be of the same
// one.
func (o *Object) get(ctx context.Context, off int64, data []byte, same *Object) (a answer, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, o.url.String(), nil)
	if err != nil {
		return a, err
	}
	request.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", off, off+int64(len(data))-1))
	request.Header.Set("Accept-Encoding", "identity")
	request.Header.Set("User-Agent", "clipnh")
	if same != nil && strings.HasPrefix(same.tag, `"`) {
		request.Header.Set("If-Match", same.tag)
	}
	signed := false
	if o.s3 == nil {
		known().authorize(request, false)
	} else {
		if signed, err = o.s3.sign(request); isLasting(err) {
			return a, err
		} else if err != nil { // the machine that knows who asks is another server
			return a, passing{err}
		}
	}
	watch := time.AfterFunc(stall, func() { cancel(fmt.Errorf("the server sends nothing for %v", stall)) })
	defer watch.Stop()
	response, err := client.Do(request)
	if err != nil {
		return a, passing{short(cause(ctx, err))}
	}
	defer response.Body.Close()
	answered.Store(o.url.Host, true)
	var says told
	if status := response.StatusCode; o.s3 != nil && status >= 300 && status != http.StatusPreconditionFailed && status != http.StatusRequestedRangeNotSatisfiable {
		says = toldBy(response, watched{response.Body, watch})
	}
	a, empty, err := said(response, off, len(data), o.whole, says)
	if err == nil && same != nil {
		err = same.other(a)
	}
	if errors.Is(err, ErrRefused) {
		err = o.refused(err, signed)
	}
	if err != nil || empty {
		return a, err
	}
	// Of a server that sends on and on, no more is read.
	if _, err := io.ReadFull(watched{response.Body, watch}, data); err != nil {
		return a, passing{cause(ctx, fmt.Errorf("%d bytes from byte %d on: %w", len(data), off, short(err)))}
	}
	return a, nil
}

// short names the end of an answer. It must not be io.EOF to those who read, to whom that is the
// end of the object.
func short(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the answer ends early")
	}
	return err
}

// cause is why a request ended: a stall rather than the cancelling that it led to.
func cause(ctx context.Context, err error) error {
	if c := context.Cause(ctx); c != nil && !errors.Is(c, context.Canceled) && !errors.Is(c, context.DeadlineExceeded) {
		return c
	}
	var e interface{ Unwrap() error } // *url.Error, which repeats the address with its query
	if errors.As(err, &e) {
		if inner := e.Unwrap(); inner != nil {
			return inner
		}
	}
	return err
}

// watched puts off the end of a stall with every byte.
type watched struct {
	io.Reader
	watch *time.Timer
}

func (w watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if n > 0 {
		w.watch.Reset(stall)
	}
	return n, err
}

// Advice on servers: of an object that is read alone, and of one of many, which a list names.
const (
	otherServer       = "download it, or serve it from a server that does, such as nginx or an object store"
	otherServerOrNone = "leave it out of the list, or serve it from a server that does, such as nginx or an object store; or download all that is listed"
)

// said reads the head of an answer about n bytes from off on, and what a service says is wrong.
// whole says that the answer may be of all bytes. empty says that the object has none.
func said(r *http.Response, off int64, n int, whole bool, says told) (a answer, empty bool, err error) {
	a.tag, a.modified = r.Header.Get("ETag"), r.Header.Get("Last-Modified")
	switch status := r.StatusCode; {
	case status == http.StatusPartialContent:
		var first, last int64
		first, last, a.size, err = contentRange(r.Header.Get("Content-Range"))
		if err == nil && (first != off || last != off+int64(n)-1) {
			err = fmt.Errorf("asked for the bytes %d to %d, the server gives %d to %d", off, off+int64(n)-1, first, last)
		}
		if err == nil && r.ContentLength >= 0 && r.ContentLength != int64(n) {
			err = fmt.Errorf("asked for %d bytes, the server says that it sends %d", n, r.ContentLength)
		}
		if err != nil {
			return a, false, passing{err}
		}
		return a, false, nil
	case status == http.StatusRequestedRangeNotSatisfiable && r.Header.Get("Content-Range") == "bytes */0" && off == 0:
		return a, true, nil
	case status == http.StatusRequestedRangeNotSatisfiable, status == http.StatusPreconditionFailed:
		return a, false, errOther
	case status == http.StatusOK && r.ContentLength == 0 && off == 0:
		return a, true, nil
	case status == http.StatusOK && whole && off == 0:
		switch a.size = r.ContentLength; {
		case a.size < 0:
			return a, false, hinted{errors.New("the server does not say how many bytes there are, want a Content-Length"), otherServer}
		case a.size > mostWhole:
			return a, false, hinted{fmt.Errorf("%d bytes, want at most %d from a server that does not give ranges of bytes", a.size, mostWhole), otherServerOrNone}
		case a.size < int64(n):
			return a, false, passing{fmt.Errorf("asked for %d bytes, the server says that it sends %d", n, a.size)}
		}
		return a, false, nil
	case status == http.StatusOK:
		return a, false, hinted{errors.New("the server does not give ranges of bytes"), otherServer}
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status >= 500:
		err = reasonOf(status, says)
		if seconds, bad := strconv.Atoi(r.Header.Get("Retry-After")); bad == nil && seconds > 0 {
			err = retryAfter{err, time.Duration(min(seconds, 3600)) * time.Second}
		}
		return a, false, passing{err}
	default:
		return a, false, reasonOf(status, says)
	}
}

// contentRange reads a header such as "bytes 0-1023/146515".
func contentRange(text string) (first, last, size int64, err error) {
	bad := fmt.Errorf("the server gives Content-Range %.60q, want the bytes and the size in all", text)
	places, all, ok := strings.Cut(strings.TrimPrefix(text, "bytes "), "/")
	from, to, ok2 := strings.Cut(places, "-")
	if !ok || !ok2 || !strings.HasPrefix(text, "bytes ") {
		return 0, 0, 0, bad
	}
	for _, n := range []struct {
		text string
		into *int64
	}{{from, &first}, {to, &last}, {all, &size}} {
		u, err := strconv.ParseUint(n.text, 10, 63)
		if err != nil {
			return 0, 0, 0, bad
		}
		*n.into = int64(u)
	}
	if first > last || last >= size {
		return 0, 0, 0, bad
	}
	return first, last, size, nil
}
