package dataset

import (
	"slices"
	"strings"
)

// NamedAs returns d with its images under the names that a collection has for them: see
// NamesAs.
func (d *Dataset) NamedAs(names []string) *Dataset {
	own := make([]string, len(d.Items))
	for i, item := range d.Items {
		own[i] = item.Name
	}
	as := NamesAs(own, names)
	if slices.Equal(as, own) {
		return d
	}
	renamed := *d
	renamed.Items = slices.Clone(d.Items)
	for i, name := range as {
		renamed.Items[i].Name = name
	}
	return &renamed
}

// NamesAs returns the names that images would have among those of others. One of the two
// may be of an archive, or of several, where the other is of a folder: cats/1.jpg is
// photos.tar!cats/1.jpg. An image that is not among the others keeps its name, unless all of
// theirs are of one archive, or of none. Where no name is among the others so, and the images of
// one side alone are all below one folder of their archives, as those of photos.tar that has
// the folder photos, that folder is left out: cats/1.jpg is photos.tar!photos/cats/1.jpg.
func NamesAs(names, others []string) []string {
	as := namesAs(names, others, "", "")
	here, there := topFolder(names), topFolder(others)
	if (here == "") == (there == "") || anyAmong(as, others) {
		return as
	}
	if within := namesAs(names, others, here, there); anyAmong(within, others) {
		return within
	}
	return as
}

// topFolder is the folder, with a slash, that all images lie in, each in an archive; empty if
// there is none.
func topFolder(names []string) string {
	top := ""
	for i, name := range names {
		inside := inArchive(name)
		folder, _, below := strings.Cut(inside, "/")
		if !below || len(inside) == len(name) || i > 0 && folder+"/" != top {
			return ""
		}
		top = folder + "/"
	}
	return top
}

// anyAmong reports whether one of some names is among others.
func anyAmong(names, others []string) bool {
	known := make(map[string]bool, len(others))
	for _, name := range others {
		known[name] = true
	}
	return slices.ContainsFunc(names, func(name string) bool { return known[name] })
}

// namesAs is NamesAs with a folder left out in which all images are, here and there.
func namesAs(names, others []string, here, there string) []string {
	own := make(map[string]bool, len(names))
	for _, name := range names {
		own[name] = true
	}
	if !slices.ContainsFunc(others, func(name string) bool { return !own[name] }) {
		return names
	}
	prefix, one := "", true
	theirs := make(map[string]string, len(others)) // by the name within the archive; empty for several
	for i, name := range others {
		inside := strings.TrimPrefix(inArchive(name), there)
		if before := strings.TrimSuffix(name, inside); i == 0 {
			prefix = before
		} else if before != prefix {
			one = false
		}
		if _, twice := theirs[inside]; twice {
			name = ""
		}
		theirs[inside] = name
	}
	as, seen := slices.Clone(names), make(map[string]bool, len(names))
	for i, name := range names {
		inside := strings.TrimPrefix(inArchive(name), here)
		if other, known := theirs[inside]; other != "" {
			as[i] = other
		} else if one && !known {
			as[i] = prefix + inside
		}
		if seen[as[i]] { // two archives have images of one name
			return names
		}
		seen[as[i]] = true
	}
	return as
}
