package clip

import (
	"fmt"
	"math"

	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/ptfile"
)

// PairWeights is where pairs are in the weights of a model, so that what they add can be
// changed there. In an attention pool each pair has a column of its head's value weights;
// in a vision transformer all pairs of a neuron share a column of the MLP's output weights.
type PairWeights interface {
	// Means says what a change by mean needs means of.
	Means() MeansOf
	// Check returns an *InseparableError unless factors [H,C] agree of pairs that the weights
	// do not hold apart.
	Check(factors []float64) error
	// Edit prepares to multiply what pairs add by factors [H,C], which Check has passed, and
	// to put (1-factor) of the means in place of what they lose; nil: nothing.
	Edit(factors, means []float64) (*Edit, error)
}

// MeansOf is what means are of.
type MeansOf int

const (
	ScoreMeans      MeansOf = iota // scores of pairs, [H,C]
	ActivationMeans                // activations of neurons over images and tokens, [C]
)

// An InseparableError is that of pairs of a neuron with unlike factors, where weights do
// not hold these pairs apart.
type InseparableError struct {
	Pair   int // h*C+n, one of them
	Neuron int
}

func (e *InseparableError) Error() string {
	return fmt.Sprintf("pair %d shares its weights with all pairs of neuron %d", e.Pair, e.Neuron)
}

// An Edit is a prepared change of weights.
type Edit struct {
	columnEdit
	Units []EditedUnit // whose factor is not 1, in their order
	Of    EditedKind   // the units

	Matrix  ptfile.DType // of the weights whose columns change
	Columns int          // of these that have other weights now
	Rounded int          // weights that their type cannot hold exactly
	Bias    BiasEdit

	before []float32 // the bias, in float32
	after  func(ImageOptions) (Edited, error)
}

// EditedKind is what the units of an Edit are.
type EditedKind int

const (
	EditedPairs   EditedKind = iota // h*C+n
	EditedNeurons                   // with all their pairs
	EditedHeads                     // l*H+h, of all layers
)

// EditedUnit is a pair h*C+n, a neuron or a head that an Edit changes.
type EditedUnit struct {
	Unit   int
	Factor float64
	Mean   float64 // of its score or activation, or of a head the size of what it adds; 0 by zero
	Length float64 // of the direction that it adds along: of v, or of the column; of a head, of all its columns
}

// BiasEdit is what becomes of the bias that is added after the columns.
type BiasEdit struct {
	Before, Change float64      // norms
	Was, Is        ptfile.DType // as in the file, and as written
	Rounding       float64      // largest error in an element if it is read as Was
}

// edited is the checkpoint as the edit leaves it. It shares the file of ck, and keeps no
// packed weights.
func (ck *Checkpoint) edited(e *columnEdit) *Checkpoint {
	return &Checkpoint{Config: ck.Config, path: ck.path, file: ck.file, tensors: ck.tensors, made: ck.made, edit: e}
}

// finish counts what an edit of matrix to edited changes, and says what becomes of the bias.
func (e *Edit) finish(ck *Checkpoint, matrix, edited []float32) error {
	e.Matrix = ck.tensors[e.matrix].DType
	changed := make([]bool, len(e.factors))
	for i, w := range matrix {
		if edited[i] != w {
			changed[i/e.columns/e.band*e.columns+i%e.columns] = true
		}
		if f := e.factor(i); f != 1 && float64(w)*f != float64(edited[i]) {
			e.Rounded++
		}
	}
	for _, c := range changed {
		if c {
			e.Columns++
		}
	}
	after := append([]float32(nil), e.before...)
	was := ck.tensors[e.bias].DType
	e.Bias = BiasEdit{Before: norm(e.before), Change: norm(e.biasChange), Was: was, Is: was}
	if e.Bias.Change == 0 {
		e.biasChange = nil
	} else {
		e.Bias.Is = biasType(was)
		for i, d := range e.biasChange {
			sum := float64(after[i]) + d
			if e.Bias.Is != was {
				e.Bias.Rounding = max(e.Bias.Rounding, math.Abs(was.Round(sum)-sum))
			}
			after[i] = float32(sum)
		}
	}
	for _, part := range []struct {
		name   string
		values []float32
		d      ptfile.DType
	}{{e.matrix, edited, e.Matrix}, {e.bias, after, biasType(was)}} {
		for i, x := range part.values {
			if x-x != 0 { // only NaN and the infinities
				return fmt.Errorf("%s: %s: element %d would be %g in %s, want finite weights", ck.path, foreign.Name(part.name), i, x, part.d)
			}
		}
	}
	return nil
}

// biasType is the number type of a changed bias: one of half precision becomes float32,
// since rounding the sum of many means would change the features.
func biasType(was ptfile.DType) ptfile.DType {
	if was == ptfile.Float64 {
		return ptfile.Float64
	}
	return ptfile.Float32
}

func norm[T float32 | float64](x []T) float64 {
	sum := 0.0
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum)
}

// Edited tells the features of images by edited weights.
type Edited interface {
	// Features writes them to dst [B,O].
	Features(dst []float32, s Seen, team par.Team) error
	// Orders writes by how much the edit's units would move features, [B,O], were all else
	// in the tower as it is: first, what they add to the class token's residual itself, and
	// second, what their pairs add. It reports false, and writes nothing, where the pairs
	// are all that changes.
	Orders(first, second []float32, s Seen, team par.Team) bool
}

// Seen is what a tower of the weights before an edit makes of images.
type Seen struct {
	Images int
	Pixels []float32 // [B,3,S,S]
	Scores []float32 // [B,H,C]

	// Of pairs that are a part of the features; see Output.
	Weights, Neurons, Statistics []float32
}

// Edited prepares to compute features by the edited weights.
func (e *Edit) Edited(o ImageOptions) (Edited, error) { return e.after(o) }
