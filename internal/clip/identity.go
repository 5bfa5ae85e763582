package clip

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/ptfile"
)

// hashBlock is how many elements of a tensor are in memory at a time while it is hashed.
const hashBlock = 1 << 20

// TensorsSHA256 identifies the weights by what they are, not by the file that they are in:
// the same tensors saved in another format, under another prefix or, where they are exact,
// with another number type have the same hash. Of every tensor that the towers use, by
// OpenAI's name and in the order of the names, it hashes a line
//
//	NAME [SHAPE] HASH
//
// where SHAPE has blanks between its numbers and HASH is the SHA-256 of the elements,
// row-major, little-endian float32. It stops early when ctx is cancelled.
func (ck *Checkpoint) TensorsSHA256(ctx context.Context) (string, error) {
	names := make([]string, 0, len(ck.tensors))
	for _, p := range ck.Config.parameters() {
		names = append(names, p.name)
	}
	slices.Sort(names)
	lines, errs := make([]string, len(names)), make([]error, len(names))
	par.NewTeam(runtime.GOMAXPROCS(0)).Each(len(names), func(i, _ int) { lines[i], errs[i] = ck.tensorLine(ctx, names[i]) })
	for _, err := range errs {
		if err != nil {
			return "", err
		}
	}
	sum := sha256.Sum256([]byte(strings.Join(lines, "")))
	return hex.EncodeToString(sum[:]), nil
}

func (ck *Checkpoint) tensorLine(ctx context.Context, name string) (string, error) {
	t, ok := ck.tensors[name]
	if !ok {
		return "", fmt.Errorf("%s: tensor %s is missing", ck.path, name)
	}
	h := sha256.New()
	var values []float32
	var bytes []byte
	for _, part := range blocks(t) {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		if n := part.Len(); cap(values) < n {
			values = make([]float32, n)
		}
		values = values[:part.Len()]
		if err := ck.file.Float32(part, values); err != nil {
			return "", err
		}
		bytes = bytes[:0]
		for _, x := range values {
			bytes = binary.LittleEndian.AppendUint32(bytes, math.Float32bits(x))
		}
		h.Write(bytes)
	}
	return fmt.Sprintf("%s %v %x\n", name, t.Shape, h.Sum(nil)), nil
}

// blocks cuts a tensor along its first axis into parts of about hashBlock elements.
func blocks(t ptfile.Tensor) []ptfile.Tensor {
	if len(t.Shape) == 0 || t.Len() <= hashBlock {
		return []ptfile.Tensor{t}
	}
	rows := max(1, hashBlock/(t.Len()/t.Shape[0]))
	var parts []ptfile.Tensor
	for lo := 0; lo < t.Shape[0]; lo += rows {
		parts = append(parts, t.Rows(lo, min(lo+rows, t.Shape[0])))
	}
	return parts
}
