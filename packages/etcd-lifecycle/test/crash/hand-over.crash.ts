import { testCrashes } from './crash-tests';

testCrashes('hand-over');
