package edit

import (
	"context"
	"fmt"
	"math"

	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/ui"
)

// Movement is how far the features of images moved.
type Movement struct {
	Images int `json:"images"`

	CosineMean float64 `json:"cosine_mean"` // of each feature before and after
	CosineMin  float64 `json:"cosine_min"`
	Farthest   string  `json:"farthest"` // the image of the smallest cosine, the first of equal ones

	DistanceMean float64 `json:"distance_mean"` // |f' - f| / |f|
	DistanceMax  float64 `json:"distance_max"`

	NormBefore float64 `json:"norm_before"` // mean of |f|
	NormAfter  float64 `json:"norm_after"`
}

// move sends the images through the model once. As the edit leaves tokens and attention
// as they are, scores are those of both models, and features differ by the pools alone.
func (e *editor) move(ctx context.Context, after *decomp.OV) (*Movement, error) {
	o := e.Images
	o.Model, o.ScoresPath = e.Model, ""
	src, err := source.OpenTower(ctx, o, e.Threads, e.say)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	progress := e.say.Progress()
	progress.Start(int64(src.Images), ui.Images, "compare")
	defer progress.Done()
	m, O := &Movement{CosineMin: math.Inf(1)}, src.OutDim
	var values, before, moved []float32
	err = src.Each(ctx, func(b source.Batch) error {
		n := len(b.Names)
		if len(before) < n*O {
			values, before, moved = make([]float32, n*src.Neurons), make([]float32, n*O), make([]float32, n*O)
		}
		e.ov.Features(before, values, b.Scores, n, e.team)
		after.Features(moved, values, b.Scores, n, e.team)
		for i, name := range b.Names {
			if err := m.add(name, before[i*O:(i+1)*O], moved[i*O:(i+1)*O]); err != nil {
				return err
			}
		}
		progress.Add(int64(n))
		return nil
	})
	if err != nil {
		return nil, err
	}
	if m.Images == 0 {
		return nil, fmt.Errorf("%s: none of %s could be read", o.Data.Path, ui.Images.Count(int64(src.Images)))
	}
	e.result.Rounding = src.Rounding
	n := float64(m.Images)
	m.CosineMean, m.DistanceMean, m.NormBefore, m.NormAfter = m.CosineMean/n, m.DistanceMean/n, m.NormBefore/n, m.NormAfter/n
	e.result.Skipped = append(append(e.result.Skipped, src.Skipped...), src.Unlisted...)
	return m, nil
}

// add adds an image with its features; until all are added, means are sums.
func (m *Movement) add(name string, before, after []float32) error {
	product, square := 0.0, 0.0
	for o, x := range before {
		d := float64(after[o]) - float64(x)
		product += float64(x) * float64(after[o])
		square += d * d
	}
	length, lengthAfter := decomp.Norm(before), decomp.Norm(after)
	if !(length > 0) || !(lengthAfter > 0) {
		return fmt.Errorf("%s: its feature has no direction (zero or not finite) before or after the edit", name)
	}
	cosine, distance := min(product/(length*lengthAfter), 1), math.Sqrt(square)/length
	if cosine < m.CosineMin {
		m.CosineMin, m.Farthest = cosine, name
	}
	m.Images++
	m.CosineMean += cosine
	m.DistanceMean += distance
	m.DistanceMax = max(m.DistanceMax, distance)
	m.NormBefore += length
	m.NormAfter += lengthAfter
	return nil
}
