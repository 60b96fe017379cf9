import { testCrashes } from './crash-tests';

testCrashes('replace-leader');
