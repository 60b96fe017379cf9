import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { emitPythonRetry, type PythonRetryVersion } from './emit';
import {
  DEFAULT_FEATURES,
  describeFeature,
  PYTHON_RETRY_FEATURES,
  type PythonRetryFeature,
} from './features';

/** What a run of the command line writes, and its exit code. */
export interface CommandLineResult {
  readonly stdout: string;
  readonly stderr: string;
  /** 0, or 2 if an option is not understood. */
  readonly exitCode: number;
}

const HELP = `Usage: python-retry [options] > python_retry.py

Writes a Python module with retry and a circuit breaker to the standard output.
It needs nothing but the standard library of Python 3.10 or later.

Options:
  --features LIST    what the module offers besides retry_with_backoff: "all", "none", or names with
                     commas between them (default: ${DEFAULT_FEATURES.join(',')})
  --min-python X.Y   the oldest Python that it has to run on (default: 3.10)
  --no-docstrings    leave out docstrings and comments
  --no-types         leave out annotations
  --compact          write few bytes: neither of both, short private names
  --fragment         leave out imports and logger, for code that has them
  --stub             write the type stub (.pyi) of the module instead
  --info             write its size, SHA-256, names and features as JSON instead
  --version          show the version of this package
  --help             show this

Features:
${PYTHON_RETRY_FEATURES.map((name) => `  ${name.padEnd(17)}  ${describeFeature(name)}`).join('\n')}
`;

/**
 * Runs the command line.
 *
 * @param args the arguments, without those that started Node
 */
export function runCommandLine(args: readonly string[]): CommandLineResult {
  try {
    return { stdout: answer(args), stderr: '', exitCode: 0 };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return {
      stdout: '',
      stderr: `python-retry: ${message}\nTry "python-retry --help".\n`,
      exitCode: 2,
    };
  }
}

function answer(args: readonly string[]): string {
  const { values } = parseArgs({
    args: [...args],
    strict: true,
    allowPositionals: false,
    options: {
      features: { type: 'string' },
      'min-python': { type: 'string' },
      'no-docstrings': { type: 'boolean' },
      'no-types': { type: 'boolean' },
      compact: { type: 'boolean' },
      fragment: { type: 'boolean' },
      stub: { type: 'boolean' },
      info: { type: 'boolean' },
      version: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    return HELP;
  }
  if (values.version) {
    const manifest = readFileSync(join(__dirname, '..', 'package.json'), 'utf8');
    return `${JSON.parse(manifest).version}\n`;
  }
  const emission = emitPythonRetry({
    features: readFeatures(values.features),
    // Checked there.
    minPython: values['min-python'] as PythonRetryVersion | undefined,
    docstrings: values['no-docstrings'] ? false : undefined,
    types: values['no-types'] ? false : undefined,
    compact: values.compact,
    standalone: !values.fragment,
  });
  const { source, stub, ...info } = emission;
  if (values.info) {
    return `${JSON.stringify(info, null, 2)}\n`;
  }
  return values.stub ? stub : source;
}

function readFeatures(list: string | undefined): readonly PythonRetryFeature[] | 'all' | undefined {
  if (list === undefined || list === 'all') {
    return list;
  }
  // Checked by the emitter.
  return list === 'none' ? [] : (list.split(',') as PythonRetryFeature[]);
}
