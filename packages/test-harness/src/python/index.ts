export {
  defaultPython,
  type FindPythonsOptions,
  findPythons,
  type PythonInterpreter,
  resolvePython,
} from './interpreters';
export type { JsonValue } from './json';
export {
  type DocstringExpectation,
  type MatcherResult,
  type PythonClassExpectation,
  type PythonDefault,
  type PythonFunctionExpectation,
  type PythonMatchers,
  pythonMatchers,
} from './matchers';
export {
  normalizePythonExpression,
  type PythonClass,
  type PythonDefinition,
  type PythonFunction,
  type PythonImport,
  type PythonImportedName,
  type PythonModule,
  type PythonParameter,
  type PythonParameterKind,
  parsePython,
} from './parser';
export { PythonError, type PythonErrorProps } from './python-error';
export {
  type PythonProcessOptions,
  PythonRunner,
  type PythonRunnerOptions,
  type PythonRunResult,
} from './runner';
export {
  checkPythonSyntax,
  formatSyntaxProblems,
  PythonSyntaxError,
  type PythonSyntaxOptions,
  type PythonSyntaxProblem,
} from './syntax';
