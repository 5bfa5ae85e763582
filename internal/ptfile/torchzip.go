package ptfile

import (
	"cmp"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/foreign"
)

// parseZip reads the structure of a torch.save zip or of a TorchScript archive.
// Both hold records below one folder: data.pkl, the pickled object, and data/KEY,
// the storages that it names. TorchScript's have the modules' code/ and
// constants.pkl too; its constants/KEY are storages of constants.pkl, not ours.
func parseZip(r io.ReaderAt, size int64) (format string, tensors []Tensor, skipped []string, err error) {
	a, err := readArchive(r, size)
	if err != nil {
		return "", nil, nil, err
	}
	root, err := a.root()
	if err != nil {
		return "", nil, nil, err
	}
	if err := a.checkByteOrder(root); err != nil {
		return "", nil, nil, err
	}
	u := unpickler{scripted: a.scripted(root)}
	format = FormatZip
	if u.scripted {
		format = FormatTorchScript
	}
	record := root + "data.pkl"
	tensors, err = a.unpickle(&u, record)
	if err != nil {
		return "", nil, nil, fmt.Errorf("%s: %w", foreign.Name(record), err)
	}
	if err := a.place(&u, root); err != nil {
		return "", nil, nil, err
	}
	return format, tensors, u.skipped, nil
}

// root finds the folder of the only data.pkl: "name/", or "".
func (a *archive) root() (string, error) {
	found := ""
	for _, name := range a.names {
		folder, isPickle := strings.CutSuffix(name, "data.pkl")
		if !isPickle || folder != "" && strings.Index(folder, "/") != len(folder)-1 {
			continue
		}
		if found != "" {
			return "", fmt.Errorf("two pickles, %s and %s", foreign.Name(found), foreign.Name(name))
		}
		found = name
	}
	if found == "" {
		return "", a.otherZip()
	}
	return strings.TrimSuffix(found, "data.pkl"), nil
}

// otherZip is the error of a zip file that is not torch's.
func (a *archive) otherZip() error {
	for _, name := range a.names {
		switch strings.ToLower(path.Ext(name)) {
		case ".npy":
			return fmt.Errorf("a zip file without data.pkl, a NumPy archive (.npz), want torch's")
		case ".pt", ".pth", ".bin", ".ckpt", ".safetensors":
			return hinted{fmt.Errorf("a zip file without data.pkl; it holds %s", foreign.Name(name)), `unpack it with "unzip" first`}
		}
	}
	return fmt.Errorf("a zip file without data.pkl, so not torch's")
}

func (a *archive) scripted(root string) bool {
	return slices.ContainsFunc(a.names, func(name string) bool {
		return name == root+"constants.pkl" || strings.HasPrefix(name, root+"code/")
	})
}

// checkByteOrder refuses archives from big-endian machines. Torch before 2.1
// does not record the order; then it is little.
func (a *archive) checkByteOrder(root string) error {
	const longest = 16
	name := root + "byteorder"
	if _, ok := a.records[name]; !ok {
		return nil
	}
	order, err := a.read(name, longest)
	if err != nil {
		return err
	}
	if string(order) != "little" {
		return fmt.Errorf("record %s: %s, want \"little\"", foreign.Name(name), foreign.Quote(string(order)))
	}
	return nil
}

func (a *archive) unpickle(u *unpickler, record string) ([]Tensor, error) {
	data, err := a.read(record, maxPickle)
	if err != nil {
		return nil, err
	}
	length, ops, err := scan(data)
	if err != nil {
		return nil, err
	}
	v, err := u.load(data[:length])
	if err != nil {
		return nil, err
	}
	return flatten(v, length, ops)
}

// place gives each storage its bytes: those of the record data/KEY, which must
// have exactly its length. No two may share bytes.
func (a *archive) place(u *unpickler, root string) error {
	type extent struct {
		name     string
		from, to int64
	}
	var extents []extent
	for i, s := range u.storages {
		name := root + "data/" + u.keys[i]
		rec, at, err := a.locate(name)
		if err != nil {
			return err
		}
		if rec.size != s.bytes() {
			return fmt.Errorf("record %s: %d bytes, want %d for %d elements of %s", foreign.Name(name), rec.size, s.bytes(), s.elements, s.dtype)
		}
		s.record, s.at, s.checksum, s.crc = name, at, true, rec.crc
		extents = append(extents, extent{name, rec.header, at + rec.size})
	}
	slices.SortFunc(extents, func(x, y extent) int { return cmp.Compare(x.from, y.from) })
	for i := 1; i < len(extents); i++ {
		if extents[i].from < extents[i-1].to {
			return fmt.Errorf("records %s and %s overlap at byte %d", foreign.Name(extents[i-1].name), foreign.Name(extents[i].name), extents[i].from)
		}
	}
	return nil
}
