// Package weakunheldignore silences findings.
package weakunheldignore

import "github.com/go-weak/weakmap"

type page struct{ name string }

var pages weakmap.Map[string, page]

func f() {
	pages.Store("a", &page{}) //weakvet:ignore weakunheld shows that the entry goes
	//weakvet:ignore weakunheld shows that the entry goes
	pages.Store("b", &page{})
	pages.Store("c", &page{}) //weakvet:ignore weaklocal a reason for another analyzer // want `nothing but Map\.Store has this new object`
	//weakvet:ignore weakunheld
	pages.Store("d", &page{}) // want `gives no reason, so it silences nothing`
}

// g makes values that go.
//
//weakvet:ignore weakunheld all of them are to go
func g() {
	pages.Store("e", &page{})

	pages.Store("f", &page{})
}
