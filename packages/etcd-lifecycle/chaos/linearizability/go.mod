// The judge of the chaos runs: tells whether a history of registers is linearizable.
module quorate.dev/linearizability

go 1.24

require github.com/anishathalye/porcupine v1.3.1
