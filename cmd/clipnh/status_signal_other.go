//go:build !unix

package main

// onStatusSignal does nothing: there is no such signal.
func onStatusSignal(func()) (stop func()) { return func() {} }
