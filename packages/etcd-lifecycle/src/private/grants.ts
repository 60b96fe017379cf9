import type { ITableV2 } from 'aws-cdk-lib/aws-dynamodb';
import { Grant, type IGrantable } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { Construct, type IConstruct } from 'constructs';
import type { EtcdSnapshots } from '../etcd-snapshots';
import { refuse } from './findings';
import { acknowledgeWildcard } from './nag';
import { objectsOf } from './snapshots';

/** What there is to be granted on. */
export interface Grantable {
  readonly clusterName: string;
  readonly function: IFunction;
  readonly table: ITableV2;
  readonly encryptionKey: IKey | undefined;
  readonly snapshots: EtcdSnapshots | undefined;
}

/** What `history` calls. */
export function grantReadJournal(grantee: IGrantable, on: Grantable): Grant {
  return grantOnFunction(grantee, on, ['lambda:GetFunctionConfiguration']);
}

/** What every command calls, but for what `recover` reads of a snapshot. */
export function grantOperate(grantee: IGrantable, on: Grantable): Grant {
  return grantOnFunction(grantee, on, ['lambda:GetFunctionConfiguration', 'lambda:InvokeFunction']);
}

/** What it takes to read the snapshots. */
export function grantReadSnapshots(scope: IConstruct, grantee: IGrantable, on: Grantable): Grant {
  const { snapshots, clusterName } = on;
  if (!snapshots) {
    refuse(scope, 'grantReadSnapshots() has nothing to grant: the construct has no snapshots');
  }
  const objects = objectsOf(clusterName, snapshots);
  const { grantPrincipal } = grantee;
  if (Construct.isConstruct(grantPrincipal)) {
    acknowledgeWildcard(grantPrincipal, 'Resource', objects, 'The snapshots of one cluster only.');
  }
  snapshots.bucket.encryptionKey?.grant(grantee, 'kms:Decrypt');
  return Grant.addToPrincipal({ grantee, actions: ['s3:GetObject'], resourceArns: [objects] });
}

function grantOnFunction(grantee: IGrantable, on: Grantable, actions: string[]): Grant {
  // The function's environment, which names the table, and the table are encrypted with it.
  on.encryptionKey?.grant(grantee, 'kms:Decrypt');
  return Grant.addToPrincipal({
    grantee,
    actions,
    resourceArns: [on.function.functionArn],
  }).combine(
    Grant.addToPrincipal({
      grantee,
      actions: ['dynamodb:Query'],
      resourceArns: [on.table.tableArn],
    }),
  );
}
