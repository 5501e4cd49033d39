// Weakvet finds faults in programs that use weak references.
//
//	weakvet ./...                            # all analyzers, save weakhand
//	weakvet -weakcapture -weakblind ./...    # only these
//	weakvet -weakhand -fix ./...             # hand-written maps, replaced where it is line for line
//	weakvet help weakcycle                   # what an analyzer reports
//	go vet -vettool=$(which weakvet) ./...   # the same through go vet, which caches
package main

import (
	"os"
	"slices"
	"strings"

	"golang.org/x/tools/go/analysis/multichecker"

	"github.com/go-weak/weakmap/weakvet"
)

func main() {
	analyzers := slices.Clone(weakvet.Analyzers)
	for _, a := range weakvet.Optional {
		if mentioned(a.Name, os.Args[1:]) {
			analyzers = append(analyzers, a)
		}
	}
	multichecker.Main(analyzers...)
}

// mentioned reports whether the arguments speak of an analyzer, or ask what there
// is: go vet asks for the flags before it passes any.
func mentioned(name string, args []string) bool {
	return slices.ContainsFunc(args, func(arg string) bool {
		return arg == "help" || arg == "-flags" || strings.HasPrefix(strings.TrimLeft(arg, "-"), name)
	})
}
