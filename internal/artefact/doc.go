// Package artefact opens, checks and writes the files that stages exchange, one
// file of this package for each kind: scores, components, means, codes, ...
//
// A Reader opens them. Whatever the kind, the same is compared: that the
// artefact is of the kind wanted, that it was made from what the reader says
// (Of, Facts), that its bytes have the checksums of its manifest, and that its
// numbers are finite. A file without a manifest is another program's: it is
// taken as it is, and told apart by its content (.npy, .npz, .pt). What is
// missing or damaged is an *Error, which says what kind of artefact was to be
// read, so that a command can say how it is made.
package artefact
