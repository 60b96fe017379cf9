import { join, relative } from 'node:path';
import ts from 'typescript';

/**
 * The TypeScript of a page that must compile: its blocks right below a comment `<!-- compiled -->`, as
 * one program, each line of which has the number that it has in the page.
 */
export function compiledCode(page: string): string {
  const lines = page.split('\n').map(() => '');
  for (const match of page.matchAll(/^<!-- compiled -->\n+```ts\n(.*?)^```$/gms)) {
    const block = (match[1] as string).split('\n');
    const above = page.slice(0, match.index + match[0].indexOf('```ts')).split('\n').length;
    lines.splice(above, block.length, ...block);
  }
  return lines.join('\n');
}

/**
 * How a package is compiled, for code that is only checked.
 *
 * @param folder the folder of the package.
 * @param others options that are otherwise for this code.
 */
export function compilerOptions(folder: string, others: ts.CompilerOptions): ts.CompilerOptions {
  const { config } = ts.readConfigFile(join(folder, 'tsconfig.json'), ts.sys.readFile);
  return {
    ...ts.parseJsonConfigFileContent(config, ts.sys, folder).options,
    composite: false,
    incremental: false,
    noEmit: true,
    rootDir: undefined,
    tsBuildInfoFile: undefined,
    ...others,
  };
}

/**
 * Checks the types of programs that are in no file.
 *
 * @param programs each program by the absolute name of the file that it is taken for.
 * @param options what {@link compilerOptions} gave.
 * @param root the folder from which the problems name files.
 * @returns the problems, as `file:line: message`.
 */
export function typeErrors(
  programs: ReadonlyMap<string, string>,
  options: ts.CompilerOptions,
  root: string,
): string[] {
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile } = host;
  host.fileExists = (file) => programs.has(file) || fileExists(file);
  host.readFile = (file) => programs.get(file) ?? readFile(file);
  const program = ts.createProgram([...programs.keys()], options, host);
  return ts.getPreEmitDiagnostics(program).map(({ file, start = 0, messageText }) => {
    const message = ts.flattenDiagnosticMessageText(messageText, '\n');
    const line = file && file.getLineAndCharacterOfPosition(start).line + 1;
    return file ? `${relative(root, file.fileName)}:${line}: ${message}` : message;
  });
}
