package cache

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/clipnh/clipnh/internal/hint"
)

// This file replaces the payload and the manifest of an artefact of one file,
// which are two renames. Between them the manifest of the one that comes is there
// under a third name, pending, so that a reader at any moment, and one after the
// writer died, tells by the payload's checksum whose it is:
//
//	manifest  pending  payload
//	old       -        old
//	old       new      old      the old artefact
//	old       new      new      the new one
//	new       -        new
//
// and without the first column for an artefact that is new.

// pendingManifest is one that is there, and how it reads.
type pendingManifest struct {
	path string
	data []byte
	Manifest
}

// readPending returns the manifest under its pending name; nil where there is none
// or it is not one of ours.
func readPending(d disk, path string) (*pendingManifest, error) {
	data, err := readAll(d, path, maxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m, err := decodeManifest(data)
	if err != nil || m.Payloads[0].File != "" || m.Payloads[0].SHA256 == "" {
		return nil, nil
	}
	return &pendingManifest{path, data, *m}, nil
}

// describes reports whether the bytes at payload are those that p is the manifest of.
func (p *pendingManifest) describes(d disk, payload string) (bool, error) {
	f, err := d.open(payload, forReading)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	want := p.Payloads[0]
	info, err := f.Stat()
	if err != nil || info.IsDir() || info.Size() != want.Bytes {
		return false, err
	}
	sum := sha256.New()
	if err := sumRange(context.Background(), sum, f, 0, want.Bytes, nil); err != nil {
		return false, err
	}
	return hex.EncodeToString(sum.Sum(nil)) == want.SHA256, nil
}

// artefact is that of which p is the manifest.
func (p *pendingManifest) artefact(d disk, at layout) *Artefact {
	sum := sha256.Sum256(p.data)
	return &Artefact{Manifest: p.Manifest, disk: d, at: at, hash: hex.EncodeToString(sum[:])}
}

// dying returns the manifest that a writer had not yet given its name when it
// died, where there is no other: a pending one, or one with the name that older
// builds gave it, of which those had removed the old manifest before. It is nil
// where there is none.
func dying(d disk, at layout) (*pendingManifest, error) {
	if at.folder {
		return nil, nil
	}
	p, err := readPending(d, at.pending)
	if err != nil || p != nil {
		return p, err
	}
	return readPending(d, at.manifest+tmpSuffix)
}

// replaced is the error for a payload that may be the old or the new one.
func replaced(at layout, p *pendingManifest) error {
	return hint.With(
		fmt.Errorf("%s: %w: it is being replaced, and is not yet what %s describes", at.path, ErrMissing, p.path),
		"wait until the command that writes it is done; if none is at work, run it again",
	)
}

// replace gives the temporary files payload and manifest their places.
func replace(d disk, at layout, payload, manifest string) error {
	if err := d.rename(manifest, at.pending); err != nil {
		return err
	}
	if err := d.syncDir(at.dir); err != nil {
		return errors.Join(err, removeIfThere(d, at.pending))
	}
	if err := d.rename(payload, at.payload); err != nil {
		return errors.Join(err, removeIfThere(d, at.pending))
	}
	if err := d.syncDir(at.dir); err != nil {
		return err
	}
	if err := d.rename(at.pending, at.manifest); err != nil {
		return err
	}
	return d.syncDir(at.dir)
}

// settle ends what a writer began that died while it replaced the artefact: it
// completes it if the payload is the new one, and else takes back the manifest.
// The caller holds the lock, and what is there is ours.
func settle(d disk, at layout) error {
	p, err := dying(d, at)
	if err != nil || p == nil {
		return err
	}
	there, err := anyExists(d, at.manifest)
	if err != nil || there && p.path != at.pending {
		return err // left by an older build; sweep removes it
	}
	if there {
		if ours, err := marked(d, at.manifest); err != nil || !ours {
			return err
		}
	}
	whole, err := p.describes(d, at.payload)
	if err != nil {
		return err
	}
	if whole {
		if err := d.syncDir(at.dir); err != nil { // the payload's name first
			return err
		}
		return errors.Join(d.rename(p.path, at.manifest), d.syncDir(at.dir))
	}
	payload, err := anyExists(d, at.payload)
	if err != nil || payload && !there {
		return err // one of an older build, which is replaced as it is
	}
	return errors.Join(removeIfThere(d, p.path), d.syncDir(at.dir))
}

// sameKind returns ErrExists if at has a manifest of ours that is of another kind.
func sameKind(d disk, at layout, kind string) error {
	data, err := readAll(d, at.manifest, maxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if there, ours := kindOf(data); ours && there != kind {
		return inTheWay(at.path, fmt.Sprintf("it holds %q, and this command writes %q", there, kind))
	}
	return nil
}

// inTheWay is the error of something at a path to write that is not to be replaced.
func inTheWay(path, what string) error {
	return hint.With(
		fmt.Errorf("write %s: %w: %s", path, ErrExists, what),
		"give another path, or remove it first",
	)
}

// replaceable returns ErrExists unless at holds nothing, an artefact of the
// given kind, whole or not, or what a writer of one left that died.
func replaceable(d disk, at layout, kind string) error {
	payload, err := anyExists(d, at.payload)
	if err != nil {
		return err
	}
	pending, err := anyExists(d, at.pending)
	if err != nil {
		return err
	}
	if pending {
		if ours, err := marked(d, at.pending); err != nil || !ours {
			return errors.Join(err, inTheWay(at.pending, "it is not a manifest of clipnh"))
		}
	}
	data, err := readAll(d, at.manifest, maxManifest)
	manifest := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	there, ours := "", false
	if manifest {
		if there, ours = kindOf(data); !ours {
			return inTheWay(at.manifest, "it is not a manifest of clipnh, or is damaged")
		}
	}
	a, err := openArtefact(d, at.path)
	switch {
	case err == nil:
		there = a.Manifest.Kind
	case !payload && !manifest && errors.Is(err, ErrMissing):
		return nil
	case manifest: // what it describes is damaged or gone
	case errors.Is(err, ErrNoManifest):
		if whole := partOf(at.path); whole != "" {
			return hint.With(fmt.Errorf("write %s: %w: it is a part of %s", at.path, ErrExists, whole), "give another path")
		}
		return inTheWay(at.path, "no manifest of clipnh is there")
	default:
		p, e := dying(d, at)
		switch {
		case e != nil:
			return e
		case p == nil:
			return err
		case p.path == at.pending:
			return inTheWay(at.path, fmt.Sprintf("it is not what %s describes", p.path))
		}
		there = p.Kind
	}
	if there != kind {
		return inTheWay(at.path, fmt.Sprintf("it holds %q, and this command writes %q", there, kind))
	}
	return nil
}

// kindOf returns the kind in a manifest of any version, newer ones and damaged
// ones included, and whether it is one of ours.
func kindOf(data []byte) (kind string, ours bool) {
	if m, err := decodeManifest(data); err == nil {
		return m.Kind, true
	}
	var m struct {
		Format, Kind string
		Version      int
	}
	data = bytes.TrimSpace(data)
	if err := json.Unmarshal(data, &m); err != nil || m.Format != Format {
		return "", false
	}
	if now, ok := legacyKinds[m.Kind]; ok && m.Version <= lastLegacy {
		return now, true
	}
	return m.Kind, true
}

// partOf returns the artefact whose payload a file is, empty if it is none's.
func partOf(path string) string {
	folder, name := filepath.Split(filepath.Clean(path))
	folder = filepath.Clean(folder)
	a, err := Open(folder)
	if err == nil && slices.ContainsFunc(a.Manifest.Payloads, func(p Payload) bool { return p.File == name }) {
		return folder
	}
	return ""
}
