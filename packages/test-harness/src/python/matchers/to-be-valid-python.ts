import type { MatcherContext } from 'expect';
import { checkPythonSyntax, formatSyntaxProblems, type PythonSyntaxOptions } from '../syntax';
import { assertOptions, assertText, type Matcher, type MatcherResult, report } from './support';

/** See `PythonMatchers.toBeValidPython`. */
export function toBeValidPython(
  this: MatcherContext,
  received: unknown,
  options: PythonSyntaxOptions = {},
): MatcherResult {
  const matcher: Matcher = { context: this, name: 'toBeValidPython' };
  assertText(matcher, received);
  assertOptions(matcher, options, ['pythonVersion']);
  const problems = checkPythonSyntax(received, options);
  const pass = problems.length === 0;
  const version = options.pythonVersion ? ` ${options.pythonVersion}` : '';
  const lines = received.split(/\r\n|\r|\n/).length;
  return {
    pass,
    message: () =>
      report(
        matcher,
        `valid Python${version}`,
        pass
          ? `Received: valid Python, ${lines} lines`
          : `Received: ${problems.length} syntax error${problems.length > 1 ? 's' : ''}\n${formatSyntaxProblems(received, problems)}`,
      ),
  };
}
