export {
  defaultPython,
  type FindPythonsOptions,
  findPythons,
  type PythonInterpreter,
  resolvePython,
} from './interpreters';
export type { JsonValue } from './json';
export { PythonError, type PythonErrorProps } from './python-error';
export {
  type PythonProcessOptions,
  PythonRunner,
  type PythonRunnerOptions,
  type PythonRunResult,
} from './runner';
