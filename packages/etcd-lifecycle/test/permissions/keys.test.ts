import { expect, test } from '@jest/globals';
import { Template } from 'aws-cdk-lib/assertions';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import type { DeployedTemplate } from '../../demo/local-deployment';
import { EtcdTls } from '../../src';
import { ClusterStack } from '../cluster-stack';
import { USED_WITH_KEYS } from './not-called';
import { RolePolicy } from './role-policy';

/** What the function may do, with keys of the user for everything, or with those of AWS. */
function actions(keys: boolean): string[] {
  const stack = new ClusterStack();
  const key = (id: string) => (keys ? new Key(stack, id) : undefined);
  stack.addLifecycle({
    encryptionKey: key('Key'),
    tls: EtcdTls.fromSecret(new Secret(stack, 'Files', { encryptionKey: key('SecretKey') })),
    snapshots: { bucket: new Bucket(stack, 'Backups', { encryptionKey: key('BucketKey') }) },
  });
  const template = Template.fromStack(stack).toJSON() as DeployedTemplate;
  const physicalIds = new Map(Object.keys(template.Resources).map((id) => [id, id]));
  const where = { region: 'eu-central-1', account: '111122223333' };
  const policy = RolePolicy.of({ template, physicalIds, ...where }, 'EtcdLifecycleRole');
  return [...new Set(policy.permissions.map(({ action }) => action))].sort();
}

test('keys of the user add what services do with them in the name of the function, and no more', () => {
  const usual = actions(false);
  expect(usual.filter((one) => one.startsWith('kms:'))).toEqual([]);
  expect(actions(true)).toEqual([...usual, ...Object.keys(USED_WITH_KEYS)].sort());
});
