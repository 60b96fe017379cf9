import { beforeAll, describe, expect, jest, test } from '@jest/globals';
import { LinearizabilityChecker } from '../../chaos/linearizability';
import type { RegisterOperation } from '../../chaos/registers';

// The checker may have to be built first.
jest.setTimeout(240_000);

let checker: LinearizabilityChecker;

beforeAll(async () => {
  checker = await LinearizabilityChecker.resolve();
});

function operation(
  kind: RegisterOperation['kind'],
  value: string | null,
  time: readonly [number, number | null],
  expected: string | null = null,
): RegisterOperation {
  return { client: time[0], register: 'r', kind, expected, value, call: time[0], return: time[1] };
}

async function judge(...operations: RegisterOperation[]): Promise<string> {
  return (await checker.judge(operations)).result;
}

describe('the checker of linearizability', () => {
  test('accepts what happened one after another', async () => {
    const history = [
      operation('get', null, [1, 2]),
      operation('put', 'a', [3, 4]),
      operation('cas', 'b', [5, 6], 'a'),
      operation('get', 'b', [7, 8]),
    ];
    await expect(judge(...history)).resolves.toBe('linearizable');
  });

  test('rejects a read of what was overwritten before', async () => {
    const history = [
      operation('put', 'a', [1, 2]),
      operation('put', 'b', [3, 4]),
      operation('get', 'a', [5, 6]),
    ];
    await expect(checker.judge(history)).resolves.toMatchObject({
      result: 'violation',
      violations: ['r'],
    });
  });

  test('accepts either order of what overlaps', async () => {
    const puts = [operation('put', 'a', [1, 5]), operation('put', 'b', [2, 4])];
    await expect(judge(...puts, operation('get', 'a', [6, 7]))).resolves.toBe('linearizable');
    await expect(judge(...puts, operation('get', 'b', [6, 7]))).resolves.toBe('linearizable');
  });

  test('rejects two that swapped the same value', async () => {
    const history = [
      operation('put', 'a', [1, 2]),
      operation('cas', 'b', [3, 6], 'a'),
      operation('cas', 'c', [4, 5], 'a'),
    ];
    await expect(judge(...history)).resolves.toBe('violation');
  });

  test('accepts that a write of unknown outcome happened late, or never', async () => {
    const history = [operation('put', 'a', [1, 2]), operation('put', 'b', [3, null])];
    const before = operation('get', 'a', [5, 6]);
    await expect(judge(...history, before)).resolves.toBe('linearizable');
    await expect(judge(...history, before, operation('get', 'b', [7, 8]))).resolves.toBe(
      'linearizable',
    );
  });

  test('rejects that it happened, and then had not', async () => {
    const history = [
      operation('put', 'a', [1, 2]),
      operation('put', 'b', [3, null]),
      operation('get', 'b', [5, 6]),
      operation('get', 'a', [7, 8]),
    ];
    await expect(judge(...history)).resolves.toBe('violation');
  });

  test('rejects an acknowledged write that is gone', async () => {
    await expect(
      judge(operation('put', 'a', [1, 2]), operation('get', null, [3, 4])),
    ).resolves.toBe('violation');
  });

  test('says what is wrong with what is no history', async () => {
    await expect(judge(operation('get', 'a', [1, null]))).rejects.toThrow(
      /operation 0: a get that did not return says nothing/,
    );
  });
});
