// Sums what pytest and jest said of their tests in a log, as one line: "N passed, N failed".
// Exits with 1 when the log tells of no test that passed, or of one that failed.
import { readFileSync } from 'node:fs';

const [log] = process.argv.slice(2);
if (!log) {
  console.error('usage: sum-tests.mjs LOG');
  process.exit(2);
}

// The closing lines: "Tests: 1 failed, 2 passed, 3 total" of jest, "2 passed, 1 error in 0.1s" of
// pytest. Colours may surround the numbers.
const escapes = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, 'g');
const lines = readFileSync(log, 'utf8').replaceAll(escapes, '').split('\n');
const closing = lines.filter(
  (line) => /^Tests: /.test(line) || /^(=+ )?\d+ (passed|failed|error).* in [\d.:s() ]+/.test(line),
);
const sum = (outcome) =>
  closing
    .flatMap((line) => [...line.matchAll(new RegExp(`(\\d+) ${outcome}`, 'g'))])
    .reduce((total, match) => total + Number(match[1]), 0);

const passed = sum('passed');
const failed = sum('failed') + sum('errors?');
console.log(`${passed} passed, ${failed} failed`);
process.exit(passed > 0 && failed === 0 ? 0 : 1);
