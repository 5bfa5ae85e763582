package main

import (
	"sync"
	"time"

	"github.com/clipnh/clipnh/internal/ui"
)

// slowListing shows how far the listing of archives is, once it has taken a while, and before that
// to who asks.
type slowListing struct {
	progress ui.Progress
	waiting  func(on string) // what is waited for while there is no task; may be nil
	now      func() time.Time

	mu        sync.Mutex
	began     time.Time
	timer     *time.Timer // nil while nothing is listed
	done, all int
	task      bool
}

// listingPatience is how long a listing may take before it is spoken of: few are at addresses far
// away, and the others need no line.
const listingPatience = 2 * time.Second

func (s *slowListing) Listing(done, all int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	added := done - s.done
	s.done, s.all = done, all
	switch {
	case done == 0:
		s.began = s.now()
		s.timer = time.AfterFunc(listingPatience, s.late)
		s.wait("the list of images, of " + ui.Files.Count(int64(all)))
	case s.task:
		s.progress.Add(int64(added))
	case done < all && s.now().Sub(s.began) >= listingPatience:
		s.start()
	}
}

// late shows a listing of which not even the first archive has come.
func (s *slowListing) late() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil && !s.task {
		s.start()
	}
}

func (s *slowListing) start() {
	s.task = true
	s.progress.Start(int64(s.all), ui.Files, "list")
	s.progress.Add(int64(s.done))
}

func (s *slowListing) wait(on string) {
	if s.waiting != nil {
		s.waiting(on)
	}
}

func (s *slowListing) Listed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer.Stop()
		s.wait("")
	}
	if s.task {
		s.progress.Done()
	}
	s.timer, s.task, s.done = nil, false, 0
}
