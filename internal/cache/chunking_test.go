package cache

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/origin"
)

// TestChunking compares chunks with those that are cut one input after the other.
func TestChunking(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		inputs, size := 1+rng.IntN(60), 1+rng.IntN(12)
		var cuts []int
		for i := 1; i < inputs; i++ {
			if rng.IntN(8) == 0 {
				cuts = append(cuts, i)
			}
		}
		var first []int // of each chunk
		for i := range inputs {
			if i == 0 || slices.Contains(cuts, i) || i-first[len(first)-1] == size {
				first = append(first, i)
			}
		}
		c := NewChunking(inputs, size, cuts)
		if c.Chunks() != len(first) || c.First(len(first)) != inputs || c.First(math.MaxInt) != inputs {
			t.Fatalf("%+v: %d chunks and %d inputs, want %d", c, c.Chunks(), c.First(len(first)), len(first))
		}
		for n, at := range first {
			end := inputs
			if n+1 < len(first) {
				end = first[n+1]
			}
			if c.First(n) != at || c.Len(n) != end-at {
				t.Fatalf("%+v: chunk %d from %d of %d, want %d of %d", c, n, c.First(n), c.Len(n), at, end-at)
			}
			for i := at; i < end; i++ {
				if c.Whole(i) != n || c.Left(i) != end-i {
					t.Fatalf("%+v: %d whole before input %d, %d left, want %d and %d", c, c.Whole(i), i, c.Left(i), n, end-i)
				}
			}
			// The chunks of a part that begins here are those of all.
			if part := NewChunking(inputs-at, size, c.Part(at, inputs)); part.Chunks() != len(first)-n || part.First(1) != end-at {
				t.Fatalf("%+v: from %d on %+v", c, at, part)
			}
		}
		if c.Whole(inputs) != len(first) {
			t.Fatalf("%+v: %d whole, want %d", c, c.Whole(inputs), len(first))
		}
	}
	if c := NewChunking(math.MaxInt, math.MaxInt/2+1, nil); c.Chunks() != 2 || c.First(2) != math.MaxInt || c.Len(1) != math.MaxInt/2 {
		t.Errorf("%d chunks, %d", c.Chunks(), c.Len(1))
	}
}

func TestKeptCuts(t *testing.T) {
	for _, c := range []struct {
		ends []int
		size int
		want []int
	}{
		{nil, 32, nil},
		{[]int{30, 60, 90}, 32, []int{30, 60, 90}},
		{[]int{1000, 2000}, 32, []int{1000, 2000}}, // although the last chunk of an archive has only 8
		{[]int{3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 33, 36}, 32, []int{18, 36}},
		{[]int{3, 1003, 1006}, 32, []int{1003}},
		{[]int{1, 2, 3}, 1, []int{1, 2, 3}},
	} {
		if got := KeptCuts(c.ends, c.size); !slices.Equal(got, c.want) {
			t.Errorf("%v in chunks of %d: %v, want %v", c.ends, c.size, got, c.want)
		}
	}
}

// TestCutsOfStrangers: cuts that no run writes are refused where they are read.
func TestCutsOfStrangers(t *testing.T) {
	many := make([]int, mostCuts+1)
	for i := range many {
		many[i] = i + 1
	}
	for _, c := range []struct {
		cuts []int
		err  string
	}{
		{[]int{2, 3}, ""}, {[]int{0}, "a cut at 0"}, {[]int{3, 3}, "a cut at 3 behind one at 3"}, {[]int{5}, "a cut at 5"}, {[]int{-1}, "a cut at -1"}, {many, "want at most 1000000"},
	} {
		plan := testPlan("scores.npy")
		m, err := plan.manifest(folderLayout("x", "scores.npy"))
		if err != nil {
			t.Fatal(err)
		}
		m.Inputs = 5
		if len(c.cuts) > mostCuts {
			m.Inputs = 2 * mostCuts
		}
		for _, ofAll := range []bool{false, true} {
			m := m
			if ofAll {
				m.Origin.Shard = &origin.Shard{Number: 1, Of: 2, Inputs: m.Inputs, Cuts: c.cuts}
			} else {
				m.Cuts = c.cuts
			}
			line, err := journalLine(journalHead{journalFormat, Version, "clipnh test", m, ""})
			if err != nil {
				t.Fatal(err)
			}
			_, err = parseJournal(line)
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("%.20v in a journal: %v, want %q", c.cuts, err, c.err)
			}
			m.Payloads[0].SHA256 = strings.Repeat("0", 64)
			m, err = m.sealed()
			if err != nil {
				t.Fatal(err)
			}
			data, err := m.encode()
			if err != nil {
				t.Fatal(err)
			}
			_, err = decodeManifest(data)
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("%.20v in a manifest: %v, want %q", c.cuts, err, c.err)
			}
		}
	}
}

// TestWithoutCuts: what is not cut by archives has the bytes that it had before there were cuts.
func TestWithoutCuts(t *testing.T) {
	m, err := testPlan("scores.npy").manifest(folderLayout("x", "scores.npy"))
	if err != nil {
		t.Fatal(err)
	}
	m.Origin.Shard = &origin.Shard{Number: 1, Of: 2, Inputs: 9}
	data, err := json.Marshal(m)
	if err != nil || bytes.Contains(data, []byte("cuts")) {
		t.Errorf("%s %v", data, err)
	}
}
