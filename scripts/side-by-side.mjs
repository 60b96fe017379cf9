// Runs shell commands side by side, as many at once as there are cores, in the order given. What each
// of them prints is shown when it has ended, so that nothing is mixed. Fails if one of them does.
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';

const commands = process.argv.slice(2);
if (commands.length === 0) {
  console.error('usage: side-by-side.mjs COMMAND ...');
  process.exit(2);
}

/** Runs one command, and tells whether it succeeded. */
function run(command) {
  console.log(`side by side: ${command} ...`);
  const startedAt = performance.now();
  const child = spawn(command, { shell: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const output = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => output.push(chunk));
  }
  return new Promise((resolve) => {
    child.on('error', (error) => output.push(Buffer.from(`${error.message}\n`)));
    child.on('close', (code, signal) => {
      const seconds = Math.round((performance.now() - startedAt) / 1000);
      const end = code === 0 ? 'is done' : `ended with ${signal ?? `exit code ${code}`}`;
      console.log(`side by side: ${command} ${end} after ${seconds} s`);
      process.stdout.write(Buffer.concat(output));
      resolve(code === 0);
    });
  });
}

const left = [...commands];
async function runWhatIsLeft() {
  let succeeded = true;
  for (let command = left.shift(); command !== undefined; command = left.shift()) {
    succeeded = (await run(command)) && succeeded;
  }
  return succeeded;
}

const lanes = Array.from({ length: availableParallelism() }, runWhatIsLeft);
if ((await Promise.all(lanes)).includes(false)) {
  process.exitCode = 1;
}
