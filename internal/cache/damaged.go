package cache

import (
	"bytes"
	"fmt"
	"regexp"
)

// A ManifestError is about an artefact whose manifest cannot be read, so that nobody knows what
// it is but by what is left of it.
type ManifestError struct {
	Path string // of the artefact
	Kind string // as far as the manifest still says it
	Err  error  // names the manifest
}

func (e *ManifestError) Error() string { return e.Err.Error() }
func (e *ManifestError) Unwrap() error { return e.Err }

var kindIn = regexp.MustCompile(`"kind": ?"([^"\\]{1,100})"`)

// newManifestError is the error of reading a manifest. One that does not say it is ours is no
// ManifestError.
func newManifestError(at layout, data []byte, err error) error {
	err = fmt.Errorf("read %s: %w", at.manifest, err)
	if !bytes.Contains(data, []byte(`"`+Format+`"`)) {
		return err
	}
	e := &ManifestError{Path: at.path, Err: err}
	if m := kindIn.FindSubmatch(data); m != nil {
		e.Kind = string(m[1])
	}
	return e
}
