package dataset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/testutil"
)

// archivesServer serves n archives of an ending, of two images each, to a handler's liking.
func archivesServer(t *testing.T, n int, ending string, handle func(w http.ResponseWriter, r *http.Request, files http.Handler)) (pattern string) {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		folder := tree(t, images("b.jpg", "a.jpg", "notes"))
		testutil.Pack(t, folder, filepath.Join(dir, fmt.Sprintf("%02d.%s", i, ending)), "")
	}
	files := http.FileServer(http.Dir(dir))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handle(w, r, files) }))
	t.Cleanup(server.Close)
	return fmt.Sprintf("%s/{00..%02d}.%s", server.URL, n-1, ending)
}

// TestListedAtOnce: archives at addresses are listed several at once, by as many requests as one
// after the other, in their order. No request is answered before enough have come for that.
func TestListedAtOnce(t *testing.T) {
	const archives = 3 * addressesAtOnce
	for _, ending := range []string{"tar", "zip", "parquet"} {
		var mu sync.Mutex
		all := sync.NewCond(&mu)
		requests, waiting, most, asked := 0, 0, 0, map[string]int{}
		pattern := archivesServer(t, archives, ending, func(w http.ResponseWriter, r *http.Request, files http.Handler) {
			mu.Lock()
			requests++
			waiting++
			most = max(most, waiting)
			asked[r.URL.Path]++
			for all.Broadcast(); most < addressesAtOnce; {
				all.Wait()
			}
			waiting--
			mu.Unlock()
			files.ServeHTTP(w, r)
		})
		again := func() {
			mu.Lock()
			defer mu.Unlock()
			requests, most = 0, 0
		}
		d, err := Open(t.Context(), Options{Kind: Images, Path: pattern})
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for i := range archives {
			want = append(want, fmt.Sprintf("%02d.%s!a.jpg", i, ending), fmt.Sprintf("%02d.%s!b.jpg", i, ending))
		}
		if ending == "parquet" { // whose rows have their order, and say nothing of what they are
			want = d.Names()
		}
		if got := d.Names(); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", ending, got, want)
		}
		opening := requests
		if _, err := d.Sizes(); err != nil {
			t.Fatal(err)
		}
		if most != addressesAtOnce || opening%archives != 0 || requests-opening != archives {
			t.Errorf("%s: %d requests, %d at once, and %d more for sizes, want a multiple of %d, %d at once, and %d", ending, opening, most, requests-opening, archives, addressesAtOnce, archives)
		}
		for path, n := range asked {
			if n != requests/archives {
				t.Errorf("%s: %d requests for %s, want %d", ending, n, path, requests/archives)
			}
		}
		if len(d.Ends()) != archives-1 {
			t.Errorf("%s: archives end at %v", ending, d.Ends())
		}

		// A list that is kept of them, and a part of it.
		again()
		list := kept(t, Options{Kind: Images, Path: pattern})
		if most != addressesAtOnce || requests != opening+archives {
			t.Errorf("%s: %d requests for a list, %d at once, want %d, %d", ending, requests, most, opening+archives, addressesAtOnce)
		}
		l, err := OpenListing(Options{Kind: Images, Path: list})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		again()
		items, sizes, err := l.Part(t.Context(), d.Ends()[3], d.Ends()[3+addressesAtOnce], 1)
		if err != nil || most != addressesAtOnce || requests != opening/archives*addressesAtOnce {
			t.Errorf("%s: %d requests for a part, %d at once, want %d, %d: %v", ending, requests, most, opening/archives*addressesAtOnce, addressesAtOnce, err)
		}
		again()
		if err := l.CheckSizes(t.Context(), items, sizes); err != nil || requests != addressesAtOnce || most != addressesAtOnce {
			t.Errorf("%s: %d requests for sizes, %d at once, want %d: %v", ending, requests, most, addressesAtOnce, err)
		}
		for stride, want := range map[int][]int{1: d.Ends(), 2: d.Stride(2).Ends(), 3: d.Stride(3).Ends(), 7: d.Stride(7).Ends()} {
			if ends, err := l.Ends(t.Context(), stride); err != nil || !slices.Equal(ends, want) {
				t.Errorf("%s: every %d. image: archives end at %v in the list, want %v: %v", ending, stride, ends, want, err)
			}
			was := l.file.Ends
			l.file.Ends = nil // as in one of an older build
			if ends, err := l.Ends(t.Context(), stride); err != nil || !slices.Equal(ends, want) {
				t.Errorf("%s: every %d. image: archives end at %v in an older list, want %v: %v", ending, stride, ends, want, err)
			}
			l.file.Ends = was
		}
	}
}

// TestFirstErrorOfArchives: the error is that of the first archive that cannot be listed, also if
// that of another was known before.
func TestFirstErrorOfArchives(t *testing.T) {
	later := make(chan struct{})
	once := sync.OnceFunc(func() { close(later) })
	pattern := archivesServer(t, 12, "tar", func(w http.ResponseWriter, r *http.Request, files http.Handler) {
		switch r.URL.Path {
		case "/02.tar":
			<-later
			w.WriteHeader(http.StatusForbidden)
		case "/05.tar":
			w.WriteHeader(http.StatusNotFound)
			once()
		default:
			files.ServeHTTP(w, r)
		}
	})
	for range 3 {
		if _, err := Open(t.Context(), Options{Kind: Images, Path: pattern}); err == nil || !strings.Contains(err.Error(), "02.tar: ") {
			t.Errorf("%v, want that of 02.tar", err)
		}
		if _, err := WriteListing(t.Context(), Options{Kind: Images, Path: pattern}, io.Discard); err == nil || !strings.Contains(err.Error(), "02.tar: ") {
			t.Errorf("%v, want that of 02.tar", err)
		}
	}
}

// TestListingInterrupted: an interrupt ends listing although no server answers.
func TestListingInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	waiting := 0
	pattern := archivesServer(t, 12, "tar", func(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
		mu.Lock()
		if waiting++; waiting == addressesAtOnce {
			cancel()
		}
		mu.Unlock()
		<-r.Context().Done()
	})
	if _, err := Open(ctx, Options{Kind: Images, Path: pattern}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want the interrupt", err)
	}
}

// TestAhead: things are taken in their order, no more are open than are said, and a panic is that
// of who takes them.
func TestAhead(t *testing.T) {
	for _, atOnce := range []int{1, 3} {
		var mu sync.Mutex
		open, most := 0, 0
		a := openAhead(t.Context(), 10, atOnce, func(_ context.Context, i int) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			open++
			most = max(most, open)
			if i == 7 {
				panic("seven")
			}
			return i, nil
		})
		ctx := a.ctx
		panicked := par.Catch(func() {
			defer a.close()
			for i := range 10 {
				got, err := a.next()
				if got != i || err != nil {
					t.Errorf("%d, want %d: %v", got, i, err)
				}
				mu.Lock()
				open--
				mu.Unlock()
			}
		})
		if panicked == nil || !strings.Contains(panicked.Error(), "seven") || most > atOnce+1 || ctx.Err() == nil {
			t.Errorf("%d at once: %v, %d open, the context %v", atOnce, panicked, most, ctx.Err())
		}
	}
	a := openAhead(t.Context(), 5, 2, func(_ context.Context, i int) (int, error) { return i, nil })
	for range 5 {
		if _, err := a.next(); err != nil {
			t.Error(err)
		}
	}
	if a.close(); a.ctx.Err() != nil {
		t.Error("what was opened cannot be read any more")
	}
}
