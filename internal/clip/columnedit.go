package clip

// columnEdit multiplies columns of a matrix of the weights, and adds to the bias that goes
// with it.
type columnEdit struct {
	matrix, bias string    // OpenAI's names
	columns      int       // of the matrix
	band         int       // rows that have the same factors
	factors      []float64 // [rows/band,columns]
	biasChange   []float64 // nil leaves its bytes alone
}

// factor is what element i of the matrix is multiplied by.
func (e *columnEdit) factor(i int) float64 {
	return e.factors[i/e.columns/e.band*e.columns+i%e.columns]
}

// apply changes a tensor that was read, if it is one of the edit's. Weights are rounded by
// round, as the file that they are from does.
func (e *columnEdit) apply(name string, round func(float64) float64, values []float32) {
	switch {
	case name == e.matrix:
		for i, x := range values {
			if f := e.factor(i); f != 1 {
				values[i] = float32(round(float64(x) * f))
			}
		}
	case name == e.bias:
		for i, d := range e.biasChange {
			values[i] = float32(float64(values[i]) + d)
		}
	}
}
