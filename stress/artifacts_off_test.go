//go:build !go1.26

package stress

import "testing"

// artifacts is a folder that is removed when the test ends: this Go has no other.
func artifacts(t *testing.T) string { return t.TempDir() }
