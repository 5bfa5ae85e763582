// Package kernel holds the float32 arithmetic of the towers: convolutions,
// pooling, normalisation, softmax and matrix products.
//
// A Map is a batch of feature maps whose channels are split into blocks of Lanes.
// A pixel is one position of one image (or one text token), and holds Lanes
// contiguous values per block. A Conv is a convolution whose weights were packed
// once, at load time, in the layout that its algorithm needs; Run applies it. A
// panel is a group of adjacent output channels whose packed weights are read
// together. A tile is a few pixels by one panel: the sums that one call of a tile
// kernel keeps in registers. A family is one implementation of every inner loop
// (AVX-512, AVX2 with FMA, NEON, or plain Go); package cpu chooses which one is used.
//
// Every result has the same bytes for every team size and every split of the
// batch: the order of sums over input channels depends on the layer only. Families
// differ from each other by rounding.
//
// Functions panic with a constant string on short slices and wrong shapes.
package kernel

// Lanes is the number of channels in a block of a Map.
const Lanes = 16

// laneBytes is the size of one pixel's part of a block.
const laneBytes = Lanes * 4
