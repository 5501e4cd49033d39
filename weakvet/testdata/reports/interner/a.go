// Package reports: labels whose handles are thrown away.
package reports

import "unique"

type Label struct{ Name, Value string }

func Labels(pairs ...string) (labels []Label) {
	for i := 0; i+1 < len(pairs); i += 2 {
		labels = append(labels, Label{unique.Make(pairs[i]).Value(), pairs[i+1]})
	}
	return labels
}
