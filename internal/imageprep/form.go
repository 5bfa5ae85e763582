package imageprep

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Input is what a model wants images to become.
type Input struct {
	Side int // of the square, pixels
	Form
}

// Form is how they become it, which models differ in. The zero value is CLIP's.
type Form struct {
	Channels
	Fit Fit
}

// Channels are the mean and the standard deviation of channels, red first, of images from 0 to
// 1. The zero value stands for those of the images that CLIP was trained on.
type Channels struct{ Mean, Std [3]float32 }

// clipChannels are those of the images that CLIP was trained on.
var clipChannels = Channels{
	Mean: [3]float32{0.48145466, 0.4578275, 0.40821073},
	Std:  [3]float32{0.26862954, 0.26130258, 0.27577711},
}

// mostChannel bounds a mean and a standard deviation. With those within it, Denormalize finds
// every byte again.
const (
	mostChannel = 256
	leastStd    = 1e-6
)

// NewChannels checks a mean and a standard deviation. CLIP's are the zero value.
func NewChannels(mean, std [3]float32) (Channels, error) {
	for c := range mean {
		if !(math.Abs(float64(mean[c])) <= mostChannel) {
			return Channels{}, fmt.Errorf("mean %s, want numbers of -%d to %d", FormatNumbers(mean), mostChannel, mostChannel)
		}
		if !(std[c] >= leastStd && std[c] <= mostChannel) {
			return Channels{}, fmt.Errorf("standard deviation %s, want numbers of %g to %d", FormatNumbers(std), leastStd, mostChannel)
		}
	}
	if c := (Channels{mean, std}); c != clipChannels {
		return c, nil
	}
	return Channels{}, nil
}

// Numbers returns the mean and the standard deviation.
func (c Channels) Numbers() (mean, std [3]float32) {
	if c == (Channels{}) {
		c = clipChannels
	}
	return c.Mean, c.Std
}

// FormatNumbers writes the numbers of three channels with commas, CLIP's with the digits that
// were published.
func FormatNumbers(n [3]float32) string {
	switch n {
	case clipChannels.Mean:
		return "0.48145466,0.4578275,0.40821073"
	case clipChannels.Std:
		return "0.26862954,0.26130258,0.27577711"
	}
	var words [3]string
	for i, x := range n {
		words[i] = strconv.FormatFloat(float64(x), 'g', -1, 32)
	}
	return strings.Join(words[:], ",")
}

// ParseNumbers reads what FormatNumbers writes.
func ParseNumbers(text string) (n [3]float32, err error) {
	words := strings.Split(text, ",")
	if len(words) != len(n) {
		return n, fmt.Errorf("%.60q, want three numbers with commas, as 0.5,0.5,0.5", text)
	}
	for i, word := range words {
		x, err := strconv.ParseFloat(strings.TrimSpace(word), 32)
		if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
			return n, fmt.Errorf("%.60q, want three numbers with commas, as 0.5,0.5,0.5", text)
		}
		n[i] = float32(x)
	}
	return n, nil
}

// Fit says how an image becomes a square.
type Fit int

const (
	Shortest         Fit = iota // the shorter side to that of the square, bicubic, then the centre: CLIP's
	Squash                      // both sides, bicubic
	ShortestBilinear            // as Shortest, with the bilinear filter
	SquashBilinear              // as Squash, with the bilinear filter
)

var fitNames = []string{Shortest: "shortest", Squash: "squash", ShortestBilinear: "shortest-bilinear", SquashBilinear: "squash-bilinear"}

func (f Fit) String() string { return fitNames[f] }

// Fits lists the names.
func Fits() []string { return slices.Clone(fitNames) }

// ParseFit returns the way of a name.
func ParseFit(name string) (Fit, error) {
	if i := slices.Index(fitNames, name); i >= 0 {
		return Fit(i), nil
	}
	return 0, fmt.Errorf("%.40q, want %s", name, strings.Join(fitNames, ", "))
}

// Words say the way in words.
func (f Fit) Words() string {
	filter := "bicubic"
	if f == ShortestBilinear || f == SquashBilinear {
		filter = "bilinear"
	}
	if f == Squash || f == SquashBilinear {
		return "both sides, " + filter + " with antialiasing"
	}
	return "shorter side, " + filter + " with antialiasing, then the centre"
}

// part is the square of an image of w x h pixels.
func (f Fit) part(w, h, side int) part {
	s := part{w: side, h: side, across: side, down: side, filter: Bicubic}
	if f == ShortestBilinear || f == SquashBilinear {
		s.filter = Bilinear
	}
	if f == Shortest || f == ShortestBilinear {
		s.w, s.h = ShorterSide(w, h, side)
		s.x, s.y = centre(s.w, side), centre(s.h, side)
	}
	return s
}
