package subset

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// letters is a folder of images a.jpg to j.jpg, whose content nobody reads.
func letters(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for c := 'a'; c <= 'j'; c++ {
		if err := os.WriteFile(filepath.Join(dir, string(c)+".jpg"), []byte(string(c)), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func subset(t *testing.T, o Options) (*Result, string, error) {
	t.Helper()
	if o.Data.Kind == "" {
		o.Data.Kind = dataset.ImageNetTest
	}
	r, err := Run(context.Background(), o, pipelinetest.Silent())
	entries, e := os.ReadDir(o.SavePath)
	if e != nil && !os.IsNotExist(e) {
		t.Fatal(e)
	}
	var names []string
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(o.SavePath, entry.Name()))
		if err != nil || string(content) != entry.Name()[:1] {
			t.Errorf("%s holds %q, %v", entry.Name(), content, err)
		}
		names = append(names, entry.Name()[:1])
	}
	return r, strings.Join(names, ""), err
}

func TestSubset(t *testing.T) {
	for name, tt := range map[string]struct {
		number, stride int
		want           string
	}{
		"number": {5, 0, "acegi"}, "odd number": {3, 0, "adg"}, "stride": {0, 4, "aei"}, "both": {2, 4, "ae"}, "all": {10, 0, "abcdefghij"},
	} {
		for _, hard := range []bool{false, true} {
			o := Options{Data: dataset.Options{Path: letters(t)}, Number: tt.number, Stride: tt.stride, Hard: hard, SavePath: filepath.Join(t.TempDir(), "new", "few")}
			r, names, err := subset(t, o)
			if err != nil || names != tt.want || r.Images != len(tt.want) || r.Made != len(tt.want) || r.Of != 10 {
				t.Fatalf("%s: %+v, %q, %v, want %q", name, r, names, err, tt.want)
			}
			info, err := os.Lstat(filepath.Join(o.SavePath, "a.jpg"))
			if err != nil || info.Mode().IsRegular() != hard {
				t.Errorf("%s: hard %v made %v, %v", name, hard, info.Mode(), err)
			}
			if err := os.Remove(filepath.Join(o.SavePath, "a.jpg")); err != nil {
				t.Fatal(err)
			}
			if r, names, err := subset(t, o); err != nil || r.Made != 1 || names != tt.want {
				t.Errorf("%s, again: %+v, %q, %v, want the one that was missing", name, r, names, err)
			}
		}
	}
}

func TestSubsetRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		prepare func(t *testing.T, o *Options)
		want    string
	}{
		"too few": {func(_ *testing.T, o *Options) { o.Number = 11 }, "10 images, of which {sample-stride} 1 takes 10, want {number} 11"},
		"another subset": {func(t *testing.T, o *Options) {
			if _, _, err := subset(t, Options{Data: o.Data, Stride: 3, SavePath: o.SavePath}); err != nil {
				t.Fatal(err)
			}
		}, "holds d.jpg, which is not part of this subset"},
		"a file of that name": {func(t *testing.T, o *Options) {
			if err := os.Mkdir(o.SavePath, 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(o.SavePath, "c.jpg"), []byte("c"), 0o666); err != nil {
				t.Fatal(err)
			}
		}, "c.jpg: something else is in the way"},
		"the images' folder": {func(_ *testing.T, o *Options) { o.SavePath = o.Data.Path }, "is in the folder of the images"},
		"a folder in it":     {func(_ *testing.T, o *Options) { o.SavePath = filepath.Join(o.Data.Path, "x", "few") }, "is in the folder of the images"},
		"a file": {func(t *testing.T, o *Options) {
			o.SavePath = filepath.Join(letters(t), "a.jpg")
		}, "a file, want a folder"},
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{Data: dataset.Options{Kind: dataset.ImageNetTest, Path: letters(t)}, Number: 5, SavePath: filepath.Join(t.TempDir(), "few")}
			tt.prepare(t, &o)
			before := len(readNames(t, o.SavePath))
			if _, err := Run(context.Background(), o, pipelinetest.Silent()); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if after := len(readNames(t, o.SavePath)); after != before {
				t.Errorf("%d entries became %d", before, after)
			}
		})
	}
}

func readNames(t *testing.T, dir string) []os.DirEntry {
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) && !strings.Contains(err.Error(), "not a directory") {
		t.Fatal(err)
	}
	return entries
}

// What the listing left out is part of the result.
func TestSubsetUnlisted(t *testing.T) {
	dir := letters(t)
	if err := os.WriteFile(filepath.Join(dir, "k\n.jpg"), nil, 0o600); err != nil {
		t.Skip(err)
	}
	r, _, err := subset(t, Options{Data: dataset.Options{Path: dir}, Stride: 2, SavePath: filepath.Join(t.TempDir(), "out")})
	if err != nil || r.Images != 5 || len(r.Skipped) != 1 || r.Skipped[0].Name != `"k\n.jpg"` {
		t.Errorf("%+v, %v, want one skipped", r, err)
	}
}

// TestMadeMeanwhile: the link that another run has made is as good as one's own, and something
// else in its place is not.
func TestMadeMeanwhile(t *testing.T) {
	from := letters(t)
	for _, hard := range []bool{false, true} {
		l := &links{dir: t.TempDir(), hard: hard}
		a := dataset.Item{Path: filepath.Join(from, "a.jpg"), Name: "a.jpg"}
		for range 2 {
			if err := l.make(a); err != nil {
				t.Errorf("hard %t: %v", hard, err)
			}
		}
		if err := os.Rename(l.path(a), filepath.Join(l.dir, "b.jpg")); err != nil {
			t.Fatal(err)
		}
		err := l.make(dataset.Item{Path: filepath.Join(from, "b.jpg"), Name: "b.jpg"})
		if bad := testutil.Line(err, "something else is in the way"); bad != nil {
			t.Errorf("hard %t: %v", hard, bad)
		}
	}
}
