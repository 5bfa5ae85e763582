package shard

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
)

// TestBounds: shards follow each other, none is empty, and they are of whole archives where these
// are enough, else of whole chunks.
func TestBounds(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 3000 {
		inputs, size := 1+rng.IntN(200), 1+rng.IntN(16)
		var ends []int
		for i := 1; i < inputs; i++ {
			if rng.IntN(10) == 0 {
				ends = append(ends, i)
			}
		}
		all := cache.NewChunking(inputs, size, cache.KeptCuts(ends, size))
		archives := len(all.Cuts()) + 1
		of := 1 + rng.IntN(all.Chunks())
		next := 0
		for n := 1; n <= of; n++ {
			lo, hi, err := Shard{Number: n, Of: of}.Bounds(all)
			if err != nil || lo != next || hi <= lo {
				t.Fatalf("%d/%d of %v: %d to %d, want from %d on: %v", n, of, all, lo, hi, next, err)
			}
			next = hi
			if _, at := slices.BinarySearch(all.Cuts(), hi); of <= archives && hi < inputs && !at {
				t.Fatalf("%d/%d of %v ends at %d, within an archive", n, of, all, hi)
			}
			if all.First(all.Whole(hi)) != hi {
				t.Fatalf("%d/%d of %v ends at %d, within a chunk", n, of, all, hi)
			}
			if first, last, err := (Shard{Number: 1, Of: of, Last: n}).Bounds(all); n > 1 && n < of && (err != nil || first != 0 || last != hi) {
				t.Fatalf("1-%d/%d of %v: %d to %d, %v", n, of, all, first, last, err)
			}
		}
		if next != inputs {
			t.Fatalf("shards of %v end at %d", all, next)
		}
	}
}

// TestEvenArchives: shards of archives that have as many images each have as many archives each,
// give or take one.
func TestEvenArchives(t *testing.T) {
	for archives := 2; archives < 60; archives++ {
		var cuts []int
		for i := 1; i < archives; i++ {
			cuts = append(cuts, i*100)
		}
		all := cache.NewChunking(archives*100, 32, cuts)
		for of := 1; of <= archives; of++ {
			for n := 1; n <= of; n++ {
				lo, hi, err := Shard{Number: n, Of: of}.Bounds(all)
				if count := (hi - lo) / 100; err != nil || count != archives/of && count != (archives+of-1)/of {
					t.Fatalf("%d/%d of %d archives: %d to %d, %v", n, of, archives, lo, hi, err)
				}
			}
		}
	}
	// Archives of 10, 1, 1 and 10 images, which make 8 chunks.
	all := cache.NewChunking(22, 4, []int{10, 11, 12})
	for of, want := range map[int][]int{2: {11, 22}, 3: {10, 12, 22}, 4: {10, 11, 12, 22}, 5: {4, 10, 11, 16, 22}} {
		for n, end := range want {
			if _, hi, err := (Shard{Number: n + 1, Of: of}).Bounds(all); err != nil || hi != end {
				t.Errorf("%d/%d ends at %d, want %d: %v", n+1, of, hi, end, err)
			}
		}
	}
}
