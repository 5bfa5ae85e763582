package heat

import "math"

// Confusion counts, over any number of images, how many pixels of each true
// class were given each label.
type Confusion struct {
	Classes int
	Counts  []int64 // [true, given]
}

// NewConfusion returns counts of zero.
func NewConfusion(classes int) *Confusion {
	return &Confusion{classes, make([]int64, classes*classes)}
}

// Add counts an image. Pixels whose truth is not a class are passed over; given
// labels are classes.
func (c *Confusion) Add(given, truth []uint16) {
	if len(given) != len(truth) {
		panic("heat: labels and truth differ in size")
	}
	for i, t := range truth {
		if int(t) < c.Classes {
			c.Counts[int(t)*c.Classes+int(given[i])]++
		}
	}
}

// Scores are measures of a Confusion, in 0 to 1. NaN stands for what has no
// value: the IoU of a class that neither occurs nor is given, the accuracy of one
// that does not occur.
type Scores struct {
	IoU, Accuracy []float64 // of each class
	Pixels        []int64   // true ones of each class

	MIoU          float64 // mean over the classes that have an IoU
	MeanAccuracy  float64 // mean over the classes that have an accuracy
	PixelAccuracy float64 // share of the pixels that are right
}

// Scores works out the measures from counts over the whole set,
//
//	IoU[c] = right[c] / (true[c] + given[c] - right[c])
//	accuracy[c] = right[c] / true[c]
func (c *Confusion) Scores() Scores {
	n := c.Classes
	s := Scores{IoU: make([]float64, n), Accuracy: make([]float64, n), Pixels: make([]int64, n)}
	given := make([]int64, n)
	var right, all int64
	for t := range n {
		for g := range n {
			given[g] += c.Counts[t*n+g]
			s.Pixels[t] += c.Counts[t*n+g]
		}
		right += c.Counts[t*n+t]
		all += s.Pixels[t]
	}
	for t := range n {
		hit := float64(c.Counts[t*n+t])
		s.IoU[t] = hit / (float64(s.Pixels[t]+given[t]) - hit) // 0/0 is NaN
		s.Accuracy[t] = hit / float64(s.Pixels[t])
	}
	s.MIoU, s.MeanAccuracy, s.PixelAccuracy = mean(s.IoU), mean(s.Accuracy), float64(right)/float64(all)
	return s
}

// mean is the mean of the numbers that are not NaN.
func mean(values []float64) float64 {
	sum, n := 0.0, 0.0
	for _, v := range values {
		if !math.IsNaN(v) {
			sum += v
			n++
		}
	}
	return sum / n
}
