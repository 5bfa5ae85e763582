// Package heat labels the pixels of images with texts, without training.
//
// A query is a text; a class has one or more queries. The text embeddings of the
// queries, less their mean, choose the neuron-head pairs whose principal
// directions are nearest to them (Pairs). Window is what the image tower says
// about a window of an image, location by location; Heat turns it into patch
// logits, one for each query and location, by one of several Methods. Axis lays
// windows over a side of an image and says how much each location counts at
// each pixel, so that upsampling, the mean over windows and the resize to the
// image's own size are one matrix product along each side. Field is the
// result, logits at every pixel, a few rows at a time; Labels takes the best class
// of each pixel. Confusion counts labels against the truth.
//
// Axis letters: P queries, H heads, C neurons, D = C/H, O the joint image-text
// dimension, T tokens (1 + locations), K pairs of a query.
// Source: arXiv:2509.19943, and the literature that single functions name.
package heat
