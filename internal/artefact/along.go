package artefact

import "github.com/clipnh/clipnh/internal/kernel"

// Along is what parts add to images along a vector v, r·v of each part. Of parts that are kept as
// factors it needs no more than these: with M the matrix of a part, (f·M)·v is f·(M·v).
type Along struct {
	parts *Parts
	by    []float32 // v [O], or M·v of each head [L·H,F]
	width int       // O or F: numbers that are kept of a part
}

// Along returns what parts add along a vector [O].
func (p *Parts) Along(vector []float32) *Along {
	if p.factors == nil {
		return &Along{p, vector, len(vector)}
	}
	f := p.factors
	a := &Along{p, make([]float32, f.Heads*f.Width), f.Width}
	for i := range a.by {
		a.by[i] = kernel.Dot(f.Matrices[i*f.OutDim:][:f.OutDim], vector)
	}
	return a
}

// alongNumbers is how many numbers are read at a time: they stay in the cache of a core.
const alongNumbers = 1 << 17

// An AlongBuffer is memory for Read, of one caller at a time.
type AlongBuffer struct{ rows []float32 }

// Read writes r·v of the parts of each of n images from first on, [parts,n] in rows of stride
// numbers. It may be called concurrently.
func (a *Along) Read(dst []float32, stride, first, n int, b *AlongBuffer) error {
	of := a.parts.Each() / a.parts.Shape[len(a.parts.Shape)-1] // parts of an image
	most := max(1, min(alongNumbers/a.width, n*of))
	if len(b.rows) < most*a.width {
		b.rows = kernel.Alloc(most * a.width)
	}
	for lo := 0; lo < n*of; lo += most {
		count := min(most, n*of-lo)
		start := (first*of + lo) * a.width
		rows := b.rows[:count*a.width]
		if err := a.parts.file.ReadFloat32(rows, int64(start)); err != nil {
			return err
		}
		for i := range count {
			image, part := (lo+i)/of, (lo+i)%of
			row, by := rows[i*a.width:][:a.width], a.by
			if a.parts.factors != nil {
				by = by[part*a.width:][:a.width]
			}
			sum := kernel.Dot(row, by)
			if sum-sum != 0 { // of a number that is not finite, unless the sum itself is too large
				if at := FirstNonFinite(row); at >= 0 {
					return NotFinite(a.parts.Path, start+i*a.width+at, a.parts.file.Header.Shape, row[at])
				}
			}
			dst[part*stride+image] = sum
		}
	}
	return nil
}
