/**
 * What a breaker does, step by step: who does what, the answer where there is one (yes, no), and the
 * state after it; `+10 s` lets time pass. Unless an option says otherwise the circuit opens after 2
 * failures in a row, for 10 s, and a probe is leased for 30 s.
 */
export const CIRCUIT_TRACES: readonly [
  title: string,
  options: Readonly<Record<string, number | null>>,
  trace: string,
][] = [
  [
    'opens at the failure_threshold-th failure in a row',
    {},
    `
      a can_execute       yes  CLOSED
      a record_failure         CLOSED
      a can_execute       yes  CLOSED
      a record_success         CLOSED
      a can_execute       yes  CLOSED
      a record_failure         CLOSED
      a can_execute       yes  CLOSED
      a record_failure         OPEN
      a can_execute       no   OPEN
    `,
  ],
  [
    'neither counts nor forgets failures when an outcome is ignored',
    {},
    `
      a record_failure         CLOSED
      a release                CLOSED
      a record_failure         OPEN
    `,
  ],
  [
    'stays open until reset_timeout has passed, then admits one probe',
    {},
    `
      a record_failure         CLOSED
      a record_failure         OPEN
      +9.5 s                   OPEN
      a can_execute       no   OPEN
      +0.5 s                   OPEN
      a can_execute       yes  HALF_OPEN
      b can_execute       no   HALF_OPEN
      a can_execute       no   HALF_OPEN
    `,
  ],
  [
    'closes when the probe succeeds, with a failure count of 0',
    {},
    `
      a record_failure         CLOSED
      a record_failure         OPEN
      +10 s                    OPEN
      a can_execute       yes  HALF_OPEN
      a record_success         CLOSED
      a record_failure         CLOSED
      a can_execute       yes  CLOSED
    `,
  ],
  [
    'opens again, for the whole reset_timeout, when the probe fails',
    {},
    `
      a record_failure         CLOSED
      a record_failure         OPEN
      +10 s                    OPEN
      a can_execute       yes  HALF_OPEN
      a record_failure         OPEN
      +9 s                     OPEN
      a can_execute       no   OPEN
      +1 s                     OPEN
      a can_execute       yes  HALF_OPEN
    `,
  ],
  [
    'stays half open when the probe is released, and admits the next',
    {},
    `
      a record_failure         CLOSED
      a record_failure         OPEN
      +10 s                    OPEN
      a can_execute       yes  HALF_OPEN
      a release                HALF_OPEN
      b can_execute       yes  HALF_OPEN
      b record_success         CLOSED
    `,
  ],
  [
    'gives the place of a probe that died to the next caller after the lease',
    {},
    `
      a record_failure         CLOSED
      a record_failure         OPEN
      +10 s                    OPEN
      a can_execute       yes  HALF_OPEN
      a dies                   HALF_OPEN
      +29 s                    HALF_OPEN
      b can_execute       no   HALF_OPEN
      +1 s                     HALF_OPEN
      b can_execute       yes  HALF_OPEN
      c can_execute       no   HALF_OPEN
      b record_success         CLOSED
    `,
  ],
  [
    'drops a late record_failure of a probe whose place was taken',
    {},
    `
      a record_failure         CLOSED
      a record_failure         OPEN
      +10 s                    OPEN
      a can_execute       yes  HALF_OPEN
      +30 s                    HALF_OPEN
      b can_execute       yes  HALF_OPEN
      a record_failure         HALF_OPEN
      c can_execute       no   HALF_OPEN
      b record_success         CLOSED
    `,
  ],
  [
    'drops a late record_success of a probe whose place was taken',
    {},
    `
      a record_failure         CLOSED
      a record_failure         OPEN
      +10 s                    OPEN
      a can_execute       yes  HALF_OPEN
      +30 s                    HALF_OPEN
      b can_execute       yes  HALF_OPEN
      a record_success         HALF_OPEN
      c can_execute       no   HALF_OPEN
      b record_success         CLOSED
    `,
  ],
  [
    'drops a late release of a probe whose place was taken',
    {},
    `
      a record_failure         CLOSED
      a record_failure         OPEN
      +10 s                    OPEN
      a can_execute       yes  HALF_OPEN
      +30 s                    HALF_OPEN
      b can_execute       yes  HALF_OPEN
      a release                HALF_OPEN
      c can_execute       no   HALF_OPEN
      b record_success         CLOSED
    `,
  ],
  [
    'never gives a ticket twice, so that a late result cannot pass for a later probe',
    {},
    `
      a record_failure         CLOSED
      a record_failure         OPEN
      +10 s                    OPEN
      a can_execute       yes  HALF_OPEN
      +30 s                    HALF_OPEN
      b can_execute       yes  HALF_OPEN
      b release                HALF_OPEN
      c can_execute       yes  HALF_OPEN
      a record_failure         HALF_OPEN
      c record_success         CLOSED
    `,
  ],
  [
    'forgets the permit of a thread once it is settled',
    { failure_threshold: 1 },
    `
      a can_execute       yes  CLOSED
      a record_failure         OPEN
      +10 s                    OPEN
      b can_execute       yes  HALF_OPEN
      b record_success         CLOSED
      a record_failure         OPEN
    `,
  ],
  [
    'counts a probe that reports after its lease if nobody has taken its place',
    {},
    `
      a record_failure         CLOSED
      a record_failure         OPEN
      +10 s                    OPEN
      a can_execute       yes  HALF_OPEN
      +40 s                    HALF_OPEN
      a record_success         CLOSED
    `,
  ],
  [
    'has a lease of reset_timeout by default',
    { failure_threshold: 1, lease: null },
    `
      a record_failure         OPEN
      +10 s                    OPEN
      a can_execute       yes  HALF_OPEN
      +9.75 s                  HALF_OPEN
      b can_execute       no   HALF_OPEN
      +0.25 s                  HALF_OPEN
      b can_execute       yes  HALF_OPEN
    `,
  ],
  [
    'has a lease of at least a second by default',
    { failure_threshold: 1, reset_timeout: 0, lease: null },
    `
      a record_failure         OPEN
      +0 s                     OPEN
      a can_execute       yes  HALF_OPEN
      +0.75 s                  HALF_OPEN
      b can_execute       no   HALF_OPEN
      +0.25 s                  HALF_OPEN
      b can_execute       yes  HALF_OPEN
    `,
  ],
  [
    'does not let a late failure move the opening time',
    {},
    `
      slow can_execute    yes  CLOSED
      a record_failure         CLOSED
      a record_failure         OPEN
      +9 s                     OPEN
      slow record_failure      OPEN
      a record_failure         OPEN
      +1 s                     OPEN
      a can_execute       yes  HALF_OPEN
    `,
  ],
  [
    'drops a record_success of an older generation while it is open',
    {},
    `
      slow can_execute    yes  CLOSED
      a record_failure         CLOSED
      a record_failure         OPEN
      slow record_success      OPEN
    `,
  ],
  [
    'drops a record_success of an older generation while it is half open',
    {},
    `
      slow can_execute    yes  CLOSED
      a record_failure         CLOSED
      a record_failure         OPEN
      +10 s                    OPEN
      a can_execute       yes  HALF_OPEN
      slow record_success      HALF_OPEN
      b can_execute       no   HALF_OPEN
    `,
  ],
  [
    'drops a record_failure of an older generation while it is open',
    {},
    `
      slow can_execute    yes  CLOSED
      a record_failure         CLOSED
      a record_failure         OPEN
      slow record_failure      OPEN
    `,
  ],
  [
    'drops a record_failure of an older generation while it is half open',
    {},
    `
      slow can_execute    yes  CLOSED
      a record_failure         CLOSED
      a record_failure         OPEN
      +10 s                    OPEN
      a can_execute       yes  HALF_OPEN
      slow record_failure      HALF_OPEN
      b can_execute       no   HALF_OPEN
    `,
  ],
  [
    'drops a failure of an older generation when it has closed again',
    { failure_threshold: 1 },
    `
      slow can_execute    yes  CLOSED
      a record_failure         OPEN
      +10 s                    OPEN
      a can_execute       yes  HALF_OPEN
      a record_success         CLOSED
      slow record_failure      CLOSED
    `,
  ],
  [
    'admits half_open_max_calls probes at a time',
    { half_open_max_calls: 2 },
    `
      a record_failure         CLOSED
      a record_failure         OPEN
      +10 s                    OPEN
      a can_execute       yes  HALF_OPEN
      b can_execute       yes  HALF_OPEN
      c can_execute       no   HALF_OPEN
      a release                HALF_OPEN
      c can_execute       yes  HALF_OPEN
      b record_failure         OPEN
      c record_success         OPEN
    `,
  ],
  [
    'drops results without a permit while it is not closed',
    {},
    `
      a record_failure         CLOSED
      a record_failure         OPEN
      b record_success         OPEN
      b record_failure         OPEN
      +10 s                    OPEN
      a can_execute       yes  HALF_OPEN
      b record_success         HALF_OPEN
      b record_failure         HALF_OPEN
      b can_execute       no   HALF_OPEN
    `,
  ],
  [
    'ignores a release without a permit',
    {},
    `
      a release                CLOSED
      a record_failure         CLOSED
      a record_failure         OPEN
      +10 s                    OPEN
      a can_execute       yes  HALF_OPEN
      b release                HALF_OPEN
      b can_execute       no   HALF_OPEN
    `,
  ],
];

/** One step of a trace. */
export interface TracedStep {
  /** What `breaker` of scenarios.py takes: seconds to let pass, or "caller action". */
  readonly step: string | number;
  readonly answer: boolean | null;
  readonly state: string;
}

/** Reads a trace. */
export function readTrace(trace: string): TracedStep[] {
  return trace
    .trim()
    .split('\n')
    .map((line) => {
      const words =
        /^(?:\+(?<seconds>[\d.]+) s|(?<step>\w+ \w+)) +(?<answer>yes |no )? *(?<state>\w+)$/.exec(
          line.trim(),
        )?.groups;
      if (!words?.state) {
        throw new Error(`not a step of a trace: ${line}`);
      }
      return {
        step: words.step ?? Number(words.seconds),
        answer: words.answer ? words.answer === 'yes ' : null,
        state: words.state,
      };
    });
}
