package report

import (
	"context"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/report"
)

const (
	textBudget   = 5e11 // products of texts and pairs, multiplications
	nearestPairs = 16
	imagesOfText = 16
)

// writeTexts writes what is near each word that units have: as many words as the budget
// allows, those first that most units have.
func (b *builder) writeTexts(ctx context.Context) error {
	if b.pcs == nil || b.texts == nil || !b.whole {
		return nil
	}
	O := b.scores.OV.OutDim
	count := min(len(b.wordList), int(textBudget/(float64(b.pairs())*float64(O))))
	embeddings := make([]float32, count*O)
	for i := range count {
		copy(embeddings[i*O:(i+1)*O], b.texts.Rows[b.wordAt[i]*O:][:O])
	}
	units := append([]float32(nil), b.features...)
	for i := range b.scores.Images {
		normalize(units[i*O : (i+1)*O])
	}
	groups := b.groupMeans(units)
	b.textCount = count
	var missing []int // first texts of files
	for lo := 0; lo < count; lo += report.ShardTexts {
		if !b.folder.has(report.FileOf(report.TextName(lo))) {
			missing = append(missing, lo)
		}
	}
	for of := range slices.Chunk(missing, textFiles) {
		if err := b.writeTextFiles(ctx, of, embeddings, units, groups); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// textFiles is how many files are made of one reading of the components.
const textFiles = 16

// writeTextFiles writes the files of some texts, from those numbers first on.
func (b *builder) writeTextFiles(ctx context.Context, firsts []int, embeddings, units []float32, groups []groupMean) error {
	O := b.scores.OV.OutDim
	var texts []float32
	for _, lo := range firsts {
		texts = append(texts, embeddings[lo*O:min(len(embeddings), (lo+report.ShardTexts)*O)]...)
	}
	pairs, err := b.pcs.Nearest(ctx, texts, nearestPairs, b.team())
	if err != nil {
		return err
	}
	images := nearestOf(texts, units, O, min(imagesOfText, b.scores.Images), b.team())
	at := 0
	for _, lo := range firsts {
		shard := &report.TextShard{First: lo}
		for i := range min(len(embeddings)/O-lo, report.ShardTexts) {
			shard.Texts = append(shard.Texts, b.textRecord(b.wordList[lo+i], texts[at*O:(at+1)*O], pairs[at], images, at, groups))
			at++
		}
		if err := b.folder.write(report.TextName(lo), shard); err != nil {
			return err
		}
	}
	return nil
}

// textRecord is the record of a word, with its embedding [O] and the pairs that are nearest to
// it. Its images are those of number at.
func (b *builder) textRecord(word string, text []float32, pairs []artefact.Near, images *near, at int, groups []groupMean) report.TextRecord {
	r := report.TextRecord{Word: word, Pairs: b.nearPairs(pairs), Images: []report.NearImage{}}
	near, cosines := images.of(at)
	for i, image := range near {
		if image >= 0 {
			r.Images = append(r.Images, report.NearImage{Image: int(image), Cosine: rounded(float64(cosines[i]))})
		}
	}
	for g, mean := range groups {
		r.Groups = append(r.Groups, report.GroupMean{Group: b.groupNames[g], Mean: rounded(dot(text, mean.feature)), Images: mean.images})
	}
	return r
}

func (b *builder) nearPairs(near []artefact.Near) []report.NearPair {
	pairs := []report.NearPair{}
	for _, p := range near {
		pairs = append(pairs, report.NearPair{Pair: p.Unit, Cosine: rounded(p.Cosine), Norm: b.pairsOf.norm[p.Unit].Mean})
	}
	return pairs
}

// groupMean is the mean of the unit features of a group of images.
type groupMean struct {
	images  int
	feature []float32 // [O]
}

func (b *builder) groupMeans(units []float32) []groupMean {
	if b.groups == nil {
		return nil
	}
	O := b.scores.OV.OutDim
	sums, means := make([]float64, len(b.groupNames)*O), make([]groupMean, len(b.groupNames))
	for i, g := range b.groups {
		if g < 0 {
			continue
		}
		means[g].images++
		for o, x := range units[i*O : (i+1)*O] {
			sums[g*O+o] += float64(x)
		}
	}
	for g := range means {
		means[g].feature = make([]float32, O)
		for o := range O {
			means[g].feature[o] = float32(sums[g*O+o] / float64(max(means[g].images, 1)))
		}
	}
	return means
}
