import { testCrashes } from './crash-tests';

testCrashes('hung-learner');
