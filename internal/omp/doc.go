// Package omp writes signals as short sums of dictionary atoms by orthogonal
// matching pursuit.
//
// A Dictionary is a list of atoms: one vector for each word, not necessarily of
// unit length. A signal is a vector to be described, such as the principal
// direction of a neuron-head pair; a pair's lies in the span of its head's few
// output columns, so Signals may be given as coordinates in a basis. A code is
// what the pursuit finds: the support (the chosen atoms, in order), their
// coefficients, and the norm of the residual, which is what they leave of the
// signal. Each step chooses the atom of largest absolute correlation (inner
// product) with the residual and refits all coefficients by least squares.
//
// The rules are those of scikit-learn's orthogonal_mp_gram with a number of
// atoms and float32 data, as SparseCoder applies it: when it stops early,
// and which of several equally good atoms it takes (see Stop and Code). What it
// decides in float32 is decided here in float64. Correlations with all atoms are
// computed in float32 with a bound on their error, and only serve to screen:
// every atom that could be the best within the bound is then compared in
// float64. Supports and coefficients therefore have the same bytes whichever
// engine computed the correlations, on any number of workers, and however the
// signals are cut into batches.
//
// Axis letters: O dimensions, K atoms of a code. Source: Pati, Rezaiifar and
// Krishnaprasad, "Orthogonal matching pursuit" (1993); Rubinstein, Zibulevsky
// and Elad, "Efficient implementation of the K-SVD algorithm using batch
// orthogonal matching pursuit" (2008).
//
// Broken contracts (wrong lengths) panic with a constant string.
package omp
