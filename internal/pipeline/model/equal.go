package model

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
)

// Equal returns for each text whose embedding, a row of rows [M,O], an earlier one has too,
// that one and its own index. A tokenizer leaves out case, so that RED and red are equal.
func Equal(rows []float32, texts int) [][2]int {
	if texts == 0 {
		return nil
	}
	var equal [][2]int
	first, outDim := make(map[string]int, texts), len(rows)/texts
	bytes := make([]byte, 0, 4*outDim)
	for i := range texts {
		bytes = bytes[:0]
		for _, x := range rows[i*outDim : (i+1)*outDim] {
			bytes = binary.LittleEndian.AppendUint32(bytes, math.Float32bits(x))
		}
		if at, there := first[string(bytes)]; there {
			equal = append(equal, [2]int{at, i})
		} else {
			first[string(bytes)] = i
		}
	}
	return equal
}

// WarnOfEqual warns of texts that have equal embeddings [texts,O]: nothing tells them apart, and
// of two classes each has the same probability. path is the file of the embeddings, empty of texts
// that were embedded; list are the texts, nil where these are not known.
func WarnOfEqual(path string, list []string, rows []float32, texts int, say ui.Reporter) {
	equal := Equal(rows, texts)
	if len(equal) == 0 {
		return
	}
	name := func(i int) string {
		if i < len(list) {
			return foreign.Quote(list[i])
		}
		return fmt.Sprintf("row %d", i)
	}
	told := fmt.Sprintf("%s and %s have equal embeddings: the model does not tell them apart", name(equal[0][0]), name(equal[0][1]))
	if path != "" {
		told = path + ": " + told
	}
	if more := len(equal) - 1; more > 0 {
		told += fmt.Sprintf(", nor %s more", quantity.Of(more, "text"))
	}
	say.Warn("%s", told)
}
