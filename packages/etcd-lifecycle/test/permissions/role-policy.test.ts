import { describe, expect, test } from '@jest/globals';
import { requiredPermissions } from './required-permissions';
import { RolePolicy } from './role-policy';

const where = { region: 'eu-central-1', account: '111122223333', groupName: 'etcd' };
const PARAMETERS = 'arn:aws:ssm:eu-central-1:111122223333:parameter/quorate/main/*';

/** A policy that lets parameters be written and read, as a template has it. */
function policyOf(...statements: Record<string, unknown>[]): RolePolicy {
  const Resources = {
    Role1: { Type: 'AWS::IAM::Role', Properties: {} },
    Policy: {
      Type: 'AWS::IAM::Policy',
      Properties: { Roles: [{ Ref: 'Role1' }], PolicyDocument: { Statement: statements } },
    },
    Table: { Type: 'AWS::DynamoDB::GlobalTable' },
  };
  const physicalIds = new Map([['Table', 'Table-ABC']]);
  return RolePolicy.of({ template: { Resources }, physicalIds, ...where }, 'Role');
}

const allow = (Action: string | string[], Resource: unknown, Condition?: unknown) => ({
  Effect: 'Allow',
  Action,
  Resource,
  ...(Condition === undefined ? {} : { Condition }),
});

const put = requiredPermissions(
  { service: 'ssm', operation: 'PutParameter', parameters: { Name: '/quorate/main/i-1' } },
  where,
);
const get = requiredPermissions(
  { service: 'ssm', operation: 'GetParameters', parameters: { Names: ['/quorate/main/i-1'] } },
  where,
);

describe('a comparison of calls with a policy', () => {
  const policy = policyOf(allow(['ssm:PutParameter', 'ssm:GetParameters'], PARAMETERS));

  test('agrees when each side has what the other has', () => {
    expect([...put, ...get].filter((one) => !policy.allows(one))).toEqual([]);
    expect(policy.unused([...put, ...get])).toEqual([]);
  });

  test('finds a call that is not allowed, by its action or by its resource', () => {
    const other = requiredPermissions(
      { service: 'ssm', operation: 'PutParameter', parameters: { Name: '/quorate/other/i-1' } },
      where,
    );
    expect(other.map((one) => policy.allows(one))).toEqual([false]);
    const reading = policyOf(allow('ssm:GetParameters', PARAMETERS));
    expect(put.map((one) => reading.allows(one))).toEqual([false]);
  });

  test('finds a permission that is not used', () => {
    expect(policy.unused(put)).toEqual([
      expect.objectContaining({ action: 'ssm:GetParameters', resource: PARAMETERS }),
    ]);
  });

  test('finds a permission that is wider than what is done', () => {
    expect(policyOf(allow('ssm:PutParameter', '*')).unused(put)).toHaveLength(1);
  });

  test('does not pass over a call of which nobody said what it needs', () => {
    expect(() =>
      requiredPermissions({ service: 'ssm', operation: 'StartSession', parameters: {} }, where),
    ).toThrow('StartSession of ssm is called, and nobody said which permission it needs');
  });
});

describe('a statement', () => {
  const list = { action: 's3:ListBucket', resource: 'arn:aws:s3:::backups' };

  test('applies under its condition only', () => {
    const policy = policyOf(
      allow(list.action, list.resource, { StringEquals: { 's3:prefix': 'etcd/main/' } }),
    );
    expect(policy.allows({ ...list, context: { 's3:prefix': 'etcd/main/' } })).toBe(true);
    expect(policy.allows({ ...list, context: { 's3:prefix': 'etcd/other/' } })).toBe(false);
    expect(policy.allows(list)).toBe(false);
  });

  test('that denies wins over one that allows', () => {
    const policy = policyOf(allow('s3:*', '*'), { ...allow(list.action, '*'), Effect: 'Deny' });
    expect(policy.allows(list)).toBe(false);
    expect(policy.allows({ ...list, action: 's3:GetObject' })).toBe(true);
  });

  test('refers to what was deployed', () => {
    const table = { 'Fn::GetAtt': ['Table', 'Arn'] };
    const index = { 'Fn::Join': ['', [table, '/index/', { Ref: 'AWS::Region' }]] };
    expect(policyOf(allow('dynamodb:Query', [table, index])).permissions).toMatchObject([
      { resource: 'arn:aws:dynamodb:eu-central-1:111122223333:table/Table-ABC' },
      { resource: expect.stringMatching(/table\/Table-ABC\/index\/eu-central-1$/) },
    ]);
  });

  test.each([
    [{ ...allow('s3:GetObject', '*'), NotAction: 's3:PutObject' }, 'NotAction of a statement'],
    [allow('s3:GetObject', { 'Fn::ImportValue': 'x' }), '{"Fn::ImportValue":"x"} is not'],
  ])('that is not understood is an error: %j', (statement, message) => {
    expect(() => policyOf(statement)).toThrow(message);
  });

  test('with an operator that is not understood is an error', () => {
    const policy = policyOf(
      allow(list.action, '*', { IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } }),
    );
    expect(() => policy.allows(list)).toThrow('the condition operator IpAddress is not understood');
  });
});
