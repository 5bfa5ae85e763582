package main

import (
	"sync"
	"time"

	"github.com/clipnh/clipnh/internal/ui"
)

// slowListing shows how far the listing of several archives is, once it has taken a while.
type slowListing struct {
	progress ui.Progress
	now      func() time.Time

	mu    sync.Mutex
	began time.Time
	told  int // of the task; 0 without one
}

// listingPatience is how long a listing may take before it is spoken of: few are at addresses far
// away, and the others need no line.
const listingPatience = 5 * time.Second

func (s *slowListing) Listing(done, all int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case done == 0:
		s.began = s.now()
	case s.told == 0 && done < all && s.now().Sub(s.began) >= listingPatience:
		s.progress.Start(int64(all), ui.Files, "list")
		fallthrough
	case s.told > 0:
		s.progress.Add(int64(done - s.told))
		s.told = done
	}
}

func (s *slowListing) Listed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.progress.Done()
	s.told = 0
}
