package dataset

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// farServer serves a folder, also as the bucket b, and counts requests. Without ranges, it gives
// whole files.
type farServer struct {
	url    string
	whole  bool
	tags   bool
	mu     sync.Mutex
	asked  map[string]int
	secret string // the password that it wants; empty for none
}

func newFarServer(t *testing.T, dir string) *farServer {
	t.Helper()
	s := &farServer{asked: map[string]int{}}
	files := http.FileServer(http.Dir(dir))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked[r.URL.Path]++
		s.mu.Unlock()
		if _, password, _ := r.BasicAuth(); s.secret != "" && password != s.secret {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if below, is := strings.CutPrefix(r.URL.Path, "/b/"); is {
			r.URL.Path = "/" + below
		}
		if s.tags {
			w.Header().Set("ETag", fmt.Sprintf("%q", r.URL.Path))
		}
		if s.whole {
			r.Header.Del("Range")
		}
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	for name, value := range map[string]string{"AWS_ENDPOINT_URL": server.URL, "AWS_ACCESS_KEY_ID": "who", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true"} {
		t.Setenv(name, value)
	}
	return s
}

// requests returns how often each path was asked for, and forgets it.
func (s *farServer) requests() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = map[string]int{}
	return asked
}

// TestFarLists opens lists at addresses.
func TestFarLists(t *testing.T) {
	files := images("in/b.jpg", "in/a.jpg", "out/c.jpg", "in/d e.jpg", "in/f#1%41?.jpg", "in/12:30.jpg")
	for _, test := range []struct {
		name, file, list, kind string
		want                   []string // name=label
		paths                  []string // below the server's address; nil: the names, from the list's folder
		classes                []string
		err, hint              string
		http, s3               bool // only there
	}{
		{name: "text", file: "in/list.txt", list: "b.jpg\n./a.jpg\n", kind: Images, want: []string{"b.jpg=-1", "a.jpg=-1"}},
		{name: "out of the folder", file: "in/list.txt", list: "b.jpg\n../out/c.jpg\n", kind: Images, want: []string{"in/b.jpg=-1", "out/c.jpg=-1"}, paths: []string{"in/b.jpg", "out/c.jpg"}},
		{name: "from the top", file: "in/list.txt", list: "/b/in/b.jpg\n/b/out/c.jpg\n", kind: Images, want: []string{"in/b.jpg=-1", "out/c.jpg=-1"}, paths: []string{"in/b.jpg", "out/c.jpg"}, http: true},
		{name: "from the top of a bucket", file: "in/list.txt", list: "/in/b.jpg\n/out/c.jpg\n", kind: Images, want: []string{"in/b.jpg=-1", "out/c.jpg=-1"}, paths: []string{"in/b.jpg", "out/c.jpg"}, s3: true},
		{name: "above the top", file: "in/list.txt", list: "../../../../b/in/b.jpg\n", kind: Images, want: []string{"b.jpg=-1"}, paths: []string{"in/b.jpg"}, http: true},
		{name: "above the top of a bucket", file: "in/list.txt", list: "../../../in/b.jpg\n", kind: Images, want: []string{"b.jpg=-1"}, paths: []string{"in/b.jpg"}, s3: true},
		{name: "a table", file: "list.csv", list: "x,path\n1,in/b.jpg\n2,in/a.jpg\n", kind: Images, want: []string{"in/b.jpg=-1", "in/a.jpg=-1"}},
		{name: "labels", file: "list.csv", list: "label,file\ndog,in/b.jpg\ncat,in/a.jpg\n", kind: ImageNetVal, want: []string{"in/b.jpg=1", "in/a.jpg=0"}, classes: []string{"cat", "dog"}},
		{name: "labels and classes", file: "out/list.csv", list: "label,file\n1,../in/b.jpg\n0,../in/a.jpg\n", kind: ImageNetVal, want: []string{"b.jpg=1", "a.jpg=0"}, paths: []string{"in/b.jpg", "in/a.jpg"}, classes: []string{"zero", "one"}},
		{name: "signs", file: "in/list.txt", list: "d e.jpg\nf%231%2541%3F.jpg\n", kind: Images, want: []string{"d e.jpg=-1", "f%231%2541%3F.jpg=-1"}, paths: []string{"in/d%20e.jpg", "in/f%231%2541%3F.jpg"}, http: true},
		{name: "signs in keys", file: "in/list.txt", list: "d e.jpg\nf#1%41?.jpg\n12:30.jpg\n", kind: Images, want: []string{"d e.jpg=-1", "f#1%41?.jpg=-1", "12:30.jpg=-1"}, s3: true},
		{name: "a colon", file: "in/list.txt", list: "./12:30.jpg\n", kind: Images, want: []string{"12:30.jpg=-1"}, http: true},
		{name: "one that is not there", file: "list.txt", list: "in/none.jpg\nin/a.jpg\n", kind: Images, want: []string{"in/none.jpg=-1", "in/a.jpg=-1"}},
		{name: "cars", file: "list.txt", list: "in/b.jpg\n", kind: Cars, err: "LIST: a list of images, want the folder of the data set"},
		{name: "no labels", file: "list.txt", list: "in/b.jpg\n", kind: ImageNetVal, err: "LIST: a list without labels", hint: "give a .csv"},
		{name: "another host", file: "list.txt", list: "in/b.jpg\n//who:SECRET@host/a.jpg\n", kind: Images, err: "LIST: image 2: //host/a.jpg: it begins with two slashes"},
		{name: "another address", file: "list.txt", list: "in/b.jpg\nhttps://who:SECRET@host/a.jpg\n", kind: Images, err: "LIST: image 2: https://host/a.jpg: an address, want a path", hint: "img2dataset"},
		{name: "addresses", file: "list.csv", list: "url,caption\nhttp://x/1.jpg,x\n", kind: Images, err: "LIST: line 2: an address and no path", hint: "img2dataset"},
		{name: "another scheme", file: "list.txt", list: "ftp://who:SECRET@host/a.jpg\n", kind: Images, err: "LIST: image 1: ftp://: not a path in an address", http: true},
		{name: "a colon in a name", file: "in/list.txt", list: "12:30.jpg\n", kind: Images, err: "LIST: image 1: 12:30.jpg: not a path in an address", hint: "begin the path with ./", http: true},
		{name: "a query", file: "in/list.txt", list: "a.jpg?size=1\n", kind: Images, err: "LIST: image 1: a.jpg?size=1: it has a ?", hint: "%3F", http: true},
		{name: "a fragment", file: "in/list.txt", list: "a.jpg#1\n", kind: Images, err: "LIST: image 1: a.jpg#1: it has a #", hint: "%23", http: true},
		{name: "a lone sign", file: "in/list.txt", list: "100%.jpg\n", kind: Images, err: "LIST: image 1: 100%.jpg: not a path in an address: invalid URL escape", http: true},
		{name: "twice", file: "list.txt", list: "in/b.jpg\nin/../in/b.jpg\n", kind: Images, err: "LIST: image in/b.jpg is listed twice, as number 1 and 2"},
		{name: "a folder", file: "list.txt", list: "in/b.jpg\nin/\n", kind: Images, err: "LIST: image 2: in/: a folder, want an image"},
		{name: "archives", file: "list.txt", list: "in/b.jpg\nshards/000.tar\n", kind: Images, err: "LIST: image 2: shards/000.tar: an archive, want the path of an image", hint: "a pattern with braces"},
		{name: "words", file: "list.txt", list: "circle\ndisc\n", kind: Images, err: "LIST: none of the 2 images that it lists is there; the first would be BASE/circle", hint: "want a path on each line"},
		{name: "a negative number", file: "list.csv", list: "label,file\n2,in/b.jpg\n-1,in/a.jpg\n", kind: ImageNetVal, err: `LIST: in/a.jpg: class "-1", want a whole number from 0, or names`, hint: "without a label"},
	} {
		t.Run(test.name, func(t *testing.T) {
			root := tree(t, files)
			if err := os.WriteFile(filepath.Join(root, "out", classesFile), []byte("n0\tzero\nn1\tone\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(root, filepath.FromSlash(test.file)), []byte(test.list), 0o600); err != nil {
				t.Fatal(err)
			}
			server := newFarServer(t, root)
			for _, base := range []string{server.url + "/b", "s3://b"} {
				at := base + "/" + test.file
				shown := at
				if s3 := base == "s3://b"; s3 && test.http || !s3 && test.s3 {
					continue
				} else if !s3 && test.classes == nil { // a classes.txt is not looked for with a password
					server.secret = "SECRET"
					at = strings.Replace(at, "://", "://who:SECRET@", 1)
				} else {
					server.secret = ""
				}
				d, err := Open(t.Context(), Options{Kind: test.kind, Path: at})
				if test.err != "" {
					want := strings.NewReplacer("LIST", shown, "BASE", base).Replace(test.err)
					if bad := testutil.Line(err, want); bad != nil {
						t.Error(bad)
					}
					var h interface{ Hint() string }
					if errors.As(err, &h) != (test.hint != "") || test.hint != "" && !strings.Contains(h.Hint(), test.hint) {
						t.Errorf("%v, want the hint %q", err, test.hint)
					}
					if err != nil && strings.Contains(err.Error(), "SECRET") {
						t.Error(err)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				if got := listed(d); !slices.Equal(got, test.want) || !slices.Equal(d.Classes, test.classes) {
					t.Errorf("%q of %q, want %q of %q", got, d.Classes, test.want, test.classes)
				}
				if d.Root != shown {
					t.Errorf("root %s, want %s", d.Root, shown)
				}
				sizes, err := d.Sizes()
				if err != nil {
					t.Fatal(err)
				}
				for i := range d.Items {
					item := &d.Items[i]
					want := filepath.ToSlash(filepath.Join(filepath.Dir(test.file), item.Name))
					if test.paths != nil {
						want = test.paths[i]
					}
					if item.Path != base+"/"+want {
						t.Errorf("path %s, want %s", item.Path, base+"/"+want)
					}
					f, err := item.Load()
					if strings.Contains(item.Name, "none") {
						if !Gone(err) || Unanswered(err) || sizes[i] != unopened || strings.Count(err.Error(), item.Path) != 1 {
							t.Errorf("%v, %d bytes", err, sizes[i])
						}
					} else if err != nil || string(f.Bytes) != "picture" || sizes[i] != int64(len("picture")) {
						t.Errorf("%v, %d bytes", err, sizes[i])
					}
				}
				if ends := d.Ends(); ends != nil {
					t.Errorf("ends %d", ends)
				}
			}
		})
	}
}

// TestFarRequests holds that an image at an address of its own is looked at by one request and
// read by one more, also where the server gives no ranges, and that a tag tells it from others.
func TestFarRequests(t *testing.T) {
	root := tree(t, images("a.jpg", "b.jpg", "c.jpg"))
	if err := os.WriteFile(filepath.Join(root, "list.txt"), []byte("a.jpg\nb.jpg\nc.jpg\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, whole := range []bool{false, true} {
		server := newFarServer(t, root)
		server.whole, server.tags = whole, true
		open := func() *Dataset {
			d, err := Open(t.Context(), Options{Kind: Images, Path: server.url + "/list.txt"})
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
		d := open()
		if held := HeldBy(d.Items); held != "" {
			t.Errorf("held by %s before anything is known", held)
		}
		server.requests()
		if _, err := d.Sizes(); err != nil {
			t.Fatal(err)
		}
		for i := range d.Items {
			if _, err := d.Items[i].Load(); err != nil {
				t.Fatal(err)
			}
		}
		for path, n := range server.requests() {
			if n != 2 {
				t.Errorf("%s: %d requests, want 2", path, n)
			}
		}
		again := open()
		if _, err := again.Sizes(); err != nil {
			t.Fatal(err)
		}
		if held := HeldBy(d.Items); held == "" || held != HeldBy(again.Items) || held == HeldBy(again.Items[:2]) {
			t.Errorf("held by %q", held)
		}
		server.tags = false
		if _, err := d.Sizes(); !Unanswered(err) {
			t.Errorf("without tags: %v, want an error", err)
		}
		if _, err := d.Items[0].Load(); !Unanswered(err) {
			t.Errorf("without tags: %v, want an error", err)
		}
	}
}

// watchedList writes down what a Watcher is told.
type watchedList struct{ told []string }

func (w *watchedList) Listing(done, all int) {
	w.told = append(w.told, fmt.Sprintf("%d/%d", done, all))
}
func (w *watchedList) Listed() { w.told = append(w.told, "end") }

// TestFarWatched: who watches is told how far it is with the images of a list at an address, also
// where these are looked at in parts.
func TestFarWatched(t *testing.T) {
	root := tree(t, images("0.jpg", "1.jpg", "2.jpg", "3.jpg", "4.jpg"))
	if err := os.WriteFile(filepath.Join(root, "list.txt"), []byte("0.jpg\n1.jpg\n2.jpg\n3.jpg\n4.jpg\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := newFarServer(t, root)
	w := &watchedList{}
	ctx := WithWatcher(t.Context(), w)
	check := func(what string) {
		t.Helper()
		told := strings.Join(slices.Compact(w.told), " ")
		if want := "0/5 1/5 2/5 3/5 4/5 5/5 end"; told != want {
			t.Errorf("%s: told %s, want %s", what, told, want)
		}
		w.told = nil
	}
	o := Options{Kind: Images, Path: server.url + "/list.txt"}
	d, err := Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Stride(1).Sizes(); err != nil {
		t.Fatal(err)
	}
	check("sizes")

	defer func(was int) { linesTogether = was }(linesTogether)
	linesTogether = 2
	o.Path = filepath.Join(t.TempDir(), "a"+ListingEnd)
	f, err := os.Create(o.Path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = WriteListing(ctx, Options{Kind: Images, Path: server.url + "/list.txt"}, f)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	check("a kept list")

	l, err := OpenListing(o)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	items, sizes, err := l.Part(ctx, 0, 5, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.CheckSizes(ctx, items, sizes); err != nil {
		t.Fatal(err)
	}
	check("of a kept list")
}
