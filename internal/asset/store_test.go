package asset

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/download"
	"github.com/clipnh/clipnh/internal/ui"
)

const text = "one\t\ntwo\t\n"

func sumOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// ownStore returns a store whose table has the list "two" of two words.
func ownStore(t *testing.T, url string) (*Store, configs.Asset) {
	t.Helper()
	home := t.TempDir()
	a := configs.Asset{Name: "two", Kind: configs.AssetWords, File: "two.txt", URL: url + "/two.txt", Size: int64(len(text)), SHA256: sumOf(text)}
	writeTable(t, home, a)
	s, err := Open(home)
	if err != nil {
		t.Fatal(err)
	}
	return s, a
}

func writeTable(t *testing.T, home string, all ...configs.Asset) {
	t.Helper()
	data, err := json.Marshal(all)
	if err == nil {
		err = os.WriteFile(filepath.Join(home, "assets.json"), data, 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestHome(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", "/var/caches")
	t.Setenv(HomeVariable, "")
	base, err := os.UserCacheDir() // which is elsewhere on some systems
	if err != nil {
		t.Fatal(err)
	}
	if home, err := Home(); err != nil || home != filepath.Join(base, "clipnh") {
		t.Errorf("got %s, %v, want clipnh below %s", home, err, base)
	}
	t.Setenv(HomeVariable, "here")
	want, err := filepath.Abs("here")
	if err != nil {
		t.Fatal(err)
	}
	if home, err := Home(); err != nil || home != want {
		t.Errorf("got %s, %v, want %s", home, err, want)
	}
}

func TestLocate(t *testing.T) {
	ctx := context.Background()
	s, a := ownStore(t, "http://files.invalid")
	_, err := s.Locate(ctx, a)
	var h interface{ Hint() string }
	if !errors.Is(err, cache.ErrMissing) || !errors.As(err, &h) || h.Hint() != `run "clipnh fetch two"` {
		t.Errorf("not there: got %v, want ErrMissing and what to run", err)
	}
	if state, n := s.State(a); state != Absent || n != 0 {
		t.Errorf("not there: %s, %d bytes", state, n)
	}

	write(t, s.Path(a), text)
	for range 2 { // summed up, then believed
		if path, err := s.Locate(ctx, a); err != nil || path != s.Path(a) {
			t.Fatalf("got %s, %v", path, err)
		}
	}
	if c := readCheck(s.Path(a)); c.SHA256 != a.SHA256 || c.Size != a.Size {
		t.Errorf("wrote down %+v", c)
	}

	// Other bytes of the same size: the time of change gives them away.
	write(t, s.Path(a), strings.ToUpper(text))
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(s.Path(a), later, later); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Locate(ctx, a); !errors.Is(err, cache.ErrDamaged) || !errors.As(err, &h) {
		t.Errorf("damaged: got %v, want ErrDamaged and what to run", err)
	}
	for _, note := range []string{"", "{", strings.Repeat("x", maxCheck+1), `{"sha256": "` + a.SHA256 + `"}`} {
		write(t, s.Path(a)+checkedSuffix, note)
		if _, err := s.Locate(ctx, a); !errors.Is(err, cache.ErrDamaged) {
			t.Errorf("with the note %.50q: got %v, want ErrDamaged", note, err)
		}
	}
}

// TestLocateSetBack changes a file and sets its time back, or puts another in its place
// with the same time: the inode gives it away.
func TestLocateSetBack(t *testing.T) {
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		t.Skip("inodes are not known here")
	}
	for name, change := range map[string]func(path string){
		"in place": func(path string) { write(t, path, strings.ToUpper(text)) },
		"replaced": func(path string) {
			write(t, path+".new", strings.ToUpper(text))
			if err := os.Rename(path+".new", path); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, a := ownStore(t, "http://files.invalid")
			write(t, s.Path(a), text)
			if _, err := s.Locate(t.Context(), a); err != nil {
				t.Fatal(err)
			}
			before, err := os.Stat(s.Path(a))
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Millisecond) // clocks of file systems tick slowly
			change(s.Path(a))
			if err := os.Chtimes(s.Path(a), before.ModTime(), before.ModTime()); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Locate(t.Context(), a); !errors.Is(err, cache.ErrDamaged) {
				t.Errorf("got %v, want ErrDamaged", err)
			}
		})
	}
}

// TestFetchByHand says where a file is to be put that cannot be fetched.
func TestFetchByHand(t *testing.T) {
	s, a := ownStore(t, "http://127.0.0.1:1") // nobody listens at port 1
	var said bytes.Buffer
	start := time.Now()
	_, err := s.Fetch(t.Context(), download.NewClient("clipnh/test"), a, s.URL(a, ""), ui.NewPrinter(&said, &said, time.Now))
	var h interface{ Hint() string }
	if !errors.As(err, &h) || !strings.Contains(h.Hint(), "save it as "+s.Path(a)) || time.Since(start) > 5*time.Second {
		t.Fatalf("%v after %s, without the path of the file", err, time.Since(start))
	}
	write(t, s.Path(a), text)
	if path, err := s.Locate(t.Context(), a); err != nil || path != s.Path(a) {
		t.Errorf("put there by hand: %s, %v", path, err)
	}
}

func TestResolve(t *testing.T) {
	ctx := context.Background()
	s, a := ownStore(t, "http://files.invalid")
	t.Chdir(t.TempDir())
	if path, known, err := s.Resolve(ctx, configs.AssetModel, "RN50.pt"); path != "RN50.pt" || known || err != nil {
		t.Errorf("a file that is not there: %s, %v, %v", path, known, err)
	}
	if _, _, err := s.Resolve(ctx, configs.AssetModel, "two"); err == nil || err.Error() != "two is of kind words, want model" {
		t.Errorf("another kind: %v", err)
	}
	if _, known, err := s.Resolve(ctx, configs.AssetWords, "two"); !known || !errors.Is(err, cache.ErrMissing) {
		t.Errorf("not fetched: %v", err)
	}
	write(t, s.Path(a), text)
	if path, known, err := s.Resolve(ctx, configs.AssetWords, "two"); path != s.Path(a) || !known || err != nil {
		t.Errorf("fetched: %s, %v", path, err)
	}
	write(t, "two", "a file of that name")
	if path, known, err := s.Resolve(ctx, configs.AssetWords, "two"); path != "two" || !known || err != nil {
		t.Errorf("a path that exists: %s, %v", path, err)
	}
}

func TestFetch(t *testing.T) {
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path)
		w.Write([]byte(text))
	}))
	defer server.Close()
	s, a := ownStore(t, server.URL)
	var said bytes.Buffer
	say := ui.NewPrinter(&said, &said, time.Now)
	client := download.NewClient("clipnh/test")
	for i, want := range []download.Result{{Bytes: a.Size}, {Bytes: a.Size, There: true}} {
		f, err := s.Fetch(context.Background(), client, a, s.URL(a, ""), say)
		if err != nil || f.Result != want || f.Path != s.Path(a) {
			t.Fatalf("run %d: %+v, %v, want %+v", i, f, err, want)
		}
	}
	if len(asked) != 1 || asked[0] != "/two.txt" {
		t.Errorf("asked for %q", asked)
	}
	if state, n := s.State(a); state != Present || n != a.Size {
		t.Errorf("%s, %d bytes", state, n)
	}
	longer := a
	longer.Size++
	if state, n := s.State(longer); state != Damaged || n != a.Size {
		t.Errorf("cut short: %s, %d bytes", state, n)
	}
	if c := readCheck(s.Path(a)); c.SHA256 != a.SHA256 {
		t.Errorf("wrote down %+v", c)
	}
	if tag, err := os.ReadFile(filepath.Join(s.Dir, "CACHEDIR.TAG")); err != nil || !strings.HasPrefix(string(tag), "Signature: 8a477f597d28d172789f06886806bc55") {
		t.Errorf("CACHEDIR.TAG: %q, %v", tag, err)
	}
}

func TestURL(t *testing.T) {
	s, a := ownStore(t, "https://files.example")
	t.Setenv(MirrorVariable, "")
	for from, want := range map[string]string{
		"":                         "https://files.example/two.txt",
		"https://other.example/x":  "https://other.example/x",
		"https://other.example/x/": "https://other.example/x/two.txt",
	} {
		if got := s.URL(a, from); got != want {
			t.Errorf("from %q: %s, want %s", from, got, want)
		}
	}
	for _, mirror := range []string{"http://mirror.example/clip", "http://mirror.example/clip/"} {
		t.Setenv(MirrorVariable, mirror)
		if got, want := s.URL(a, ""), "http://mirror.example/clip/two.txt"; got != want {
			t.Errorf("mirror %s: %s, want %s", mirror, got, want)
		}
		if got, want := s.URL(a, "http://x.example/x"), "http://x.example/x"; got != want {
			t.Errorf("mirror and a URL: %s, want %s", got, want)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	good := configs.Asset{Name: "a", Kind: configs.AssetModel, File: "a.pt", URL: "https://files.example/a.pt", SHA256: sumOf("")}
	for name, tt := range map[string]struct {
		change func(*configs.Asset)
		want   string
	}{
		"a known name": {func(a *configs.Asset) { a.Name = "rn50" }, "the program's own table has RN50"},
		"a known file": {func(a *configs.Asset) { a.File = "RN50.pt" }, "the program's own table has RN50"},
		"a bad hash":   {func(a *configs.Asset) { a.SHA256 = "" }, "assets.json: entry 1: a: sha256"},
	} {
		home, bad := t.TempDir(), good
		tt.change(&bad)
		writeTable(t, home, bad)
		if _, err := Open(home); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
	home := t.TempDir()
	write(t, filepath.Join(home, "assets.json"), strings.Repeat(" ", configs.MaxAssetsTable+1))
	if _, err := Open(home); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("a large table: %v", err)
	}
}
