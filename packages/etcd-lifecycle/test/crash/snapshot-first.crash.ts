import { testCrashes } from './crash-tests';

testCrashes('snapshot-first');
