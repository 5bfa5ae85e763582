package ptfile

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"strings"
)

// entry is a record of a zip file that zipFile writes. The fields beside name
// and data tamper with it.
type entry struct {
	name, data string

	flags, method   uint16
	localName       string // if it shall differ
	localMethod     uint16 // if it shall differ
	crc             uint32 // xored to the right one
	grow            int    // added to the sizes in the directory
	header          int    // added to the header's offset in the directory
	wide, noWideEnd bool   // sizes and offset in a zip64 field; the field is missing
}

// zipFile writes a zip file as torch does, with 64-bit end records.
func zipFile(entries ...entry) string {
	le := binary.LittleEndian
	var file, directory []byte
	for _, e := range entries {
		at := uint64(len(file) + e.header)
		size := uint64(len(e.data) + e.grow)
		sum := crc32.ChecksumIEEE([]byte(e.data)) ^ e.crc
		name, method := e.name, e.method
		if e.localName != "" {
			name = e.localName
		}
		if e.localMethod != 0 {
			method = e.localMethod
		}
		file = append(file, localSignature+"\x00\x00"...)
		file = le.AppendUint16(file, e.flags)
		file = le.AppendUint16(file, method)
		file = append(file, make([]byte, 16)...) // time, and sizes as if unknown
		file = le.AppendUint16(file, uint16(len(name)))
		file = le.AppendUint16(file, 0)
		file = append(file, name+e.data...)

		var extra []byte
		size32, at32 := uint32(size), uint32(at)
		if e.wide {
			size32, at32 = math.MaxUint32, math.MaxUint32
			extra = append(extra, "\x99\x99\x02\x00ab\x01\x00\x18\x00"...) // another field before
			for _, n := range []uint64{size, size, at} {
				extra = le.AppendUint64(extra, n)
			}
		}
		if e.noWideEnd {
			extra = extra[:len(extra)-1]
		}
		directory = append(directory, centralSignature+"\x00\x00\x00\x00"...)
		directory = le.AppendUint16(directory, e.flags)
		directory = le.AppendUint16(directory, e.method)
		directory = append(directory, 0, 0, 0, 0)
		directory = le.AppendUint32(directory, sum)
		directory = le.AppendUint32(directory, size32)
		directory = le.AppendUint32(directory, size32)
		directory = le.AppendUint16(directory, uint16(len(e.name)))
		directory = le.AppendUint16(directory, uint16(len(extra)))
		directory = append(directory, make([]byte, 10)...) // no comment, one disk, attributes
		directory = le.AppendUint32(directory, at32)
		directory = append(directory, e.name+string(extra)...)
	}
	start, n := uint64(len(file)), uint64(len(entries))
	file = append(file, directory...)
	end := uint64(len(file))
	file = append(file, end64Signature...)
	file = le.AppendUint64(file, end64Size-12)
	file = append(file, make([]byte, 12)...)
	for _, v := range []uint64{n, n, uint64(len(directory)), start} {
		file = le.AppendUint64(file, v)
	}
	file = append(file, locator64Signature+"\x00\x00\x00\x00"...)
	file = le.AppendUint64(file, end)
	file = append(file, "\x01\x00\x00\x00"...)
	file = append(file, endSignature+"\x00\x00\x00\x00"...)
	file = le.AppendUint16(file, uint16(n))
	file = le.AppendUint16(file, uint16(n))
	file = le.AppendUint32(file, uint32(len(directory)))
	file = le.AppendUint32(file, uint32(start))
	return string(append(file, 0, 0))
}

// sixFloats are the bytes of 0, 1, ..., 5 in float32.
var sixFloats = floats(0, 1, 2, 3, 4, 5)

func floats(list ...float32) string {
	var b []byte
	for _, x := range list {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return string(b)
}

// archiveOf is a torch zip of a pickle, whose storage "0" is sixFloats.
func archiveOf(pickle string) string {
	return zipFile(entry{name: "x/data.pkl", data: pickle}, entry{name: "x/data/0", data: sixFloats})
}

// Pieces of pickles.
const (
	proto2     = "\x80\x02"
	ordered    = "ccollections\nOrderedDict\n)R"
	float32s   = "ctorch\nFloatStorage\n"
	rebuild    = "ctorch._utils\n_rebuild_tensor_v2\n"
	someModule = "c__torch__.models\nBlock\n)\x81}"
)

// reference is a persistent id of a storage of n elements.
func reference(class, key string, n int) string {
	return "(" + pickleString("storage") + class + pickleString(key) + pickleString("cpu") + pickleInt(n) + "tQ"
}

// tensorOf is a tensor over what storage leaves on the stack; offset, shape
// and strides are pickles too.
func tensorOf(storage, offset, shape, strides string) string {
	return rebuild + "(" + storage + offset + shape + strides + "\x89" + ordered + "tR"
}

// whole is a tensor [2,3] over archiveOf's storage.
var whole = tensorOf(reference(float32s, "0", 6), pickleInt(0), pickleTuple([]int{2, 3}), pickleTuple([]int{3, 1}))

// dict is a pickled dict of alternating keys and pickled values.
func dict(items ...string) string {
	s := "}("
	for i := 0; i < len(items); i += 2 {
		s += pickleString(items[i]) + items[i+1]
	}
	return s + "u"
}

// legacyOf is a file of the older form.
func legacyOf(object, keys, storages string) string {
	return proto2 + "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19." +
		proto2 + "M\xe9\x03." +
		proto2 + dict("little_endian", "\x88") + "." +
		proto2 + object + "." +
		proto2 + keys + "." + storages
}

// legacyStorage is a storage of n elements with its count.
func legacyStorage(n int, data string) string {
	return string(binary.LittleEndian.AppendUint64(nil, uint64(n))) + data
}

// safetensorsOf is a safetensors file; its header is given without spaces.
func safetensorsOf(header, data string) string {
	return string(binary.LittleEndian.AppendUint64(nil, uint64(len(header)))) + header + data
}

// long is a string in a pickle by its 64-bit length field.
func long(op byte, length uint64) string {
	return string([]byte{op}) + string(binary.LittleEndian.AppendUint64(nil, length))
}

// bytesOf is a bytes object under protocol 2.
func bytesOf(text string) string {
	return "c_codecs\nencode\n" + pickleString(text) + pickleString("latin1") + "\x86R"
}

func parseString(file string) (*File, error) {
	return parse(strings.NewReader(file), int64(len(file)), "file.pt")
}
