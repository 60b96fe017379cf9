import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from '@jest/globals';
import { SCENARIOS } from './scenarios';
import { crashPoints, listedSideEffects } from './side-effects';

const NAMES = [...SCENARIOS.keys()].sort();

beforeEach(() => {
  delete process.env.QUORATE_CRASH_SAMPLE;
});

test('each scenario is played, and has a list', () => {
  expect(filesNamed('.', '.crash.ts')).toEqual(NAMES);
  expect(filesNamed('side-effects', '.txt')).toEqual(NAMES);
});

test.each(NAMES)('the function dies before and after each side effect of %s', (name) => {
  const points = crashPoints(name);
  for (const moment of ['before', 'after']) {
    const tried = points.filter((one) => one.moment === moment);
    expect(tried.map((one) => one.point)).toEqual(listedSideEffects(name));
  }
});

test('samples with each seed come to all points, each once', () => {
  const all = NAMES.flatMap(pointsOf);
  const sampled = [0, 1, 2, 3].flatMap((seed) => {
    process.env.QUORATE_CRASH_SAMPLE = `4:${seed}`;
    return NAMES.flatMap(pointsOf);
  });
  expect(sampled.sort()).toEqual(all.sort());
});

test.each(['0', 'x', '4:', '4:x'])('a sample of %s is refused', (sample) => {
  process.env.QUORATE_CRASH_SAMPLE = sample;
  expect(() => crashPoints('join')).toThrow(`QUORATE_CRASH_SAMPLE is ${sample}`);
});

function pointsOf(name: string): string[] {
  return crashPoints(name).map(({ moment, point }) => `${name}: ${moment} ${point}`);
}

function filesNamed(folder: string, suffix: string): string[] {
  return readdirSync(join(__dirname, folder))
    .filter((file) => file.endsWith(suffix))
    .map((file) => file.slice(0, -suffix.length))
    .sort();
}
