package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/origin"
)

// repair does all the work again and restores what is damaged.
func (j job) repair(d disk) error {
	r, err := openRepair(context.Background(), d, j.path, nil)
	if err != nil {
		return err
	}
	defer r.Close()
	for _, i := range slices.Clone(r.Chunks) {
		rows, _ := j.chunk(i)
		if err := r.RestoreChunk(i, func(put func([]float32) error) error { return put(rows) }); err != nil {
			return err
		}
	}
	if err := r.AddFile("images.txt", func(w io.Writer) error { _, err := io.WriteString(w, "names\n"); return err }); err != nil {
		return err
	}
	if r.Header {
		return r.RestoreHeader()
	}
	return nil
}

// spoilers damage the files of an artefact other than its manifest.
var spoilers = map[string]func(data []byte, rng *rand.Rand) []byte{
	"flipped": func(data []byte, rng *rand.Rand) []byte {
		data[rng.IntN(len(data))] ^= 1 << rng.IntN(8)
		return data
	},
	"cut":     func(data []byte, rng *rand.Rand) []byte { return data[:rng.IntN(len(data))] },
	"longer":  func(data []byte, rng *rand.Rand) []byte { return append(data, 0) },
	"missing": func([]byte, *rand.Rand) []byte { return nil },
}

// TestRepair damages artefacts and simulates a crash at every operation of their repair:
// undamaged parts stay undamaged, and another repair completes it.
func TestRepair(t *testing.T) {
	for _, j := range jobs {
		want, _ := j.undisturbed(t)
		for how, spoil := range spoilers {
			t.Run(j.name+" "+how, func(t *testing.T) {
				for seed := range uint64(4) {
					for at := 1; ; at++ {
						m := newMemDisk(seed)
						for path := range want {
							m.now[filepath.Dir(path)] = nil
							m.now[path] = &memInode{[]byte(want[path]), []byte(want[path])}
							if !strings.HasSuffix(path, "manifest.json") && !strings.HasSuffix(path, "npy.json") && !strings.HasSuffix(path, "dat.json") {
								data := spoil([]byte(want[path]), m.rng)
								if m.now[path] = (&memInode{data, bytes.Clone(data)}); data == nil {
									delete(m.now, path)
								}
							}
						}
						m.durable = maps.Clone(m.now)
						before := damaged(t, m, j.path)
						m.failAt, m.crashes = at, true
						err := j.repair(m)
						finished := err == nil
						m.reboot()
						for where := range damaged(t, m, j.path) {
							if !before[where] && how != "missing" {
								t.Fatalf("crash at %d: %s is damaged and was not", at, where)
							}
						}
						if err := j.repair(m); err != nil {
							t.Fatalf("crash at %d: then %v", at, err)
						}
						sameFiles(t, m.snapshot(), want)
						if t.Failed() || finished {
							break
						}
					}
				}
			})
		}
	}
}

// damaged returns the damaged places.
func damaged(t *testing.T, d disk, path string) map[string]bool {
	t.Helper()
	a, err := readArtefact(d, path)
	if err != nil {
		t.Fatal(err)
	}
	damage, err := a.Verify(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, x := range damage {
		found[fmt.Sprint(x.File, x.Chunk)] = true
	}
	return found
}

// TestRepairTakesOnlyTheSameBytes offers a repair other rows and another file.
func TestRepairTakesOnlyTheSameBytes(t *testing.T) {
	j := jobs[0]
	j.path = filepath.Join(t.TempDir(), "scores")
	if err := j.run(osDisk{}); err != nil {
		t.Fatal(err)
	}
	payload := filepath.Join(j.path, "scores.npy")
	data, err := os.ReadFile(payload)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-30] ^= 1
	if err := os.WriteFile(payload, data, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(j.path, "images.txt"), []byte("other\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	spoiled := files(t, j.path)
	r, err := new(Store).OpenRepair(context.Background(), j.path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if len(r.Chunks) != 1 || !slices.Equal(r.Files, []string{"images.txt"}) || r.Header {
		t.Fatalf("chunks %v, files %q, header %v are damaged", r.Chunks, r.Files, r.Header)
	}
	if _, err := new(Store).OpenRepair(context.Background(), j.path, nil); !errors.Is(err, ErrLocked) {
		t.Errorf("a second repair: %v, want %v", err, ErrLocked)
	}
	rows, _ := j.chunk(r.Chunks[0])
	rows[0]++
	if err := r.RestoreChunk(r.Chunks[0], func(put func([]float32) error) error { return put(rows) }); !errors.Is(err, ErrStale) {
		t.Errorf("other rows: %v, want %v", err, ErrStale)
	}
	if err := r.AddFile("images.txt", text("yet another\n")); !errors.Is(err, ErrStale) {
		t.Errorf("another file: %v, want %v", err, ErrStale)
	}
	r.Close()
	sameFiles(t, files(t, j.path), spoiled)
}

// TestManifestOfOtherBytes flips every bit of a manifest: readers refuse the result,
// except where only white space changed.
func TestManifestOfOtherBytes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pcs.npy")
	m := Manifest{Kind: "means", Shape: []int{2}, Origin: origin.Origin{Mode: "a\xff\u2028<b>", Mask: &origin.Mask{Percentile: 0.1, TopImages: 50}},
		Skipped: []Skipped{{"a.png", "begins \xfe"}}}
	hash, err := new(Store).Save(path, m, text("ab"))
	if err != nil {
		t.Fatal(err)
	}
	if a, err := Open(path); err != nil || a.Hash() != hash {
		t.Fatal(err)
	}
	manifest := path + ".json"
	data, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 8 * len(data) {
		other := bytes.Clone(data)
		other[i/8] ^= 1 << (i % 8)
		if err := os.WriteFile(manifest, other, 0o666); err != nil {
			t.Fatal(err)
		}
		a, err := Open(path)
		if err != nil {
			continue
		}
		// The checksum does not cover white space, but the hash does.
		if encoded, err := a.Manifest.encode(); err != nil || !bytes.Equal(encoded, data) {
			t.Errorf("bit %d flipped: opened as\n%s", i, encoded)
		}
	}
}

// TestInputSums resumes a collection whose inputs have checksums.
func TestInputSums(t *testing.T) {
	path := filepath.Join(t.TempDir(), "scores")
	j := jobs[0]
	sums := func(chunk int) []uint32 {
		all := []uint32{1, 2, 3, 4, 0xffffffff, 6, 7, 8, 9, 10}
		return all[3*chunk : min(3*chunk+3, 10)]
	}
	w, err := new(Store).OpenChunks(path, j.plan, false)
	if err != nil {
		t.Fatal(err)
	}
	rows, skipped := j.chunk(0)
	put := func(put func([]float32) error) error { return put(rows) }
	if err := w.AppendInputs([]uint32{1, 2}, skipped, put); err == nil {
		t.Error("two checksums for three inputs were taken")
	}
	if err := w.AppendInputs(sums(0), skipped, put); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if w, err = new(Store).OpenChunks(path, j.plan, false); err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if got := w.InputSums(); !slices.Equal(got, sums(0)) {
		t.Errorf("going on: checksums %v, want %v", got, sums(0))
	}
	for w.Done() < w.Chunks() {
		kept := sums(w.Done())
		rows, skipped = j.chunk(w.Done())
		if err := w.AppendInputs(kept, skipped, put); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	a, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range a.Manifest.Payloads[0].Chunks {
		if got := c.InputSums(); !slices.Equal(got, sums(i)) {
			t.Errorf("chunk %d: checksums %v, want %v", i, got, sums(i))
		}
	}
	if got, want := a.InputSums(), slices.Concat(sums(0), sums(1), sums(2), sums(3)); !slices.Equal(got, want) {
		t.Errorf("of all chunks: checksums %v, want %v", got, want)
	}
	a.Manifest.Payloads[0].Chunks[1].Inputs = "" // of which none are known
	if got := a.InputSums(); !slices.Equal(got, sums(0)) {
		t.Errorf("before a chunk without: checksums %v, want %v", got, sums(0))
	}
}
