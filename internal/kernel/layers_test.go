package kernel

import (
	"math"
	"testing"

	"github.com/clipnh/clipnh/internal/par"
)

// exactTolerance bounds the error of a few float32 roundings.
const exactTolerance = 1e-6

func TestStem(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, s := range []struct{ out, h, w, images int }{{8, 4, 6, 1}, {32, 32, 32, 2}, {48, 10, 240, 1}} {
			weights, bias := random(1, s.out*27, 0.2), random(2, s.out, 1)
			images := random(3, s.images*3*s.h*s.w, 1)
			want := make([]float32, s.images*s.out*s.h*s.w/4)
			i := 0
			for b := range s.images {
				for o := range s.out {
					for y := range s.h / 2 {
						for x := range s.w / 2 {
							sum := float64(bias[o])
							for k := range 27 {
								sy, sx := 2*y+k/3%3-1, 2*x+k%3-1
								if sy >= 0 && sy < s.h && sx >= 0 && sx < s.w {
									sum += float64(weights[o*27+k]) * float64(images[((b*3+k/9)*s.h+sy)*s.w+sx])
								}
							}
							want[i] = float32(max(sum, 0))
							i++
						}
					}
				}
			}
			stem := newStem(s.out, s.h, s.w, weights, bias)
			for team := 1; team <= 8; team++ {
				dst := NewMap(s.out, s.images, s.h/2, s.w/2)
				stem.Run(dst, images, new(Scratch), par.NewTeam(team))
				got := make([]float32, len(want))
				dst.Planar(got)
				if e := relativeError(got, want); e > exactTolerance {
					t.Errorf("%+v team %d: error %g", s, team, e)
				}
			}
		}
	})
}

func TestAvgPool2(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, s := range []struct{ c, images, h, w int }{{1, 1, 2, 2}, {20, 3, 4, 6}, {48, 1, 14, 14}} {
			src := NewMap(s.c, s.images, s.h, s.w)
			planar := random(4, s.c*s.images*s.h*s.w, 1)
			src.SetPlanar(planar)
			want := make([]float32, len(planar)/4)
			for i := range want {
				x, y, plane := i%(s.w/2), i/(s.w/2)%(s.h/2), i/(s.w/2*s.h/2)
				p := planar[plane*s.h*s.w+2*y*s.w+2*x:]
				want[i] = (p[0] + p[1] + (p[s.w] + p[s.w+1])) / 4
			}
			for team := 1; team <= 8; team++ {
				dst := NewMap(s.c, s.images, s.h/2, s.w/2)
				AvgPool2(dst, src, par.NewTeam(team))
				got := make([]float32, len(want))
				dst.Planar(got)
				if e := relativeError(got, want); e != 0 {
					t.Errorf("%+v team %d: error %g, want none", s, team, e)
				}
			}
		}
	})
}

func TestTokens(t *testing.T) {
	const images, c, h, w = 2, 40, 3, 3
	src := NewMap(c, images, h, w)
	planar := random(1, images*c*h*w, 1)
	src.SetPlanar(planar)
	pos := random(2, (h*w+1)*c, 1)
	got := make([]float32, images*(h*w+1)*c)
	Tokens(got, src, pos, par.NewTeam(3))
	want := make([]float32, len(got))
	for b := range images {
		for ch := range c {
			sum := 0.0
			for p := range h * w {
				v := planar[(b*c+ch)*h*w+p]
				want[(b*(h*w+1)+1+p)*c+ch] = v + pos[(1+p)*c+ch]
				sum += float64(v)
			}
			want[b*(h*w+1)*c+ch] = float32(sum/(h*w)) + pos[ch]
		}
	}
	if e := relativeError(got, want); e > exactTolerance {
		t.Errorf("error %g", e)
	}
}

func TestLayerNorm(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, c := range []int{1, 15, 16, 17, 64, 512, 520} {
			const pixels = 5
			rows := random(1, pixels*c, 3)
			gamma, beta := random(2, c, 1), random(3, c, 1)
			want := make([]float32, len(rows))
			for p := range pixels {
				row := rows[p*c:][:c]
				mean, variance := 0.0, 0.0
				for _, v := range row {
					mean += float64(v) / float64(c)
				}
				for _, v := range row {
					variance += (float64(v) - mean) * (float64(v) - mean) / float64(c)
				}
				for i, v := range row {
					want[p*c+i] = float32((float64(v)-mean)/math.Sqrt(variance+1e-5)*float64(gamma[i]) + float64(beta[i]))
				}
			}
			m := NewMap(c, 1, 1, pixels)
			m.SetRows(rows)
			LayerNorm(m, m, gamma, beta, 1e-5, par.NewTeam(2))
			got := make([]float32, len(rows))
			m.Rows(got)
			if e := relativeError(got, want); e > 2*exactTolerance {
				t.Errorf("C %d: error %g", c, e)
			}
		}
	})
}

func TestSoftmax(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for cols := 1; cols <= 70; cols++ {
			x := random(uint64(cols), 3*cols, 5)
			want := make([]float32, len(x))
			for r := range 3 {
				top, sum := float32(math.Inf(-1)), 0.0
				for _, v := range x[r*cols:][:cols] {
					top = max(top, v)
				}
				for _, v := range x[r*cols:][:cols] {
					sum += math.Exp(float64(v) - float64(top))
				}
				for i, v := range x[r*cols:][:cols] {
					want[r*cols+i] = float32(math.Exp(float64(v)-float64(top)) / sum)
				}
			}
			Softmax(x, 3, cols)
			if e := relativeError(x, want); e > exactTolerance {
				t.Errorf("%d columns: error %g", cols, e)
			}
		}
	})
}

// TestActivationExtremes checks the activations where the exponential saturates.
func TestActivationExtremes(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	in := []float32{0, 1, -1, 100, -100, 1e30, -1e30, inf, nan}
	for _, test := range []struct {
		activation Activation
		want       []float32
	}{
		{QuickGELU, []float32{0, 0.84579575, -0.15420423, 100, 0, 1e30, 0, inf, nan}},
		{GELU, []float32{0, 0.8413447, -0.15865525, 100, 0, 1e30, 0, nan, nan}},
	} {
		t.Run(test.activation.String(), func(t *testing.T) {
			eachLevel(t, func(t *testing.T) {
				x := make([]float32, Lanes)
				copy(x, in)
				activeFamily().activate(test.activation, x)
				for i, w := range test.want {
					if d := math.Abs(float64(x[i] - w)); d > exactTolerance && !(w != w && x[i] != x[i]) && x[i] != w {
						t.Errorf("%g becomes %g, want %g", in[i], x[i], w)
					}
				}
			})
		})
	}
}
