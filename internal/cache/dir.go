package cache

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
)

const (
	tagName     = "CACHEDIR.TAG"
	tag         = "Signature: 8a477f597d28d172789f06886806bc55\n# Made by clipnh. Everything below this folder can be made or fetched again.\n# See https://bford.info/cachedir/\n"
	versionName = "version"
	dirVersion  = "1\n"
)

// InitDir makes dir, if need be, a cache folder of our own: with a
// CACHEDIR.TAG, so that backups leave it out, and the version of its layout.
// A folder of another version is ErrVersion; one that holds other things is
// ErrExists. Folders that people choose for results are none of these.
func InitDir(dir string) error {
	d := osDisk{}
	if err := d.mkdir(dir); err != nil {
		return err
	}
	version := filepath.Join(dir, versionName)
	data, err := readAll(d, version, 100)
	if err == nil {
		if string(data) != dirVersion {
			return fmt.Errorf("open cache %s: %w %.20q, want %s", dir, ErrVersion, data, strings.TrimSpace(dirVersion))
		}
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	names, err := d.names(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if base := strings.TrimSuffix(strings.TrimSuffix(name, tmpSuffix), lockSuffix); base != tagName && base != versionName {
			return fmt.Errorf("open cache %s: %w: %s, in a folder that is not a cache", dir, ErrExists, name)
		}
	}
	for _, f := range []struct{ name, text string }{{tagName, tag}, {versionName, dirVersion}} {
		err := WriteFile(filepath.Join(dir, f.name), func(w io.Writer) error {
			_, err := io.WriteString(w, f.text)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
