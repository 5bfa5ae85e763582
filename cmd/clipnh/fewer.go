package main

import "github.com/clipnh/clipnh/internal/ui"

// A listing is what a flag asks so many entries of: at most as many as there are.
type listing struct {
	flag  string
	asked int
	there int
	of    ui.Unit
	which string // of them, such as "that differ"; may be empty
}

// sayFewer notes of listings whose flag someone set that they end before the number asked
// for, because there is no more. Nobody asked for a default.
func (g *globalOptions) sayFewer(set givenFlags, lists ...listing) {
	for _, l := range lists {
		if set == nil || !set(l.flag) || l.asked <= l.there {
			continue
		}
		there := "there are " + l.of.Count(int64(l.there))
		if l.there == 1 {
			there = "there is " + l.of.Count(1)
		}
		if l.which != "" {
			there += " " + l.which
		}
		g.printer.Note("--%s %d: %s", l.flag, l.asked, there)
	}
}
