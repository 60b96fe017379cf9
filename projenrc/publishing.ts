import { JsonFile, type Project } from 'projen';
import { JEST_OPTIONS } from './common';

/** What concerns the packages as they are published: packing them, and the tests of that. */
export const RELEASE_FOLDER = 'release';

/** Adds the tests of what is published, and a release to a registry on the own machine. */
export function addPublishing(workspace: Project, setup: string): void {
  workspace.addTask('release:dry-run', {
    description:
      'Release to a registry on this machine, and install and try the packages from there',
    steps: [{ exec: setup }, { exec: `tsx ${RELEASE_FOLDER}/dry-run.ts`, receiveArgs: true }],
  });
  workspace.addTask('api', {
    description: 'Write the API references and API reports in docs/api anew',
    steps: [{ exec: setup }, { exec: `tsx ${RELEASE_FOLDER}/api.ts` }],
  });
  new JsonFile(workspace, `${RELEASE_FOLDER}/jest.config.json`, {
    obj: { displayName: RELEASE_FOLDER, ...JEST_OPTIONS },
    readonly: false,
  });
}
