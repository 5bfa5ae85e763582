package cache

import "path/filepath"

const (
	lockSuffix = ".lock"
	tmpSuffix  = ".tmp"
)

// layout has the paths of an artefact's files.
type layout struct {
	path     string // of the artefact, as the caller names it
	dir      string // the folder of all files
	folder   bool   // dir belongs to the artefact
	payload  string // the main payload; empty if only the manifest knows its name
	partial  string // the main payload during collection
	manifest string
	pending  string // the manifest while it replaces another; empty for a folder
	journal  string
	lock     string
}

// fileLayout returns the layout of an artefact that is a single file.
func fileLayout(path string) layout {
	return layout{
		path:     path,
		dir:      filepath.Dir(path),
		payload:  path,
		partial:  path + ".partial",
		manifest: path + ".json",
		pending:  path + ".json.pending",
		journal:  path + ".journal",
		lock:     path + lockSuffix,
	}
}

// folderLayout returns the layout of a folder whose main payload has the given
// name.
func folderLayout(path, payload string) layout {
	l := layout{
		path:     path,
		dir:      path,
		folder:   true,
		manifest: filepath.Join(path, "manifest.json"),
		journal:  filepath.Join(path, "journal"),
		lock:     filepath.Join(path, lockSuffix),
	}
	if payload != "" {
		l.payload = filepath.Join(path, payload)
		l.partial = l.payload + ".partial"
	}
	return l
}

// file returns the path of a payload.
func (l layout) file(p Payload) string {
	if p.File == "" {
		return l.payload
	}
	return filepath.Join(l.dir, p.File)
}

// ours reports whether name in an artefact's folder is a file that an interrupted
// run can leave before it has a journal, other than those that sweep removes.
func (l layout) ours(name string) bool {
	path := filepath.Join(l.dir, name)
	return path == l.lock || path == l.journal+tmpSuffix
}
