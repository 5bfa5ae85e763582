package testutil

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"io"
	"os"
	"strings"
	"testing"
)

// Pack writes the files below a folder, links followed, into an archive: .tar, .tar.gz or
// .zip as its path says. Members have names below the folder, with top before them, and
// come in the reverse order of names. In a .parquet they are rows, in the order of names.
func Pack(t testing.TB, folder, path, top string) {
	t.Helper()
	files := filesBelow(t, folder)
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if strings.HasSuffix(path, ".parquet") {
		writeRows(t, out, folder, files)
		return
	}
	add, finish := packer(out, path)
	for i := len(files) - 1; i >= 0; i-- {
		data, err := os.ReadFile(files[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := add(top+below(t, folder, files[i]), data); err != nil {
			t.Fatal(err)
		}
	}
	if err := finish(); err != nil {
		t.Fatal(err)
	}
}

// packer returns what adds a file to an archive, and what ends it.
func packer(out io.Writer, path string) (add func(name string, data []byte) error, finish func() error) {
	if strings.HasSuffix(path, ".zip") {
		z := zip.NewWriter(out)
		return func(name string, data []byte) error {
			w, err := z.Create(name)
			if err == nil {
				_, err = w.Write(data)
			}
			return err
		}, z.Close
	}
	closers := []func() error{}
	if strings.HasSuffix(path, ".gz") {
		g := gzip.NewWriter(out)
		out, closers = g, append(closers, g.Close)
	}
	w := tar.NewWriter(out)
	closers = append([]func() error{w.Close}, closers...)
	add = func(name string, data []byte) error {
		err := w.WriteHeader(&tar.Header{Name: name, Size: int64(len(data)), Mode: 0o644})
		if err == nil {
			_, err = w.Write(data)
		}
		return err
	}
	return add, func() error {
		for _, closing := range closers {
			if err := closing(); err != nil {
				return err
			}
		}
		return nil
	}
}
