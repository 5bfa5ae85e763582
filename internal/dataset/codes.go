package dataset

import (
	"fmt"
	"math"
	"slices"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/quantity"
)

// Ignore is the class of a pixel that does not count.
const Ignore = math.MaxUint16

// unknown marks numbers that a label map may not hold.
const unknown = Ignore - 1

// codes says what the numbers in label maps mean.
type codes struct {
	classOf []uint16 // by number: a class, Ignore or unknown
	want    string   // the numbers that are not unknown, in words
}

// newCodes tabulates a layout's convention. Where the source lists ids, a
// number is first the id of a label, and numbers that are not listed do not
// count, or, where it lists these too, are of another numbering. Label 0 is unlabelled where the layout reduces zero, and class c is
// label c+1.
func newCodes(l configs.Layout, source configs.LabelSource, classes int) *codes {
	c := &codes{classOf: make([]uint16, math.MaxUint16+1)}
	first := 0 // label of class 0
	if l.ReduceZeroLabel {
		first = 1
	}
	label := func(v int) uint16 {
		switch {
		case v < first:
			return Ignore
		case v < first+classes:
			return uint16(v - first)
		}
		return unknown
	}
	c.want = fmt.Sprintf("0 to %d", first+classes-1)
	for v := range c.classOf {
		c.classOf[v] = label(v)
	}
	if source.IDs != nil {
		others := uint16(Ignore)
		if len(source.Unlabelled) > 0 {
			others = unknown
			c.want = fmt.Sprintf("one of the data set's %s, which are up to %d with gaps", quantity.Of(len(source.IDs), "id"), slices.Max(source.IDs))
		}
		for v := range c.classOf {
			c.classOf[v] = others
		}
		for _, id := range source.Unlabelled {
			c.classOf[id] = Ignore
		}
		for i, id := range source.IDs {
			c.classOf[id] = label(i)
		}
	}
	if l.IgnoreIndex >= 0 {
		c.classOf[l.IgnoreIndex] = Ignore
		c.want += fmt.Sprintf(", or %d", l.IgnoreIndex)
	}
	return c
}

// apply replaces the numbers of a label map by classes.
func (c *codes) apply(m *imageprep.Labels) error {
	for i, v := range m.Pix {
		class := c.classOf[v]
		if class == unknown {
			return hinted{
				fmt.Errorf("label %d at column %d of row %d, want %s", v, i%m.W, i/m.W, c.want),
				"the config describes other label maps than these, perhaps numbered from another first number, or lists other classes",
			}
		}
		m.Pix[i] = class
	}
	return nil
}
