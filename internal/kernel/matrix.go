package kernel

// A Matrix is Rows x Cols values of a slice:
//
//	m[i,j] = Data[i*Stride+j]    or, if Transposed,
//	m[i,j] = Data[j*Stride+i]
//
// so Stride is the distance between the rows, or the columns, that are
// contiguous in Data. A Matrix refers to Data and copies nothing. That of Weights may have no Data.
type Matrix struct {
	Data       []float32
	Rows, Cols int
	Stride     int
	Transposed bool

	halves []uint16 // in place of Data: see Weights
}

// Dense returns the row-major matrix of the first rows*cols values of data.
func Dense(data []float32, rows, cols int) Matrix {
	return Matrix{Data: data, Rows: rows, Cols: cols, Stride: max(cols, 1)}
}

// Strided returns the rows x cols matrix whose row i begins at data[i*stride].
func Strided(data []float32, rows, cols, stride int) Matrix {
	return Matrix{Data: data, Rows: rows, Cols: cols, Stride: stride}
}

// T returns the transpose of m, which shares its values.
func (m Matrix) T() Matrix {
	m.Rows, m.Cols, m.Transposed = m.Cols, m.Rows, !m.Transposed
	return m
}

// at returns the rows x cols part of m from (i, j) on. m must not be transposed.
func (m *Matrix) at(i, j, rows, cols int) Matrix {
	return Matrix{Data: m.Data[i*m.Stride+j:], Rows: rows, Cols: cols, Stride: m.Stride}
}

// check panics unless the values of m are within Data, and its contiguous rows
// or columns do not overlap.
func (m *Matrix) check() {
	count, length := m.Rows, m.Cols
	if m.Transposed {
		count, length = length, count
	}
	if count < 0 || length < 0 {
		panic("kernel: negative matrix size")
	}
	if m.Stride < max(length, 1) {
		panic("kernel: rows of a matrix overlap")
	}
	if count > 0 && length > 0 && max(len(m.Data), len(m.halves)) < (count-1)*m.Stride+length {
		panic("kernel: short matrix")
	}
}

// scale multiplies m, which must not be transposed, by f. If f is 0 it clears m, NaNs
// included.
func (m *Matrix) scale(f float32) {
	if f == 1 {
		return
	}
	for i := range m.Rows {
		row := m.Data[i*m.Stride:][:m.Cols]
		if f == 0 {
			clear(row)
			continue
		}
		for j := range row {
			row[j] *= f
		}
	}
}

// SumRows adds the product of a row and a matrix to y, all values as loops in Go would give them:
//
//	y[j] += a[p] b[p,j], for p in order
//
// Shapes: a [K]; b [K,N], not transposed; y [N], N a multiple of Lanes. It is for results that
// must keep the bits of such loops; Sgemm is faster where y is long.
func SumRows(y, a []float32, b Matrix) {
	b.check()
	if b.halves != nil || b.Transposed || len(a) != b.Rows || len(y) != b.Cols || len(y)%Lanes != 0 {
		panic("kernel: a row and a matrix that do not fit")
	}
	if len(a) > 0 && len(y) > 0 {
		activeFamily().sumRows(&y[0], &a[0], &b.Data[0], b.Stride*4, len(a), len(y))
	}
}
