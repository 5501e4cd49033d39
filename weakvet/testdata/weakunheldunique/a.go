// Package weakunheldunique throws handles away.
package weakunheldunique

import "unique"

func intern(s string) string {
	return unique.Make(s).Value() // want `the handle of unique\.Make is thrown away`
}

func keep(s string) unique.Handle[string] { return unique.Make(s) }
