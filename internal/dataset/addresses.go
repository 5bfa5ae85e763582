package dataset

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/archive"
	"github.com/clipnh/clipnh/internal/blob"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/matfile"
	"github.com/clipnh/clipnh/internal/parquet"
	"github.com/clipnh/clipnh/internal/remote"
	"github.com/clipnh/clipnh/internal/textlist"
	"github.com/clipnh/clipnh/internal/usage"
)

// addresses returns the addresses of the archives that an address with braces names.
func addresses(pattern string) ([]string, error) {
	at, err := expandBraces(pattern)
	if err != nil {
		return nil, errors.New(strings.ReplaceAll(err.Error(), pattern, remote.Shown(pattern)))
	}
	seen := make(map[string]bool, len(at))
	for _, a := range at {
		shown := remote.Shown(a)
		if seen[shown] {
			return nil, usage.Errorf("%s: %s is named twice, want each once", remote.Shown(pattern), shown)
		}
		seen[shown] = true
		if !archive.Named(a) && !parquet.Named(a) {
			if ext := strings.ToLower(path.Ext(shown)); ext == ".txt" || ext == ".csv" || ext == ListingEnd {
				return nil, hinted{fmt.Errorf("%s: a list at an address, want it on disk", shown), listNear}
			}
			return nil, hinted{
				fmt.Errorf("%s: want the address of a .tar, .tar.gz, .zip or .parquet", shown),
				"an address is read by what its name says; images at addresses of their own are to be downloaded first, for instance with img2dataset",
			}
		}
	}
	return at, nil
}

// listNear is the advice where a list is not on disk.
const listNear = "download it; a list names images on disk, and archives at addresses are named by a pattern with braces, as in \"s3://bucket/{000..099}.tar\""

// notReplaced adds to the error of an address that is not there, or cannot be told from one, that
// no server replaces the signs of a pattern in it.
func notReplaced(archives []string, err error) error {
	if !errors.Is(err, remote.ErrMissing) && !errors.Is(err, remote.ErrRefused) {
		return err
	}
	for _, at := range archives {
		if shown := remote.Shown(at); remote.Named(at) && strings.ContainsAny(shown, "*?") {
			return hinted{err, "* and ? are not replaced here: name archives with braces, as in \"" + shown[:strings.LastIndexByte(shown, '/')+1] + "{000..012}.tar\""}
		}
	}
	return err
}

// belowAddress returns addresses from the deepest folder that all of them are in.
func belowAddress(paths []string) []string {
	names := slices.Clone(paths)
	for i := range names {
		names[i] = remote.Shown(names[i])
	}
	folder := names[0][:strings.LastIndexByte(names[0], '/')+1]
	for _, name := range names[1:] {
		for !strings.HasPrefix(name, folder) && folder != "" {
			folder = folder[:strings.LastIndexByte(folder[:len(folder)-1], '/')+1]
		}
	}
	for i := range names {
		names[i] = strings.TrimPrefix(names[i], folder)
	}
	return names
}

// addressFolder is the folder that an archive at an address is in, for the names of its images.
func addressFolder(at string) string {
	at = remote.Shown(at)
	return at[:strings.LastIndexByte(at, '/')]
}

// classesBeside returns the classes.txt next to an archive; empty if there is none.
func classesBeside(ctx context.Context, at string) (string, error) {
	if !remote.Named(at) {
		if beside := filepath.Join(filepath.Dir(at), classesFile); isFile(beside) {
			return beside, nil
		}
		return "", nil
	}
	return besideAddress(ctx, at, classesFile)
}

// besideAddress returns the address of a file next to an archive; empty if it is not there.
func besideAddress(ctx context.Context, at, name string) (string, error) {
	beside, ok := remote.Beside(at, name)
	if !ok {
		return "", nil
	}
	_, err := remote.Open(ctx, beside)
	switch {
	case errors.Is(err, remote.ErrMissing):
		return "", nil
	case errors.Is(err, remote.ErrRefused): // as buckets do of what is not there, to those who may not list them
		return "", nil
	case err != nil:
		return "", err
	}
	return beside, nil
}

// mostLines bounds a list at an address, in bytes.
const mostLines = 64 << 20

// readLines reads a list from a file or an address.
func readLines(ctx context.Context, at string) ([]string, error) {
	if !remote.Named(at) {
		return textlist.ReadFile(at)
	}
	data, err := readAddress(ctx, at, mostLines)
	if err != nil {
		return nil, err
	}
	lines, err := textlist.Read(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", at, err)
	}
	return lines, nil
}

// readAddress reads what is at an address, of at most so many bytes.
func readAddress(ctx context.Context, at string, most int64) ([]byte, error) {
	_, r, err := blob.List(ctx, at)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := foreign.Read(r, most)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", at, err)
	}
	return data, nil
}

// readMAT reads a MAT-file, which may be at an address.
func readMAT(ctx context.Context, at string) (*matfile.File, error) {
	if !remote.Named(at) {
		return matfile.ReadFile(at)
	}
	data, err := readAddress(ctx, at, matfile.MaxFile)
	if err != nil {
		return nil, err
	}
	return matfile.ReadNamed(at, data)
}
