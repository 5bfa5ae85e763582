package artefact

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/unit"
)

// Parts is an open collection of what some parts of a model add to the image feature: heads,
// MLPs, or the class tokens that heads read. It is a folder or a .npy or .dat file. Those that
// are kept as factors are read as what they stand for.
type Parts struct {
	Path     string
	Kind     string          // KindHeads, KindMLPs or KindClassParts; empty where nothing says it
	Shape    []int           // [B,...,O]
	Artefact *cache.Artefact // nil for another program's file

	file    *npy.File
	factors *factored // nil where the file has the parts themselves
}

// Parts opens a collection of parts of a kind, or of one of others.
func (r Reader) Parts(path string, facts Facts, kind string, others ...string) (*Parts, error) {
	p := &Parts{Path: path}
	var err error
	if p.Artefact, err = r.Open(path, facts, append([]string{kind}, others...)...); err != nil {
		return nil, err
	}
	payload := path
	if p.Artefact != nil {
		p.Kind = p.Artefact.Manifest.Kind
		if payload, err = p.Artefact.Payload(""); err != nil {
			return nil, err
		}
	}
	switch raw := filepath.Ext(payload) == ".dat"; {
	case raw && p.Artefact == nil:
		return nil, fmt.Errorf("%s: no manifest beside it says its shape, want a .npy", path)
	case raw:
		p.file, err = npy.OpenRaw(payload, p.Artefact.Manifest.Shape)
	default:
		p.file, err = npy.Open(payload)
	}
	if err != nil {
		return nil, err
	}
	p.Shape = p.file.Header.Shape
	if p.Artefact != nil && IsFactored(p.Artefact.Manifest) {
		p.factors, p.Shape, err = newFactored(p.Artefact, p.Shape)
	}
	if err == nil {
		err = p.Artefact.Unreplaced()
	}
	if err != nil {
		p.file.Close()
		return nil, err
	}
	if n := len(p.Shape); n != 3 && n != 4 || Product(p.Shape) == 0 {
		p.file.Close()
		return nil, fmt.Errorf("%s: shape %s, want [B,L,H,O] of heads, [B,L+1,O] of MLPs or [B,L,O] of class tokens", path, npy.ShapeString(p.Shape))
	}
	return p, nil
}

// Each is how many numbers an image has.
func (p *Parts) Each() int { return Product(p.Shape[1:]) }

// Factors returns what the parts are kept as; ok is false of those that are written out.
func (p *Parts) Factors() (f *decomp.Factors, ok bool) {
	if p.factors == nil {
		return nil, false
	}
	return p.factors.Factors, true
}

// Half reports whether the numbers are kept as float16.
func (p *Parts) Half() bool { return p.file.Header.DType == npy.Float16 }

// Close closes the file; p may be nil.
func (p *Parts) Close() error {
	if p == nil {
		return nil
	}
	return p.file.Close()
}

// Read fills dst [n,...] with numbers lo to hi of each of n images from first on.
func (p *Parts) Read(dst []float32, first, n, lo, hi int) error {
	each, width := p.Each(), hi-lo
	if p.factors != nil {
		return p.factors.read(p, dst, first, n, lo, hi)
	}
	if width == each {
		return p.read(dst[:n*each], first*each)
	}
	for b := range n {
		if err := p.read(dst[b*width:(b+1)*width], (first+b)*each+lo); err != nil {
			return err
		}
	}
	return nil
}

// StoredEach is how many numbers an image has in the file: those of the parts, or their factors.
func (p *Parts) StoredEach() int { return Product(p.file.Header.Shape[1:]) }

// ReadStored fills dst [n,StoredEach] with what the file has of n images from first on: the parts,
// or their factors.
func (p *Parts) ReadStored(dst []float32, first, n int) error {
	each := p.StoredEach()
	if err := p.file.ReadFloat32(dst[:n*each], int64(first)*int64(each)); err != nil {
		return err
	}
	if i := FirstNonFinite(dst[:n*each]); i >= 0 {
		return NotFinite(p.Path, first*each+i, p.file.Header.Shape, dst[i])
	}
	return nil
}

func (p *Parts) read(dst []float32, start int) error {
	if err := p.file.ReadFloat32(dst, int64(start)); err != nil {
		return err
	}
	if i := FirstNonFinite(dst); i >= 0 {
		return NotFinite(p.Path, start+i, p.Shape, dst[i])
	}
	return nil
}

// FirstOrder is the image features of some images taken apart by heads and MLPs. Those of an
// attention pool are the sum of its heads alone.
type FirstOrder struct {
	Heads *Parts // [B,L,H,O], or [B,H,O] of an attention pool
	MLPs  *Parts // [B,L+1,O], the class token that enters the first layer before them; may be nil
	Class *Parts // [B,L,O], what each layer's heads add by the class token that they read; may be nil

	Images, Layers, LayerHeads, OutDim int
}

// FirstOrder opens heads and other parts of the same features.
func (r Reader) FirstOrder(heads string, others []string) (*FirstOrder, error) {
	h, err := r.Parts(heads, nil, KindHeads)
	if err != nil {
		return nil, err
	}
	f := &FirstOrder{Heads: h}
	if err := f.open(r, others); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (f *FirstOrder) open(r Reader, others []string) error {
	h := f.Heads
	if h.Kind == "" && len(h.Shape) == 4 {
		h.Kind = KindHeads
	}
	if h.Kind != KindHeads {
		return fmt.Errorf("%s: shape %s, want heads, [B,L,H,O]", h.Path, npy.ShapeString(h.Shape))
	}
	n := len(h.Shape)
	f.Images, f.Layers, f.LayerHeads, f.OutDim = h.Shape[0], 1, h.Shape[n-2], h.Shape[n-1]
	if n == 4 {
		f.Layers = h.Shape[1]
	}
	facts := Of(OriginOf(h.Artefact))
	if of := OriginOf(h.Artefact).Images; of != nil {
		facts = facts.Images(of.SHA256)
	}
	for _, path := range others {
		p, err := r.Parts(path, facts, KindMLPs, KindClassParts)
		if err != nil {
			var e *Error
			if errors.As(err, &e) && errors.Is(err, cache.ErrMissing) { // heads are there: what is not are MLPs
				return &Error{Kind: KindMLPs, Path: e.Path, Err: e.Err}
			}
			return err
		}
		if err := f.add(p); err != nil {
			p.Close()
			return err
		}
	}
	return nil
}

// add takes parts up that are of the features of the heads.
func (f *FirstOrder) add(p *Parts) error {
	mlps, class := []int{f.Images, f.Layers + 1, f.OutDim}, []int{f.Images, f.Layers, f.OutDim}
	if len(f.Heads.Shape) == 3 {
		return fmt.Errorf("%s: heads of an attention pool, which sum to the features without %s", f.Heads.Path, p.Path)
	}
	place := &f.MLPs
	switch {
	case (p.Kind == "" || p.Kind == KindMLPs) && slices.Equal(p.Shape, mlps):
		p.Kind = KindMLPs
	case (p.Kind == "" || p.Kind == KindClassParts) && slices.Equal(p.Shape, class):
		p.Kind, place = KindClassParts, &f.Class
	default:
		return fmt.Errorf("%s: %s of shape %s, want %s of mlps or %s of class parts, as %s has %s",
			p.Path, orUnknown(p.Kind), npy.ShapeString(p.Shape), npy.ShapeString(mlps), npy.ShapeString(class), f.Heads.Path, quantity.Of(f.Images, "image"))
	}
	if *place != nil {
		return fmt.Errorf("%s: %s, which %s has too", p.Path, p.Kind, (*place).Path)
	}
	if a, b := PartsForm(f.Heads.Artefact), PartsForm(p.Artefact); f.Heads.Artefact != nil && p.Artefact != nil && a != b {
		return hint.With(
			fmt.Errorf("%s: %w: parts of %s, but %s has those of %s", p.Path, cache.ErrStale, b, f.Heads.Path, a),
			"collect all parts with the same {form}")
	}
	if err := f.sameRows(p); err != nil {
		return err
	}
	*place = p
	return nil
}

func orUnknown(kind string) string {
	if kind == "" {
		return "parts"
	}
	return kind
}

// PartsForm says of what the parts of a collection are.
func PartsForm(a *cache.Artefact) string {
	if c := OriginOf(a).Collect; c != nil && c.Form != "" {
		return "features as unit vectors"
	}
	return "features as they are"
}

// sameRows returns an error unless parts have rows of the images of the heads, as far as
// that is known.
func (f *FirstOrder) sameRows(p *Parts) error {
	a, err := f.Heads.names()
	if err != nil {
		return err
	}
	b, err := p.names()
	if err != nil {
		return err
	}
	if a != nil && b != nil && !slices.Equal(a, b) {
		return fmt.Errorf("%s: %w: its images are not those of %s", p.Path, cache.ErrStale, f.Heads.Path)
	}
	was, is := ImageSums(f.Heads.Artefact, f.Images), ImageSums(p.Artefact, f.Images)
	for i := range is {
		if is[i].Differs(was[i]) {
			return hint.With(
				fmt.Errorf("%s: %w: image %d was recorded with CRC-32C %s, with %s in %s", p.Path, cache.ErrStale, i, cache.SumText(is[i].CRC), cache.SumText(was[i].CRC), f.Heads.Path),
				"the image changed between two runs: collect both again")
		}
	}
	return nil
}

// Names returns the names of the images that heads have rows of; nil where nothing says them.
func (f *FirstOrder) Names() ([]string, error) { return f.Heads.names() }

func (p *Parts) names() ([]string, error) {
	if p.Artefact == nil || p.Artefact.Manifest.Payloads[0].File == "" {
		return nil, nil // a file has no names beside it
	}
	names, err := ImageNames(p.Artefact)
	if err == nil && len(names) != p.Shape[0] {
		err = fmt.Errorf("%s: %s in %s, want one for each of %s", p.Path, quantity.Of(len(names), "name"), ImagesFile, quantity.Of(p.Shape[0], "row"))
	}
	return names, err
}

// Whole reports whether the parts sum to the features.
func (f *FirstOrder) Whole() bool { return f.MLPs != nil || len(f.Heads.Shape) == 3 }

// HeadLayers says how heads are called: l10h3, or h3 of an attention pool.
func (f *FirstOrder) HeadLayers() unit.Layers {
	if len(f.Heads.Shape) == 3 {
		return unit.Layers{}
	}
	return unit.Layers{Heads: f.LayerHeads}
}

// Close closes the files.
func (f *FirstOrder) Close() error {
	err := f.Heads.Close()
	for _, p := range []*Parts{f.MLPs, f.Class} {
		if closing := p.Close(); err == nil {
			err = closing
		}
	}
	return err
}
