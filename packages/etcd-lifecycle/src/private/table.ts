import { RemovalPolicy, Stack, Token } from 'aws-cdk-lib';
import {
  AttributeType,
  Billing,
  type CfnGlobalTable,
  TableEncryptionV2,
  TableV2,
} from 'aws-cdk-lib/aws-dynamodb';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { Construct } from 'constructs';

/** Makes the table of what the function remembers. */
export function addTable(scope: Construct, key: IKey | undefined): TableV2 {
  // CDK wants to know the Region of a table with a key, since it might have replicas elsewhere.
  const anywhere = Token.isUnresolved(Stack.of(scope).region);
  const table = new TableV2(scope, 'Table', {
    partitionKey: { name: 'pk', type: AttributeType.STRING },
    sortKey: { name: 'sk', type: AttributeType.STRING },
    billing: Billing.onDemand(),
    timeToLiveAttribute: 'expires',
    pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
    encryption: key && !anywhere ? TableEncryptionV2.customerManagedKey(key) : undefined,
    // It knows that the cluster has existed, and so keeps it from being seeded twice.
    removalPolicy: RemovalPolicy.RETAIN,
  });
  if (key && anywhere) {
    const resource = table.node.defaultChild as CfnGlobalTable;
    resource.addPropertyOverride('SSESpecification', { SSEEnabled: true, SSEType: 'KMS' });
    resource.addPropertyOverride('Replicas.0.SSESpecification.KMSMasterKeyId', key.keyArn);
  }
  return table;
}
