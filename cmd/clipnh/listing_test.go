package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/ui"
)

// TestSlowListing holds that a listing of many archives says how far it is once it takes long,
// also if it stops there, and that others leave no line.
func TestSlowListing(t *testing.T) {
	var _ dataset.Watcher = new(slowListing)
	var out bytes.Buffer
	clock := time.Unix(0, 0)
	now := func() time.Time { return clock }
	s := &slowListing{progress: ui.NewPrinter(&out, &out, now).Progress(), now: now}
	for _, c := range []struct {
		each       time.Duration // for an archive
		stops, all int
		want       string
	}{
		{time.Millisecond, 1000, 1000, ""},
		{time.Second / 2, 4, 4, ""},
		{time.Second, 1000, 1000, "list: 1000 files in 16 min 39 s (1.0 file/s)\n"},
		{2 * time.Second, 10, 1000, "list: 10 of 1000 files in 20.0 s (30 file/min)\n"},
	} {
		out.Reset()
		for i := range c.stops + 1 {
			s.Listing(i, c.all)
			clock = clock.Add(c.each)
		}
		s.Listed()
		if out.String() != c.want {
			t.Errorf("%v each, %d of %d: %q, want %q", c.each, c.stops, c.all, out.String(), c.want)
		}
	}
}

// TestListingUnderWay: a listing of which nothing has come is spoken of to who asks, and after a
// while to all.
func TestListingUnderWay(t *testing.T) {
	var out bytes.Buffer
	clock := time.Unix(0, 0)
	now := func() time.Time { return clock }
	p := ui.NewPrinter(&out, &out, now)
	s := &slowListing{progress: p.Progress(), waiting: p.WaitFor, now: now}
	s.Listing(0, 1)
	p.SayProgress()
	s.late()
	p.SayProgress()
	s.Listing(1, 1)
	s.Listed()
	s.late()
	p.SayProgress()
	const want = "note: waiting for the list of images, of 1 file\nnote: list: 0 of 1 file in 0 ms\nlist: 1 file in 0 ms\nnote: no task is running that counts what is done; the last one: list: 1 file in 0 ms\n"
	if out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}

// TestWaitForModel: a model that is being opened is spoken of to who asks.
func TestWaitForModel(t *testing.T) {
	var out bytes.Buffer
	now := func() time.Time { return time.Unix(0, 0) }
	g := &globalOptions{printer: ui.NewPrinter(&out, &out, now)}
	g.waitForModel("a.pt")
	g.printer.SayProgress()
	g.waitForModel("")
	g.printer.SayProgress()
	const want = "note: waiting for the model a.pt to be opened\nnote: no task has begun that counts what is done, 0 ms after the start\n"
	if out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}
