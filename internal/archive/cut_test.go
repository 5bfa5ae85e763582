package archive

import (
	"archive/tar"
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

// extendedTar is an archive whose members have extension headers, with the places where members end.
func extendedTar(t *testing.T, format tar.Format, names ...string) (b []byte, ends map[int]bool) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	ends = map[int]bool{}
	for i, name := range names {
		h := &tar.Header{Name: name, Size: int64(700 * i), Mode: 0o644, Typeflag: tar.TypeReg, Format: format}
		if format == tar.FormatPAX {
			h.ModTime = time.Unix(1e9, 5e8)
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		w.Write(bytes.Repeat([]byte("x"), 700*i))
		w.Flush()
		ends[out.Len()] = true
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), ends
}

// TestCut holds that no archive that is cut is taken for a whole one: it is refused, or,
// where a member ends, said to have no end mark.
func TestCut(t *testing.T) {
	long := strings.Repeat("n", 150)
	for form, test := range map[string]struct {
		format tar.Format
		names  []string
	}{
		"PAX": {tar.FormatPAX, []string{"a.jpg", "b.jpg", "c.jpg"}},
		"GNU": {tar.FormatGNU, []string{long + "a.jpg", long + "b.jpg", long + "c.jpg"}},
		// The last block of these names is the zero that ends them.
		"GNU, zeros": {tar.FormatGNU, []string{strings.Repeat("n", 508) + ".jpg", strings.Repeat("m", 508) + ".jpg", strings.Repeat("o", 508) + ".jpg"}},
	} {
		b, ends := extendedTar(t, test.format, test.names...)
		for n := tarBlock; n <= len(b); n++ {
			if n%tarBlock > 2 && n%tarBlock < tarBlock-2 && n%211 != 0 {
				continue
			}
			for _, name := range []string{"cut.tar", "cut.tgz"} {
				cut := b[:n:n]
				if name == "cut.tgz" {
					cut = zipped(t, cut)
				}
				a, err := Open(t.Context(), write(t, name, cut), isJPG)
				said := fmt.Sprint(err)
				if err == nil {
					said = strings.Join(reasons(a), "; ")
				}
				end := len(b) - 2*tarBlock // of the last member
				switch {
				case err != nil && strings.Contains(said, "the archive is cut short") && n != end && n != end+tarBlock && n < len(b):
				case err == nil && (n == end+tarBlock || n == len(b)) && len(a.Members) == len(test.names) && said == "":
				case err == nil && strings.Contains(said, "no end mark") && ends[(n+tarBlock-1)/tarBlock*tarBlock]:
				default:
					t.Errorf("%s, %s, %d of %d bytes: %s", form, name, n, len(b), said)
				}
			}
		}
	}
}

// TestHeaderBeforeTheEnd holds that an archive with an end mark where an extension header
// wants a member is refused too.
func TestHeaderBeforeTheEnd(t *testing.T) {
	b, _ := extendedTar(t, tar.FormatPAX, "a.jpg", "b.jpg")
	clear(b[6*tarBlock-tarBlock:]) // a has three blocks, and b's extension header two
	_, err := Open(t.Context(), write(t, "a.tar", b), isJPG)
	if err == nil || !strings.Contains(err.Error(), "cut short") {
		t.Errorf("%v, want an archive that is cut short", err)
	}
}
