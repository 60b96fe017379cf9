import type { ISecurityGroup } from 'aws-cdk-lib/aws-ec2';
import type { IRole } from 'aws-cdk-lib/aws-iam';

/** What the construct must be told of the instances of a group that was made elsewhere. */
export interface EtcdMembers {
  /**
   * Their security groups, which must admit the function at the client port, and the members at both
   * ports. The construct adds these rules to those that take some: import them with `mutable: true`.
   */
  readonly securityGroups: ISecurityGroup[];

  /**
   * Their role, which the construct lets read the join configurations, and the snapshots for a recovery.
   * @default - unknown, with a warning that names what it needs
   */
  readonly role?: IRole;
}
