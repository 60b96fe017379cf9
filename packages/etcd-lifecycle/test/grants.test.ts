import { describe, expect, test } from '@jest/globals';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { AccountRootPrincipal, Role } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import type { EtcdLifecycle, EtcdLifecycleProps } from '../src';
import { ClusterStack } from './cluster-stack';

/** The statements of a role after a grant; what the grants of each command are is a test of `permissions`. */
function statements(
  props: (stack: ClusterStack) => Partial<EtcdLifecycleProps>,
  grant: (lifecycle: EtcdLifecycle, role: Role) => void,
): unknown[] {
  const stack = new ClusterStack(undefined, 'Stack', 'eu-central-1');
  const role = new Role(stack, 'Operator', { assumedBy: new AccountRootPrincipal() });
  grant(stack.addLifecycle(props(stack)), role);
  const policies = Template.fromStack(stack).findResources('AWS::IAM::Policy', {
    Properties: { Roles: [{ Ref: Match.stringLikeRegexp('^Operator') }] },
  });
  return Object.values(policies).flatMap(({ Properties }) => Properties.PolicyDocument.Statement);
}

const decrypt = (key: string) =>
  expect.objectContaining({
    Action: 'kms:Decrypt',
    Resource: { 'Fn::GetAtt': [expect.stringMatching(`^${key}`), 'Arn'] },
  });

describe('whoever may', () => {
  test.each([
    [
      'read the journal',
      (lifecycle: EtcdLifecycle, role: Role) => lifecycle.grantReadJournal(role),
    ],
    ['operate', (lifecycle: EtcdLifecycle, role: Role) => lifecycle.grantOperate(role)],
  ])('%s may decrypt it with the key of the construct', (_, grant) => {
    const found = statements((stack) => ({ encryptionKey: new Key(stack, 'Key') }), grant);
    expect(found).toHaveLength(3);
    expect(found).toContainEqual(decrypt('Key'));
  });

  test('read the snapshots may decrypt them with the key of the bucket', () => {
    const found = statements(
      (stack) => {
        const encryptionKey = new Key(stack, 'BucketKey');
        return { snapshots: { bucket: new Bucket(stack, 'Backups', { encryptionKey }) } };
      },
      (lifecycle, role) => lifecycle.grantReadSnapshots(role),
    );
    expect(found).toHaveLength(2);
    expect(found).toContainEqual(decrypt('BucketKey'));
  });
});

test('snapshots that are not taken cannot be read', () => {
  expect(() =>
    statements(
      () => ({}),
      (lifecycle, role) => lifecycle.grantReadSnapshots(role),
    ),
  ).toThrow('Stack/EtcdLifecycle: grantReadSnapshots() has nothing to grant: the construct has no');
});
