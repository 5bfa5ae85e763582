// Package ptfile reads the tensors of torch checkpoints and safetensors files,
// and writes one tensor as torch would.
//
// A file holds storages, flat arrays of one element type, and tensors, views
// into them with a shape, strides and an offset. A tensor's name is the dotted
// path that leads to it: dict keys, list indices and attributes of TorchScript
// modules, "state_dict.module.visual.conv1.weight". Four formats are told apart
// by content: torch.save's zip archive, its older form before torch 1.6,
// TorchScript archives, and safetensors. An index of shards stands for the files
// that it names (shards.go).
//
// Files are not trusted. Nothing that a file names is ever called: the pickles
// inside may only build containers, tensors and module trees (unpickle.go), and
// their opcodes are counted and measured before they run (scan.go). Objects of
// classes that training programs put beside weights are left out without being
// made (inert.go); other classes are refused. Every
// tensor is checked to lie inside its storage and every storage inside the
// file. Opening takes at most memoryFactor bytes of memory for each byte of the
// file's structure, that is its pickles, zip directory or header, plus a
// constant; reading a tensor takes at most 3 MiB apart from the destination.
package ptfile

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/clipnh/clipnh/internal/foreign"
)

// memoryFactor bounds the memory that opening a file takes, in bytes for each
// byte of structure. Empty dicts cost most: one opcode byte allocates room for
// four entries of 32 bytes in the unpickler, beside the stack's and the memo's.
const memoryFactor = 512

// File is an open checkpoint. Its methods may be called concurrently, except
// Close.
type File struct {
	path    string
	paths   []string      // of all files that it is made of
	opened  []fs.FileInfo // of these, when they were opened
	r       io.ReaderAt
	close   func() error
	format  string
	tensors []Tensor
	index   map[string]int // name to position in tensors
	skipped []string       // classes of objects that were left out
}

// Open reads the structure of the checkpoint at path and checks it against the
// file's size. Values are read later, tensor by tensor, so the file stays open
// until Close. A file without tensors is an error.
//
// An index of shards, model.safetensors.index.json, opens the files beside it
// that it names, as one.
func Open(path string) (*File, error) {
	f, err := foreign.Open(path)
	if err != nil {
		return nil, err
	}
	head := make([]byte, 64)
	n, _ := f.ReadAt(head, 0) // an error is met again
	if isIndex(head[:n]) {
		defer f.Close()
		return openShards(f, path)
	}
	file, err := parseFile(f, path)
	if err != nil {
		f.Close()
		return nil, err
	}
	file.close = f.Close
	return file, nil
}

func parseFile(f *os.File, path string) (*File, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	file, err := parse(f, info.Size(), path)
	if err != nil {
		return nil, err
	}
	file.opened = []fs.FileInfo{info}
	return file, nil
}

// Unchanged returns an error where a path names other bytes than those that were opened,
// as far as inode, size and time tell.
func (f *File) Unchanged() error {
	for i, was := range f.opened {
		now, err := os.Stat(f.paths[i])
		if err != nil {
			return err
		}
		if !os.SameFile(was, now) || was.Size() != now.Size() || !was.ModTime().Equal(now.ModTime()) {
			return fmt.Errorf("%s: changed since it was opened", f.paths[i])
		}
	}
	return nil
}

// parse is Open on size bytes of r; path only names them in errors.
func parse(r io.ReaderAt, size int64, path string) (*File, error) {
	format, tensors, skipped, err := parseTensors(r, size)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	index := make(map[string]int, len(tensors))
	for i, t := range tensors {
		if _, taken := index[t.Name]; taken {
			return nil, fmt.Errorf("%s: two tensors are named %s", path, foreign.Quote(t.Name))
		}
		index[t.Name] = i
	}
	return &File{path: path, paths: []string{path}, r: r, format: format, tensors: tensors, index: index, skipped: skipped}, nil
}

// parseTensors tells the format from the first bytes: a zip's signature, a
// pickle of torch's magic number, or a length and the '{' of a safetensors
// header. The last is asked for before the pickle, since a length may begin
// like one, while the magic number has no '{' in that place.
func parseTensors(r io.ReaderAt, size int64) (format string, tensors []Tensor, skipped []string, err error) {
	head := make([]byte, min(size, 16))
	if err := readFull(r, head, 0); err != nil {
		return "", nil, nil, err
	}
	switch {
	case bytes.HasPrefix(head, []byte(localSignature)):
		format, tensors, skipped, err = parseZip(r, size)
	case len(head) > 8 && head[8] == '{':
		format = FormatSafetensors
		tensors, err = parseSafetensors(r, size)
	case len(head) > 0 && head[0] == opProto, bytes.HasPrefix(head, []byte(legacyText)):
		format = FormatLegacy
		tensors, skipped, err = parseLegacy(r, size)
	case len(head) == 0:
		err = fmt.Errorf("the file is empty")
	default:
		err = foreign.Explain(r, "a torch or safetensors file",
			fmt.Errorf("neither a torch nor a safetensors file: it begins with %s", foreign.Quote(string(head))))
	}
	if err == nil && len(tensors) == 0 {
		err = fmt.Errorf("%s file without tensors", format)
		if len(skipped) > 0 {
			err = fmt.Errorf("%w; skipped objects: %s", err, foreign.QuoteAll(skipped))
		}
	}
	return format, tensors, skipped, err
}

// Format names the file's format: "torch zip", "torch legacy", "torchscript" or
// "safetensors".
func (f *File) Format() string { return f.format }

// Paths lists the files that it is made of: one, or an index and its shards.
func (f *File) Paths() []string { return slices.Clone(f.paths) }

// Skipped names the classes of objects beside the tensors that were left out, as
// "argparse.Namespace", the first few of many.
func (f *File) Skipped() []string { return slices.Clone(f.skipped) }

// Tensors lists the tensors in the file's order.
func (f *File) Tensors() []Tensor { return slices.Clone(f.tensors) }

// Lookup returns the tensor of that name.
func (f *File) Lookup(name string) (Tensor, bool) {
	i, ok := f.index[name]
	if !ok {
		return Tensor{}, false
	}
	return f.tensors[i], true
}

// Close closes the file. Its tensors' values can no longer be read.
func (f *File) Close() error { return f.close() }
