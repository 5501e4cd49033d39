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

func BenchmarkLoadHit(b *testing.B)           { workload.Run(b, "LoadHit") }
func BenchmarkLoadMiss(b *testing.B)          { workload.Run(b, "LoadMiss") }
func BenchmarkRetainHit(b *testing.B)         { workload.Run(b, "RetainHit") }
func BenchmarkCacheHit(b *testing.B)          { workload.Run(b, "CacheHit") }
func BenchmarkCacheMiss(b *testing.B)         { workload.Run(b, "CacheMiss") }
func BenchmarkCacheMixed(b *testing.B)        { workload.Run(b, "CacheMixed") }
func BenchmarkKeyLoadHit(b *testing.B)        { workload.Run(b, "KeyLoadHit") }
func BenchmarkKeyLoadMiss(b *testing.B)       { workload.Run(b, "KeyLoadMiss") }
func BenchmarkInternHit(b *testing.B)         { workload.Run(b, "InternHit") }
func BenchmarkInternStructHit(b *testing.B)   { workload.Run(b, "InternStructHit") }
func BenchmarkMixed(b *testing.B)             { workload.Run(b, "Mixed") }
func BenchmarkZipf(b *testing.B)              { workload.Run(b, "Zipf") }
func BenchmarkIterate(b *testing.B)           { workload.Run(b, "Iterate") }
func BenchmarkComputeStorm(b *testing.B)      { workload.Run(b, "ComputeStorm") }
func BenchmarkInsert(b *testing.B)            { workload.Run(b, "Insert") }
func BenchmarkChurn(b *testing.B)             { workload.Run(b, "Churn") }
func BenchmarkInternUnbounded(b *testing.B)   { workload.Run(b, "InternUnbounded") }
func BenchmarkInternIdentifiers(b *testing.B) { workload.Run(b, "InternIdentifiers") }
func BenchmarkFinalize(b *testing.B)          { workload.Run(b, "Finalize") }
func BenchmarkMassDeath(b *testing.B)         { workload.Run(b, "MassDeath") }
func BenchmarkLatency(b *testing.B)           { workload.Run(b, "Latency") }
func BenchmarkGrowth(b *testing.B)            { workload.Run(b, "Growth") }
func BenchmarkCollection(b *testing.B)        { workload.Run(b, "Collection") }
func BenchmarkFootprint(b *testing.B)         { workload.Run(b, "Footprint") }
func BenchmarkSmallMaps(b *testing.B)         { workload.Run(b, "SmallMaps") }
func BenchmarkFlood(b *testing.B)             { workload.Run(b, "Flood") }
func BenchmarkBuild(b *testing.B)             { workload.Run(b, "Build") }
