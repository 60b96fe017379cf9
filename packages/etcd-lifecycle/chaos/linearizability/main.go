// Command linearizability tells whether a history of registers is linearizable: whether each operation
// can have happened at one moment between its call and its return. It is judged by porcupine.
//
// It reads a history as JSON from standard input, and writes its verdict as JSON to standard output. A
// verdict of any kind is exit code 0; what is no history is exit code 2, with the reason on standard
// error.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"sort"
	"time"

	"github.com/anishathalye/porcupine"
)

// An operation of a history. Registers are independent of each other and begin without a value.
type operation struct {
	// Which client made it: one at a time.
	Client int `json:"client"`
	// Which register it concerns.
	Register string `json:"register"`
	// "put", "get" or "cas" (compare and swap). A cas that found another value is a get of that value.
	Kind string `json:"kind"`
	// What a cas found before it wrote; null for the others.
	Expected *string `json:"expected"`
	// What was written or read; null for a register without a value. No value is written twice.
	Value *string `json:"value"`
	// When it was called, by any clock that never goes back.
	Call int64 `json:"call"`
	// When it returned, by the same clock; null for a write of which nobody knows whether it happened.
	Return *int64 `json:"return"`
}

type history struct {
	Operations []operation `json:"operations"`
	// How long to look for an answer for each register, in seconds.
	TimeoutSeconds float64 `json:"timeoutSeconds"`
}

type verdict struct {
	// "linearizable", "violation", or "unknown" if the time was over before.
	Result     string `json:"result"`
	Operations int    `json:"operations"`
	Registers  int    `json:"registers"`
	// The registers with a violation.
	Violations []string `json:"violations"`
	// Writes of unknown outcome that nobody has read, which were left out: they may not have happened.
	LeftOut int `json:"leftOut"`
}

// The value of a register without one: no operation writes it, since values are wrapped.
const absent = ""

func wrap(value *string) string {
	if value == nil {
		return absent
	}
	return "=" + *value
}

var register = porcupine.Model{
	Init: func() interface{} { return absent },
	Step: func(state, input, output interface{}) (bool, interface{}) {
		op := input.(operation)
		switch op.Kind {
		case "put":
			return true, wrap(op.Value)
		case "cas":
			return wrap(op.Expected) == state.(string), wrap(op.Value)
		default:
			return wrap(op.Value) == state.(string), state
		}
	},
}

// Reads a history, and says what is wrong with one that is none.
func read(input io.Reader) (history, error) {
	var made history
	decoder := json.NewDecoder(input)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&made); err != nil {
		return made, fmt.Errorf("no history as JSON: %w", err)
	}
	written := map[string]bool{}
	for number, op := range made.Operations {
		writes := op.Kind == "put" || op.Kind == "cas"
		switch {
		case !writes && op.Kind != "get":
			return made, fmt.Errorf("operation %d: kind is %q, not put, get or cas", number, op.Kind)
		case op.Return == nil && !writes:
			return made, fmt.Errorf("operation %d: a get that did not return says nothing", number)
		case op.Return != nil && *op.Return < op.Call:
			return made, fmt.Errorf("operation %d: returns before its call", number)
		case writes && op.Value == nil:
			return made, fmt.Errorf("operation %d: writes no value", number)
		case writes && written[op.Register+wrap(op.Value)]:
			return made, fmt.Errorf("operation %d: writes %q a second time", number, *op.Value)
		}
		if writes {
			written[op.Register+wrap(op.Value)] = true
		}
	}
	return made, nil
}

// Judges a history, register by register.
func judge(made history) verdict {
	byRegister := map[string][]operation{}
	for _, op := range made.Operations {
		byRegister[op.Register] = append(byRegister[op.Register], op)
	}
	timeout := time.Duration(made.TimeoutSeconds * float64(time.Second))
	found := verdict{Registers: len(byRegister), Operations: len(made.Operations), Violations: []string{}}
	unknown := false
	for name, operations := range byRegister {
		entries, leftOut := entriesOf(operations)
		found.LeftOut += leftOut
		switch porcupine.CheckOperationsTimeout(register, entries, timeout) {
		case porcupine.Illegal:
			found.Violations = append(found.Violations, name)
		case porcupine.Unknown:
			unknown = true
		}
	}
	sort.Strings(found.Violations)
	switch {
	case len(found.Violations) > 0:
		found.Result = "violation"
	case unknown:
		found.Result = "unknown"
	default:
		found.Result = "linearizable"
	}
	return found
}

// The operations as porcupine takes them. A write of unknown outcome may happen at any time after its
// call. If its value was read, it happened before that read returned. If nobody has read it, it is
// left out: whatever order explains the others explains them without it as well, and each such write
// would double the work.
func entriesOf(operations []operation) (entries []porcupine.Operation, leftOut int) {
	readBefore := map[string]int64{}
	sees := func(value string, op operation) {
		moment := int64(math.MaxInt64)
		if op.Return != nil {
			moment = *op.Return
		}
		if earlier, known := readBefore[value]; !known || moment < earlier {
			readBefore[value] = moment
		}
	}
	for _, op := range operations {
		switch op.Kind {
		case "get":
			sees(wrap(op.Value), op)
		case "cas":
			sees(wrap(op.Expected), op)
		}
	}
	for _, op := range operations {
		var end int64
		if op.Return != nil {
			end = *op.Return
		} else if moment, seen := readBefore[wrap(op.Value)]; seen {
			// A value that was read before it was written is a violation, which porcupine shall find.
			end = max(moment, op.Call)
		} else {
			leftOut++
			continue
		}
		entries = append(entries, porcupine.Operation{
			ClientId: op.Client, Input: op, Output: nil, Call: op.Call, Return: end,
		})
	}
	return entries, leftOut
}

func main() {
	made, err := read(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, "linearizability:", err)
		os.Exit(2)
	}
	if err := json.NewEncoder(os.Stdout).Encode(judge(made)); err != nil {
		fmt.Fprintln(os.Stderr, "linearizability:", err)
		os.Exit(2)
	}
}
