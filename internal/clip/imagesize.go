package clip

import "fmt"

// maxTokens bounds the images of other sizes: what is computed for every pair of
// tokens grows with its square.
const maxTokens = 1 << 14

// ForSize returns a tower for images of h x w pixels, multiples of 32, that
// shares the weights with t and needs memory for its maps only. Layers are computed
// as planned for t's size.
//
// Where the size is not the model's, the attention pool's position embedding is
// interpolated to the new grid (bicubic, as torch with align_corners false); the
// class token's row is kept. The model was not trained to give the
// features of such images.
func (t *ResNetTower) ForSize(h, w int) (*ResNetTower, error) {
	if h < cellPixels || w < cellPixels || h%cellPixels != 0 || w%cellPixels != 0 {
		return nil, fmt.Errorf("image tower: images of %dx%d pixels, want multiples of %d", w, h, cellPixels)
	}
	if h/cellPixels > maxTokens/(w/cellPixels) {
		return nil, fmt.Errorf("image tower: images of %dx%d pixels, want at most %d locations", w, h, maxTokens)
	}
	other := *t
	other.h, other.w, other.lanes = h, w, nil
	rows, cols := other.Grid()
	other.position = interpolatePosition(t.attend.position, t.config.Neurons(), t.config.Grid(), rows, cols)
	return &other, other.addLanes()
}

// Grid is the size of the tower's last map, in locations.
func (t *ResNetTower) Grid() (rows, cols int) { return t.h / cellPixels, t.w / cellPixels }

// Tokens is T of the tower's images.
func (t *ResNetTower) Tokens() int {
	rows, cols := t.Grid()
	return rows*cols + 1
}

// interpolatePosition resamples the position embedding [1+grid²,C] to
// [1+rows·cols,C].
func interpolatePosition(position []float32, C, grid, rows, cols int) []float32 {
	if rows == grid && cols == grid {
		return position
	}
	down, across := cubicTaps(grid, rows), cubicTaps(grid, cols)
	dst := make([]float32, (1+rows*cols)*C)
	copy(dst, position[:C])
	sum := make([]float64, C)
	for y, dy := range down {
		for x, dx := range across {
			clear(sum)
			for i, wy := range dy.weights {
				for j, wx := range dx.weights {
					src := position[(1+dy.source(i, grid)*grid+dx.source(j, grid))*C:][:C]
					for n, v := range src {
						sum[n] += wy * wx * float64(v)
					}
				}
			}
			row := dst[(1+y*cols+x)*C:][:C]
			for n, v := range sum {
				row[n] = float32(v)
			}
		}
	}
	return dst
}

// taps are the four source positions that a target position is interpolated from.
type taps struct {
	first   int // may be negative; positions outside are clamped to the nearest inside
	weights [4]float64
}

func (t taps) source(i, n int) int { return min(max(t.first+i, 0), n-1) }

// cubicTaps returns the taps of n positions that are resampled to m, by cubic
// convolution with a = -3/4.
func cubicTaps(n, m int) []taps {
	const a = -0.75
	near := func(x float64) float64 { return ((a+2)*x-(a+3))*x*x + 1 }  // up to 1 away
	far := func(x float64) float64 { return ((a*x-5*a)*x+8*a)*x - 4*a } // from 1 to 2
	list := make([]taps, m)
	for i := range list {
		at := (float64(i)+0.5)*float64(n)/float64(m) - 0.5
		floor := int(at+1) - 1 // at is above -1
		d := at - float64(floor)
		list[i] = taps{floor - 1, [4]float64{far(1 + d), near(d), near(1 - d), far(2 - d)}}
	}
	return list
}
