// Package kernel holds the float32 arithmetic of the towers: convolutions,
// pooling, normalisation, softmax and matrix products.
//
// A Map is a batch of feature maps whose channels are cut in blocks of Lanes;
// a pixel is one position of one image (or one text token), and holds Lanes
// values per block, side by side. A Conv is a convolution whose weights were
// packed once, at load, in the form that its algorithm wants; Run applies it.
// A panel is a group of neighbouring output channels whose packed weights are
// read together, and a tile is a few pixels by one panel: what one call of a
// tile kernel keeps in registers. A family is one implementation of every
// inner loop (AVX-512, AVX2 with FMA, or plain Go); package cpu says which one
// is used.
//
// Every result has the same bytes for every team size and every way of
// cutting the batch: sums run over input channels in an order that is fixed by
// the layer alone. Families differ from each other by rounding.
//
// Broken contracts (short slices, wrong shapes) panic with a constant string.
package kernel

// Lanes is the number of channels in a block of a Map.
const Lanes = 16

// laneBytes is the size of one pixel's part of a block.
const laneBytes = Lanes * 4
