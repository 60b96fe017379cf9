import { join } from 'node:path';

/** The directory of programs that stand in for slow ones; for `programs` of a deployment. */
export const QUICK_PROGRAMS = join(__dirname, 'bin');
