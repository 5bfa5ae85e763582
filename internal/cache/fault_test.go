package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/origin"
)

// A job is a collection as a command makes it.
type job struct {
	name    string
	path    string
	plan    Plan
	skipped map[int]bool // inputs
	extra   bool         // adds images.txt
	restart bool

	appended *int // counts the chunks that Append took
}

func testPlan(payload string) Plan {
	return Plan{
		Kind: "scores", Tool: "test", Axes: []string{"B", "H", "C"}, Row: []int{2, 3}, DType: npy.Float32,
		Origin:  origin.Origin{Model: "RN50"},
		Inputs:  10,
		Payload: payload, ChunkInputs: 3,
	}
}

var jobs = []job{
	{name: "folder", path: "/d/scores", plan: testPlan("scores.npy"), extra: true, skipped: map[int]bool{1: true, 9: true}},
	{name: "file", path: "/d/dense.npy", plan: testPlan("")},
	{name: "raw file", path: "/d/dense.dat", plan: testPlan(""), skipped: map[int]bool{3: true, 4: true, 5: true}},
}

// chunk returns the rows and skipped inputs of a chunk.
func (j job) chunk(number int) (rows []float32, skipped []Skipped) {
	lo := number * j.plan.ChunkInputs
	for i := lo; i < min(lo+j.plan.ChunkInputs, j.plan.Inputs); i++ {
		if j.skipped[i] {
			skipped = append(skipped, Skipped{fmt.Sprintf("%d.png", i), "not an image"})
			continue
		}
		for e := range 6 {
			rows = append(rows, float32(i)+float32(e)/8)
		}
	}
	return rows, skipped
}

// sums are checksums of a chunk's inputs.
func (j job) sums(number int) []uint32 {
	var sums []uint32
	for i := number * j.plan.ChunkInputs; i < min((number+1)*j.plan.ChunkInputs, j.plan.Inputs); i++ {
		sums = append(sums, uint32(i+1)*0x01234567)
	}
	return sums
}

// run starts or resumes the job.
func (j job) run(d disk) error {
	w, err := openChunks(d, j.path, j.plan, j.restart)
	if errors.Is(err, ErrComplete) {
		return nil
	}
	if err != nil {
		return err
	}
	defer w.Close()
	for w.Done() < w.Chunks() {
		rows, skipped := j.chunk(w.Done())
		if err := w.AppendInputs(j.sums(w.Done()), skipped, func(put func([]float32) error) error { return put(rows) }); err != nil {
			return err
		}
		if j.appended != nil {
			*j.appended = w.Done()
		}
	}
	if j.extra {
		err := w.AddFile("images.txt", func(to io.Writer) error {
			_, err := io.WriteString(to, "names\n")
			return err
		})
		if err != nil {
			return err
		}
	}
	_, err = w.Finish()
	return err
}

// undisturbed returns the files of a run without faults and the number of
// changes it took.
func (j job) undisturbed(t *testing.T) (files map[string]string, changes int) {
	t.Helper()
	m := newMemDisk(0)
	m.now["/d"], m.durable["/d"] = nil, nil
	if err := j.run(m); err != nil {
		t.Fatal(err)
	}
	return m.snapshot(), m.ops
}

// checkReader opens the artefact as a reader does: it must be complete and right, or
// the error must be ErrMissing.
func (j job) checkReader(t *testing.T, d disk) {
	t.Helper()
	a, err := openArtefact(d, j.path)
	switch {
	case err == nil:
		if damage, err := a.Verify(context.Background(), nil); err != nil || damage != nil {
			t.Errorf("an artefact with a manifest is damaged: %v, %v", damage, err)
		}
	case !errors.Is(err, ErrMissing):
		t.Errorf("an unfinished artefact: %v, want %v", err, ErrMissing)
	}
}

func sameFiles(t *testing.T, got, want map[string]string) {
	t.Helper()
	if names, wanted := slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)); !slices.Equal(names, wanted) {
		t.Errorf("files %q, want %q", names, wanted)
	}
	for path := range want {
		if got[path] != want[path] {
			t.Errorf("%s: other bytes than those of an undisturbed run", path)
		}
	}
}

// TestCrash simulates a crash at every single operation, then a second one at a random
// operation, and expects the run after that to give the result of an undisturbed run.
func TestCrash(t *testing.T) {
	for _, j := range jobs {
		t.Run(j.name, func(t *testing.T) {
			want, changes := j.undisturbed(t)
			for at := 1; at <= changes; at++ {
				for seed := range seeds(20, 40) {
					m := newMemDisk(seed*1000 + uint64(at))
					m.now["/d"], m.durable["/d"] = nil, nil
					m.crashes = true
					appended := 0
					j.appended = &appended
					for _, failAt := range []int{at, 1 + m.rng.IntN(changes)} {
						m.failAt = failAt
						if err := j.run(m); m.down != (err != nil) {
							t.Fatalf("crash at %d: %v", failAt, err)
						}
						m.reboot()
						j.checkReader(t, m)
						if w, err := openChunks(m, j.path, j.plan, false); err == nil {
							if w.Done() < appended || w.Damaged() > 0 {
								t.Errorf("%d chunks and %d damaged after a crash, %d were appended", w.Done(), w.Damaged(), appended)
							}
							w.Close()
						}
						m.ops = 0
					}
					if err := j.run(m); err != nil {
						t.Fatalf("crash at %d, seed %d: then %v", at, seed, err)
					}
					sameFiles(t, m.snapshot(), want)
					if t.Failed() {
						t.Fatalf("after a crash at %d of %d, seed %d", at, changes, seed)
					}
				}
			}
		})
	}
}

// TestFault makes every single operation fail once, as a full disk does, and expects
// an error and then a run that resumes.
func TestFault(t *testing.T) {
	for _, j := range jobs {
		t.Run(j.name, func(t *testing.T) {
			want, changes := j.undisturbed(t)
			for at := 1; at <= changes; at++ {
				m := newMemDisk(uint64(at))
				m.now["/d"], m.durable["/d"] = nil, nil
				m.failAt = at
				if err := j.run(m); !errors.Is(err, errFault) {
					t.Fatalf("fault at %d: got %v", at, err)
				}
				j.checkReader(t, m)
				if err := j.run(m); err != nil {
					t.Fatalf("fault at %d: then %v", at, err)
				}
				sameFiles(t, m.snapshot(), want)
				if t.Failed() {
					t.Fatalf("after a fault at %d of %d", at, changes)
				}
			}
		})
	}
}

// seeds are those of crashes: each loses other unsynced sectors and names. "make faults" asks for
// the long form. The race detector, which is slow, has nothing to find in one goroutine, and the
// short form one seed.
func seeds(some, many uint64) uint64 {
	switch {
	case os.Getenv("CLIPNH_FAULTS") != "":
		return many
	case testing.Short():
		return 1
	}
	return some
}

// TestCrashInRestart restarts over a finished artefact of another plan and crashes: a
// reader sees the complete old artefact, or none.
func TestCrashInRestart(t *testing.T) {
	for _, j := range jobs {
		t.Run(j.name, func(t *testing.T) {
			want, changes := j.undisturbed(t)
			old := j
			old.plan.Origin.Model = "RN101"
			again := j
			again.restart = true
			for at := 1; at <= changes+6; at++ {
				for seed := range seeds(5, 20) {
					m := newMemDisk(seed)
					m.now["/d"], m.durable["/d"] = nil, nil
					if err := old.run(m); err != nil {
						t.Fatal(err)
					}
					m.ops, m.failAt, m.crashes = 0, at, true
					if err := again.run(m); m.down != (err != nil) {
						t.Fatalf("crash at %d: %v", at, err)
					}
					m.reboot()
					j.checkReader(t, m)
					if err := again.run(m); err != nil {
						t.Fatalf("crash at %d: then %v", at, err)
					}
					sameFiles(t, m.snapshot(), want)
					if t.Failed() {
						t.Fatalf("after a crash at %d, seed %d", at, seed)
					}
				}
			}
		})
	}
}
