#!/usr/bin/env node
import { runCommandLine } from './commands/command-line';
import { ProcessTerminal } from './commands/terminal';

runCommandLine(process.argv.slice(2), new ProcessTerminal()).then((exitCode) => {
  process.exitCode = exitCode;
});
