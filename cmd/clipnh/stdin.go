package main

// isStdin reports whether a path stands for standard input, by - or by a name that systems
// have for it.
func isStdin(path string) bool {
	return path == "-" || path == "/dev/stdin" || path == "/dev/fd/0" || path == "/proc/self/fd/0"
}
