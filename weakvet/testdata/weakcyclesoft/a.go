// Package weakcyclesoft has values that may hold their key.
package weakcyclesoft

import (
	"fmt"

	"github.com/go-weak/weakmap"
)

type page struct{}

func (*page) String() string { return "" }

type plain struct{}

var (
	anything weakmap.KeyMap[page, any]          // want `a value of this KeyMap may reach its key: any itself can hold \*page`
	stringer weakmap.KeyMap[page, fmt.Stringer] // want `fmt\.Stringer itself can hold \*page`
	function weakmap.KeyMap[page, func()]       // want `func\(\) itself can hold \*page`
	inField  weakmap.KeyMap[page, struct {      // want `\.v can hold \*page`
		v any
	}]
	cannot weakmap.KeyMap[plain, fmt.Stringer]
	number weakmap.KeyMap[page, int]
)
