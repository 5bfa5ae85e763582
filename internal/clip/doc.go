// Package clip reads CLIP-ResNet checkpoints and runs their two towers on a CPU.
//
// A Checkpoint is an open file of weights whose names and shapes have been
// matched with the architecture; its Config holds every size, read from the
// tensors, never from the model's name. The ResNetTower turns normalised
// images into the attention pool's tokens, the class token's attention
// and the scores of all neuron-head pairs. The TextTower turns token ids into
// text features. A decomp.OV holds the weights that the pairs' directions come from.
//
// Axis letters: B images, T tokens (grid*grid + 1, token 0 is the mean token),
// H heads, C neurons (channels that enter the attention pool), D = C/H, O the
// joint image-text dimension, M texts.
package clip
