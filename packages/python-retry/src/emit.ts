import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type PythonRetryFeature, resolveFeatures } from './features';
import { type NamesOf, refuseUnknownOptions } from './known-names';
import { makeDirectory } from './make-directory';
import {
  type LogicalLine,
  readLogicalLines,
  withoutDocstrings,
  withoutTypes,
  writeCompactly,
  writeReadably,
} from './python-lines';
import { keepRegions } from './python-regions';
import { PYTHON_RETRY_SOURCE, PYTHON_RETRY_STUB } from './python-source.generated';

/** The oldest Python that an emitted text may have to run on. */
export type PythonRetryVersion = '3.10' | '3.11' | '3.12' | '3.13' | '3.14' | '3.15';

const VERSIONS: readonly string[] = ['3.10', '3.11', '3.12', '3.13', '3.14', '3.15'];

/** What is emitted, and how. */
export interface PythonRetryOptions {
  /**
   * What the text offers besides `retry_with_backoff`. What is left out leaves no code behind.
   *
   * @default ['breaker'], the compatible core
   */
  readonly features?: readonly PythonRetryFeature[] | 'all';

  /**
   * The oldest Python that the text has to run on.
   *
   * @default '3.10'
   */
  readonly minPython?: PythonRetryVersion;

  /**
   * Whether docstrings and comments are kept.
   *
   * @default true, unless `compact`
   */
  readonly docstrings?: boolean;

  /**
   * Whether annotations are kept. Without them the stub still has the types.
   *
   * @default true, unless `compact` or not `standalone`
   */
  readonly types?: boolean;

  /**
   * Whether the text runs as it is. A fragment has no imports, no `__all__`, no annotations and no
   * logger: what stands before it must `import logging, random, threading, time` and define
   * `logger`.
   *
   * @default true
   */
  readonly standalone?: boolean;

  /**
   * Whether the text is written in few bytes: no docstrings, comments or annotations, one space of
   * indentation, short names for what is private. For code that is part of a template.
   *
   * @default false
   */
  readonly compact?: boolean;
}

const OPTIONS: NamesOf<PythonRetryOptions> = {
  features: true,
  minPython: true,
  docstrings: true,
  types: true,
  standalone: true,
  compact: true,
};

/** An emitted module. */
export interface PythonRetryEmission {
  /** The Python, in UTF-8 with `\n` line ends; ends with a newline. */
  readonly source: string;
  /** The type stub (`.pyi`) of the module. */
  readonly stub: string;
  /** SHA-256 of the source, in hexadecimal. */
  readonly sha256: string;
  /** Length of the source in UTF-8. */
  readonly bytes: number;
  /** The public names that the source defines, sorted. */
  readonly exports: readonly string[];
  /** The features that the source has, those that others need included. */
  readonly features: readonly PythonRetryFeature[];
}

/** Where `writePythonRetry` writes. */
export interface WritePythonRetryOptions extends PythonRetryOptions {
  /**
   * Name of the module.
   *
   * @default 'python_retry'
   */
  readonly moduleName?: string;
}

const WRITE_OPTIONS: NamesOf<WritePythonRetryOptions> = { ...OPTIONS, moduleName: true };

/**
 * Emits the Python module and what belongs to it. The same options give the same bytes.
 *
 * @throws Error if an option is not one of those that are offered
 */
export function emitPythonRetry(options: PythonRetryOptions = {}): PythonRetryEmission {
  refuseUnknownOptions(options, OPTIONS);
  const features = resolveFeatures(options.features);
  const minPython = options.minPython ?? '3.10';
  if (!VERSIONS.includes(minPython)) {
    throw new Error(`minPython must be one of ${VERSIONS.join(', ')}, not ${minPython}`);
  }
  const standalone = flag('standalone', options.standalone, true);
  const compact = flag('compact', options.compact, false);
  const docstrings = flag('docstrings', options.docstrings, !compact);
  const types = flag('types', options.types, !compact && standalone);
  if (compact && (docstrings || types)) {
    throw new Error('compact leaves out docstrings and types: ask for either, not for both');
  }
  if (!standalone && types) {
    throw new Error('a fragment has no annotations: what stands before it decides how they behave');
  }
  const regions = new Set<string>(features);
  if (standalone) {
    regions.add('standalone');
  }
  if (minPython === '3.10') {
    regions.add('python310');
  }
  const kept = keepRegions(PYTHON_RETRY_SOURCE, regions);
  const source = standalone
    ? write(kept, { docstrings, types, compact })
    : write(`_LOG = logger\n${kept}`, { docstrings, types, compact });
  return {
    source,
    stub: keepRegions(PYTHON_RETRY_STUB, regions),
    sha256: createHash('sha256').update(source).digest('hex'),
    bytes: Buffer.byteLength(source),
    exports: exportsOf(keepRegions(PYTHON_RETRY_SOURCE, new Set([...regions, 'standalone']))),
    features,
  };
}

/**
 * Writes the module, its stub and the marker of a typed package into a directory, for an asset or a
 * layer. The directory is made if it does not exist.
 *
 * @returns what was written
 * @throws Error if an option is not one of those that are offered, or the directory cannot be made
 */
export function writePythonRetry(
  directory: string,
  options: WritePythonRetryOptions = {},
): PythonRetryEmission {
  refuseUnknownOptions(options, WRITE_OPTIONS);
  const { moduleName = 'python_retry', ...emission } = options;
  if (!/^[A-Za-z_]\w*$/.test(moduleName)) {
    throw new Error(`moduleName must be a Python identifier, not ${JSON.stringify(moduleName)}`);
  }
  const emitted = emitPythonRetry(emission);
  makeDirectory(directory);
  writeFileSync(join(directory, `${moduleName}.py`), emitted.source);
  writeFileSync(join(directory, `${moduleName}.pyi`), emitted.stub);
  return emitted;
}

function flag(name: string, value: unknown, byDefault: boolean): boolean {
  if (value !== undefined && typeof value !== 'boolean') {
    throw new Error(`${name} must be a boolean, not ${JSON.stringify(value)}`);
  }
  return value ?? byDefault;
}

interface Style {
  readonly docstrings: boolean;
  readonly types: boolean;
  readonly compact: boolean;
}

function write(source: string, { docstrings, types, compact }: Style): string {
  if (docstrings && types) {
    return source.replace(/ {2}# noqa: [A-Z0-9, ]+$/gm, '');
  }
  let lines: LogicalLine[] = readLogicalLines(source);
  lines = docstrings ? lines : withoutDocstrings(lines);
  lines = types ? lines : withoutTypes(lines);
  return compact ? writeCompactly(lines) : writeReadably(lines);
}

function exportsOf(source: string): string[] {
  const list = /^__all__ = \[([^\]]*)\]/m.exec(source)?.[1] ?? '';
  return [...list.matchAll(/"(\w+)"/g)].map(([, name = '']) => name).sort();
}
