// Package remote reads objects at http, https and s3 addresses by ranges of bytes.
//
// An Object is what was at an address when it was opened: its size and its tag. Every part that
// is read later must be of the same object, or reading ends with ErrChanged. Parts are
// fetched in blocks; some blocks of all objects are kept in memory, and blocks that will be
// read next are fetched ahead. A request that fails for a reason that may pass is
// repeated, with pauses.
//
// Servers are strangers': what they say of lengths and places is compared with what was
// asked, no answer is read beyond the bytes that were asked for, and one that stops sending
// is given up.
package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// ErrChanged is wrapped by the error of an object that is not the one that was opened.
var ErrChanged = errors.New("the object was changed after it was opened")

// errOther is that of one whose server names it otherwise than when it was opened.
var errOther = hinted{ErrChanged, "restore it if it was replaced; if not, its server gives another ETag or time of change at each request: download it, or serve it from a server that does not"}

// ErrMissing is wrapped by the error of an address where there is nothing.
var ErrMissing = errors.New("nothing is there")

// ErrRefused is wrapped by the error of an address that this program may not read.
var ErrRefused = errors.New("not allowed")

// ErrFailed is wrapped by the error of a request after which it is not known what is at an
// address: one that was refused, or that failed for a reason that may pass, after it was repeated.
var ErrFailed = errors.New("the request failed")

// Named reports whether a path is an address of this package.
func Named(path string) bool {
	for _, scheme := range []string{"http://", "https://", "s3://"} {
		if len(path) >= len(scheme) && strings.EqualFold(path[:len(scheme)], scheme) {
			return true
		}
	}
	return false
}

// Shown is a path, or an address without what is secret in it: a password, and the query, where
// signed addresses have their signature.
func Shown(address string) string {
	if !Named(address) {
		return address
	}
	scheme, rest, _ := strings.Cut(address, "://")
	if scheme = strings.ToLower(scheme); scheme != "s3" { // whose keys may have any character
		rest, _, _ = strings.Cut(rest, "#")
		rest, _, _ = strings.Cut(rest, "?")
	}
	host, path, slash := strings.Cut(rest, "/")
	host = host[strings.LastIndexByte(host, '@')+1:]
	if !slash {
		return scheme + "://" + host
	}
	return scheme + "://" + host + "/" + path
}

// Beside is the address of a file in the same folder. Of an address with a query, which may
// sign that file alone, ok is false.
func Beside(address, name string) (beside string, ok bool) {
	if !strings.EqualFold(Shown(address), address) {
		return "", false
	}
	return address[:strings.LastIndexByte(address, '/')+1] + name, true
}

// An Object is what is at an address.
type Object struct {
	Address string // as Shown has it
	Size    int64  // bytes

	ctx      context.Context // of the command: reading ends when it does
	url      *url.URL
	s3       *signer // nil of others
	tag      string  // its ETag; may be empty
	modified string  // when, as the server says it; may be empty
	whole    bool    // it is read by one request, which need not be answered with a range
	blocks   reading
}

// Open looks at the object at an address. Reading it ends with ctx.
func Open(ctx context.Context, address string) (*Object, error) {
	o, err := at(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", Shown(address), err)
	}
	first, err := o.look(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Address, err)
	}
	o.Size, o.tag, o.modified = first.size, first.tag, first.modified
	return o, nil
}

// at is the object at an address, of which nothing is known yet.
func at(ctx context.Context, address string) (o *Object, err error) {
	o = &Object{Address: Shown(address), ctx: ctx}
	if bucket, ok := strings.CutPrefix(o.Address, "s3://"); ok {
		bucket, key, _ := strings.Cut(bucket, "/")
		if bucket == "" || key == "" {
			return nil, errors.New("want s3://BUCKET/KEY")
		}
		if o.s3, err = newSigner(bucket); err != nil {
			return nil, err
		}
		o.url = o.s3.address(key)
	} else if o.url, err = url.Parse(address); err != nil || o.url.Host == "" {
		return nil, errors.New("not an address, want https://HOST/PATH")
	}
	return o, nil
}

// There reports whether something is at the address. If it is not the object that was opened, or
// the server does not say, that is an error.
func (o *Object) There() (bool, error) {
	switch _, err := o.look(o.ctx, o); {
	case err == nil:
		return true, nil
	case errors.Is(err, ErrMissing):
		return false, nil
	default:
		return false, fmt.Errorf("%s: %w", o.Address, err)
	}
}

// Identity is the address with what tells the object from others there: its size and its
// tag, or else its time. It is empty where the server says neither of these.
func (o *Object) Identity() string {
	if o.tag == "" && o.modified == "" {
		return ""
	}
	if o.tag != "" {
		return fmt.Sprintf("%s %d %s", o.Address, o.Size, o.tag)
	}
	return fmt.Sprintf("%s %d %s", o.Address, o.Size, o.modified)
}

// Exact is Identity where that says that the bytes are the same: with a tag that is not weak. It
// is empty elsewhere.
func (o *Object) Exact() string {
	if !strings.HasPrefix(o.tag, `"`) {
		return ""
	}
	return o.Identity()
}

// other returns an error if an answer is of another object.
func (o *Object) other(a answer) error {
	switch {
	case o.tag != a.tag, o.tag == "" && o.modified != a.modified:
		return errOther
	case o.Size == a.size:
		return nil
	}
	err := fmt.Errorf("%w: the server gives its size as %d bytes, want %d", ErrChanged, a.size, o.Size)
	if o.tag != "" {
		return passing{err} // one of the two sizes is wrong, as an object of another size has another tag
	}
	return err
}

// ReadAt reads len(p) bytes from off on, as io.ReaderAt wants it. Many goroutines may read.
// Its errors do not have the address: those who read name the archive or the image.
func (o *Object) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) && off < o.Size {
		i := off / blockBytes
		b, err := o.block(i)
		if err != nil {
			return n, err
		}
		k := copy(p[n:], b[off-i*blockBytes:])
		n, off = n+k, off+int64(k)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// reasonOf is why a server did not answer, by its status and by what it says.
func reasonOf(status int, says told) error {
	err := fmt.Errorf("the server answers %d %s%v", status, http.StatusText(status), says)
	switch status {
	case http.StatusNotFound, http.StatusGone:
		return fmt.Errorf("%w: %w", ErrMissing, err)
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("%w: %w", ErrRefused, err)
	case http.StatusMovedPermanently, http.StatusTemporaryRedirect, http.StatusBadRequest:
		if says.region != "" {
			return hinted{err, "the bucket is in another region: set AWS_REGION to " + says.region}
		}
		return hinted{err, "the bucket may be in another region: set AWS_REGION, or AWS_ENDPOINT_URL for another service than Amazon's"}
	}
	return err
}

// refused is err, of a request that was refused, with advice. signed says whether it had credentials.
func (o *Object) refused(err error, signed bool) error {
	switch {
	case o.s3 == nil && isHub(o.url):
		return hinted{known().unused(err, true), "see to the right to read it: set HF_TOKEN, or keep a token with Hugging Face's tools, of an account that may read it"}
	case o.s3 == nil:
		return hinted{known().unused(err, false), "see to the right to read it: a signed address may have expired; others may need an entry in ~/.netrc, or a name and a password before the host, NAME:PASSWORD@HOST"}
	case !signed:
		return hinted{fmt.Errorf("%w, to a request without credentials", err),
			"none were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; AWS_ENDPOINT_URL says where, of another service than Amazon's"}
	}
	return hinted{err, "see to the right to read it: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, say who asks, and AWS_REGION and AWS_ENDPOINT_URL where"}
}

// hinted is an error with advice.
type hinted struct {
	error
	hint string
}

func (e hinted) Unwrap() error { return e.error }
func (e hinted) Hint() string  { return e.hint }
