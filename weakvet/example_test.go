package weakvet_test

import (
	"fmt"

	"github.com/go-weak/weakmap/weakvet"
)

// A driver runs Analyzers, and of Optional those that its user names.
func Example() {
	for _, a := range weakvet.Analyzers {
		fmt.Println(a.Name)
	}
	for _, a := range weakvet.Optional {
		fmt.Println(a.Name, "by name only")
	}
	// Output:
	// weakcycle
	// weaklocal
	// weakunheld
	// weaktiny
	// weakblind
	// weakcapture
	// weakdropped
	// weaksettle
	// weakhand by name only
}
