//go:build !amd64 && !arm64

package weakmap

import "unsafe"

func prefetch(unsafe.Pointer) {}
