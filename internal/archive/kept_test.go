package archive

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clipnh/clipnh/internal/testutil"
)

// shelf serves one object, which a test may replace.
type shelf struct {
	data []byte
	tag  string
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.tag != "" {
		w.Header().Set("ETag", s.tag)
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(s.data))
}

func serve(t *testing.T, s *shelf) string {
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server.URL + "/a.tar"
}

// opened lists an archive as text.
func opened(t *testing.T, k Listings, at string, suffix string) (string, error) {
	t.Helper()
	a, err := Open(WithListings(t.Context(), k), at, func(name string) bool { return strings.HasSuffix(name, suffix) })
	if err != nil {
		return "", err
	}
	var text strings.Builder
	for _, m := range a.Members {
		fmt.Fprintf(&text, "%s %d at %d packed %d\n", m.Name, m.Size, m.at, m.packed)
	}
	for _, s := range a.Skipped {
		fmt.Fprintf(&text, "skipped %s: %s\n", s.Name, s.Reason)
	}
	return text.String(), nil
}

var shelved = []entry{
	{name: "c/a.jpg", data: noise(700, 1)}, {name: "c/a.cls", data: "1"}, {name: "b.jpg", data: ""}, {name: "b.jpg", data: "2"},
	{name: "../x.jpg", data: "1"}, {name: "l.jpg", kind: '2'}, {name: "d.jpg", kind: '6'},
}

// TestKeptListing holds that an archive at an address is listed once: afterwards its bytes
// are not needed to know what is in it, whatever is wanted of it.
func TestKeptListing(t *testing.T) {
	whole := makeTar(t, shelved...)
	for name, data := range map[string][]byte{
		"whole": whole, "no end mark": whole[:len(whole)-2*tarBlock], "bytes behind": append(slices.Clone(whole), "more"...),
		"sparse": slices.Concat(sparsePAX("s.jpg"), sparseGNU("t.jpg"), whole),
	} {
		t.Run(name, func(t *testing.T) {
			s := &shelf{data, `"1"`}
			at := serve(t, s)
			k := Listings{Dir: filepath.Join(t.TempDir(), "lists"), Limit: 1 << 20}
			want, err := opened(t, Listings{}, at, ".jpg")
			if err != nil {
				t.Fatal(err)
			}
			if got, err := opened(t, k, at, ".cls"); err != nil || !strings.HasPrefix(got, "c/a.cls 1 at") {
				t.Fatalf("%q, %v", got, err)
			}
			s.data = make([]byte, len(data)) // of the same size and tag
			if got, err := opened(t, k, at, ".jpg"); err != nil || got != want {
				t.Errorf("from the list kept:\n%s%v\nwant:\n%s", got, err, want)
			}
			if _, err := opened(t, Listings{}, at, ".jpg"); err == nil {
				t.Error("without lists zeros are an archive")
			}
			s.tag = `"2"`
			if _, err := opened(t, k, at, ".jpg"); err == nil {
				t.Error("the list was used for another object")
			}
		})
	}
}

// TestKeptListingDamaged holds that a list which is damaged, too long, or of an object that
// nothing tells from others, is not used.
func TestKeptListingDamaged(t *testing.T) {
	s := &shelf{makeTar(t, shelved...), `"1"`}
	at := serve(t, s)
	k := Listings{Dir: t.TempDir(), Limit: 1 << 20}
	want, err := opened(t, k, at, ".jpg")
	if err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(k.Dir)
	if err != nil || len(files) != 1 {
		t.Fatalf("%d lists, %v", len(files), err)
	}
	path := filepath.Join(k.Dir, files[0].Name())
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		bad := slices.Clone(good)
		bad[i] ^= 1
		if _, err := parseListing(bad); err == nil {
			t.Fatalf("byte %d changed, and the list is taken", i)
		}
	}
	for _, bad := range [][]byte{nil, good[:len(good)-1], good[:10], []byte("x\nxxxx")} {
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := opened(t, k, at, ".jpg"); err != nil || got != want {
			t.Errorf("with a damaged list: %q, %v", got, err)
		}
	}
	if again, err := os.ReadFile(path); err != nil || !bytes.Equal(again, good) {
		t.Error("the damaged list was not written again")
	}

	for what, change := range map[string]func(*Listings){
		"no tag":   func(*Listings) { s.tag = "" },
		"no room":  func(k *Listings) { k.Limit = 10 },
		"too long": func(*Listings) { mostListing = 10 },
	} {
		most := mostListing
		k := Listings{Dir: t.TempDir(), Limit: 1 << 20}
		change(&k)
		if got, err := opened(t, k, at, ".jpg"); err != nil || got != want {
			t.Errorf("%s: %q, %v", what, got, err)
		}
		if files, _ := os.ReadDir(k.Dir); len(files) > 0 {
			t.Errorf("%s: a list was kept", what)
		}
		s.tag, mostListing = `"1"`, most
	}
}

// TestListingsLimit holds that the lists which were not used for longest go first.
func TestListingsLimit(t *testing.T) {
	s := &shelf{makeTar(t, shelved...), ""}
	at := serve(t, s)
	k := Listings{Dir: t.TempDir(), Limit: 1 << 20}
	size := int64(0)
	var kept []string
	for i := range 4 {
		s.tag = fmt.Sprintf(`"%d"`, i)
		if _, err := opened(t, k, at, ".jpg"); err != nil {
			t.Fatal(err)
		}
		path := k.path(fmt.Sprintf("%s %d %s", at, len(s.data), s.tag))
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		kept, size = append(kept, path), info.Size()
		old := time.Now().Add(time.Duration(i-10) * time.Hour)
		if i == 0 {
			old = time.Now() // used since
		}
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
	}
	k.Limit = 3 * size
	s.tag = `"4"`
	if _, err := opened(t, k, at, ".jpg"); err != nil {
		t.Fatal(err)
	}
	for i, path := range kept {
		if _, err := os.Stat(path); (err == nil) != (i == 0 || i == 3) {
			t.Errorf("list %d: %v", i, err)
		}
	}
}

// FuzzListing reads lists of any bytes. They are refused or give members that are in the
// archive, and memory is bounded by the file.
func FuzzListing(f *testing.F) {
	l := &listing{head: listingHead{Version: listingVersion, Archive: "a", Size: 5000}}
	for i, name := range []string{"a.jpg", "", "b/c.jpg"} {
		l.add(record{name, recordKind(i), int64(100 * i), int64(1000 * i)})
	}
	f.Add(int64(5000), 3, l.entries)
	f.Fuzz(func(t *testing.T, size int64, entries int, data []byte) {
		allocated := testutil.Allocated(func() {
			l := &listing{head: listingHead{Size: max(size, 0), Entries: entries}, entries: data}
			n := 0
			err := l.each(func(r record) error {
				if n++; r.kind == recordFile && (r.at < 0 || r.size < 0 || r.at+r.size > l.head.Size) {
					t.Errorf("%+v of an archive of %d bytes", r, l.head.Size)
				}
				return nil
			})
			if err == nil && n != entries {
				t.Errorf("%d entries, want %d", n, entries)
			}
		})
		if most := 1<<20 + 64*int64(len(data)); allocated > most {
			t.Errorf("%d bytes allocated for %d", allocated, len(data))
		}
	})
}
