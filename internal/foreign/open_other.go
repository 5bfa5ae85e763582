//go:build !unix

package foreign

// withoutWaiting is nothing where pipes have no paths among files.
const withoutWaiting = 0
