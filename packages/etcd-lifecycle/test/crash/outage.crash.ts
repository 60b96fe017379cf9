import { testCrashes } from './crash-tests';

testCrashes('outage');
