// Package live answers questions about a collection while they are asked: any text, the
// explanation of any image, the model without some pairs, labels of pixels.
//
// An answer has the numbers that a command prints: retrieve of texts, explain of images,
// ablate and edit of pairs that are taken out, segment of pixels. What takes long is done
// once and kept: the features of all images and their products with the classes, the
// scores of the pairs that were taken out last, the embeddings of the texts that were asked
// for last, and what the tower made of the images that were looked at last. Each of these is
// bounded. There is one tower, for which requests queue; a queue that is full is an error.
package live
