package segment

import (
	"image"

	"github.com/clipnh/clipnh/internal/canvas"
)

// A regionName is where the name of a class stands in a panel: in the middle of the largest
// square of its pixels.
type regionName struct {
	class  int
	at     image.Point // a pixel of the label map
	radius int         // pixels from there to the next label or edge
}

// regionNames finds, for each class among labels, [H,W], the pixel that is farthest from
// pixels of other labels; of equally far ones the first.
func regionNames(labels []uint16, width, classes int) []regionName {
	height := len(labels) / width
	far := make([]int32, len(labels))
	same := func(i, x, y int) int32 { // how far the neighbour at x, y is from others; 0 of another label
		if x < 0 || y < 0 || x >= width || y >= height || labels[y*width+x] != labels[i] {
			return 0
		}
		return far[y*width+x]
	}
	for i := range labels {
		x, y := i%width, i/width
		far[i] = 1 + min(same(i, x-1, y), same(i, x-1, y-1), same(i, x, y-1), same(i, x+1, y-1))
	}
	for i := len(labels) - 1; i >= 0; i-- {
		x, y := i%width, i/width
		far[i] = min(far[i], 1+min(same(i, x+1, y), same(i, x+1, y+1), same(i, x, y+1), same(i, x-1, y+1)))
	}
	best := make([]int, classes)
	for c := range best {
		best[c] = -1
	}
	for i, label := range labels {
		if c := int(label); c < classes && (best[c] < 0 || far[i] > far[best[c]]) {
			best[c] = i
		}
	}
	var names []regionName
	for c, i := range best {
		if i >= 0 {
			names = append(names, regionName{c, image.Pt(i%width, i/width), int(far[i])})
		}
	}
	return names
}

// drawNames writes the names of the classes into their regions, where these have room for a
// line: shares of brightness make a colour hard to find in a legend. placed is where a panel
// of a width of pixels was drawn.
func drawNames(on *canvas.Canvas, f *canvas.Font, classes []string, names []regionName, width int, placed image.Rectangle) {
	for _, n := range names {
		if 2*n.radius*placed.Dx() < f.Height()*width {
			continue
		}
		text := classes[n.class]
		centre := placed.Min.Add(image.Pt((2*n.at.X+1)*placed.Dx()/(2*width), (2*n.at.Y+1)*placed.Dx()/(2*width)))
		at := centre.Sub(image.Pt(f.Width(text)/2, f.Height()/2))
		at.X = max(placed.Min.X+2, min(at.X, placed.Max.X-f.Width(text)-2))
		for _, off := range []image.Point{{-1, 0}, {1, 0}, {0, -1}, {0, 1}, {-1, -1}, {1, 1}, {-1, 1}, {1, -1}} {
			on.Text(f, at.Add(off), text, canvas.White)
		}
		on.Text(f, at, text, canvas.Ink)
	}
}
