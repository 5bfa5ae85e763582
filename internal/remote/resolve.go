package remote

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Resolve is the address of what a list at an address names by a path, which begins at the list's
// folder or with a slash at the top of its host or bucket, as RFC 3986 (section 5.2) has it. It
// leads to no other host or bucket. In paths at http addresses other characters than those of
// addresses may be written as they are or with a per cent sign; but ? and # have to be written
// so. Keys at s3 addresses have no such signs.
func Resolve(list, path string) (string, error) {
	if strings.HasPrefix(path, "//") {
		return "", errors.New("it begins with two slashes, as what is at another host does, want a path from the list's folder")
	}
	address, err := "", error(nil)
	if shown := Shown(list); strings.HasPrefix(shown, "s3://") {
		bucket, key, _ := strings.Cut(strings.TrimPrefix(shown, "s3://"), "/")
		if !strings.HasPrefix(path, "/") {
			path = "/" + key[:strings.LastIndexByte(key, '/')+1] + path
		}
		address = "s3://" + bucket + withoutDots(path)
	} else if address, err = resolveURL(list, path); err != nil {
		return "", err
	}
	if strings.HasSuffix(address, "/") {
		return "", errors.New("a folder, want an image")
	}
	return address, nil
}

func resolveURL(list, path string) (string, error) {
	base, err := url.Parse(list)
	if err != nil || base.Host == "" {
		return "", fmt.Errorf("%s: not an address, want https://HOST/PATH", Shown(list))
	}
	if i := strings.IndexAny(path, "?#"); i >= 0 {
		return "", hinted{fmt.Errorf("it has a %c, which ends a path in an address", path[i]), fmt.Sprintf("in a name write it as %%%02X", path[i])}
	}
	to, err := url.Parse(path)
	if err == nil && (to.Scheme != "" || to.Host != "" || to.User != nil || to.Opaque != "") {
		err = errors.New("the address of something else")
	}
	if err != nil {
		var of *url.Error
		if errors.As(err, &of) {
			err = of.Err
		}
		err = fmt.Errorf("not a path in an address: %w", err)
		if first, _, _ := strings.Cut(path, "/"); strings.Contains(first, ":") && !strings.Contains(path, "://") {
			err = hinted{err, "where the name of a file or folder has a colon, begin the path with ./"}
		}
		return "", err
	}
	return base.ResolveReference(to).String(), nil
}

// withoutDots is a path, which begins with a slash, without the folders . and ..: section 5.2.4.
func withoutDots(path string) string {
	var kept []string
	parts := strings.Split(path[1:], "/")
	for i, part := range parts {
		if part != "." && part != ".." {
			kept = append(kept, part)
			continue
		}
		if part == ".." && len(kept) > 0 {
			kept = kept[:len(kept)-1]
		}
		if i == len(parts)-1 {
			kept = append(kept, "")
		}
	}
	return "/" + strings.Join(kept, "/")
}
