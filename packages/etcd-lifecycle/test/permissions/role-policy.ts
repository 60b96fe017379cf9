import type { DeployedTemplate } from '../../demo/local-deployment';

/** Something that a role wants to do. */
export interface PermissionRequest {
  readonly action: string;
  /** Its ARN; `*` for an action that has none. */
  readonly resource: string;
  /** The condition keys of the request. */
  readonly context?: Readonly<Record<string, string>>;
}

/** A statement of a policy, with ARNs in full. */
export interface Statement {
  readonly Effect: 'Allow' | 'Deny';
  readonly Action: readonly string[];
  readonly Resource: readonly string[];
  readonly Condition: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** One action on one resource that a statement allows. */
export interface Permission {
  readonly action: string;
  readonly resource: string;
  readonly statement: Statement;
}

/** Where a template was deployed. */
export interface Deployed {
  readonly template: DeployedTemplate;
  readonly physicalIds: ReadonlyMap<string, string>;
  readonly region: string;
  readonly account: string;
}

const STATEMENT_KEYS = ['Effect', 'Action', 'Resource', 'Condition', 'Sid'];

/** The identity-based policy of a role, as far as it is in the template, which must be all of it. */
export class RolePolicy {
  /**
   * @param role the beginning of the role's logical id
   * @throws Error if the template says something that is not understood here
   */
  static of(deployed: Deployed, role: string): RolePolicy {
    const roles = Object.entries(deployed.template.Resources).filter(
      ([id, { Type }]) => Type === 'AWS::IAM::Role' && id.startsWith(role),
    );
    const [found] = roles;
    if (!found || roles.length > 1) {
      throw new Error(`${roles.length} roles have a logical id that begins with ${role}`);
    }
    const [id, { Properties = {} }] = found;
    if (Properties.ManagedPolicyArns !== undefined || Properties.Policies !== undefined) {
      throw new Error(`${id} has further policies, which are not looked at`);
    }
    const policies = Object.values(deployed.template.Resources).filter(
      ({ Type, Properties: policy = {} }) =>
        Type === 'AWS::IAM::Policy' &&
        (policy.Roles as { Ref?: string }[]).some(({ Ref }) => Ref === id),
    );
    const statements = policies.flatMap(({ Properties: policy = {} }) => {
      const document = policy.PolicyDocument as { Statement: Record<string, unknown>[] };
      return document.Statement;
    });
    return new RolePolicy(statements.map((statement) => readStatement(statement, deployed)));
  }

  constructor(readonly statements: readonly Statement[]) {}

  /** Each action with each resource that is allowed. */
  get permissions(): Permission[] {
    return this.statements
      .filter(({ Effect }) => Effect === 'Allow')
      .flatMap((statement) =>
        statement.Action.flatMap((action) =>
          statement.Resource.map((resource) => ({ action, resource, statement })),
        ),
      );
  }

  /** Whether a request is allowed: by a statement, and denied by none. */
  allows(request: PermissionRequest): boolean {
    const applying = this.statements.filter((statement) => applies(statement, request));
    return (
      applying.some(({ Effect }) => Effect === 'Allow') &&
      !applying.some(({ Effect }) => Effect === 'Deny')
    );
  }

  /**
   * What is allowed, and is asked for by none of the requests. An action on everything is used only
   * by a request that has no resource: else it should be allowed on that resource.
   */
  unused(requests: readonly PermissionRequest[]): Permission[] {
    return this.permissions.filter(
      ({ action, resource, statement }) =>
        !requests.some(
          (request) =>
            (resource !== '*' || request.resource === '*') &&
            applies({ ...statement, Action: [action], Resource: [resource] }, request),
        ),
    );
  }
}

function applies(statement: Statement, { action, resource, context }: PermissionRequest): boolean {
  return (
    // Actions are the same in any case (IAM user guide, "Action").
    statement.Action.some((one) => matches(one.toLowerCase(), action.toLowerCase())) &&
    statement.Resource.some((one) => matches(one, resource)) &&
    Object.entries(statement.Condition).every(([operator, keys]) =>
      Object.entries(keys).every(([key, wanted]) =>
        [wanted].flat().some((one) => holds(operator, String(one), context?.[key])),
      ),
    )
  );
}

function holds(operator: string, wanted: string, actual: string | undefined): boolean {
  switch (operator) {
    case 'StringEquals':
      return actual === wanted;
    case 'ArnEquals':
    case 'ArnLike':
    case 'StringLike':
      return actual !== undefined && matches(wanted, actual);
    default:
      throw new Error(`the condition operator ${operator} is not understood by role-policy.ts`);
  }
}

/** Whether a text is what a pattern with `*` and `?` says. */
function matches(pattern: string, text: string): boolean {
  const expression = pattern
    .replace(/[\\^$.|+()[\]{}]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${expression}$`, 's').test(text);
}

function readStatement(statement: Record<string, unknown>, deployed: Deployed): Statement {
  const unknown = Object.keys(statement).filter((key) => !STATEMENT_KEYS.includes(key));
  if (unknown.length > 0) {
    throw new Error(`${unknown.join(', ')} of a statement is not understood by role-policy.ts`);
  }
  const texts = (value: unknown) => [value].flat().map((one) => resolve(one, deployed));
  const conditions = (statement.Condition ?? {}) as Record<string, Record<string, unknown>>;
  return {
    Effect: statement.Effect as Statement['Effect'],
    Action: texts(statement.Action),
    Resource: texts(statement.Resource),
    Condition: Object.fromEntries(
      Object.entries(conditions).map(([operator, keys]) => [
        operator,
        Object.fromEntries(Object.entries(keys).map(([key, value]) => [key, texts(value)])),
      ]),
    ),
  };
}

/** A value of the template as it is when it is deployed. */
function resolve(value: unknown, deployed: Deployed): string {
  if (typeof value === 'string') {
    return value;
  }
  const { region, account, physicalIds } = deployed;
  const pseudo: Readonly<Record<string, string>> = {
    'AWS::AccountId': account,
    'AWS::Partition': 'aws',
    'AWS::Region': region,
  };
  const intrinsic = value as Record<string, unknown>;
  if (typeof intrinsic.Ref === 'string') {
    const found = pseudo[intrinsic.Ref] ?? physicalIds.get(intrinsic.Ref);
    if (found !== undefined) {
      return found;
    }
  }
  if (Array.isArray(intrinsic['Fn::Join'])) {
    const [separator, parts] = intrinsic['Fn::Join'] as [string, unknown[]];
    return parts.map((part) => resolve(part, deployed)).join(separator);
  }
  const [id, attribute] = (intrinsic['Fn::GetAtt'] ?? []) as string[];
  const physicalId = physicalIds.get(id ?? '');
  if (attribute === 'Arn' && physicalId !== undefined) {
    return arnOf(deployed.template.Resources[id as string]?.Type ?? '', physicalId, deployed);
  }
  throw new Error(`${JSON.stringify(value)} is not understood by role-policy.ts`);
}

function arnOf(type: string, physicalId: string, { region, account }: Deployed): string {
  const name = physicalId.split('/').at(-1);
  switch (type) {
    case 'AWS::DynamoDB::GlobalTable':
      return `arn:aws:dynamodb:${region}:${account}:table/${physicalId}`;
    case 'AWS::KMS::Key':
      return `arn:aws:kms:${region}:${account}:key/${physicalId}`;
    case 'AWS::Lambda::Function':
      return `arn:aws:lambda:${region}:${account}:function:${physicalId}`;
    case 'AWS::Logs::LogGroup':
      return `arn:aws:logs:${region}:${account}:log-group:${physicalId}:*`;
    case 'AWS::S3::Bucket':
      return `arn:aws:s3:::${physicalId}`;
    case 'AWS::SQS::Queue':
      return `arn:aws:sqs:${region}:${account}:${name}`;
    default:
      throw new Error(`the ARN of a ${type} is not known to role-policy.ts`);
  }
}
