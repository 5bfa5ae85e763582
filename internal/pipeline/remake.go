package pipeline

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/clipnh/clipnh/internal/cache"
)

// collections are the kinds that Collect and Registers write, which can be repaired
// chunk by chunk, or done again as a whole where they are means.
var collections = map[string]bool{
	kindScores: true, kindDense: true, kindHeads: true, kindAttention: true, kindActivations: true, kindStatistics: true,
	kindLayer4: true, kindSinkDrops: true, kindSinkChanges: true,
	kindMeanScores: true, kindMeanHeads: true, kindMeanAttention: true, kindMeanActivations: true,
}

// isCollection reports whether an artefact was collected from pictures. Means of
// contributions are written by Collect and by SVD.
func isCollection(m cache.Manifest) bool {
	return collections[wholeKind(m)] || m.Kind == kindMeans && m.Origin.Images != ""
}

// wholeKind is the kind of what m describes, or of what it is a shard of.
func wholeKind(m cache.Manifest) string { return strings.TrimPrefix(m.Kind, kindPrefix) }

// shardOf returns where a collection's pictures begin and end among those that its
// data set has.
func shardOf(m cache.Manifest) (lo, hi int, err error) {
	text := m.Origin.Parameters[shardParameter]
	if text == nil {
		return 0, m.Inputs, nil
	}
	s, err := ParseShard(fmt.Sprint(text))
	if err != nil {
		return 0, 0, err
	}
	inputs, err := strconv.Atoi(fmt.Sprint(m.Origin.Parameters[inputsParameter]))
	if err != nil {
		return 0, 0, err
	}
	return s.cut(inputs, max(m.ChunkInputs, 1))
}

// makers are the flags of the commands that make the other kinds.
var makers = map[string]string{
	kindEmbeddings:      "embed --embeddings-save-path",
	kindDirections:      "svd --out-save-path",
	kindMeans:           "svd --mean-save-path",
	kindNorms:           "svd --norm-save-path",
	kindPolysemanticity: "polysemanticity --scores-save-path",
	kindMask:            "mask --mask-save-path",
	kindCodes:           "sparse --restart --decomposition-save-path",
	kindDescriptions:    "sparse --restart --descriptions-save-path",
	kindUnfinished:      "sparse",
	kindSegmentation:    "segment --restart --save-path",
	kindRatios:          "shift --restart --save-path",
}

// remake is how a damaged artefact is to be had again.
func remake(a *cache.Artefact) string {
	path, m := a.Path(), a.Manifest
	flag, known := makers[m.Kind]
	switch {
	case isCollection(m):
		command := "collect --save-path"
		if m.Kind == kindSinkDrops || m.Kind == kindSinkChanges {
			command = "registers --diff-save-path"
		}
		again := fmt.Sprintf("clipnh %s %s --restart", command, path)
		if s, err := ParseShard(fmt.Sprint(m.Origin.Parameters[shardParameter])); err == nil {
			again = fmt.Sprintf("clipnh collect --shard %s --restart", s)
		}
		return fmt.Sprintf("run \"clipnh verify --repair --model FILE --data-path DIR %s\", or make it again: %q", path, again)
	case m.Kind == kindUnfinished:
		return "run the sparse command that was at work again, with --restart"
	case m.Kind == kindFeatures:
		return fmt.Sprintf("make it again: \"clipnh %s --features-save-path %s\"", m.Origin.Mode, path)
	case isResult(wholeKind(m)):
		if s, err := ParseShard(fmt.Sprint(m.Origin.Parameters[shardParameter])); err == nil {
			return fmt.Sprintf("make it again: \"clipnh %s\" with --shard %s", strings.TrimSuffix(makers[wholeKind(m)], " --save-path"), s)
		}
		return fmt.Sprintf("make it again: \"clipnh %s %s\"", makers[m.Kind], path)
	case known:
		return fmt.Sprintf("make it again: \"clipnh %s %s\"", flag, path)
	}
	return "make it again with the command that wrote it"
}
