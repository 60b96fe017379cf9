import { testCrashes } from './crash-tests';

testCrashes('dead-learner');
