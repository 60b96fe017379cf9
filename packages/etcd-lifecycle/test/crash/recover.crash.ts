import { testCrashes } from './crash-tests';

testCrashes('recover');
