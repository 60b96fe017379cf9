import { testCrashes } from './crash-tests';

testCrashes('bootstrap');
