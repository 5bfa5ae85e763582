package report

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cka"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/report"
	"github.com/clipnh/clipnh/internal/ui"
)

// headSide is one of two collections of heads. What a head adds is turned into coordinates within
// the span of all that it adds, which keep lengths and angles: a head that is D wide has about D of
// them, and not O.
type headSide struct {
	title  string
	parts  *artefact.FirstOrder
	names  []string // nil: not known
	sums   []artefact.ImageSum
	bases  [][]float32     // of the spans of heads, orthonormal [r,O]
	maps   []kernel.Matrix // what makes coordinates of stored numbers, [S,r]
	layout cka.Layout      // of rows of coordinates
	first  []float32       // stored numbers of the first image, subtracted from those of all
	origin []float64       // its coordinates

	norm, deviation []float64 // of heads: means of |x|, and roots of the means of |x - mean|²
	mean            []float64 // of x, [heads,O]
	shared          []float64 // the mean of the coordinates of the images that both have
	threshold       float64   // norms of those that are alive
}

func (o CompareOptions) openHeads(path string) (*headSide, error) {
	s := &headSide{title: filepath.ToSlash(filepath.Clean(path))}
	collection, err := o.collectionOf(path, artefact.KindHeads)
	if err != nil {
		return nil, err
	}
	if s.parts, err = o.Artefacts.FirstOrder(collection, nil); err != nil {
		return nil, err
	}
	if s.names, err = s.parts.Names(); err == nil {
		s.sums = artefact.ImageSums(s.parts.Heads.Artefact, s.parts.Images)
		return s, nil
	}
	return nil, errors.Join(err, s.close())
}

func (s *headSide) close() error { return s.parts.Close() }

func (s *headSide) heads() int { return s.parts.Layers * s.parts.LayerHeads }

// stored is how many numbers the file has of a head in an image.
func (s *headSide) stored() int { return s.parts.Heads.StoredEach() / s.heads() }

func (s *headSide) name(head int) string {
	if head == report.None {
		return ""
	}
	return s.parts.HeadLayers().Head(head)
}

const (
	sampleImages = 256 // whose outputs span those of a head, if they are not kept as factors

	// lostShare is the share of the variance of a head's outputs outside of the span of the
	// sample above which all dimensions are kept.
	lostShare = 1e-4

	// Singular values below these, as shares of the largest, are what rounding makes.
	rounding32, rounding16 = 1.0 / (1 << 20), 1.0 / (1 << 14)

	blockImages = 512      // at a time
	blockBytes  = 64 << 20 // of what is read at a time, about
)

// open finds the spans of all heads, and what both sides need of every image.
func (s *headSide) measure(ctx context.Context, isShared []bool, team par.Team, say ui.Reporter) error {
	if err := s.findSpans(ctx, team); err != nil {
		return err
	}
	for {
		lost, err := s.pass(ctx, isShared, team, say)
		if err != nil || len(lost) == 0 {
			return err
		}
		for _, h := range lost {
			s.keepAll(h)
		}
		s.lay()
	}
}

// findSpans finds the span of each head: that of the rows of its matrix where there are factors,
// or of its outputs for some images.
func (s *headSide) findSpans(ctx context.Context, team par.Team) error {
	f := s.parts
	s.bases, s.maps = make([][]float32, s.heads()), make([]kernel.Matrix, s.heads())
	factors, factored := f.Heads.Factors()
	H, O := f.LayerHeads, f.OutDim
	K := min(sampleImages, f.Images)
	if factored {
		K = factors.Width
	}
	rounding := rounding32
	if f.Heads.Half() && !factored {
		rounding = rounding16
	}
	rows := make([]float32, H*K*O) // of the heads of a layer
	for l := range f.Layers {
		if err := ctx.Err(); err != nil {
			return err
		}
		if factored {
			copy(rows, factors.Matrices[l*H*K*O:])
		} else {
			row := make([]float32, H*O)
			for k := range K {
				if err := f.Heads.Read(row, k*f.Images/K, 1, l*H*O, (l+1)*H*O); err != nil {
					return err
				}
				for h := range H {
					copy(rows[(h*K+k)*O:][:O], row[h*O:])
				}
			}
		}
		failed := make([]error, H)
		team.Each(H, func(h, _ int) {
			own := rows[h*K*O:][:K*O]
			basis, err := cka.Basis(own, K, O, rounding)
			if err != nil {
				failed[h] = fmt.Errorf("%s: %s: %w", f.Heads.Path, s.name(l*H+h), err)
				return
			}
			if factored {
				s.span(l*H+h, basis, own)
			} else {
				s.span(l*H+h, basis, nil)
			}
		})
		if err := errors.Join(failed...); err != nil {
			return err
		}
	}
	s.lay()
	return nil
}

// span sets the span of a head, whose stored numbers are multiplied by rows [S,O]; nil where they
// are its outputs.
func (s *headSide) span(head int, basis []float64, rows []float32) {
	O := s.parts.OutDim
	S, r := s.stored(), len(basis)/O
	m := make([]float32, S*r)
	for k := range r {
		vector := basis[k*O : (k+1)*O]
		for i := range S {
			if rows == nil {
				m[i*r+k] = float32(vector[i])
			} else {
				m[i*r+k] = float32(dotWide(rows[i*O:(i+1)*O], vector))
			}
		}
	}
	s.bases[head] = make([]float32, len(basis))
	for i, x := range basis {
		s.bases[head][i] = float32(x)
	}
	s.maps[head] = kernel.Dense(m, S, r)
}

// keepAll makes the span of a head, which is not kept as factors, that of all dimensions.
func (s *headSide) keepAll(head int) {
	O := s.parts.OutDim
	unit := make([]float64, O*O)
	for o := range O {
		unit[o*O+o] = 1
	}
	s.span(head, unit, nil)
}

// lay lays out rows of coordinates.
func (s *headSide) lay() {
	widths := make([]int, len(s.maps))
	for h, m := range s.maps {
		widths[h] = m.Cols
	}
	s.layout = cka.NewLayout(widths)
}

// pass reads all images. It returns the heads whose outputs are not within their span.
func (s *headSide) pass(ctx context.Context, isShared []bool, team par.Team, say ui.Reporter) (lost []int, err error) {
	f, H, W, each := s.parts, s.heads(), s.layout.Width(), s.parts.Heads.StoredEach()
	s.first = make([]float32, each)
	if err := f.Heads.ReadStored(s.first, 0, 1); err != nil {
		return nil, err
	}
	s.origin = make([]float64, W)
	for h, m := range s.maps {
		start, r := s.layout.Of(h)
		for i, x := range s.first[h*m.Rows : (h+1)*m.Rows] {
			for k, y := range m.Data[i*r : (i+1)*r] {
				s.origin[start+k] += float64(x) * float64(y)
			}
		}
	}
	_, factored := f.Heads.Factors()
	s.norm, s.deviation, s.shared = make([]float64, H), make([]float64, H), make([]float64, W)
	sums, squares, outside := make([]float64, W), make([]float64, H), make([]float64, H)
	n := s.block()
	stored, rows := make([]float32, n*each), make([]float32, n*W)
	progress := say.Progress()
	progress.Start(int64(f.Images), ui.Images, "compare")
	defer progress.Done()
	count := 0
	for lo := 0; lo < f.Images; lo += n {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n := min(n, f.Images-lo)
		if err := f.Heads.ReadStored(stored, lo, n); err != nil {
			return nil, err
		}
		s.coordinates(rows, stored, n, team)
		team.For(H, func(first, last, _ int) {
			for h := first; h < last; h++ {
				start, r := s.layout.Of(h)
				S := s.maps[h].Rows
				for b := range n {
					square, length := 0.0, 0.0
					for k, x := range rows[b*W+start:][:r] {
						x, whole := float64(x), float64(x)+s.origin[start+k]
						square, length = square+x*x, length+whole*whole
						sums[start+k] += x
						if isShared[lo+b] {
							s.shared[start+k] += x
						}
					}
					s.norm[h] += math.Sqrt(length)
					squares[h] += square
					if !factored {
						of := stored[b*each+h*S:][:S]
						outside[h] += max(dot(of, of)-square, 0)
					}
				}
			}
		})
		for _, is := range isShared[lo : lo+n] {
			if is {
				count++
			}
		}
		progress.Add(int64(n))
	}
	for h := range H {
		if _, r := s.layout.Of(h); outside[h] > lostShare*squares[h] && r < f.OutDim {
			lost = append(lost, h)
		}
	}
	s.finish(sums, squares, count)
	return lost, nil
}

// finish makes means of sums over all images, and over the count of those that both sides have.
func (s *headSide) finish(sums, squares []float64, count int) {
	B, O := float64(s.parts.Images), s.parts.OutDim
	for i := range s.shared {
		s.shared[i] /= float64(max(count, 1))
	}
	s.mean = make([]float64, s.heads()*O)
	for h := range s.norm {
		s.norm[h] /= B
		start, r := s.layout.Of(h)
		square := 0.0
		mean := s.mean[h*O : (h+1)*O]
		for k := range r {
			x := sums[start+k] / B
			square += x * x
			for o, v := range s.bases[h][k*O : (k+1)*O] {
				mean[o] += (x + s.origin[start+k]) * float64(v)
			}
		}
		s.deviation[h] = math.Sqrt(max(squares[h]/B-square, 0))
	}
	s.threshold = deadShare * slices.Max(s.norm)
}

// block is how many images are read at a time.
func (s *headSide) block() int {
	return min(max(blockBytes/4/s.parts.Heads.StoredEach(), 1), blockImages, s.parts.Images)
}

// coordinates makes rows [n,W] of what is stored of n images, less the first image, which it
// subtracts in place.
func (s *headSide) coordinates(rows, stored []float32, n int, team par.Team) {
	each, W := s.parts.Heads.StoredEach(), s.layout.Width()
	team.For(n, func(lo, hi, _ int) {
		for b := lo; b < hi; b++ {
			for i, x := range s.first {
				stored[b*each+i] -= x
			}
		}
	})
	team.Each(len(s.maps), func(h, _ int) {
		m := s.maps[h]
		if start, r := s.layout.Of(h); r > 0 {
			kernel.Sgemm(1, kernel.Strided(stored[h*m.Rows:], n, m.Rows, each), m, 0, kernel.Strided(rows[start:], n, r, W), par.Team{})
		}
	})
}

// centred fills rows [n,W] with the coordinates of images, less the mean over those that both sides
// have. stored is scratch of a block.
func (s *headSide) centred(rows, stored []float32, images []int, team par.Team) error {
	each, W, n := s.parts.Heads.StoredEach(), s.layout.Width(), s.block()
	for lo := 0; lo < len(images); lo += n {
		some := images[lo:min(lo+n, len(images))]
		for b := 0; b < len(some); {
			run := 1 // of images that lie one after the other
			for b+run < len(some) && some[b+run] == some[b]+run {
				run++
			}
			if err := s.parts.Heads.ReadStored(stored[b*each:(b+run)*each], some[b], run); err != nil {
				return err
			}
			b += run
		}
		s.coordinates(rows[lo*W:(lo+len(some))*W], stored, len(some), team)
	}
	team.For(len(images), func(lo, hi, _ int) {
		for b := lo; b < hi; b++ {
			row := rows[b*W : (b+1)*W]
			for k, mean := range s.shared {
				row[k] = float32(float64(row[k]) - mean)
			}
		}
	})
	return nil
}

// countAlive counts the heads that are not dead.
func (s *headSide) countAlive() (alive int) {
	for _, x := range s.norm {
		if x >= s.threshold {
			alive++
		}
	}
	return alive
}

func dotWide(row []float32, vector []float64) float64 {
	sum := 0.0
	for o, x := range row {
		sum += float64(x) * vector[o]
	}
	return sum
}
