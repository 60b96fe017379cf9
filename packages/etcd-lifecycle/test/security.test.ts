import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, jest, test } from '@jest/globals';
import { Duration, Validations } from 'aws-cdk-lib';
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
  EtcdTls,
} from '../src';
import { ClusterStack, newApp } from './cluster-stack';

const REGION = 'eu-central-1';

interface Violation {
  readonly ruleName: string;
  readonly violatingConstructs: { readonly constructPath?: string }[];
}

/** What the rules of cdk-nag find below the construct, as `rule at path`, and at a planted queue. */
function findings(
  folder: string,
  props: (stack: ClusterStack) => Partial<EtcdLifecycleProps>,
  change: (lifecycle: EtcdLifecycle) => void = () => undefined,
): string[] {
  const app = newApp(folder);
  const stack = new ClusterStack(app, 'Stack', REGION);
  change(stack.addLifecycle(props(stack)));
  // Without any finding, the report would look as if nothing had been checked.
  new CfnQueue(stack, 'Planted');
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  const previous = process.env.CDK_VALIDATION;
  delete process.env.CDK_VALIDATION;
  const printed = jest.spyOn(console, 'error').mockImplementation(() => undefined);
  try {
    expect(() => app.synth()).toThrow('Stack/Planted');
    const report = JSON.parse(readFileSync(join(app.outdir, 'validation-report.json'), 'utf8'));
    return (report.pluginReports as { violations: Violation[] }[])
      .flatMap(({ violations }) => violations)
      .flatMap(({ ruleName, violatingConstructs }) =>
        violatingConstructs.map(({ constructPath }) => `${ruleName} at ${constructPath}`),
      )
      .filter((one) => /EtcdLifecycle|Planted/.test(one))
      .sort();
  } finally {
    printed.mockRestore();
    process.env.CDK_VALIDATION = previous;
  }
}

const PLANTED = ['AwsSolutions-SQS3 at Stack/Planted', 'AwsSolutions-SQS4 at Stack/Planted'];

describe('the rules of AWS Solutions find nothing in the construct', () => {
  test('as it is by default', () => {
    expect(findings('nag', () => ({}))).toEqual(PLANTED);
  }, 120_000);

  test('by commands, and in no network', () => {
    expect(
      findings('nag-access', () => ({
        vpc: undefined,
        tls: EtcdTls.onInstances(),
        access: EtcdAccess.ssmRunCommand(),
      })),
    ).toEqual(PLANTED);
  }, 120_000);

  test('with all that adds permissions', () => {
    expect(
      findings('nag-all', (stack) => ({
        auth: EtcdAuth.fromSecret(new Secret(stack, 'User')),
        encryptionKey: new Key(stack, 'Key'),
        snapshots: { bucket: new Bucket(stack, 'Backups'), interval: Duration.hours(1), keep: 2 },
        beforeRemoval: EtcdBeforeRemoval.runCommand(['kubectl drain']),
      })),
    ).toEqual(PLANTED);
  }, 120_000);
});

test('the rules still find a wildcard that somebody else gives the function', () => {
  const found = findings(
    'nag-other',
    () => ({}),
    (lifecycle) =>
      lifecycle.function.addToRolePolicy(
        new PolicyStatement({ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::other/*'] }),
      ),
  );
  expect(found).toEqual([
    expect.stringMatching(/^AwsSolutions-IAM5.* at Stack\/EtcdLifecycle\/Role/),
    ...PLANTED,
  ]);
}, 120_000);

describe('with a key of the user', () => {
  function synthesize() {
    const stack = new ClusterStack(newApp(), 'Stack', REGION);
    stack.addLifecycle({ encryptionKey: new Key(stack, 'Key') });
    return Template.fromStack(stack);
  }
  const KEY = { 'Fn::GetAtt': [Match.stringLikeRegexp('^Key'), 'Arn'] };

  test('queues, table, log and environment are encrypted with it', () => {
    const template = synthesize();
    template.resourcePropertiesCountIs('AWS::SQS::Queue', { KmsMasterKeyId: KEY }, 2);
    template.hasResourceProperties('AWS::DynamoDB::GlobalTable', {
      SSESpecification: { SSEEnabled: true, SSEType: 'KMS' },
      Replicas: [{ SSESpecification: { KMSMasterKeyId: KEY } }],
    });
    template.hasResourceProperties('AWS::Logs::LogGroup', { KmsKeyId: KEY });
    template.hasResourceProperties('AWS::Lambda::Function', { KmsKeyArn: KEY });
  });

  test('the stack must have a Region', () => {
    const stack = new ClusterStack();
    expect(() => stack.addLifecycle({ encryptionKey: new Key(stack, 'Key') })).toThrow(
      'Stack/EtcdLifecycle: encryptionKey encrypts a global table, whose Region must be known: ' +
        'give the stack an "env" with a region',
    );
  });

  test('the rules and the log may use it, and the function', () => {
    const template = synthesize();
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
