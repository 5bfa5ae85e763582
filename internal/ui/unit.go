package ui

import (
	"fmt"
	"time"
)

// A Unit is what a Progress counts.
type Unit struct {
	one, many string // "image", "images"
	short     string // used in rates: "img"
}

// The units of the stages.
var (
	Images  = Unit{"image", "images", "img"}
	Texts   = Unit{"text", "texts", "text"}
	Pairs   = Unit{"pair", "pairs", "pair"} // of a neuron and a head
	Heads   = Unit{"head", "heads", "head"}
	Neurons = Unit{"neuron", "neurons", "neuron"}
	Classes = Unit{"class", "classes", "class"}
	Words   = Unit{"word", "words", "word"}
	Units   = Unit{"unit", "units", "unit"} // pairs or neurons
	Steps   = Unit{"step", "steps", "step"}
	Chunks  = Unit{"chunk", "chunks", "chunk"}    // of a collection's images
	Shards  = Unit{"shard", "shards", "shard"}    // of a collection
	Columns = Unit{"column", "columns", "column"} // of a matrix
	Files   = Unit{"file", "files", "file"}
	Bytes   = Unit{"byte", "bytes", "B"}
)

// Count formats n with the unit's name: "1 image", "300 images", "590 MiB".
func (u Unit) Count(n int64) string {
	switch {
	case u == Bytes:
		return FormatBytes(n)
	case n == 1:
		return "1 " + u.one
	}
	return fmt.Sprintf("%d %s", n, u.many)
}

// outOf formats n of total: "120 of 300 images".
func (u Unit) outOf(n, total int64) string {
	if u == Bytes {
		return FormatBytes(n) + " of " + FormatBytes(total)
	}
	return fmt.Sprintf("%d of %s", n, u.Count(total))
}

// Rate formats n units in d as "71 img/s" or "12 MiB/s"; slow rates are per minute
// or per hour, so that the figure is not zero. It is empty if n or d is not
// positive.
func (u Unit) Rate(n int64, d time.Duration) string {
	if n <= 0 || d <= 0 {
		return ""
	}
	per := float64(n) / d.Seconds()
	if u == Bytes {
		return formatBytes(per) + "/s"
	}
	span := "s"
	if per < 1 {
		per, span = per*60, "min"
	}
	if per < 1 {
		per, span = per*60, "h"
	}
	return fmt.Sprintf("%s %s/%s", figure(per), u.short, span)
}

// FormatBytes formats a size with its binary unit: "512 B", "1.5 KiB", "590 MiB".
func FormatBytes(n int64) string { return formatBytes(float64(n)) }

func formatBytes(n float64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	i := 0
	// 1023.5 and above would be rounded to 1024.
	for n >= 1023.5 && i < len(units)-1 {
		n /= 1024
		i++
	}
	if i == 0 {
		return fmt.Sprintf("%.0f B", n)
	}
	return figure(n) + " " + units[i]
}

// figure formats v with one decimal below ten and none from ten on.
func figure(v float64) string {
	if v < 9.95 {
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// FormatDuration formats a duration for people: "340 ms", "4.2 s", "3 min 20 s",
// "2 h 05 min".
func FormatDuration(d time.Duration) string {
	switch {
	case d < time.Second-time.Millisecond/2:
		return fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
	case d < time.Minute-50*time.Millisecond:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour-time.Second/2:
		s := int(d.Round(time.Second).Seconds())
		return fmt.Sprintf("%d min %02d s", s/60, s%60)
	}
	m := int(d.Round(time.Minute).Minutes())
	return fmt.Sprintf("%d h %02d min", m/60, m%60)
}
