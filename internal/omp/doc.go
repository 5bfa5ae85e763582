// Package omp writes signals as sparse sums of dictionary atoms by orthogonal
// matching pursuit.
//
// A Dictionary is a list of atoms: one vector for each word, not necessarily of
// unit length. A signal is a vector to be described, such as the principal
// direction of a neuron-head pair. A pair's direction is in the span of its head's
// few output columns, so Signals may be given as coordinates in a basis. A code is
// the result of the pursuit: the support (the chosen atoms, in order), their
// coefficients, and the norm of the residual, the part of the signal that they do
// not explain. Each step chooses the atom with the largest absolute correlation
// (inner product) with the residual and refits all coefficients by least squares.
//
// The rules for stopping early and for ties between atoms (see Stop and Code) are
// those of scikit-learn's orthogonal_mp_gram with a number of atoms and float32
// data, as SparseCoder applies it. Where it decides in float32, we decide in
// float64. Correlations with all atoms are computed in float32 with a bound on their
// error, and serve only for screening: every atom that could be the best within the
// bound is then compared in float64. So supports and coefficients have the same
// bytes for both engines, for any number of workers, and for any split of the
// signals into batches.
//
// Axis letters: O dimensions, K atoms of a code. Source: Pati, Rezaiifar and
// Krishnaprasad, "Orthogonal matching pursuit" (1993); Rubinstein, Zibulevsky
// and Elad, "Efficient implementation of the K-SVD algorithm using batch
// orthogonal matching pursuit" (2008).
//
// Functions panic with a constant string on wrong lengths.
package omp
