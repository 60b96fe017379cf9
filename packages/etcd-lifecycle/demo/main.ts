import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { styleText } from 'node:util';
import { WriteLoad } from '@quorate/test-harness';
import { ClusterObserver } from './cluster-observer';
import { LocalDeployment } from './local-deployment';
import { readArguments, runProgram, UsageError } from './program';
import {
  type DemoResult,
  problemsOf,
  type Replacement,
  renderSummary,
  timelineOf,
} from './summary';
import { renderTimeline } from './timeline';

const USAGE = `Usage: npx projen demo [-- OPTIONS]

Brings up a real etcd cluster of three members through launch hooks, writes to it all the time, and
replaces its members one by one, the leader among them, through lifecycle events. Everything runs on
this machine: AWS is an emulator, instances are processes at 127.0.0.2 and upward.

Options:
  --rate N         writes a second (default 100)
  --address A      address of the first instance (default 127.0.0.2)
  --output FILE    where the timeline picture goes (default demo-timeline.html)
  --verbose        tell each decision, those to wait included
  --help           show this text

Exit codes: 0 when every member was replaced and no acknowledged write was lost, 1 when not, 2 when
the options are wrong, 130 when interrupted.
`;

/** Auto Scaling's schedule is compressed: a tick each second stands for one each minute. */
const TICK_SECONDS = 1;
const SIZE = 3;
const BOOT_TIMEOUT_SECONDS = 60;
const REPLACEMENT_TIMEOUT_SECONDS = 45;
const WRITE_REPORT_SECONDS = 3;
const AFTERMATH_SECONDS = 2;

interface Options {
  readonly rate: number;
  readonly address: string;
  readonly output: string;
  readonly verbose: boolean;
}

function readOptions(args: string[]): Options {
  const values = readArguments(args, {
    rate: { type: 'string', default: '100' },
    address: { type: 'string', default: '127.0.0.2' },
    output: { type: 'string', default: 'demo-timeline.html' },
    verbose: { type: 'boolean', default: false },
  });
  const rate = Number(values.rate);
  if (!(rate > 0 && rate <= 2000)) {
    throw new UsageError(`--rate ${values.rate}: give a number of writes a second, up to 2000`);
  }
  if (!/^127(\.\d{1,3}){3}$/.test(values.address)) {
    throw new UsageError(`--address ${values.address}: give an address of 127.0.0.0/8`);
  }
  return {
    rate,
    address: values.address,
    output: resolve(process.env.INIT_CWD ?? '.', values.output),
    verbose: values.verbose,
  };
}

/** Prints what happens, with the seconds since the start. */
class Narrator {
  public readonly startedAt = Date.now() / 1000;
  private lastThought = '';

  public say(kind: string, text: string, at = Date.now() / 1000): void {
    const seconds = (at - this.startedAt).toFixed(1).padStart(6);
    console.log(`${styleText('dim', `${seconds} s`)}  ${kind.padEnd(9)} ${text}`);
  }

  public title(text: string): void {
    console.log(`\n${styleText('bold', text)}`);
  }

  /** A decision to wait comes again at each tick: it is told once. */
  public think(text: string, at: number): void {
    if (text !== this.lastThought) {
      this.lastThought = text;
      this.say('plan', text, at);
    }
  }
}

/** Runs the demo. Returns whether all went well. */
async function run(options: Options, interrupted: AbortSignal): Promise<boolean> {
  const narrator = new Narrator();
  narrator.title('Deploying the stack on this machine');
  const deployment = await LocalDeployment.start({
    baseAddress: options.address,
    onProgress: (step) => narrator.say('set-up', step),
  });
  const observer = new ClusterObserver(() => deployment.instances());
  let load: WriteLoad | undefined;
  try {
    narrate(narrator, deployment, observer, options.verbose);
    deployment.startTicks(TICK_SECONDS);
    narrator.title('Three members come up, one after the other, through launch hooks');
    await deployment.waitUntilInService(SIZE, BOOT_TIMEOUT_SECONDS, interrupted);

    narrator.title(`Every member is replaced while ${options.rate} keys are written a second`);
    load = WriteLoad.start({
      endpoints: () => deployment.clientUrls(),
      ratePerSecond: options.rate,
    });
    const replacements = await replaceAll(deployment, observer, narrator, load, interrupted);
    // The last change of all may still cost writers something: it is to be seen.
    await sleep(AFTERMATH_SECONDS * 1000, undefined, { signal: interrupted });
    const report = await load.stop();
    const verification = await load.verify(deployment.clientUrls());
    await observer.stop();
    await deployment.journal.stop();

    const result: DemoResult = {
      startedAt: narrator.startedAt,
      endedAt: Date.now() / 1000,
      size: SIZE,
      replacements,
      report,
      verification,
      calls: deployment.autoScaling.calls,
      transitions: deployment.autoScaling.transitions,
      journal: deployment.journal.records,
      observations: observer.observations,
      leaders: observer.leaders,
    };
    narrator.title('Summary');
    console.log(renderSummary(result));
    writeFileSync(options.output, renderTimeline(timelineOf(result)));
    console.log(`\nTimeline: ${options.output}`);
    return problemsOf(result).length === 0;
  } catch (error) {
    if (!interrupted.aborted) {
      console.error(`\n${deployment.diagnosis()}`);
    }
    throw error;
  } finally {
    await load?.stop();
    await observer.stop();
    await deployment.stop();
  }
}

/** Tells everything as it happens. */
function narrate(
  narrator: Narrator,
  deployment: LocalDeployment,
  observer: ClusterObserver,
  verbose: boolean,
): void {
  deployment.autoScaling.onTransition((transition) => {
    const from = transition.from ? `${transition.from} → ` : '';
    const where = transition.from ? '' : ` at ${transition.privateIpAddress}`;
    narrator.say('instance', `${transition.instanceId}${where}  ${from}${transition.to}`);
  });
  observer.onChange((text) => narrator.say('observed', text));
  deployment.journal.onRecord((record) => {
    narrator.say('plan', `${record.reason}  [${record.arithmetic}]`, record.time);
    narrator.say('action', `${record.kind}: ${record.outcome}`, record.time);
  });
  deployment.log.onLine((line) => {
    const waits = line.action === 'Wait' || line.action === 'Stop';
    if (waits) {
      narrator.think(`${line.message}  [${line.arithmetic}]`, line.time);
    } else if (verbose || line.level === 'ERROR' || line.level === 'WARNING') {
      narrator.say('function', `${line.level} ${line.message}`, line.time);
    }
  });
}

/** Terminates each of the present instances, waiting for the replacement of one before the next. */
async function replaceAll(
  deployment: LocalDeployment,
  observer: ClusterObserver,
  narrator: Narrator,
  load: WriteLoad,
  interrupted: AbortSignal,
): Promise<Replacement[]> {
  const replacements: Replacement[] = [];
  const writes = setInterval(() => {
    const { acknowledged, failed, longestGapMs } = load.progress();
    const gap = `longest gap ${longestGapMs.toFixed(0)} ms`;
    narrator.say('writes', `${acknowledged} acknowledged, ${failed} failed, ${gap}`);
  }, WRITE_REPORT_SECONDS * 1000);
  try {
    for (const { instanceId } of deployment.instances()) {
      const leader = observer.leader === instanceId;
      const startedAt = Date.now() / 1000;
      narrator.say('test', `terminating ${instanceId}${leader ? ', which leads' : ''}`);
      deployment.autoScaling.terminateInstance(instanceId);
      await deployment.waitUntilInService(SIZE, REPLACEMENT_TIMEOUT_SECONDS, interrupted);
      replacements.push({ instanceId, leader, startedAt, endedAt: Date.now() / 1000 });
    }
  } finally {
    clearInterval(writes);
  }
  return replacements;
}

void runProgram({ name: 'demo', usage: USAGE, read: readOptions, run });
