import { testCrashes } from './crash-tests';

testCrashes('override');
