//go:build !go1.27

package main

import (
	"go/types"
	"hash/maphash"

	"golang.org/x/tools/go/types/typeutil"
)

// identity does what go/types.Hasher does from Go 1.27 on.
var identity typeHasher

type typeHasher struct{}

func (typeHasher) Hash(h *maphash.Hash, t types.Type) {
	maphash.WriteComparable(h, typeutil.Hasher{}.Hash(t))
}

func (typeHasher) Equal(x, y types.Type) bool { return types.Identical(x, y) }
