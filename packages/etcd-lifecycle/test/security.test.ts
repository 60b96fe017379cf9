import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, jest, test } from '@jest/globals';
import { type App, Duration, Validations } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { CfnQueue } from 'aws-cdk-lib/aws-sqs';
import { AwsSolutionsChecks } from 'cdk-nag';
import {
  EtcdAccess,
  EtcdAuth,
  EtcdBeforeRemoval,
  type EtcdLifecycle,
  type EtcdLifecycleProps,
  EtcdRemovalAtDeadline,
  EtcdTls,
} from '../src';
import { ClusterStack, newApp } from './cluster-stack';

const REGION = 'eu-central-1';

interface Violation {
  readonly ruleName: string;
  readonly violatingConstructs: { readonly constructPath?: string }[];
}

/** A stack with the construct, and a queue without which nothing might have been checked. */
function addStack(
  app: App,
  id: string,
  props: (stack: ClusterStack) => Partial<EtcdLifecycleProps>,
): EtcdLifecycle {
  const stack = new ClusterStack(app, id, REGION);
  new CfnQueue(stack, 'Planted');
  return stack.addLifecycle(props(stack));
}

describe('the rules of AWS Solutions', () => {
  /** What they find, as `rule at path`; synthesized once, as the rules take their time. */
  let found: string[];

  beforeAll(() => {
    const app = newApp('nag');
    addStack(app, 'Default', () => ({}));
    addStack(app, 'All', (stack) => ({
      auth: EtcdAuth.fromSecret(new Secret(stack, 'User')),
      encryptionKey: new Key(stack, 'Key'),
      snapshots: { bucket: new Bucket(stack, 'Backups'), interval: Duration.hours(1), keep: 2 },
      removal: { atDeadline: EtcdRemovalAtDeadline.RETAIN },
      beforeRemoval: EtcdBeforeRemoval.runCommand(['kubectl drain']),
    }));
    addStack(app, 'Commands', () => ({
      vpc: undefined,
      tls: EtcdTls.onInstances(),
      access: EtcdAccess.ssmRunCommand(),
    }));
    addStack(app, 'Other', () => ({})).function.addToRolePolicy(
      new PolicyStatement({ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::other/*'] }),
    );
    found = findings(app);
  }, 120_000);

  const inStack = (id: string) =>
    found.filter((one) => one.includes(` at ${id}/EtcdLifecycle`) || one.endsWith(`${id}/Planted`));
  const planted = (id: string) => [
    `AwsSolutions-SQS3 at ${id}/Planted`,
    `AwsSolutions-SQS4 at ${id}/Planted`,
  ];

  test('find nothing in the construct as it is by default', () => {
    expect(inStack('Default')).toEqual(planted('Default'));
  });

  test('find nothing in it with all that adds permissions', () => {
    expect(inStack('All')).toEqual(planted('All'));
  });

  test('find nothing in it where the members are reached by commands', () => {
    expect(inStack('Commands')).toEqual(planted('Commands'));
  });

  test('still find a wildcard that somebody else gives the function', () => {
    expect(inStack('Other')).toEqual([
      expect.stringMatching(/^AwsSolutions-IAM5.* at Other\/EtcdLifecycle\/Role/),
      ...planted('Other'),
    ]);
  });
});

/** Synthesizes an app, and returns what the rules of cdk-nag find, sorted. */
function findings(app: App): string[] {
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  const previous = process.env.CDK_VALIDATION;
  delete process.env.CDK_VALIDATION;
  const printed = jest.spyOn(console, 'error').mockImplementation(() => undefined);
  try {
    expect(() => app.synth()).toThrow('/Planted');
    const report = JSON.parse(readFileSync(join(app.outdir, 'validation-report.json'), 'utf8'));
    return (report.pluginReports as { violations: Violation[] }[])
      .flatMap(({ violations }) => violations)
      .flatMap(({ ruleName, violatingConstructs }) =>
        violatingConstructs.map(({ constructPath }) => `${ruleName} at ${constructPath}`),
      )
      .sort();
  } finally {
    printed.mockRestore();
    process.env.CDK_VALIDATION = previous;
  }
}

describe('with a key of the user', () => {
  let template: Template;
  beforeAll(() => {
    const stack = new ClusterStack(newApp(), 'Stack', REGION);
    stack.addLifecycle({ encryptionKey: new Key(stack, 'Key') });
    template = Template.fromStack(stack);
  });
  const KEY = { 'Fn::GetAtt': [Match.stringLikeRegexp('^Key'), 'Arn'] };

  test('queues, table, log and environment are encrypted with it', () => {
    template.resourcePropertiesCountIs('AWS::SQS::Queue', { KmsMasterKeyId: KEY }, 2);
    template.hasResourceProperties('AWS::DynamoDB::GlobalTable', {
      SSESpecification: { SSEEnabled: true, SSEType: 'KMS' },
      Replicas: [{ SSESpecification: { KMSMasterKeyId: KEY } }],
    });
    template.hasResourceProperties('AWS::Logs::LogGroup', { KmsKeyId: KEY });
    template.hasResourceProperties('AWS::Lambda::Function', { KmsKeyArn: KEY });
  });

  test('the Region may be known to the deployment only', () => {
    const stack = new ClusterStack();
    stack.addLifecycle({ encryptionKey: new Key(stack, 'Key') });
    const anywhere = Template.fromStack(stack);
    anywhere.hasResourceProperties('AWS::DynamoDB::GlobalTable', {
      SSESpecification: { SSEEnabled: true, SSEType: 'KMS' },
      Replicas: [
        {
          Region: { Ref: 'AWS::Region' },
          SSESpecification: { KMSMasterKeyId: KEY },
          PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
        },
      ],
    });
    anywhere.hasResourceProperties('AWS::KMS::Key', {
      KeyPolicy: {
        Statement: Match.arrayWith([
          Match.objectLike({
            Principal: {
              Service: { 'Fn::Join': ['', ['logs.', { Ref: 'AWS::Region' }, Match.anyValue()]] },
            },
          }),
        ]),
      },
    });
  });

  test('the rules and the log may use it, and the function', () => {
    for (const service of ['events.amazonaws.com', `logs.${REGION}.amazonaws.com`]) {
      template.hasResourceProperties('AWS::KMS::Key', {
        KeyPolicy: {
          Statement: Match.arrayWith([Match.objectLike({ Principal: { Service: service } })]),
        },
      });
    }
    template.hasResourceProperties('AWS::IAM::Policy', {
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({ Action: Match.arrayWith(['kms:Decrypt']), Resource: KEY }),
        ]),
      },
      Roles: [{ Ref: Match.stringLikeRegexp('^EtcdLifecycleRole') }],
    });
  });
});
