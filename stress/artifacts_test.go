//go:build go1.26

package stress

import "testing"

// artifacts is the folder for what a failing test leaves.
func artifacts(t *testing.T) string { return t.ArtifactDir() }
