package clip

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"
	"unsafe"

	"github.com/clipnh/clipnh/internal/kernel/cpu"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/ptfile"
)

// hashBlock is how many elements of a tensor are in memory at a time while it is hashed.
const hashBlock = 1 << 17

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
	team := par.NewTeam(cpu.Workers())
	buffers := make([][]float32, team.Size())
	team.Each(len(names), func(i, worker int) { lines[i], errs[i] = ck.tensorLine(ctx, names[i], &buffers[worker]) })
	for _, err := range errs {
		if err != nil {
			return "", err
		}
	}
	sum := sha256.Sum256([]byte(strings.Join(lines, "")))
	return hex.EncodeToString(sum[:]), nil
}

func (ck *Checkpoint) tensorLine(ctx context.Context, name string, buffer *[]float32) (string, error) {
	t, ok := ck.tensors[name]
	if !ok {
		return "", fmt.Errorf("%s: tensor %s is missing", ck.path, name)
	}
	h := sha256.New()
	parts := blocks(t)
	if _, made := ck.made[name]; made {
		parts = []ptfile.Tensor{t} // it has no rows in the file
	}
	for _, part := range parts {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		if n := part.Len(); len(*buffer) < n {
			*buffer = make([]float32, n)
		}
		values := (*buffer)[:part.Len()]
		if err := ck.float32(name, part, values); err != nil {
			return "", err
		}
		h.Write(littleEndian(values))
	}
	return fmt.Sprintf("%s %v %x\n", name, t.Shape, h.Sum(nil)), nil
}

// littleEndian returns the memory of values with the bytes of each in that order. On
// machines of another order it reverses them in place.
func littleEndian(values []float32) []byte {
	if len(values) == 0 {
		return nil
	}
	bytes := unsafe.Slice((*byte)(unsafe.Pointer(&values[0])), 4*len(values))
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		for i, x := range values {
			binary.LittleEndian.PutUint32(bytes[4*i:], math.Float32bits(x))
		}
	}
	return bytes
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
