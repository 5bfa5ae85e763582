package dataset

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/archive"
	"github.com/clipnh/clipnh/internal/matfile"
	"github.com/clipnh/clipnh/internal/parquet"
	"github.com/clipnh/clipnh/internal/remote"
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
			if strings.EqualFold(path.Ext(shown), ListingEnd) {
				return nil, hinted{fmt.Errorf("%s: a kept list at an address, want it on disk", shown), "download it; what it lists may be at addresses"}
			}
			return nil, hinted{
				fmt.Errorf("%s: want the address of a .tar, .tar.gz, .zip, .parquet, or of a list, .txt or .csv", shown),
				"an address is read by what its name says; images of many hosts are to be downloaded first, for instance with img2dataset",
			}
		}
	}
	return at, nil
}

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
	there, err := remote.NewSingle(ctx, beside).There()
	switch {
	case errors.Is(err, remote.ErrRefused): // as buckets do of what is not there, to those who may not list them
		return "", nil
	case err != nil || !there:
		return "", err
	}
	return beside, nil
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
