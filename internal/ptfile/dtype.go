package ptfile

// DType is the type of a tensor's elements.
type DType uint8

// The element types, with torch's names.
const (
	Float16 DType = iota + 1
	BFloat16
	Float32
	Float64
	Int8
	Int16
	Int32
	Int64
	Uint8
	Bool
)

// dtypes is indexed by DType.
var dtypes = [...]struct {
	name        string // torch's
	size        int    // bytes an element
	storage     string // torch's storage class, as pickles name it
	safetensors string // the name in safetensors headers
}{
	{"invalid", 0, "", ""},
	Float16:  {"float16", 2, "HalfStorage", "F16"},
	BFloat16: {"bfloat16", 2, "BFloat16Storage", "BF16"},
	Float32:  {"float32", 4, "FloatStorage", "F32"},
	Float64:  {"float64", 8, "DoubleStorage", "F64"},
	Int8:     {"int8", 1, "CharStorage", "I8"},
	Int16:    {"int16", 2, "ShortStorage", "I16"},
	Int32:    {"int32", 4, "IntStorage", "I32"},
	Int64:    {"int64", 8, "LongStorage", "I64"},
	Uint8:    {"uint8", 1, "ByteStorage", "U8"},
	Bool:     {"bool", 1, "BoolStorage", "BOOL"},
}

// String is torch's name of the type, "float16".
func (d DType) String() string {
	if int(d) >= len(dtypes) {
		d = 0
	}
	return dtypes[d].name
}

// Size is the size of an element in bytes.
func (d DType) Size() int { return dtypes[d].size }

// dtypeOf finds the type for which match holds, or 0.
func dtypeOf(match func(d DType) bool) DType {
	for d := Float16; d <= Bool; d++ {
		if match(d) {
			return d
		}
	}
	return 0
}
