package weakvet

import (
	"go/types"

	"golang.org/x/tools/go/analysis"
)

var weakDropped = &analysis.Analyzer{
	Name: "weakdropped",
	URL:  homepage,
	Doc: `find references with a callback that are thrown away

The callback of weakmap.NewRef runs only if the Ref is still reachable when the
object dies. A Ref that nobody keeps cancels itself.

Bad:

	weakmap.NewRef(conn, func() { log.Print("gone") }) // never logs

Good:

	s.watch = weakmap.NewRef(conn, func() { log.Print("gone") })
	weakmap.Finalize(conn, log.Print, "gone") // runs even if nobody keeps the result`,
	Requires: []*analysis.Analyzer{finder},
	Run:      runDropped,
}

func runDropped(pass *analysis.Pass) (any, error) {
	for _, s := range pass.ResultOf[finder].(*sites).calls {
		if s.name != "weakmap.NewRef" || !s.dropped || s.fn == nil {
			continue
		}
		if tv := pass.TypesInfo.Types[s.fn]; tv.IsNil() || tv.Type == types.Typ[types.UntypedNil] {
			continue
		}
		report(pass, s.call, "the result of weakmap.NewRef is thrown away: its callback runs only while the Ref is held (weakmap.Finalize needs no holder)")
	}
	return nil, nil
}
