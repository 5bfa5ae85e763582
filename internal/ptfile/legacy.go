package ptfile

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/big"

	"github.com/nlpodyssey/gopickle/types"

	"github.com/clipnh/clipnh/internal/foreign"
)

// The older form's marks, each a pickle of its own.
const (
	legacyMagic    = "119547037146038801333356" // 0x1950a86a20f9469cfc6c
	legacyProtocol = 1001

	legacyText = "L119547037146038" // begins the magic number's pickle under protocol 1
)

// legacyReader steps through a file of torch.save before 1.6, which is a row of
// pickles and then the storages:
//
//	pickle: magic number
//	pickle: protocol version, 1001
//	pickle: dict about the machine, with "little_endian"
//	pickle: the saved object
//	pickle: list of storage keys
//	for each key: int64 number of elements, then the elements
type legacyReader struct {
	r        io.ReaderAt
	at, size int64
}

// next runs the pickle at the reader's place and moves past it.
func (l *legacyReader) next(u *unpickler, what string) (v any, length, ops int, err error) {
	data, ops, err := readPickle(l.r, l.at, l.size)
	if err == nil {
		v, err = u.load(data)
	}
	if err != nil {
		return nil, 0, 0, fmt.Errorf("%s, the pickle at byte %d: %w", what, l.at, err)
	}
	l.at += int64(len(data))
	return v, len(data), ops, nil
}

// parseLegacy reads the structure of a legacyReader's file.
func parseLegacy(r io.ReaderAt, size int64) (tensors []Tensor, skipped []string, err error) {
	l := &legacyReader{r: r, size: size}
	if err := l.preamble(); err != nil {
		return nil, nil, err
	}
	var u unpickler
	v, length, ops, err := l.next(&u, "the object")
	if err != nil {
		return nil, nil, err
	}
	if tensors, err = flatten(v, length, ops); err != nil {
		return nil, nil, err
	}
	if err := l.storages(&u); err != nil {
		return nil, nil, err
	}
	return tensors, u.skipped, nil
}

func (l *legacyReader) preamble() error {
	var plain unpickler
	magic, _, _, err := l.next(&plain, "the magic number")
	if err != nil {
		return err
	}
	if n, ok := magic.(*big.Int); !ok || n.String() != legacyMagic {
		return fmt.Errorf("a pickle without torch's magic number")
	}
	protocol, _, _, err := l.next(&plain, "the protocol version")
	if err != nil {
		return err
	}
	if protocol != legacyProtocol {
		return fmt.Errorf("a protocol version other than %d", legacyProtocol)
	}
	machine, _, _, err := l.next(&plain, "the machine's description")
	if err != nil {
		return err
	}
	dict, ok := machine.(*types.Dict)
	if !ok {
		return fmt.Errorf("the machine's description is a %T, want a dict", machine)
	}
	for _, e := range *dict {
		if e.Key == "little_endian" && e.Value != true {
			return fmt.Errorf("written on a big-endian machine")
		}
	}
	return nil
}

// storages places every storage that u collected.
func (l *legacyReader) storages(u *unpickler) error {
	var plain unpickler
	v, _, _, err := l.next(&plain, "the storage keys")
	if err != nil {
		return err
	}
	keys, ok := v.(*types.List)
	if !ok || keys.Len() != len(u.storages) {
		return fmt.Errorf("the storage keys are not a list of the %d storages in use", len(u.storages))
	}
	placed := make(map[string]bool, keys.Len())
	for _, k := range *keys {
		key, _ := k.(string)
		s := u.byKey[key]
		if s == nil || placed[key] {
			return fmt.Errorf("the storage key %s is not in use, or listed twice", foreign.Quote(key))
		}
		placed[key] = true
		if err := l.storage(s); err != nil {
			return fmt.Errorf("storage %s at byte %d: %w", foreign.Quote(key), l.at, err)
		}
	}
	if l.at != l.size {
		return fmt.Errorf("%d bytes after the last storage", l.size-l.at)
	}
	return nil
}

// storage places s at the reader's place and moves past it.
func (l *legacyReader) storage(s *storage) error {
	count := make([]byte, 8)
	if err := readFull(l.r, count, l.at); err != nil {
		return err
	}
	if n := int64(binary.LittleEndian.Uint64(count)); n != int64(s.elements) {
		return fmt.Errorf("%d elements, want %d", n, s.elements)
	}
	s.at = l.at + int64(len(count))
	if s.bytes() > l.size-s.at {
		return incomplete("%d bytes, but the file ends after %d", s.bytes(), l.size-s.at)
	}
	l.at = s.at + s.bytes()
	return nil
}
