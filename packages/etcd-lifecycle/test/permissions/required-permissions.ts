import type { AwsCall } from './recorded-calls';
import type { PermissionRequest } from './role-policy';

/** What the parameters of a call do not tell. */
export interface Surroundings {
  readonly region: string;
  readonly account: string;
  /** The group of all instances. */
  readonly groupName: string;
}

type Requirement = (
  parameters: Readonly<Record<string, unknown>>,
  where: Surroundings,
) => readonly PermissionRequest[];

/**
 * The permissions that each call needs (Service Authorization Reference, "Actions, resources, and
 * condition keys"; for multipart uploads the S3 user guide, "Multipart upload API and permissions").
 */
const REQUIREMENTS: Readonly<Record<string, Requirement>> = {
  'autoscaling:CompleteLifecycleAction': onGroup('autoscaling:CompleteLifecycleAction'),
  'autoscaling:DescribeAutoScalingGroups': onAll('autoscaling:DescribeAutoScalingGroups'),
  'autoscaling:DescribeWarmPool': onAll('autoscaling:DescribeWarmPool'),
  'autoscaling:RecordLifecycleActionHeartbeat': onGroup(
    'autoscaling:RecordLifecycleActionHeartbeat',
  ),
  'autoscaling:TerminateInstanceInAutoScalingGroup': onGroup(
    'autoscaling:TerminateInstanceInAutoScalingGroup',
  ),
  'dynamodb:DeleteItem': onTable('dynamodb:DeleteItem'),
  'dynamodb:PutItem': onTable('dynamodb:PutItem'),
  'dynamodb:Query': onTable('dynamodb:Query'),
  'dynamodb:UpdateItem': onTable('dynamodb:UpdateItem'),
  'ec2:DescribeInstances': onAll('ec2:DescribeInstances'),
  'lambda:GetFunctionConfiguration': onFunction('lambda:GetFunctionConfiguration'),
  'lambda:Invoke': onFunction('lambda:InvokeFunction'),
  's3:AbortMultipartUpload': onObject('s3:AbortMultipartUpload'),
  's3:CompleteMultipartUpload': onObject('s3:PutObject'),
  's3:CreateMultipartUpload': onObject('s3:PutObject'),
  's3:DeleteObjects': ({ Bucket, Delete }) =>
    (Delete as { Objects: { Key: string }[] }).Objects.map(({ Key }) => ({
      action: 's3:DeleteObject',
      resource: `arn:aws:s3:::${Bucket}/${Key}`,
    })),
  's3:GetObject': onObject('s3:GetObject'),
  's3:HeadObject': onObject('s3:GetObject'),
  's3:ListObjectsV2': ({ Bucket, Prefix }) => [
    {
      action: 's3:ListBucket',
      resource: `arn:aws:s3:::${Bucket}`,
      context: { 's3:prefix': String(Prefix ?? '') },
    },
  ],
  's3:UploadPart': onObject('s3:PutObject'),
  'secretsmanager:GetSecretValue': ({ SecretId }) => [
    { action: 'secretsmanager:GetSecretValue', resource: String(SecretId) },
  ],
  'sqs:SendMessage': ({ QueueUrl }, { region, account }) => [
    {
      action: 'sqs:SendMessage',
      resource: `arn:aws:sqs:${region}:${account}:${String(QueueUrl).split('/').at(-1)}`,
    },
  ],
  'ssm:GetCommandInvocation': onAll('ssm:GetCommandInvocation'),
  'ssm:SendCommand': ({ InstanceIds, DocumentName }, { region, account, groupName }) => [
    {
      action: 'ssm:SendCommand',
      resource: `arn:aws:ssm:${region}::document/${DocumentName}`,
    },
    ...(InstanceIds as string[]).map((id) => ({
      action: 'ssm:SendCommand',
      resource: `arn:aws:ec2:${region}:${account}:instance/${id}`,
      context: { 'ssm:resourceTag/aws:autoscaling:groupName': groupName },
    })),
  ],
  'ssm:DeleteParameters': onParameters('ssm:DeleteParameters'),
  'ssm:GetParameter': onParameters('ssm:GetParameter'),
  'ssm:GetParameters': onParameters('ssm:GetParameters'),
  'ssm:PutParameter': onParameters('ssm:PutParameter'),
};

/**
 * What a role must be allowed for a call.
 *
 * @throws Error for a call that is not known here
 */
export function requiredPermissions(
  { service, operation, parameters }: AwsCall,
  where: Surroundings,
): readonly PermissionRequest[] {
  const requirement = REQUIREMENTS[`${service}:${operation}`];
  if (!requirement) {
    throw new Error(
      `${operation} of ${service} is called, and nobody said which permission it needs: look it up ` +
        'in the Service Authorization Reference, and say it in required-permissions.ts',
    );
  }
  return requirement(parameters, where);
}

/** For actions that cannot be limited to a resource. */
function onAll(action: string): Requirement {
  return () => [{ action, resource: '*' }];
}

function onGroup(action: string): Requirement {
  return ({ AutoScalingGroupName }, { region, account, groupName }) => [
    {
      action,
      resource:
        `arn:aws:autoscaling:${region}:${account}:autoScalingGroup:` +
        '5b4e2b3c-0000-4000-8000-0123456789ab:' +
        `autoScalingGroupName/${AutoScalingGroupName ?? groupName}`,
    },
  ];
}

function onTable(action: string): Requirement {
  return ({ TableName }, { region, account }) => [
    { action, resource: `arn:aws:dynamodb:${region}:${account}:table/${TableName}` },
  ];
}

function onFunction(action: string): Requirement {
  return ({ FunctionName }, { region, account }) => [
    {
      action,
      resource: String(FunctionName).startsWith('arn:')
        ? String(FunctionName)
        : `arn:aws:lambda:${region}:${account}:function:${FunctionName}`,
    },
  ];
}

function onObject(action: string): Requirement {
  return ({ Bucket, Key }) => [{ action, resource: `arn:aws:s3:::${Bucket}/${Key}` }];
}

function onParameters(action: string): Requirement {
  return ({ Name, Names }, { region, account }) =>
    ((Names as string[] | undefined) ?? [String(Name)]).map((name) => ({
      action,
      resource: `arn:aws:ssm:${region}:${account}:parameter${name}`,
    }));
}
