import { testCrashes } from './crash-tests';

testCrashes('join');
