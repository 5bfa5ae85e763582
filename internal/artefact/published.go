package artefact

import (
	"fmt"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/npy"
)

// Published is an open folder of pairs of a vision transformer in the published form: scores,
// and a vector of each head that its pairs share; see package decomp.
type Published struct {
	*cache.Artefact
	OV     *decomp.OV // with directions that are not centred, and without bias
	Images int

	file *npy.File // [B,H,C+O]
}

// PublishedOf returns what an artefact of KindPublished holds.
func PublishedOf(a *cache.Artefact) (*Published, error) {
	p := &Published{Artefact: a}
	main, err := a.Payload("")
	if err != nil {
		return nil, err
	}
	if p.file, err = npy.Open(main); err != nil {
		return nil, err
	}
	if p.OV, err = readOV(a); err == nil {
		err = a.Unreplaced()
	}
	if err == nil {
		shape, each := p.file.Header.Shape, p.OV.Neurons+p.OV.OutDim
		if len(shape) != 3 || shape[1] != p.OV.Heads || shape[2] != each {
			err = fmt.Errorf("%s: shape %s, want [B,%d,%d] as the weight products have it", main, npy.ShapeString(shape), p.OV.Heads, each)
		} else {
			p.Images = shape[0]
		}
	}
	if err != nil {
		p.file.Close()
		return nil, err
	}
	return p, nil
}

// Close closes the file.
func (p *Published) Close() error { return p.file.Close() }

// Unchanged returns an error if the file was written to since it was opened.
func (p *Published) Unchanged() error { return p.file.Unchanged() }

// Read fills scores [n] with those of the pairs of a head and the neurons from first on, in an
// image, and common [O] with the vector that they share.
func (p *Published) Read(scores, common []float32, image, head, first int) error {
	each := int64(p.OV.Neurons + p.OV.OutDim)
	row := (int64(image)*int64(p.OV.Heads) + int64(head)) * each
	if err := p.file.ReadFloat32(scores, row+int64(first)); err != nil {
		return err
	}
	if err := p.file.ReadFloat32(common, row+int64(p.OV.Neurons)); err != nil {
		return err
	}
	layers := LayersOf(p.Artefact)
	if i := FirstNonFinite(scores); i >= 0 {
		return fmt.Errorf("%s: score of image %d, %s is %g, want finite scores", p.Path(), image, layers.Pair(head*p.OV.Neurons+first+i, p.OV.Neurons), scores[i])
	}
	if i := FirstNonFinite(common); i >= 0 {
		return fmt.Errorf("%s: what all pairs of image %d and %s share is %g, want finite numbers", p.Path(), image, layers.Head(head), common[i])
	}
	return nil
}
