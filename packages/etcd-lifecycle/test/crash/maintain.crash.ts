import { testCrashes } from './crash-tests';

testCrashes('maintain');
