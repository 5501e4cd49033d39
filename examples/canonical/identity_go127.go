//go:build go1.27

package main

import "go/types"

var identity types.Hasher
