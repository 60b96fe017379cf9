import { Duration } from 'aws-cdk-lib';
import { Rule, Schedule } from 'aws-cdk-lib/aws-events';
import { SqsQueue } from 'aws-cdk-lib/aws-events-targets';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import type { Settings } from './defaults';

/** The events at which it is worth to look at the cluster at once. */
const EVENTS = [
  'EC2 Instance-launch Lifecycle Action',
  'EC2 Instance-terminate Lifecycle Action',
  'EC2 Instance Terminate Successful',
];

/** What EC2 says of an instance before it takes it away. */
const NOTICES = ['EC2 Spot Instance Interruption Warning', 'EC2 Instance Rebalance Recommendation'];

/** Events and the schedule take the same way: the schedule is what an event may never be. */
export function addRules(
  scope: Construct,
  queue: IQueue,
  { autoScalingGroup, clusterName }: Settings,
): void {
  const target = new SqsQueue(queue, { messageGroupId: clusterName });
  new Rule(scope, 'Events', {
    description: `Instances of the etcd cluster ${clusterName} come and go`,
    eventPattern: {
      source: ['aws.autoscaling'],
      detailType: EVENTS,
      detail: { AutoScalingGroupName: [autoScalingGroup.autoScalingGroupName] },
    },
    targets: [target],
  });
  new Rule(scope, 'Notices', {
    description: `EC2 is about to take instances, perhaps of the cluster ${clusterName}`,
    // These events do not name the group: the function ignores other instances.
    eventPattern: { source: ['aws.ec2'], detailType: NOTICES },
    targets: [target],
  });
  new Rule(scope, 'Schedule', {
    description: `A look at the etcd cluster ${clusterName}, as events can be lost`,
    schedule: Schedule.rate(Duration.minutes(1)),
    targets: [target],
  });
}
