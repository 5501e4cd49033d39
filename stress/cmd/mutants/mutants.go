package main

import "slices"

// A mutant is the library with one deliberate fault: a piece of its text is replaced by another.
type mutant struct {
	name     string
	file     string // of the library's root folder
	old, new string // old stands in the file once
	fault    string
	suite    suite
}

// A suite is what is to kill a mutant: first the scenarios, then the tests, those of
// promises and parts last, then the controlled schedules. Each is a regexp, or "" for none.
type suite struct {
	scenarios string // for the stress command
	tests     string // for go test in the root folder
	promises  string // for go test in internal/suite
	parts     string // for go test in internal/row, internal/journal and internal/pack
	schedules string // for the names under TestSchedules in the root folder, with the tag weakmapsched
	moments   string // for go test there with that tag
}

// mutants is the table. A fault that nothing can show is no mutant: that a table which was emptied
// does not say that its journals have other chunks, for instance, since all records in the old ones
// were cleared.
var mutants = slices.Concat(ofBindings, ofLayouts, ofRetention, ofContainers)
