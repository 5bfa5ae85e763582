// Package ort runs models in ONNX Runtime, whose library it opens while the program runs:
// nothing is linked. A program that imports it is dynamic on Linux, and a fault within the
// library ends it.
package ort

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"unsafe"

	"github.com/ebitengine/purego"
)

// apiVersion is that of the functions used, which ONNX Runtime 1.14 and newer have.
const apiVersion = 14

// The places of functions in the library's table. Their order is part of its interface.
//
// Source: onnxruntime_c_api.h, struct OrtApi.
const (
	getErrorMessage          = 2
	createEnv                = 3
	createSession            = 7
	runSession               = 9
	createSessionOptions     = 10
	setIntraOpNumThreads     = 24
	createTensorWithData     = 49
	createCPUMemoryInfo      = 69
	releaseEnv               = 92
	releaseStatus            = 93
	releaseMemoryInfo        = 94
	releaseSession           = 95
	releaseValue             = 96
	releaseSessionOptions    = 100
	getAvailableProviders    = 125
	releaseProviders         = 126
	appendCUDA               = 204
	createCUDAOptions        = 205
	updateCUDAOptions        = 206
	releaseCUDAOptions       = 208
	appendProvider           = 216
	tableLength              = 217
	levelError               = 3 // OrtLoggingLevel
	deviceAllocator, memType = 0, 0
	elementFloat             = 1
)

// handle is an object of the library.
type handle = unsafe.Pointer

// Library is an open ONNX Runtime.
type Library struct {
	version string
	env     handle
	memory  handle

	message         func(status handle) string
	newEnv          func(level int32, name string, out *handle) handle
	newSession      func(env, path, options handle, out *handle) handle
	run             func(session, options handle, names *handle, values *handle, count uintptr, outputs *handle, outputCount uintptr, out *handle) handle
	newOptions      func(out *handle) handle
	setThreads      func(options handle, n int32) handle
	newTensor       func(memory, data handle, bytes uintptr, shape *int64, rank uintptr, element int32, out *handle) handle
	newMemory       func(allocator, kind int32, out *handle) handle
	freeEnv         func(handle)
	freeStatus      func(handle)
	freeMemory      func(handle)
	freeSession     func(handle)
	freeValue       func(handle)
	freeOptions     func(handle)
	providers       func(out *handle, count *int32) handle
	freeProviders   func(list handle, count int32) handle
	appendCUDA      func(options, cuda handle) handle
	newCUDAOptions  func(out *handle) handle
	setCUDAOptions  func(cuda handle, keys, values *handle, count uintptr) handle
	freeCUDAOptions func(handle)
	append          func(options handle, name string, keys, values handle, count uintptr) handle
}

// Open opens the library at path, such as libonnxruntime.so.1. It stays open.
func Open(path string) (*Library, error) {
	base, err := symbol(path, "OrtGetApiBase")
	if err != nil {
		return nil, err
	}
	var getBase func() handle
	purego.RegisterFunc(&getBase, base)
	functions := (*[2]uintptr)(getBase())
	var getAPI func(version uint32) handle
	var getVersion func() string
	purego.RegisterFunc(&getAPI, functions[0])
	purego.RegisterFunc(&getVersion, functions[1])
	l := &Library{version: getVersion()}
	table := (*[tableLength]uintptr)(getAPI(apiVersion))
	if table == nil {
		return nil, fmt.Errorf("%s: ONNX Runtime %s, want 1.%d or newer", path, l.version, apiVersion)
	}
	for place, f := range map[int]any{
		getErrorMessage: &l.message, createEnv: &l.newEnv, createSession: &l.newSession, runSession: &l.run,
		createSessionOptions: &l.newOptions, setIntraOpNumThreads: &l.setThreads, createTensorWithData: &l.newTensor,
		createCPUMemoryInfo: &l.newMemory, releaseEnv: &l.freeEnv, releaseStatus: &l.freeStatus, releaseMemoryInfo: &l.freeMemory,
		releaseSession: &l.freeSession, releaseValue: &l.freeValue, releaseSessionOptions: &l.freeOptions,
		getAvailableProviders: &l.providers, releaseProviders: &l.freeProviders,
		appendCUDA: &l.appendCUDA, createCUDAOptions: &l.newCUDAOptions, updateCUDAOptions: &l.setCUDAOptions, releaseCUDAOptions: &l.freeCUDAOptions, appendProvider: &l.append,
	} {
		purego.RegisterFunc(f, table[place])
	}
	if err := l.check(l.newEnv(levelError, "clipnh", &l.env)); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := l.check(l.newMemory(deviceAllocator, memType, &l.memory)); err != nil {
		l.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return l, nil
}

// Close releases what Open made. No session may be in use.
func (l *Library) Close() {
	if l.memory != nil {
		l.freeMemory(l.memory)
	}
	l.freeEnv(l.env)
	l.memory, l.env = nil, nil
}

// Version is that of the library, such as 1.30.0.
func (l *Library) Version() string { return l.version }

// check turns a status into an error and frees it.
func (l *Library) check(status handle) error {
	if status == nil {
		return nil
	}
	defer l.freeStatus(status)
	return errors.New("ONNX Runtime: " + l.message(status))
}

// Providers lists the execution providers that the library was built with, by its names.
func (l *Library) Providers() ([]string, error) {
	var list handle
	var count int32
	if err := l.check(l.providers(&list, &count)); err != nil {
		return nil, err
	}
	var names []string
	for _, p := range unsafe.Slice((**byte)(list), count) {
		names = append(names, text(p))
	}
	return names, l.check(l.freeProviders(list, count))
}

// text is a C string.
func text(p *byte) string {
	n := 0
	for *(*byte)(unsafe.Add(unsafe.Pointer(p), n)) != 0 {
		n++
	}
	return string(unsafe.Slice(p, n))
}

// Options says how a model runs.
type Options struct {
	Provider string // one of Providers; empty is the processor's
	Threads  int    // of the processor's
}

// The providers that Options may name, by the library's names.
const (
	CPU      = "CPUExecutionProvider"
	CUDA     = "CUDAExecutionProvider"
	WebGPU   = "WebGpuExecutionProvider"
	CoreML   = "CoreMLExecutionProvider"
	DirectML = "DmlExecutionProvider"
)

// appended are the names by which sessions are given those that the library adds by name.
var appended = map[string]string{WebGPU: "WebGPU", CoreML: "CoreML", DirectML: "DML"}

// Session is a model that is ready to run.
type Session struct {
	library *Library
	session handle
}

// NewSession reads the model at path.
func (l *Library) NewSession(path string, o Options) (*Session, error) {
	have, err := l.Providers()
	if err != nil {
		return nil, err
	}
	if o.Provider != "" && !slices.Contains(have, o.Provider) {
		return nil, fmt.Errorf("ONNX Runtime %s has no %s", l.version, o.Provider)
	}
	var options handle
	if err := l.check(l.newOptions(&options)); err != nil {
		return nil, err
	}
	defer l.freeOptions(options)
	if err := l.configure(options, o); err != nil {
		return nil, err
	}
	s := &Session{library: l}
	name := pathArgument(path)
	err = l.check(l.newSession(l.env, unsafe.Pointer(&name[0]), options, &s.session))
	runtime.KeepAlive(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

func (l *Library) configure(options handle, o Options) error {
	if o.Threads > 0 {
		if err := l.check(l.setThreads(options, int32(o.Threads))); err != nil {
			return err
		}
	}
	switch o.Provider {
	case "", CPU:
		return nil
	case CUDA:
		var cuda handle
		if err := l.check(l.newCUDAOptions(&cuda)); err != nil {
			return err
		}
		defer l.freeCUDAOptions(cuda)
		// Products of float32 are those of float32, not of TF32.
		key, value := []byte("use_tf32\x00"), []byte("0\x00")
		keys, values := []handle{unsafe.Pointer(&key[0])}, []handle{unsafe.Pointer(&value[0])}
		err := l.check(l.setCUDAOptions(cuda, &keys[0], &values[0], 1))
		runtime.KeepAlive(key)
		runtime.KeepAlive(value)
		if err != nil {
			return err
		}
		return l.check(l.appendCUDA(options, cuda))
	}
	name, known := appended[o.Provider]
	if !known {
		return fmt.Errorf("%s cannot be asked for", o.Provider)
	}
	return l.check(l.append(options, name, nil, nil, 0))
}

// Close releases the session.
func (s *Session) Close() { s.library.freeSession(s.session) }

// A Tensor is a named input or output, float32 and row-major.
type Tensor struct {
	Name   string
	Shape  []int
	Values []float32
}

// Run computes outputs, whose Values it fills, from an input. Errors say which value does
// not fit.
func (s *Session) Run(input Tensor, outputs []Tensor) error {
	l := s.library
	values := make([]handle, 0, 1+len(outputs))
	defer func() {
		for _, v := range values {
			l.freeValue(v)
		}
	}()
	names := make([][]byte, 0, 1+len(outputs))
	pointers := make([]handle, 0, 1+len(outputs))
	for _, t := range append([]Tensor{input}, outputs...) {
		v, err := l.tensor(t)
		if err != nil {
			return err
		}
		values = append(values, v)
		names = append(names, append([]byte(t.Name), 0))
		pointers = append(pointers, unsafe.Pointer(&names[len(names)-1][0]))
	}
	err := l.check(l.run(s.session, nil, &pointers[0], &values[0], 1, &pointers[1], uintptr(len(outputs)), &values[1]))
	runtime.KeepAlive(names)
	runtime.KeepAlive(input.Values)
	runtime.KeepAlive(outputs)
	return err
}

// tensor is a value on the memory of t, which must outlive it.
func (l *Library) tensor(t Tensor) (handle, error) {
	shape, n := make([]int64, len(t.Shape)), 1
	for i, length := range t.Shape {
		shape[i] = int64(length)
		n *= length
	}
	if len(shape) == 0 || n == 0 || n != len(t.Values) {
		return nil, fmt.Errorf("%s: %d values, want those of shape %v, and some", t.Name, len(t.Values), t.Shape)
	}
	var v handle
	err := l.check(l.newTensor(l.memory, unsafe.Pointer(&t.Values[0]), uintptr(4*n), &shape[0], uintptr(len(shape)), elementFloat, &v))
	return v, err
}
