// The order in which Jest runs the suites where it does not know yet how long each of them takes: those
// first that deploy a stack and wait for it, however short their files. Else a core is idle at the end.
import Sequencer from '@jest/test-sequencer';

const DEPLOYS = /[/\\]test[/\\](end-to-end|commands)[/\\]/;

export default class LongestFirst extends Sequencer {
  sort(tests) {
    const comesLater = ({ duration, path }) => duration === undefined && !DEPLOYS.test(path);
    const sorted = super.sort(tests);
    return [
      ...sorted.filter((test) => !comesLater(test)),
      ...sorted.filter((test) => comesLater(test)),
    ];
  }
}
