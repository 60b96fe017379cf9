// Installs what the tasks need: Node packages, a virtual environment with the Python tools, and the
// generated sources. Runs before anything is installed, so it uses nothing but Node itself. Each
// step is skipped when it is done already.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const venvPython = join(root, '.venv', 'bin', 'python');
const PYTHON_FLOOR = [3, 10];

/** Whether `stamp` still equals the lock file that it was made from. */
function isCurrent(lock, stamp) {
  return existsSync(stamp) && readFileSync(lock).equals(readFileSync(stamp));
}

function run(command, args) {
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  return new Promise((succeed, fail) => {
    child.on('error', (error) => {
      fail(new Error(`${command} could not be started: ${error.message}`));
    });
    child.on('close', (code, signal) => {
      if (code === 0) {
        succeed();
        return;
      }
      const end = signal ?? `exit code ${code}`;
      fail(new Error(`"${command} ${args.join(' ')}" ended with ${end}; its output is above.`));
    });
  });
}

async function installNodePackages() {
  const lock = join(root, 'package-lock.json');
  const stamp = join(root, 'node_modules', '.installed-lock.json');
  if (isCurrent(lock, stamp)) {
    return;
  }
  console.log('setup: installing the Node packages of package-lock.json');
  await run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
  copyFileSync(lock, stamp);
}

/** The real interpreter behind `python3`, which may be a version manager's shim. */
function findPython() {
  const wanted = process.env.QUORATE_PYTHON ?? 'python3';
  const probe = spawnSync(
    wanted,
    ['-c', 'import sys; print(sys.executable, *sys.version_info[:2])'],
    { encoding: 'utf8' },
  );
  const ways = `Install Python ${PYTHON_FLOOR.join('.')} or newer, or name one with QUORATE_PYTHON.`;
  if (probe.error || probe.status !== 0) {
    throw new Error(
      `${wanted} does not run (${probe.error?.message ?? probe.stderr.trim()}). ${ways}`,
    );
  }
  const [executable, major, minor] = probe.stdout.trim().split(' ');
  if (Number(major) !== PYTHON_FLOOR[0] || Number(minor) < PYTHON_FLOOR[1]) {
    throw new Error(`${executable} is Python ${major}.${minor}, which is too old. ${ways}`);
  }
  return executable;
}

async function installPythonTools() {
  const lock = join(root, 'requirements-dev.txt');
  const stamp = join(root, '.venv', 'installed-requirements.txt');
  if (isCurrent(lock, stamp)) {
    return;
  }
  console.log('setup: installing the Python tools of requirements-dev.txt into .venv');
  await run(findPython(), ['-m', 'venv', '--clear', '.venv']);
  await run(venvPython, [
    ...['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check'],
    // Python compiles what is used when it first is, which is little of all that is installed.
    ...['--no-compile', '--require-hashes', '--requirement', lock],
  ]);
  copyFileSync(lock, stamp);
}

function generateSources() {
  execFileSync(process.execPath, [join(root, 'packages/python-retry/scripts/embed.mjs')], {
    stdio: 'inherit',
  });
}

// Side by side, as each of them waits for its registry most of the time.
const installations = await Promise.allSettled([installNodePackages(), installPythonTools()]);
const failures = installations.filter(({ status }) => status === 'rejected');
for (const { reason } of failures) {
  console.error(`setup: ${reason.message}`);
}
if (failures.length > 0) {
  process.exit(1);
}
generateSources();
