package source

import (
	"context"
	"errors"
	"fmt"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/quantity"
)

// writtenOut are the contributions to one image, [H,C,O] or [C,O].
type writtenOut struct {
	rows []float32
	all  *decomp.Ablation // which keeps every unit
}

func (w writtenOut) Features(dst []float32, team par.Team) { w.all.DenseFeature(dst, w.rows, team) }

func (w writtenOut) AddRest([]float32) {}

func (w writtenOut) Ablated(dst []float32, a *decomp.Ablation, team par.Team) {
	a.DenseFeature(dst, w.rows, team)
}

// denseReader reads contributions that are written out.
type denseReader struct {
	*artefact.Dense
	names  []string
	labels []int // nil: no labels
}

// openDense opens contributions that are written out, [B,H,C,O] or [B,C,O].
func openDense(ctx context.Context, o Options) (*Source, error) {
	d, err := o.Artefacts.Dense(o.ScoresPath, o.Shape, nil)
	if err != nil {
		return nil, err
	}
	if err := artefact.WantWhole(d.Artefact); err != nil {
		d.Close()
		return nil, err
	}
	units, r := d.Units(), &denseReader{Dense: d}
	src := &Source{
		Images: d.Images(), Neurons: units[len(units)-1], OutDim: d.OutDim(), Origin: artefact.DerivedFrom(d.Artefact), reader: r,
	}
	if len(units) == 2 {
		src.Heads = units[0]
	}
	r.names = make([]string, src.Images)
	for i := range r.names {
		r.names[i] = fmt.Sprintf("image %d", i)
	}
	if o.Data.Path != "" {
		r.names, r.labels, err = denseLabels(ctx, o, d.Path, d.Images(), d.Artefact)
	}
	if err != nil {
		d.Close()
		return nil, err
	}
	src.Labelled, src.Names = r.labels != nil, r.names
	return src, nil
}

func (r *denseReader) each(ctx context.Context, src *Source, do func(Batch) error) error {
	everything := make([]bool, artefact.Product(r.Units()))
	for u := range everything {
		everything[u] = true
	}
	row, all := make([]float32, len(everything)*src.OutDim), decomp.NewAblation(everything, src.OutDim)
	for i := range src.Images {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.ReadImage(row, i); err != nil {
			return err
		}
		b := Batch{Names: r.names[i : i+1], Dense: row, Contributions: writtenOut{row, all}}
		if r.labels != nil {
			b.Labels = r.labels[i : i+1]
		}
		if err := do(b); err != nil {
			return err
		}
	}
	return nil
}

func (r *denseReader) close() error { return r.Close() }

// denseLabels returns the names and labels of the rows of a file at path, a nil for another
// program's. They are the data set's images in their order, but for those that were skipped.
func denseLabels(ctx context.Context, o Options, path string, rows int, a *cache.Artefact) (names []string, labels []int, err error) {
	data, err := dataset.Open(ctx, o.Data)
	if err != nil {
		return nil, nil, err
	}
	stride, gone := o.Stride, map[string]bool{}
	if a != nil {
		m := a.Manifest
		if m.Origin.Images != nil {
			stride = m.Origin.Images.Stride
		}
		for _, s := range m.Skipped {
			gone[s.Name] = true
		}
	}
	data = data.Stride(max(stride, 1))
	if a != nil {
		// Rows have no names, so that only the very same images will do.
		now, err := data.Fingerprint()
		if err == nil {
			err = o.Artefacts.Check(a, artefact.Facts{}.Images(now))
		}
		if err != nil {
			return nil, nil, err
		}
	}
	for _, item := range data.Items {
		if !gone[item.Name] {
			names, labels = append(names, item.Name), append(labels, item.Label)
		}
	}
	if len(names) != rows {
		text := fmt.Sprintf("%s: %s, but %s has %s", path, quantity.Of(rows, "row"), o.Data.Path, quantity.Of(len(names), "image"))
		if stride > 1 {
			text += fmt.Sprintf(" (every %d-th)", stride)
		}
		return nil, nil, hint.With(errors.New(text), "give the images that it was collected from: {data-path}, {dataset} and {sample-stride}")
	}
	if len(data.Classes) == 0 {
		labels = nil
	}
	return names, labels, nil
}
