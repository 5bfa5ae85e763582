package report

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/report"
	"github.com/clipnh/clipnh/internal/ui"
)

// contents are the bytes of all files of a folder.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		files[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func sameFiles(t *testing.T, got, want map[string]string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d files, want %d", len(got), len(want))
	}
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s has other bytes", name)
		}
	}
}

// A report has the same bytes for any number of threads, and when it is made again.
func TestReportHasTheSameBytes(t *testing.T) {
	o := golden(t)
	run(t, o)
	want := contents(t, o.Dir)
	run(t, o)
	sameFiles(t, contents(t, o.Dir), want)
	o.Threads, o.Dir = 1, filepath.Join(t.TempDir(), "one")
	run(t, o)
	sameFiles(t, contents(t, o.Dir), want)
}

// A run that was interrupted resumes: what it wrote stays, and the result is that of a run
// that was not.
func TestReportResumes(t *testing.T) {
	o := golden(t)
	run(t, o)
	want := contents(t, o.Dir)
	o.Dir = filepath.Join(t.TempDir(), "resumed")
	for _, after := range []int64{3, 1030, 500, 1040, 200} {
		ctx, cancel := context.WithCancel(context.Background())
		_, err := Run(ctx, o, &pipelinetest.Interrupting{Reporter: pipelinetest.Silent(), After: after, Cancel: cancel})
		cancel()
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("after %d: %v, want a cancelled context", after, err)
		}
		var mark report.Mark
		data, err := os.ReadFile(filepath.Join(o.Dir, report.MarkFile))
		if err == nil {
			err = json.Unmarshal(data, &mark)
		}
		if err != nil || mark.State != report.Unfinished {
			t.Fatalf("after %d: the mark says %q, %v; want %q", after, mark.State, err, report.Unfinished)
		}
	}
	// What was read of the scores is not read again, unless what was kept of it is damaged.
	damage(t, filepath.Join(o.Dir, "data", "work", "rows"))
	labels := &labelled{Reporter: pipelinetest.Silent()}
	r, err := Run(context.Background(), o, labels)
	if err != nil {
		t.Fatal(err)
	}
	if r.Kept == 0 {
		t.Error("nothing was kept of the interrupted runs")
	}
	if slices.Contains(labels.all, "report: pairs") || slices.Contains(labels.all, "report: effects") || !slices.Contains(labels.all, "report: images") {
		t.Errorf("the last run did %q", labels.all)
	}
	sameFiles(t, contents(t, o.Dir), want)
}

// damage changes a byte in the middle of a file.
func damage(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err == nil {
		data[len(data)/2] ^= 1
		err = os.WriteFile(path, data, 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// labelled notes what a run says that it does.
type labelled struct {
	ui.Reporter
	all []string
}

func (l *labelled) Progress() ui.Progress { return l }

func (l *labelled) Start(_ int64, _ ui.Unit, label string) { l.all = append(l.all, label) }

func (l *labelled) Add(int64) {}

func (l *labelled) Done() {}

// A folder that is not a report is not touched; a report of something else is replaced.
func TestReportReplacesReportsOnly(t *testing.T) {
	o := golden(t)
	if err := os.MkdirAll(o.Dir, 0o777); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(o.Dir, "thesis.tex")
	if err := os.WriteFile(other, []byte("years of work"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(context.Background(), o, pipelinetest.Silent()); !errors.Is(err, cache.ErrExists) {
		t.Errorf("a folder of other files: %v, want ErrExists", err)
	}
	if err := os.WriteFile(filepath.Join(o.Dir, report.MarkFile), []byte(`{"tool":"another"}`), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(context.Background(), o, pipelinetest.Silent()); !errors.Is(err, cache.ErrExists) {
		t.Errorf("a mark of another program: %v, want ErrExists", err)
	}
	if got := contents(t, o.Dir); len(got) != 2 || got["thesis.tex"] != "years of work" {
		t.Errorf("the folder has %d files now", len(got))
	}

	o.Dir = filepath.Join(t.TempDir(), "report")
	bare := Options{Store: o.Store, Threads: 2, ScoresPath: o.ScoresPath, Dir: o.Dir}
	run(t, bare)
	for _, name := range []string{"data/mine.js", "data/n/mine.js", "thumbs/mine.jpg", "notes.txt"} {
		if err := os.WriteFile(filepath.Join(o.Dir, filepath.FromSlash(name)), []byte("years of work"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want := contents(t, o.Dir)
	run(t, o)
	run(t, bare)
	sameFiles(t, contents(t, o.Dir), want)
}
