// Package weakdropped throws references away.
package weakdropped

import "github.com/go-weak/weakmap"

type page struct{ name string }

type alias = page

func say() {}

type server struct{ watch *weakmap.Ref[page] }

func bad(p *page, a *alias) {
	weakmap.NewRef(p, func() {})         // want `the result of weakmap\.NewRef is thrown away: its callback runs only while the Ref is held`
	_ = weakmap.NewRef(p, say)           // want `the result of weakmap\.NewRef is thrown away`
	var _ = weakmap.NewRef[page](p, say) // want `thrown away`
	(weakmap.NewRef(a, say))             // want `thrown away`
	go weakmap.NewRef(p, say)            // want `thrown away`
}

func generic[T any](p *T) {
	weakmap.NewRef(p, say) // want `thrown away`
}

func good(s *server, p *page) *weakmap.Ref[page] {
	s.watch = weakmap.NewRef(p, say)
	weakmap.NewRef(p, nil) // refers to nothing for long, but promises nothing
	ref := weakmap.NewRef(p, say)
	defer ref.Stop()
	weakmap.Finalize(p, func(string) {}, p.name)
	return weakmap.NewRef(p, say)
}
