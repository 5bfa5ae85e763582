package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/asset"
	"github.com/clipnh/clipnh/internal/cache"
)

// A flag that is not given takes its asset if that has been fetched, and only then;
// one that is given empty stays so.
func TestAssetsOfFlags(t *testing.T) {
	home := t.TempDir()
	t.Setenv(asset.HomeVariable, home)
	const text = "#version\na b\n"
	file := filepath.Join(home, "assets", "mine.txt")
	table := fmt.Sprintf(`[{"name": "mine", "kind": "vocab", "file": "mine.txt", "url": "https://files.invalid/mine.txt", "sha256": "%x"}]`, sha256.Sum256([]byte(text)))
	write := func(path, text string) {
		t.Helper()
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o777), os.WriteFile(path, []byte(text), 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(home, "assets.json"), table)
	resolve := func(args ...string) (string, error) {
		fs := pflag.NewFlagSet("probe", pflag.ContinueOnError)
		vocab := fs.String("vocab", "", "")
		takesAsset(fs, "vocab", configs.AssetVocab)
		defaultsToAsset(fs, "vocab", "mine")
		if err := fs.Parse(args); err != nil {
			t.Fatal(err)
		}
		err := resolveAssets(context.Background(), fs)
		return *vocab, err
	}
	if got, err := resolve(); got != "" || err != nil {
		t.Errorf("not fetched: %q, %v, want nothing", got, err)
	}
	if _, err := resolve("--vocab", "mine"); !errors.Is(err, cache.ErrMissing) {
		t.Errorf("named and not fetched: %v, want ErrMissing", err)
	}
	write(file, text)
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"not given": {nil, file}, "named": {[]string{"--vocab", "mine"}, file},
		"empty": {[]string{"--vocab="}, ""}, "a path": {[]string{"--vocab", "other.txt"}, "other.txt"},
	} {
		if got, err := resolve(tt.args...); got != tt.want || err != nil {
			t.Errorf("%s: %q, %v, want %q", name, got, err, tt.want)
		}
	}
	write(file, "something else, of another size\n")
	if _, err := resolve(); !errors.Is(err, cache.ErrDamaged) {
		t.Errorf("damaged: %v, want ErrDamaged", err)
	}
	if got, err := resolve("--vocab", "other.txt"); got != "other.txt" || err != nil {
		t.Errorf("damaged, and a path given: %q, %v", got, err)
	}
}
