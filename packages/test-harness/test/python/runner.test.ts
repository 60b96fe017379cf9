import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { findPythons } from '../../src/python/interpreters';
import { PythonError } from '../../src/python/python-error';
import { PythonRunner, type PythonRunnerOptions } from '../../src/python/runner';
import { isRunning, until } from '../process/running-processes';

const open: PythonRunner[] = [];

async function start(options: PythonRunnerOptions | string): Promise<PythonRunner> {
  const runner = await PythonRunner.start(
    typeof options === 'string' ? { source: options } : options,
  );
  open.push(runner);
  return runner;
}

async function failure(promise: Promise<unknown>): Promise<PythonError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(PythonError);
  return error as PythonError;
}

async function untilGone(pid: number): Promise<void> {
  await until(`the end of process ${pid}`, () => !isRunning(pid));
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((runner) => runner.close()));
});

describe('values', () => {
  test('positional and keyword arguments arrive, and the value comes back', async () => {
    const runner = await start('def f(a, *, b): return {"sum": a + b, "all": [a, b, None, True]}');
    expect(await runner.call('f', [1], { b: 2.5 })).toEqual({
      sum: 3.5,
      all: [1, 2.5, null, true],
    });
  });

  test('text beyond ASCII, line ends and large values survive both ways', async () => {
    const runner = await start('def same(x): return x');
    const value = ['é\n\u2028😀"\\', 'x'.repeat(3_000_000), { '': [] }];
    expect(await runner.call('same', [value])).toEqual(value);
  });

  test('a function without a return gives null', async () => {
    const runner = await start('def f(): pass');
    expect(await runner.call('f')).toBeNull();
  });

  test('many calls share one interpreter and its module state, in order', async () => {
    const runner = await start('n = []\ndef add(x):\n  n.append(x)\n  return len(n), x');
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, index) => runner.call('add', [index])),
    );
    expect(answers).toEqual(Array.from({ length: 200 }, (_, index) => [index + 1, index]));
  });

  test('a coroutine is awaited', async () => {
    const runner = await start(
      'import asyncio\nasync def f():\n  await asyncio.sleep(0)\n  return 7',
    );
    expect(await runner.call('f')).toBe(7);
  });

  test('a dotted name reaches into a class, module:function into any module', async () => {
    const runner = await start('class A:\n  @staticmethod\n  def f(): return __name__');
    expect(await runner.call('A.f')).toBe('source');
    expect(await runner.call('math:floor', [2.5])).toBe(2);
  });

  test('the module can be named, and dataclasses work in it', async () => {
    const runner = await start({
      source:
        'from __future__ import annotations\nimport dataclasses\n' +
        '@dataclasses.dataclass\nclass D:\n  x: int\ndef f(): return [__name__, D(1).x]',
      module: 'my_module',
    });
    expect(await runner.call('f')).toEqual(['my_module', 1]);
  });

  test.each([
    ['a set', '{1}', "'f' returned a value that JSON cannot carry: result is {1} of type set"],
    ['a nested object', '{"a": [0, object]}', "result['a'][1] is <class 'object'> of type type"],
    ['not a number', 'float("nan")', 'result is nan of type float'],
    ['a key that is no string', '{1: 2}', 'a key of result is 1 of type int'],
    ['bytes', '[b"x"]', "result[0] is b'x' of type bytes"],
  ])('%s as result is refused, naming the part', async (_, expression, message) => {
    const runner = await start(`def f(): return ${expression}\ndef ok(): return 1`);
    const error = await failure(runner.call('f'));
    expect(error.message).toContain(message);
    expect(error.exceptionType).toBe('TypeError');
    expect(await runner.call('ok')).toBe(1);
  });

  test('a list that contains itself is refused', async () => {
    const runner = await start('def f():\n  x = []\n  x.append(x)\n  return x');
    expect((await failure(runner.call('f'))).message).toContain('contains itself');
  });

  test.each([
    [[undefined], 'args[0] cannot be sent to Python as JSON: it is undefined undefined'],
    [[{ a: Number.NaN }], 'args[0].a cannot be sent to Python as JSON: it is number NaN'],
    [[new Map()], 'args[0] cannot be sent to Python as JSON: it is Map'],
    [[1n], 'args[0] cannot be sent to Python as JSON: it is bigint 1'],
  ])('an argument that is no JSON is refused: %p', async (args, message) => {
    const runner = await start('def f(x): return x');
    await expect(runner.call('f', args)).rejects.toThrow(new TypeError(message));
  });
});

describe('errors of the code', () => {
  test('an exception gives type, message and a traceback of the code’s own lines', async () => {
    const runner = await start(
      'import json\ndef inner(text):\n  return json.loads(text)\ndef f(text):\n  return inner(text)',
    );
    const error = await failure(runner.call('f', ['{']));
    expect(error.exceptionType).toBe('json.decoder.JSONDecodeError');
    expect(error.exceptionMessage).toMatch(/^Expecting property name enclosed in double quotes/);
    expect(error.message).toMatch(/^json\.decoder\.JSONDecodeError: Expecting property name/);
    const frames = error.message.match(/File "[^"]*", line \d+, in \w+/g);
    expect(frames).toEqual(['File "<source>", line 5, in f', 'File "<source>", line 3, in inner']);
    expect(error.traceback).toContain('return inner(text)');
  });

  test('causes are kept, trimmed the same way', async () => {
    const runner = await start(
      'def f():\n  try:\n    int("x")\n  except ValueError as e:\n    raise KeyError("k") from e',
    );
    const error = await failure(runner.call('f'));
    expect(error.traceback).toContain("ValueError: invalid literal for int() with base 10: 'x'");
    expect(error.traceback).toContain('direct cause');
    expect(error.traceback).not.toContain('runner_worker');
  });

  test('a syntax error is reported by the start, with its line', async () => {
    const error = await failure(PythonRunner.start({ source: 'x = 1\ndef f(:\n  pass' }));
    expect(error.exceptionType).toBe('SyntaxError');
    expect(error.message).toContain('File "<source>", line 2');
  });

  test('an exception while the module is loaded is reported by the start', async () => {
    const error = await failure(PythonRunner.start({ source: '\n1 / 0' }));
    expect(error.message).toContain('ZeroDivisionError: division by zero');
    expect(error.message).toContain('File "<source>", line 2, in <module>');
  });

  test('an unknown function is an error that lists what there is', async () => {
    const runner = await start('def one(): pass\ndef two(): pass\n_hidden = 3\nvalue = 4');
    const error = await failure(runner.call('three'));
    expect(error.message).toBe(
      "AttributeError: 'source' has no attribute 'three'; it has: one, two",
    );
    expect((await failure(runner.call('value'))).message).toBe(
      "TypeError: 'value' is of type int, which cannot be called",
    );
  });

  test('sys.exit() in a call is an error, and the interpreter serves on', async () => {
    const runner = await start('import sys\ndef f(): sys.exit(3)\ndef ok(): return 1');
    expect((await failure(runner.call('f'))).exceptionType).toBe('SystemExit');
    expect(await runner.call('ok')).toBe(1);
  });

  test('an interpreter that ends is an error that says how, with its standard error', async () => {
    const runner = await start(
      'import os, sys\ndef f():\n  print("last words", file=sys.stderr)\n  os._exit(3)',
    );
    const error = await failure(runner.call('f'));
    expect(error.message).toContain("did not finish the call of 'f': it ended with code 3");
    expect(error.message).toContain('last words');
    expect((await failure(runner.call('f'))).message).toContain('Start a new PythonRunner');
  });

  // The built-in type came with Python 3.11.
  for (const { executable } of findPythons({ minimumVersion: '3.11' }).slice(-1)) {
    test('exception groups are trimmed too', async () => {
      const runner = await start({
        source: 'def f():\n  raise ExceptionGroup("all", [ValueError("one"), TypeError("two")])',
        python: executable,
      });
      const error = await failure(runner.call('f'));
      expect(error.exceptionMessage).toBe('all (2 sub-exceptions)');
      expect(error.traceback).toMatch(/ValueError: one[\s\S]*TypeError: two/);
      expect(error.traceback).not.toContain('runner_worker');
    });
  }
});

describe('time-out', () => {
  test('kills the interpreter, what it started, and says so', async () => {
    const runner = await start({
      source:
        'import subprocess, time\n' +
        'def child():\n  return subprocess.Popen(["sleep", "60"]).pid\n' +
        'def f():\n  print("before", flush=True)\n  time.sleep(60)',
      timeoutMs: 700,
    });
    const child = await runner.call<number>('child');
    const error = await failure(runner.call('f'));
    expect(error.message).toContain(
      "the call of 'f' took longer than 700 ms, so the interpreter was killed",
    );
    expect(error.exceptionType).toBeUndefined();
    expect(isRunning(runner.pid)).toBe(false);
    await untilGone(child);
    expect(runner.stdout).toBe('before\n');
    expect((await failure(runner.call('f'))).message).toContain('Start a new PythonRunner');
  });

  test('holds for the loading of the module', async () => {
    const error = await failure(PythonRunner.start({ source: 'while True: pass', timeoutMs: 500 }));
    expect(error.message).toContain('loading the module took longer than 500 ms');
  });

  test('is counted from the beginning of a call, not from its place in the queue', async () => {
    const runner = await start({
      source: 'import time\ndef f(): time.sleep(0.4)',
      timeoutMs: 1500,
    });
    const calls = Array.from({ length: 5 }, () => runner.call('f'));
    expect(await Promise.all(calls)).toEqual([null, null, null, null, null]);
  });

  test.each([0, -1, Number.NaN, 2 ** 31])('refuses %p', async (timeoutMs) => {
    await expect(PythonRunner.start({ source: '', timeoutMs })).rejects.toThrow(RangeError);
  });
});

describe('output', () => {
  test('is captured and never mixes with the protocol', async () => {
    const runner = await start(
      'import os, sys, subprocess\n' +
        'def f():\n' +
        '  print("{\\"value\\": 0}")\n' +
        '  print("é", file=sys.stderr)\n' +
        '  os.write(1, b"raw\\n")\n' +
        '  subprocess.run(["echo", "child"])\n' +
        '  return 1',
    );
    expect(await runner.call('f')).toBe(1);
    expect(runner.stdout).toBe('{"value": 0}\nraw\nchild\n');
    expect(runner.stderr).toBe('é\n');
  });

  test('without a line end is there as soon as the call has returned, and after close', async () => {
    const runner = await start('def f(n): print("x" * n, end="")');
    await runner.call('f', [1_000_000]);
    expect(runner.stdout).toHaveLength(1_000_000);
    await runner.close();
    expect(runner.stdout).toHaveLength(1_000_000);
  });

  test('code that closes its own streams still gets answers', async () => {
    const runner = await start(
      'import sys\ndef f():\n  sys.stdout.close()\n  sys.stderr = None\n  return 1',
    );
    expect(await runner.call('f')).toBe(1);
    expect(await runner.call('f')).toBe(1);
  });
});

describe('a directory', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'runner-test-'));
    mkdirSync(join(directory, 'pkg'));
    writeFileSync(join(directory, 'pkg', '__init__.py'), '');
    writeFileSync(join(directory, 'pkg', 'part.py'), 'def f(x):\n  return 10 // x\n');
    writeFileSync(
      join(directory, 'top.py'),
      'from pkg.part import f\nimport os\ndef g(x): return f(x)\ndef env(k): return os.environ.get(k)\n',
    );
  });
  afterEach(() => {
    rmSync(directory, { recursive: true });
  });

  test('its named module is imported', async () => {
    const runner = await start({ directory, module: 'top' });
    expect(await runner.call('g', [5])).toBe(2);
    const error = await failure(runner.call('g', [0]));
    expect(error.traceback).toMatch(/top\.py", line 3, in g[\s\S]*part\.py", line 2, in f/);
  });

  test('without a module, calls name one', async () => {
    const runner = await start({ directory });
    expect(await runner.call('pkg.part:f', [5])).toBe(2);
    expect((await failure(runner.call('f', [5]))).message).toContain("'module:function'");
    expect((await failure(runner.call('pkg.other:f', [5]))).message).toContain(
      "No module named 'pkg.other'",
    );
  });

  test('a source finds modules on pythonPath', async () => {
    const runner = await start({ source: 'from pkg.part import f', pythonPath: [directory] });
    expect(await runner.call('f', [3])).toBe(3);
  });

  test('environment variables are added and removed', async () => {
    const runner = await start({
      directory,
      module: 'top',
      env: { ADDED: 'yes', PATH: undefined },
    });
    expect(await runner.call('env', ['ADDED'])).toBe('yes');
    expect(await runner.call('env', ['PATH'])).toBeNull();
  });

  test('nothing is written into it', async () => {
    const runner = await start({ directory, module: 'top' });
    expect(await runner.call('os:listdir', [directory])).not.toContain('__pycache__');
  });

  test('exactly one of source and directory is needed, and the directory must exist', async () => {
    await expect(PythonRunner.start({})).rejects.toThrow("exactly one of 'source' and 'directory'");
    await expect(PythonRunner.start({ source: '', directory })).rejects.toThrow('exactly one of');
    await expect(PythonRunner.start({ directory: join(directory, 'no') })).rejects.toThrow(
      'directory names a directory that does not exist',
    );
  });
});

describe('the end', () => {
  test('the process is gone after close, which may be called twice', async () => {
    const runner = await start('import atexit\natexit.register(lambda: print("bye"))');
    expect(isRunning(runner.pid)).toBe(true);
    await runner.close();
    await runner.close();
    expect(isRunning(runner.pid)).toBe(false);
    expect(runner.stdout).toBe('bye\n');
    expect((await failure(runner.call('f'))).message).toContain('the runner was closed');
  });

  test('close stops a call that still runs', async () => {
    const runner = await start('import time\ndef f(): time.sleep(60)');
    const call = failure(runner.call('f'));
    await sleep(50);
    await runner.close();
    expect((await call).message).toContain('the runner was closed');
    expect(isRunning(runner.pid)).toBe(false);
  });

  test('await using closes it', async () => {
    let pid: number;
    {
      await using runner = await PythonRunner.start({ source: '' });
      pid = runner.pid;
      expect(isRunning(pid)).toBe(true);
    }
    expect(isRunning(pid)).toBe(false);
  });

  test('a busy interpreter ends by itself when its parent is killed', async () => {
    const [python] = findPythons();
    const worker = join(__dirname, '..', '..', 'python', 'runner_worker.py');
    const parent = spawn(
      process.execPath,
      [
        '-e',
        `const { spawn } = require('node:child_process');
         const [python, worker] = process.argv.slice(1);
         const child = spawn(python, ['-I', worker], { detached: true, stdio: ['ignore', 2, 2, 'pipe'] });
         child.stdio[3].write(JSON.stringify({ mode: 'main', source: 'while True: pass', path: [] }) + '\\n');
         console.log(child.pid);`,
        python?.executable as string,
        worker,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const pid = await new Promise<number>((done) => {
      parent.stdout.once('data', (text: Buffer) => done(Number(text)));
    });
    await sleep(200);
    expect(isRunning(pid)).toBe(true);
    parent.kill('SIGKILL');
    await untilGone(pid);
  });
});

describe('PythonRunner.run', () => {
  test('runs a script and gives its output and exit code', async () => {
    expect(
      await PythonRunner.run(
        'import sys\nif __name__ == "__main__":\n  print("out")\n  print("err", file=sys.stderr)\n  sys.exit(4)',
      ),
    ).toEqual({ stdout: 'out\n', stderr: 'err\n', exitCode: 4 });
  });

  test('an exception ends it with code 1 and a trimmed traceback', async () => {
    const { exitCode, stderr, stdout } = await PythonRunner.run(
      'print(1, end="")\nraise OSError(2)',
    );
    expect([exitCode, stdout]).toEqual([1, '1']);
    expect(stderr).toMatch(/^Traceback[^\n]*\n {2}File "<source>", line 2, in <module>\n/);
    expect(stderr).toMatch(/OSError: 2\n$/);
  });

  test('takes too long', async () => {
    const error = await failure(PythonRunner.run('while True: pass', { timeoutMs: 500 }));
    expect(error.message).toContain('Python took longer than 500 ms for the script and was killed');
  });

  test('is ended by a signal', async () => {
    const error = await failure(
      PythonRunner.run('import os, signal\nos.kill(os.getpid(), signal.SIGTERM)'),
    );
    expect(error.message).toBe('Python was ended by signal SIGTERM');
  });
});

describe.each(findPythons({ minimumVersion: '3.8', onePerMinorVersion: true }))(
  'on Python $version',
  ({ executable, version }) => {
    test('calls, exceptions and scripts work', async () => {
      const runner = await start({
        source: 'import sys\ndef v(): return sys.version_info[:3]\ndef bad(): return 1 // 0',
        python: executable,
      });
      expect(await runner.call('v')).toEqual(version.split('.').map(Number));
      expect((await failure(runner.call('bad'))).message).toMatch(
        /^ZeroDivisionError: .*\n\nTraceback \(most recent call last\):\n {2}File "<source>", line 3, in bad\n/,
      );
      expect(await PythonRunner.run('print(1)', { python: executable })).toEqual({
        stdout: '1\n',
        stderr: '',
        exitCode: 0,
      });
    });
  },
);

test('an interpreter that is not there is an error with a mend', async () => {
  await expect(PythonRunner.start({ source: '', python: 'no-such-python' })).rejects.toThrow(
    /'no-such-python' cannot be started: .*ENOENT.*QUORATE_PYTHON/,
  );
});
