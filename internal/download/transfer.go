package download

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/clipnh/clipnh/internal/ui"
)

// transfer fills a partial file by as many requests as it takes.
type transfer struct {
	client  *Client
	file    File
	partial *partial
	say     Reporter

	progress ui.Progress // nil between tasks
	total    int64       // bytes of the whole file; 0 where it is not known
	mixed    bool        // the bytes are those of more than one response
	whole    bool        // ask for the whole file: the server cannot count
	requests int
}

// temporary is an error that another request may not meet.
type temporary struct {
	error
	after time.Duration // that the server asked to wait; 0 if it did not
}

func (t temporary) Unwrap() error { return t.error }

// fill asks until all bytes are there.
func (t *transfer) fill(ctx context.Context) error {
	const goOn = "run the same command again to go on where it stopped"
	for vain := 0; ; {
		if t.file.Size > 0 && t.partial.size == t.file.Size {
			return nil
		}
		before := t.partial.size
		t.requests++
		err := t.request(ctx)
		var again temporary
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			t.done()
			return hinted{fmt.Errorf("%s: %s are kept: %w", t.file.Label, ui.FormatBytes(t.partial.size), ctx.Err()), goOn}
		case !errors.As(err, &again):
			return fmt.Errorf("%s: %w", t.file.Label, err)
		}
		if t.partial.size-before >= enough {
			vain = 0
		}
		if vain++; vain >= t.client.Tries || t.requests >= maxRequests {
			t.done()
			return hinted{fmt.Errorf("%s: %w (%d requests)", t.file.Label, again.error, t.requests), goOn}
		}
		pause := min(t.client.Pause<<(vain-1), maxPause)
		pause = max(pause, min(again.after, maxAskedFor))
		t.say.Note("%s: %v: asking again in %s", t.file.Label, again.error, ui.FormatDuration(pause))
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

var errStalled = errors.New("nothing came")

// request asks once, for what is missing, and writes what comes. A nil error
// means that the file has ended as the server sees it.
func (t *transfer) request(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(t.client.Stall, func() {
		cancel(fmt.Errorf("%w for %s", errStalled, ui.FormatDuration(t.client.Stall)))
	})
	defer watchdog.Stop()

	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.file.URL, nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", t.client.Agent)
	req.Header.Set("Accept-Encoding", "identity")
	offset := t.partial.size
	if t.whole {
		offset = 0
	}
	if offset > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
		if v := t.partial.origin.validator(t.file.URL); v != "" {
			req.Header.Set("If-Range", v)
		}
	}
	resp, err := t.client.http.Do(req)
	if err != nil {
		return connectError(ctx, err)
	}
	defer resp.Body.Close()
	body, err := t.begin(resp, offset)
	if err != nil || !body {
		return err
	}
	return t.copy(ctx, resp.Body, watchdog)
}

// connectError says whether asking again may help.
func connectError(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); errors.Is(cause, errStalled) {
		return temporary{error: cause}
	}
	var certificate *tls.CertificateVerificationError
	var target *url.Error
	if errors.As(err, &target) {
		// Its URL may hold a password, and may be one redirected to.
		err = fmt.Errorf("%s: %w", redacted(target.URL), target.Err)
	}
	if errors.Is(err, errRedirects) || errors.Is(err, errDowngrade) || errors.As(err, &certificate) {
		return err
	}
	return temporary{error: err}
}

// begin looks at the head of a response to a request for the bytes from offset
// on. It returns whether the body is to be read; a nil error without a body
// means that there was nothing left to send.
func (t *transfer) begin(resp *http.Response, offset int64) (body bool, err error) {
	from := redacted(resp.Request.URL.String())
	total := int64(-1)
	switch code := resp.StatusCode; {
	case code == http.StatusOK:
		if t.partial.size > 0 {
			t.say.Note("%s: the server sends the file from its start", t.file.Label)
			t.done()
			if err := t.partial.reset(); err != nil {
				return false, err
			}
			t.mixed = false
		}
		total = resp.ContentLength
	case code == http.StatusPartialContent:
		first, of, err := contentRange(resp.Header.Get("Content-Range"))
		if err != nil || first != offset || offset == 0 {
			t.whole = true
			return false, temporary{error: fmt.Errorf("%s: sends %q, want the bytes from %d on", from, resp.Header.Get("Content-Range"), offset)}
		}
		total, t.mixed = of, true
		if total < 0 && resp.ContentLength >= 0 {
			total = offset + resp.ContentLength
		}
	case code == http.StatusRequestedRangeNotSatisfiable && offset > 0:
		if _, of, err := contentRange(resp.Header.Get("Content-Range")); err == nil && of == offset && t.file.Size == 0 {
			return false, nil
		}
		t.whole = true
		return false, temporary{error: fmt.Errorf("%s: has no bytes from %d on", from, offset)}
	case code == http.StatusRequestTimeout, code == http.StatusTooManyRequests, code >= 500 && code != http.StatusNotImplemented:
		return false, temporary{fmt.Errorf("%s: %s", from, resp.Status), retryAfter(resp.Header.Get("Retry-After"))}
	default:
		return false, hinted{
			fmt.Errorf("%s: %s", from, resp.Status),
			"try a mirror: --url, or CLIPNH_MIRROR in the environment",
		}
	}
	if encoding := resp.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return false, fmt.Errorf("%s: sends %q, want the file's own bytes", from, "Content-Encoding: "+encoding)
	}
	switch size := t.file.Size; {
	case size > 0 && total >= 0 && total != size:
		return false, fmt.Errorf("%s: has %d bytes, want %d", from, total, size)
	case total > t.file.limit():
		return false, fmt.Errorf("%s: has %s, want at most %s", from, ui.FormatBytes(total), ui.FormatBytes(t.file.limit()))
	}
	t.total = max(total, t.file.Size)
	if err := room(t.file.Path, t.total-t.partial.size); err != nil {
		return false, err
	}
	if resp.StatusCode == http.StatusOK {
		if err := t.partial.from(originOf(t.file.URL, resp.Header)); err != nil {
			return false, err
		}
	}
	if t.progress == nil {
		t.progress = t.say.Progress()
		t.progress.Start(max(t.total-t.partial.size, 0), ui.Bytes, "fetch "+t.file.Label)
	}
	return true, nil
}

// copy writes the body until its end.
func (t *transfer) copy(ctx context.Context, body io.Reader, watchdog *time.Timer) error {
	buf := make([]byte, 256<<10)
	for {
		n, err := body.Read(buf)
		watchdog.Reset(t.client.Stall)
		if most := t.file.limit() - t.partial.size; int64(n) > most {
			if err := t.partial.reset(); err != nil {
				return err
			}
			return fmt.Errorf("%s: sends more than %s", redacted(t.file.URL), ui.FormatBytes(t.file.limit()))
		}
		if err := t.partial.write(buf[:n]); err != nil {
			return err
		}
		t.progress.Add(int64(n))
		switch {
		case err == nil:
		case errors.Is(err, io.EOF) && t.partial.size >= t.total:
			return nil
		default:
			return t.broken(ctx, err)
		}
	}
}

// broken says why a body ended before its time.
func (t *transfer) broken(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("the connection ended")
	}
	at := ui.FormatBytes(t.partial.size)
	if t.total > 0 {
		at += " of " + ui.FormatBytes(t.total)
	}
	return temporary{error: fmt.Errorf("%w after %s", err, at)}
}

// done ends the progress, if there is one.
func (t *transfer) done() {
	if t.progress != nil {
		t.progress.Done()
		t.progress = nil
	}
}

// contentRange reads "bytes 5-9/10", and "bytes */10" as first 0. The size of the
// file is -1 where the header does not know it.
func contentRange(header string) (first, of int64, err error) {
	wrong := fmt.Errorf("Content-Range %q", header)
	rest, ok := strings.CutPrefix(header, "bytes ")
	span, size, ok2 := strings.Cut(rest, "/")
	if !ok || !ok2 {
		return 0, 0, wrong
	}
	of = -1
	if size != "*" {
		if of, err = strconv.ParseInt(size, 10, 64); err != nil || of < 0 {
			return 0, 0, wrong
		}
	}
	if span == "*" {
		return 0, of, nil
	}
	from, _, ok := strings.Cut(span, "-")
	if first, err = strconv.ParseInt(from, 10, 64); err != nil || !ok || first < 0 {
		return 0, 0, wrong
	}
	return first, of, nil
}

// retryAfter reads seconds or a date; 0 is neither.
func retryAfter(header string) time.Duration {
	if seconds, err := strconv.Atoi(header); err == nil && seconds > 0 && seconds < 1<<20 {
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(header); err == nil {
		return max(time.Until(date), 0)
	}
	return 0
}

// redacted returns a URL for messages and files: without password and query, in
// which signed links keep their signature.
func redacted(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "a URL that cannot be read"
	}
	u.RawQuery, u.Fragment = "", ""
	return u.Redacted()
}
