package download

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/clipnh/clipnh/internal/foreign"
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

// local is an error of this machine's, such as a full disk.
type local struct{ error }

func (l local) Unwrap() error { return l.error }

// byHand says how to do without the network.
func (t *transfer) byHand() string { return ByHand(t.file.URL, t.file.Path) }

// ByHand says where to put a file that is fetched without this program.
func ByHand(url, path string) string {
	return fmt.Sprintf("download %s by other means and save it as %s: its checksum is verified before use", redacted(url), path)
}

// failed is the error of a file that cannot be had, with advice.
func (t *transfer) failed(err error, advice string) error {
	if errors.As(err, new(local)) {
		return err
	}
	var own hinted
	if errors.As(err, &own) {
		advice = own.hint
	}
	if advice != "" {
		advice += "\nor "
	}
	return hinted{err, advice + t.byHand()}
}

// fill asks until all bytes are there.
func (t *transfer) fill(ctx context.Context) error {
	const goOn = "run the same command again to resume where it stopped"
	begun := t.partial.size
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
			return t.failed(fmt.Errorf("%s: %w", t.file.Label, err), "")
		case errors.As(err, new(unreachable)) && t.partial.size == begun:
			t.done()
			return t.failed(fmt.Errorf("%s: %w", t.file.Label, again.error), "")
		}
		if t.partial.size-before >= minProgress {
			vain = 0
		}
		if vain++; vain >= t.client.Tries || t.requests >= maxRequests {
			t.done()
			return t.failed(fmt.Errorf("%s: %w (%d requests)", t.file.Label, again.error, t.requests), goOn)
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

// unreachable is the error of a host that has no address, or of an address that
// nobody answers at: another request would meet it too, unless the network was
// there a moment ago.
type unreachable struct{ error }

func (u unreachable) Unwrap() error { return u.error }

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
	if errors.Is(err, errRedirects) || errors.Is(err, errDowngrade) || errors.Is(err, errScheme) || errors.As(err, &certificate) {
		return err
	}
	if errors.As(err, new(*net.DNSError)) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETDOWN) {
		return temporary{error: unreachable{err}}
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
				return false, local{err}
			}
			t.mixed = false
		}
		total = resp.ContentLength
	case code == http.StatusPartialContent:
		first, length, err := contentRange(resp.Header.Get("Content-Range"))
		if err != nil || first != offset || offset == 0 {
			t.whole = true
			return false, temporary{error: fmt.Errorf("%s: sends %s, want the bytes from %d on", from, foreign.Quote(resp.Header.Get("Content-Range")), offset)}
		}
		total, t.mixed = length, true
		if total < 0 && resp.ContentLength >= 0 {
			total = offset + resp.ContentLength
		}
	case code == http.StatusRequestedRangeNotSatisfiable && offset > 0:
		if _, total, err := contentRange(resp.Header.Get("Content-Range")); err == nil && total == offset && t.file.Size == 0 {
			return false, nil
		}
		t.whole = true
		return false, temporary{error: fmt.Errorf("%s: has no bytes from %d on", from, offset)}
	case code == http.StatusRequestTimeout, code == http.StatusTooManyRequests, code >= 500 && code != http.StatusNotImplemented:
		return false, temporary{fmt.Errorf("%s: %s", from, foreign.Name(resp.Status)), retryAfter(resp.Header.Get("Retry-After"))}
	default:
		return false, hinted{
			fmt.Errorf("%s: %s", from, foreign.Name(resp.Status)),
			"try a mirror: {url}, or CLIPNH_MIRROR in the environment",
		}
	}
	if encoding := resp.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return false, fmt.Errorf("%s: sends %s, want the file's own bytes", from, foreign.Quote("Content-Encoding: "+encoding))
	}
	switch size := t.file.Size; {
	case size > 0 && total >= 0 && total != size:
		return false, fmt.Errorf("%s: has %d bytes, want %d", from, total, size)
	case total > t.file.limit():
		return false, fmt.Errorf("%s: has %s, want at most %s", from, ui.FormatBytes(total), ui.FormatBytes(t.file.limit()))
	}
	t.total = max(total, t.file.Size)
	if err := room(t.file.Path, t.total-t.partial.size); err != nil {
		return false, local{err}
	}
	if resp.StatusCode == http.StatusOK {
		if err := t.partial.from(originOf(t.file.URL, resp.Header)); err != nil {
			return false, local{err}
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
	since, came := time.Now(), int64(0) // bytes
	for {
		n, err := body.Read(buf)
		watchdog.Reset(t.client.Stall)
		if most := t.file.limit() - t.partial.size; int64(n) > most {
			if err := t.partial.reset(); err != nil {
				return local{err}
			}
			return fmt.Errorf("%s: sends more than %s", redacted(t.file.URL), ui.FormatBytes(t.file.limit()))
		}
		if err := t.partial.write(buf[:n]); err != nil {
			return local{err}
		}
		t.progress.Add(int64(n))
		came += int64(n)
		if took := time.Since(since); err == nil && took >= t.client.Stall {
			if rate := int64(float64(came) / took.Seconds()); rate < t.client.Slow {
				return t.broken(ctx, fmt.Errorf("only %s/s for %s, want %s/s", ui.FormatBytes(rate), ui.FormatDuration(took), ui.FormatBytes(t.client.Slow)))
			}
			since, came = time.Now(), 0
		}
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
	wrong := fmt.Errorf("Content-Range %s", foreign.Quote(header))
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
