/** Who uses a permission of the function's role that the function itself never uses, and what for. */
export const USED_BY_OTHERS: Readonly<Record<string, string>> = {
  'ec2:AssignPrivateIpAddresses': 'Lambda itself, to put the function into the network',
  'ec2:CreateNetworkInterface': 'Lambda itself, to put the function into the network',
  'ec2:DeleteNetworkInterface': 'Lambda itself, to put the function into the network',
  'ec2:DescribeNetworkInterfaces': 'Lambda itself, to put the function into the network',
  'ec2:DescribeSubnets': 'Lambda itself, to put the function into the network',
  'ec2:UnassignPrivateIpAddresses': 'Lambda itself, to put the function into the network',
  'logs:CreateLogStream': "Lambda itself, for the function's log",
  'logs:PutLogEvents': "Lambda itself, for the function's log",
  'secretsmanager:DescribeSecret':
    'nobody: Secret.grantRead() gives it besides GetSecretValue, and alone knows the key, and the ' +
    'full ARN, of every kind of secret. It tells when a secret was changed, and nothing of its value',
  'sqs:ChangeMessageVisibility': 'Lambda itself, to poll the queue',
  'sqs:DeleteMessage': 'Lambda itself, to poll the queue',
  'sqs:GetQueueAttributes': 'Lambda itself, to poll the queue',
  'sqs:GetQueueUrl': 'CDK gives it to whoever consumes from a queue',
  'sqs:ReceiveMessage': 'Lambda itself, to poll the queue',
};

/**
 * Who uses what the role may do with keys of the user, where there are some. AWS services ask KMS in
 * the name of whoever asks them (KMS developer guide, "Forward access sessions"); nothing here calls it.
 */
export const USED_WITH_KEYS: Readonly<Record<string, string>> = {
  'kms:Decrypt':
    'SQS, DynamoDB, S3 for the parts of an upload, Secrets Manager, and Lambda at a start',
  'kms:Encrypt': 'DynamoDB',
  'kms:GenerateDataKey': 'S3',
  'kms:GenerateDataKey*': 'SQS for the dead-letter queue, and DynamoDB',
  'kms:ReEncrypt*': 'DynamoDB',
};
