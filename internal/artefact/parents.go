package artefact

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/origin"
)

// OriginOf is the origin of an artefact, zero for another program's file.
func OriginOf(a *cache.Artefact) origin.Origin {
	if a == nil {
		return origin.Origin{}
	}
	return a.Manifest.Origin
}

// DerivedFrom is the origin of what is computed from a collection; a is nil for
// one of another program.
func DerivedFrom(a *cache.Artefact) origin.Origin {
	if a == nil {
		return origin.Origin{}
	}
	from := a.Manifest.Origin.Derived("contributions", a.Hash())
	from.Prepared = a.Manifest.Origin.Preparation()
	return from
}

// AddParent adds to an origin what was read: an artefact, or, where a is nil, a
// file of another program, which its bytes name.
func AddParent(o *origin.Origin, role, path string, a *cache.Artefact) error {
	if a != nil {
		o.AddParent(role, a.Hash(), a.Manifest.Origin.Subject())
		return nil
	}
	sum, err := FileHash(path)
	o.Files[role] = sum
	return err
}

// AddRead adds to an origin a file of a kind that is to be read, and that facts hold of.
func (r Reader) AddRead(o *origin.Origin, role, path string, facts Facts, kind string) error {
	a, err := r.Open(path, facts, kind)
	if err != nil {
		return err
	}
	return AddParent(o, role, path, a)
}

// FileHash is the SHA-256 of a file.
func FileHash(path string) (string, error) {
	f, err := foreign.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// AddAnother is AddParent for a role in which several artefacts may be read: the
// second has the role "means 2". One that was added before is not added again.
func AddAnother(o *origin.Origin, role, path string, a *cache.Artefact) error {
	read := origin.Origin{}.Own()
	if err := AddParent(&read, "", path, a); err != nil {
		return err
	}
	for i := 1; ; i++ {
		numbered := role
		if i > 1 {
			numbered = fmt.Sprintf("%s %d", role, i)
		}
		parent, file := o.Parents[numbered], o.Files[numbered]
		if parent == "" && file == "" {
			if a == nil {
				o.Files[numbered] = read.Files[""]
			} else {
				o.AddParent(numbered, read.Parents[""], read.Subjects[""])
			}
			return nil
		}
		if parent == read.Parents[""] && file == read.Files[""] {
			return nil
		}
	}
}

// Role is a role without its number: that of the second means is "means".
func Role(numbered string) string {
	role, number, found := strings.Cut(numbered, " ")
	if _, err := strconv.Atoi(number); found && err == nil {
		return role
	}
	return numbered
}
