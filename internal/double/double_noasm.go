//go:build !amd64 || noasm

package double

// These leave all to plain Go.

func sumMost([]float32, *[4]float64, *float32, *float32) int         { return 0 }
func squaresMost([]float32, float64, *[4]float64) int                { return 0 }
func dotMost([]float32, []float64, *[4]float64) int                  { return 0 }
func addMost([]float64, []float32) int                               { return 0 }
func normsMost(_, _ []float32, _, _, _ float64) int                  { return 0 }
func distancesMost(_, _ []float32, _ float64) int                    { return 0 }
func binsMost([]uint16, []float32, float64, float64) int             { return 0 }
func outsideMost(_ []float32, _, _ []float64, _, _ float64) int      { return 0 }
func formsActive(dst *[Images]float64, x, gram []float64, heads int) { formsRef(dst, x, gram, heads) }
func combineActive(dst *[Images]float64, x, weights []float64)       { combineRef(dst, x, weights) }
