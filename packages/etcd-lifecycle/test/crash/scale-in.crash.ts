import { testCrashes } from './crash-tests';

testCrashes('scale-in');
