package main

import "github.com/clipnh/clipnh/internal/cache"

// remakeHint is replaced when recipes are connected.
func remakeHint(path string, m cache.Manifest) string { return "make it again with the command that wrote it" }
