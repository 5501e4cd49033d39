//go:build weakmapsched

package weakmap

var protocolScenarios = []scenario{}
