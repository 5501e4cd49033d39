package chart

import (
	"math"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
)

// Format writes a value of a unit of benchmark text, such as "sec/op" or "B-peak", with three
// digits and a metric prefix: "17.3 ns", "2.1 MB". Values of units that count are left without.
func Format(value float64, unit string) string {
	symbol := ""
	switch {
	case strings.Contains(unit, "sec"):
		symbol = "s"
	case strings.HasPrefix(unit, "B"):
		symbol = "B"
	default:
		return significant(value, 3)
	}
	if value == 0 {
		return "0 " + symbol
	}
	prefixes := []string{"n", "µ", "m", "", "k", "M", "G", "T"}
	const first = -9
	digits, _ := strconv.ParseFloat(strconv.FormatFloat(value, 'e', 2, 64), 64) // 999.9 is 1.00 k
	at := int(math.Floor(math.Log10(math.Abs(digits))/3+1e-9)) - first/3
	at = min(max(at, 0), len(prefixes)-1)
	return significant(value/math.Pow10(first+3*at), 3) + " " + prefixes[at] + symbol
}

// significant writes that many digits, but no trailing zeros after a decimal point, and no exponent.
func significant(value float64, digits int) string {
	if value == 0 {
		return "0"
	}
	decimals := digits - 1 - int(math.Floor(math.Log10(math.Abs(value))))
	text := strconv.FormatFloat(value, 'f', max(decimals, 0), 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// logTicks marks 1, 2 and 5 of each decade, or decades alone where there are many.
type logTicks struct {
	label func(float64) string
}

func (t logTicks) Ticks(low, high float64) []plot.Tick {
	steps := []float64{1, 2, 5}
	if high/low > 150 {
		steps = steps[:1]
	}
	var ticks []plot.Tick
	for decade := math.Floor(math.Log10(low)); math.Pow(10, decade) <= high; decade++ {
		for _, step := range steps {
			if at := step * math.Pow(10, decade); at >= low*0.999 && at <= high*1.001 {
				ticks = append(ticks, plot.Tick{Value: at, Label: t.label(at)})
			}
		}
	}
	return ticks
}

// linearTicks marks zero and up to five round steps.
type linearTicks struct {
	label func(float64) string
}

func (t linearTicks) Ticks(low, high float64) []plot.Tick {
	step := math.Pow(10, math.Floor(math.Log10((high-low)/2)))
	for _, factor := range []float64{1, 2, 5, 10} {
		if (high-low)/(step*factor) <= 5 {
			step *= factor
			break
		}
	}
	var ticks []plot.Tick
	for n := math.Ceil(low / step); n*step <= high*1.001; n++ {
		ticks = append(ticks, plot.Tick{Value: n * step, Label: t.label(n * step)})
	}
	return ticks
}

// widen returns bounds of a logarithmic axis that show low and high with a little room, and
// have at least two ticks between them.
func widen(low, high float64) (float64, float64) {
	low, high = low/1.15, high*1.15
	if high/low < 4 {
		middle := math.Sqrt(low * high)
		low, high = middle/2.1, middle*2.1
	}
	return low, high
}
