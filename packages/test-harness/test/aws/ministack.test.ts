import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  GetQueueAttributesCommand,
  type Message,
  ReceiveMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { CdkDeployment, eventBridgeSink, LocalAutoScaling, Ministack } from '../../src/aws';
import { runningInGroup } from '../process/running-processes';
import { runPython } from './run-python';

let ministack: Ministack;
let sqs: SQSClient;
let assembly: string;

beforeAll(async () => {
  ministack = await Ministack.start({ environment: { COLOUR: 'red' } });
  sqs = new SQSClient(ministack.clientConfig());
}, 60_000);

afterAll(async () => {
  sqs.destroy();
  await ministack.stop();
});

beforeEach(() => {
  assembly = mkdtempSync(join(tmpdir(), 'cloud-assembly-'));
});

afterEach(async () => {
  rmSync(assembly, { recursive: true, force: true });
  await ministack.reset();
});

/** Writes a cloud assembly as the CDK does, with one stack and one asset. */
function writeAssembly(
  template: object,
  assetFiles: Record<string, string> = {},
  region = 'unknown-region',
): void {
  const artifacts = { Stack: { environment: `aws://unknown-account/${region}` } };
  writeFileSync(join(assembly, 'manifest.json'), JSON.stringify({ artifacts }));
  writeFileSync(join(assembly, 'Stack.template.json'), JSON.stringify(template));
  for (const [name, content] of Object.entries(assetFiles)) {
    mkdirSync(dirname(join(assembly, 'asset', name)), { recursive: true });
    writeFileSync(join(assembly, 'asset', name), content);
  }
  const bucketName = `assets-\${AWS::AccountId}-\${AWS::Region}`;
  const files =
    Object.keys(assetFiles).length === 0
      ? {}
      : {
          code: {
            source: { path: 'asset', packaging: 'zip' },
            destinations: { here: { bucketName, objectKey: 'code.zip' } },
          },
        };
  writeFileSync(join(assembly, 'Stack.assets.json'), JSON.stringify({ version: '1', files }));
}

const BOOTSTRAP_VERSION = {
  BootstrapVersion: {
    Type: 'AWS::SSM::Parameter::Value<String>',
    Default: '/cdk-bootstrap/hnb659fds/version',
  },
};

const QUEUE_RESOURCES = {
  DeadLetters: { Type: 'AWS::SQS::Queue', Properties: { FifoQueue: true } },
  Queue: {
    Type: 'AWS::SQS::Queue',
    Properties: {
      FifoQueue: true,
      ContentBasedDeduplication: true,
      VisibilityTimeout: 30,
      RedrivePolicy: {
        deadLetterTargetArn: { 'Fn::GetAtt': ['DeadLetters', 'Arn'] },
        maxReceiveCount: 3,
      },
    },
  },
  Rule: {
    Type: 'AWS::Events::Rule',
    Properties: {
      EventPattern: {
        source: ['aws.autoscaling'],
        'detail-type': [
          'EC2 Instance-launch Lifecycle Action',
          'EC2 Instance-terminate Lifecycle Action',
        ],
        detail: { AutoScalingGroupName: ['group'] },
      },
      Targets: [
        {
          Id: 'queue',
          Arn: { 'Fn::GetAtt': ['Queue', 'Arn'] },
          SqsParameters: { MessageGroupId: 'main' },
        },
      ],
    },
  },
};

async function receive(queueUrl: string): Promise<Message[]> {
  const { Messages } = await sqs.send(
    new ReceiveMessageCommand({
      QueueUrl: queueUrl,
      MaxNumberOfMessages: 10,
      WaitTimeSeconds: 5,
      MessageSystemAttributeNames: ['All'],
    }),
  );
  return Messages ?? [];
}

describe('events of the local Auto Scaling group', () => {
  test('reach a FIFO queue through a rule, those of other groups and kinds do not', async () => {
    writeAssembly({ Parameters: BOOTSTRAP_VERSION, Resources: QUEUE_RESOURCES });
    const stack = await CdkDeployment.deploy(ministack, assembly, 'Stack');
    await using autoScaling = await LocalAutoScaling.start();
    autoScaling.setEventSink(eventBridgeSink(ministack));
    const create = (name: string, baseAddress: string) =>
      autoScaling.createGroup({
        name,
        minSize: 1,
        maxSize: 1,
        baseAddress,
        lifecycleHooks: [{ name: 'launch', transition: 'autoscaling:EC2_INSTANCE_LAUNCHING' }],
      });
    create('other', '127.0.34.2');
    const group = create('group', '127.0.34.12');
    await autoScaling.settled();
    const [instance] = group.instances;

    const messages = await receive(stack.physicalId('Queue'));
    expect(
      messages.map(({ Body, Attributes }) => ({
        group: Attributes?.MessageGroupId,
        ...JSON.parse(Body ?? ''),
      })),
    ).toEqual([
      expect.objectContaining({
        group: 'main',
        source: 'aws.autoscaling',
        'detail-type': 'EC2 Instance-launch Lifecycle Action',
        resources: [group.arn],
        detail: expect.objectContaining({
          EC2InstanceId: instance?.instanceId,
          LifecycleActionToken: instance?.actions[0]?.token,
        }),
      }),
    ]);
  });

  test('are reported when the bus refuses them', async () => {
    const sink = eventBridgeSink(ministack);

    await expect(
      sink({ source: 'aws.ec2', detailType: 'Other', resources: [], time: 0, detail: {} }),
    ).rejects.toThrow('NotAuthorizedForSourceException');
  });
});

describe('a deployed stack', () => {
  test('runs the code of its asset for each message of the queue', async () => {
    writeAssembly(
      {
        Parameters: BOOTSTRAP_VERSION,
        Resources: {
          ...QUEUE_RESOURCES,
          Results: { Type: 'AWS::SQS::Queue' },
          Role: {
            Type: 'AWS::IAM::Role',
            Properties: {
              AssumeRolePolicyDocument: {
                Version: '2012-10-17',
                Statement: [
                  {
                    Effect: 'Allow',
                    Principal: { Service: 'lambda.amazonaws.com' },
                    Action: 'sts:AssumeRole',
                  },
                ],
              },
            },
          },
          Function: {
            Type: 'AWS::Lambda::Function',
            Properties: {
              Runtime: 'python3.13',
              Handler: 'package.handler.handler',
              Role: { 'Fn::GetAtt': ['Role', 'Arn'] },
              Timeout: 20,
              Code: {
                S3Bucket: { 'Fn::Sub': `assets-\${AWS::AccountId}-\${AWS::Region}` },
                S3Key: 'code.zip',
              },
              Environment: { Variables: { RESULTS: { Ref: 'Results' } } },
            },
          },
          Mapping: {
            Type: 'AWS::Lambda::EventSourceMapping',
            Properties: {
              EventSourceArn: { 'Fn::GetAtt': ['Queue', 'Arn'] },
              FunctionName: { Ref: 'Function' },
            },
          },
        },
        Outputs: { ResultsUrl: { Value: { Ref: 'Results' } } },
      },
      {
        'package/__init__.py': '',
        'package/handler.py': [
          'import json, os',
          'import boto3',
          'def handler(event, context):',
          '    for record in event["Records"]:',
          '        detail = json.loads(record["body"])["detail"]',
          '        boto3.client("sqs").send_message(QueueUrl=os.environ["RESULTS"],',
          '            MessageBody=os.environ["COLOUR"] + " " + detail["EC2InstanceId"])',
          '',
        ].join('\n'),
      },
    );
    const stack = await CdkDeployment.deploy(ministack, assembly, 'Stack', { stackName: 'Named' });
    expect(stack.stackName).toBe('Named');
    expect(stack.resourcesOfType('AWS::SQS::Queue').map(({ logicalId }) => logicalId)).toEqual([
      'DeadLetters',
      'Queue',
      'Results',
    ]);
    expect(() => stack.physicalId('Nothing')).toThrow(/no resource Nothing; it has: DeadLetters/);

    await eventBridgeSink(ministack)({
      source: 'aws.autoscaling',
      detailType: 'EC2 Instance-launch Lifecycle Action',
      resources: [],
      time: 0,
      detail: { AutoScalingGroupName: 'group', EC2InstanceId: 'i-1' },
    });
    const results = await receive(stack.outputs.ResultsUrl ?? '');
    expect(results.map(({ Body }) => Body)).toEqual(['red i-1']);
  }, 30_000);

  test('can leave out what the emulator does not know', async () => {
    writeAssembly({
      Resources: {
        Eip: { Type: 'AWS::EC2::EIP' },
        Queue: { Type: 'AWS::SQS::Queue', DependsOn: ['Eip'] },
        Other: { Type: 'AWS::SQS::Queue', DependsOn: 'Queue' },
      },
    });

    await expect(CdkDeployment.deploy(ministack, assembly, 'Stack')).rejects.toThrow(
      /AWS::EC2::EIP.*: the emulator knows none of them; leave them out by the option omitResourceTypes$/,
    );
    const stack = await CdkDeployment.deploy(ministack, assembly, 'Stack', {
      omitResourceTypes: ['AWS::EC2::EIP'],
    });
    expect(Object.keys(stack.resources).sort()).toEqual(['Other', 'Queue']);
  });

  test('is deployed to another Region, and again', async () => {
    const resources = { Topic: { Type: 'AWS::SNS::Topic' } };
    await using other = await Ministack.start({ region: 'eu-central-1' });
    for (const stackName of ['One', 'Two']) {
      writeAssembly({ Resources: resources }, { 'index.py': '' }, 'eu-central-1');
      const stack = await CdkDeployment.deploy(other, assembly, 'Stack', { stackName });
      expect(stack.physicalId('Topic')).toContain(':eu-central-1:');
    }
  }, 30_000);

  test('for another Region than that of the emulator tells so', async () => {
    writeAssembly({ Resources: {} }, {}, 'eu-central-1');
    await expect(CdkDeployment.deploy(ministack, assembly, 'Stack')).rejects.toThrow(
      'Stack Stack is for the Region eu-central-1, but the emulator is in us-east-1: start it with ' +
        "Ministack.start({ region: 'eu-central-1' }), or leave the stack's region out",
    );
  });

  test('that cannot be created names the resource and the reason', async () => {
    writeAssembly({
      Resources: {
        Secret: {
          Type: 'AWS::SSM::Parameter',
          Properties: { Name: '/secret', Type: 'SecureString', Value: 'value' },
        },
      },
    });

    await expect(CdkDeployment.deploy(ministack, assembly, 'Stack')).rejects.toThrow(
      /Stack Stack was not created .*\nSecret \(AWS::SSM::Parameter\): .*SecureString/s,
    );
  });
});

describe('the emulator', () => {
  test('listens on 127.0.0.1, keeps its files together, and leaves none', async () => {
    const other = await Ministack.start();
    const directory = dirname(other.logFile);

    expect(other.endpoint).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(existsSync(directory)).toBe(true);
    expect(other.lastOutput()).toContain(String(other.port));
    await other.stop();
    expect(existsSync(directory)).toBe(false);
    expect(runningInGroup(other.pid)).toEqual([]);
    await expect(fetch(other.endpoint)).rejects.toThrow();
  });

  test('that cannot start tells why', async () => {
    await expect(Ministack.start({ port: ministack.port })).rejects.toThrow(
      /ended with exit code 1 before it answered.*already in use/s,
    );
    await expect(Ministack.start({ python: '/nowhere/python' })).rejects.toThrow(
      "'/nowhere/python' cannot be started",
    );
  });

  test('serves the real command line', async () => {
    const commandLine = join(dirname(ministack.python), 'aws');

    expect(
      await runPython(
        [commandLine, 'sts', 'get-caller-identity', '--query', 'Account', '--output', 'text'],
        { env: ministack.env() },
      ),
    ).toMatchObject({ status: 0, stdout: `${ministack.accountId}\n` });
  });

  test('forgets everything on reset', async () => {
    writeAssembly({ Resources: { Queue: { Type: 'AWS::SQS::Queue' } } });
    const stack = await CdkDeployment.deploy(ministack, assembly, 'Stack');
    const attributes = new GetQueueAttributesCommand({
      QueueUrl: stack.physicalId('Queue'),
      AttributeNames: ['QueueArn'],
    });

    await sqs.send(attributes);
    await ministack.reset();
    await expect(sqs.send(attributes)).rejects.toThrow('queue does not exist');
  });
});
