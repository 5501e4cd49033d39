// Package bench compares weakmap with what people use instead of it. The participants are in
// internal/peer, the workloads in internal/workload; cmd/bench runs them in turns.
package bench

import (
	"os"
	"testing"

	"github.com/go-weak/weakmap/bench/internal/workload"
)

func TestMain(m *testing.M) {
	workload.ServeChild()
	os.Exit(m.Run())
}

func BenchmarkLoadHit(b *testing.B)    { workload.Run(b, "LoadHit") }
func BenchmarkLoadMiss(b *testing.B)   { workload.Run(b, "LoadMiss") }
func BenchmarkInsert(b *testing.B)     { workload.Run(b, "Insert") }
func BenchmarkChurn(b *testing.B)      { workload.Run(b, "Churn") }
func BenchmarkMassDeath(b *testing.B)  { workload.Run(b, "MassDeath") }
func BenchmarkCollection(b *testing.B) { workload.Run(b, "Collection") }
func BenchmarkFootprint(b *testing.B)  { workload.Run(b, "Footprint") }
func BenchmarkFlood(b *testing.B)      { workload.Run(b, "Flood") }
