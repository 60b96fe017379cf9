import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { LocalAutoScaling } from '../../src/aws';
import { AUTO_SCALING_ACTIONS } from '../../src/aws/auto-scaling-api';
import { EC2_ACTIONS } from '../../src/aws/ec2-api';
import { PYTHON_DIRECTORY, runPython } from './run-python';

interface Report {
  readonly service: string;
  readonly operation: string;
  readonly error_code: string | null;
  readonly problems: readonly string[];
}

async function conformity(args: readonly string[], input?: string): Promise<Report[]> {
  const script = join(PYTHON_DIRECTORY, 'botocore_conformity.py');
  const result = await runPython([script, ...args], { input });
  if (result.stderr !== '') {
    throw new Error(result.stderr);
  }
  const reports = JSON.parse(result.stdout) as Report[];
  // The exit status says the same as the reports.
  expect(result.status).toBe(reports.some(({ problems }) => problems.length > 0) ? 1 : 0);
  return reports;
}

describe("answers conform to botocore's service models", () => {
  let autoScaling: LocalAutoScaling;
  let reports: Report[];

  beforeAll(async () => {
    autoScaling = await LocalAutoScaling.start();
    autoScaling.createGroup({
      name: 'group',
      minSize: 1,
      maxSize: 4,
      desiredCapacity: 3,
      baseAddress: '127.0.30.2',
      terminateHookAbandon: 'terminate',
      lifecycleHooks: [
        { name: 'launch', transition: 'autoscaling:EC2_INSTANCE_LAUNCHING' },
        { name: 'terminate', transition: 'autoscaling:EC2_INSTANCE_TERMINATING' },
      ],
    });
    reports = await conformity(['drive', autoScaling.endpoint, 'group']);
  });

  afterAll(async () => {
    await autoScaling.stop();
  });

  test('in every answer', () => {
    expect(reports.filter(({ problems }) => problems.length > 0)).toEqual([]);
  });

  test.each([
    ['autoscaling', AUTO_SCALING_ACTIONS],
    ['ec2', EC2_ACTIONS],
  ])('of every operation of %s, in success', (service, actions) => {
    const driven = reports
      .filter((report) => report.service === service && report.error_code === null)
      .map(({ operation }) => operation);
    expect([...new Set(driven)].sort()).toEqual([...actions].sort());
  });
});

describe('the check notices', () => {
  const answer = (instance: string) =>
    '<DescribeAutoScalingInstancesResponse xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/">' +
    '<DescribeAutoScalingInstancesResult><AutoScalingInstances>' +
    `<member>${instance}</member>` +
    '</AutoScalingInstances></DescribeAutoScalingInstancesResult>' +
    '<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>' +
    '</DescribeAutoScalingInstancesResponse>';
  const instance =
    '<InstanceId>i-1</InstanceId><AutoScalingGroupName>g</AutoScalingGroupName>' +
    '<AvailabilityZone>us-east-1a</AvailabilityZone><LifecycleState>InService</LifecycleState>' +
    '<HealthStatus>HEALTHY</HealthStatus><ProtectedFromScaleIn>false</ProtectedFromScaleIn>';
  const good = {
    service: 'autoscaling',
    operation: 'DescribeAutoScalingInstances',
    status: 200,
    body: answer(instance),
  };
  const error = (code: string) => ({
    ...good,
    status: 400,
    body:
      `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>no</Message>` +
      '</Error><RequestId>1</RequestId></ErrorResponse>',
  });
  const ec2 = (instanceXml: string) => ({
    service: 'ec2',
    operation: 'DescribeInstances',
    status: 200,
    body:
      '<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">' +
      '<requestId>1</requestId><reservationSet><item><instancesSet><item>' +
      `${instanceXml}</item></instancesSet></item></reservationSet></DescribeInstancesResponse>`,
  });
  const changed = (from: string, to: string) => {
    const body = good.body.replace(from, to);
    expect(body).not.toBe(good.body);
    return { ...good, body };
  };
  const hook = (content: string) => ({
    service: 'autoscaling',
    operation: 'DescribeLifecycleHooks',
    status: 200,
    body:
      '<DescribeLifecycleHooksResponse xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/">' +
      `<DescribeLifecycleHooksResult><LifecycleHooks><member>${content}</member></LifecycleHooks>` +
      '</DescribeLifecycleHooksResult><ResponseMetadata><RequestId>1</RequestId>' +
      '</ResponseMetadata></DescribeLifecycleHooksResponse>',
  });
  const capacity = {
    service: 'autoscaling',
    operation: 'SetDesiredCapacity',
    status: 200,
    body:
      '<SetDesiredCapacityResponse xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/">' +
      '<SetDesiredCapacityResult/><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>' +
      '</SetDesiredCapacityResponse>',
  };
  const wrong: [string, { body: string }, RegExp][] = [
    [
      'an unknown element',
      changed('<InstanceId>', '<Color>red</Color><InstanceId>'),
      /unknown element Color/,
    ],
    ['a missing member', changed('<InstanceId>i-1</InstanceId>', ''), /InstanceId is missing/],
    [
      'a repeated member',
      changed('<InstanceId>', '<InstanceId>i</InstanceId><InstanceId>'),
      /occurs twice/,
    ],
    ['a wrong list', changed('<member>', '<item/><member>'), /unknown element item/],
    ['no boolean', changed('>false<', '>False<'), /'False' is not a boolean/],
    ['another namespace', changed('2011-01-01', '2010-08-01'), /namespace is not/],
    [
      'another answer',
      changed('<DescribeAutoScalingInstancesResult>', '<X/><DescribeAutoScalingInstancesResult>'),
      /unknown element X/,
    ],
    ['no request id', changed('<RequestId>1</RequestId>', ''), /RequestId is missing/],
    ['no XML', { ...good, body: '{}' }, /not an XML document/],
    ['an undeclared error', error('OutOfCheese'), /'OutOfCheese' is not declared/],
    [
      'no number',
      hook('<HeartbeatTimeout>an hour</HeartbeatTimeout>'),
      /'an hour' is not an integer/,
    ],
    ['an unwanted result', capacity, /unknown element SetDesiredCapacityResult/],
    [
      'a state that EC2 does not have',
      ec2('<instanceState><name>tired</name></instanceState>'),
      /'tired' is not one of/,
    ],
    [
      'a time without a zone',
      ec2('<launchTime>2026-01-01 00:00</launchTime>'),
      /is not a timestamp/,
    ],
    [
      'a name of another protocol',
      ec2('<InstanceId>i-1</InstanceId>'),
      /unknown element InstanceId/,
    ],
  ];
  let reports: Report[];

  beforeAll(async () => {
    const answers = [good, error('ValidationError'), ...wrong.map(([, body]) => body)];
    reports = await conformity(['validate'], JSON.stringify(answers));
  });

  test('nothing in right answers', () => {
    expect(reports.slice(0, 2).map(({ problems }) => problems)).toEqual([[], []]);
    expect(reports[1]?.error_code).toBe('ValidationError');
  });

  test.each(wrong.map(([name, , message], index) => ({ name, message, index })))(
    '$name',
    ({ message, index }) => {
      expect(reports[index + 2]?.problems).toEqual([expect.stringMatching(message)]);
    },
  );
});
