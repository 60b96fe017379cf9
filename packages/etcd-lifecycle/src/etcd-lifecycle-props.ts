import type { Duration } from 'aws-cdk-lib';
import type { IAutoScalingGroup } from 'aws-cdk-lib/aws-autoscaling';
import type { ISecurityGroup, IVpc, SubnetSelection } from 'aws-cdk-lib/aws-ec2';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { Architecture, Runtime } from 'aws-cdk-lib/aws-lambda';
import type { RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { EtcdAccess } from './etcd-access';
import type { EtcdAlarms } from './etcd-alarms';
import type { EtcdAuth } from './etcd-auth';
import type { EtcdBeforeRemoval } from './etcd-before-removal';
import type { EtcdJoin } from './etcd-join';
import type { EtcdMembers } from './etcd-members';
import type { EtcdPorts } from './etcd-ports';
import type { EtcdRemoval } from './etcd-removal';
import type { EtcdSnapshots } from './etcd-snapshots';
import type { EtcdTls } from './etcd-tls';

/** What is needed to look after an etcd cluster. */
export interface EtcdLifecycleProps {
  /**
   * The group whose instances are the members. Its lifecycle hooks are added to the group itself,
   * so that its very first instances are held as well; its role and its security group are given
   * what the members need. So its launch template must have both.
   *
   * One that was made elsewhere (`AutoScalingGroup.fromAutoScalingGroupName()`) gets hooks beside it,
   * and is neither judged nor changed; it needs {@link members}.
   */
  readonly autoScalingGroup: IAutoScalingGroup;

  /**
   * The security groups and the role of the instances, for an imported group only.
   * @default - those of the group
   */
  readonly members?: EtcdMembers;

  /**
   * The name of the cluster: letters, digits, `-`, `_` and `.`, at most 64 of them, of which the first
   * is a letter or digit. It must be unique in the account and Region.
   */
  readonly clusterName: string;

  /**
   * How the function reaches the members: by the network, or by commands that the instances run.
   * @default EtcdAccess.gateway(): by the network
   */
  readonly access?: EtcdAccess;

  /**
   * The network from which the function reaches the members' client port.
   * @default - none, which only `EtcdAccess.ssmRunCommand()` can do without
   */
  readonly vpc?: IVpc;

  /**
   * Where in the network the function runs. It needs a way to the endpoints of Auto Scaling, EC2,
   * DynamoDB, SQS, SSM (unless instances join by their own means) and, with TLS, Secrets Manager,
   * with snapshots S3, and with a function that is called before a removal Lambda.
   * @default - the private subnets
   */
  readonly vpcSubnets?: SubnetSelection;

  /**
   * The function's security groups.
   * @default - a new one, which the group's security group admits at the client port
   */
  readonly securityGroups?: ISecurityGroup[];

  /**
   * Whether the cluster uses TLS.
   * @default EtcdTls.none(), with a warning
   */
  readonly tls?: EtcdTls;

  /**
   * The user as whom the function logs in, for a cluster with users and roles of etcd's own. With TLS,
   * the function's certificate must then have an empty common name.
   * @default - nobody: etcd's own authentication is off
   */
  readonly auth?: EtcdAuth;

  /**
   * The members' ports.
   * @default - 2379 and 2380
   */
  readonly ports?: EtcdPorts;

  /**
   * Who brings the members of new instances in: the function, or the instances' own tooling.
   * @default EtcdJoin.learner()
   */
  readonly join?: EtcdJoin;

  /**
   * Snapshots of the data: one before each removal, and on schedule if wanted.
   * @default - none are taken
   */
  readonly snapshots?: EtcdSnapshots;

  /**
   * Alarms: who is told of trouble, and from when on something is trouble.
   * @default - alarms that are sent nowhere
   */
  readonly alarms?: EtcdAlarms;

  /**
   * Whether there is a dashboard of the cluster.
   * @default true
   */
  readonly dashboard?: boolean;

  /**
   * How long a lifecycle hook holds an instance without a heartbeat; 30 seconds to 2 hours. The
   * function sends one each minute; Auto Scaling ends the wait after 100 times this, or 48 hours.
   * @default Duration.minutes(15)
   */
  readonly heartbeatTimeout?: Duration;

  /**
   * How members leave: whether they wait for their replacement, how long, and what follows then.
   * @default - they wait for an hour, and go without it then if a healthy majority remains
   */
  readonly removal?: EtcdRemoval;

  /**
   * What an instance hands over before its member is removed: a node of Kubernetes is drained, say.
   * @default - nothing
   */
  readonly beforeRemoval?: EtcdBeforeRemoval;

  /**
   * How long a launching instance has to become a voter, from when its member was added or last came
   * nearer to the leader, before it is given up and replaced; at least a minute, as the function may
   * only look once in one. Instances join one at a time: for its turn one waits at most so long for
   * each that the group wants, and once more.
   * @default Duration.minutes(30)
   */
  readonly launchDeadline?: Duration;

  /**
   * How long the function may run; 30 seconds to 15 minutes. It needs that much, as etcd takes 7
   * seconds to say that there is no quorum; a snapshot of much data needs
   * more, and says how much when it fails.
   * @default - a minute; three with `EtcdAccess.ssmRunCommand()`, which needs two at least
   */
  readonly timeout?: Duration;

  /**
   * Memory of the function in MiB.
   * @default 256
   */
  readonly memorySize?: number;

  /**
   * The function's Python; 3.10 or newer.
   * @default Runtime.PYTHON_3_13
   */
  readonly runtime?: Runtime;

  /**
   * The function's processor.
   * @default Architecture.ARM_64
   */
  readonly architecture?: Architecture;

  /**
   * How long the function's log is kept.
   * @default RetentionDays.THREE_MONTHS
   */
  readonly logRetention?: RetentionDays;

  /**
   * The key with which the queues, the table, the log and the function's environment are encrypted.
   * Those who send and read are allowed to use it, as far as its policy can be changed here.
   * @default - keys of AWS
   */
  readonly encryptionKey?: IKey;

  /**
   * Further environment variables of the function. They win over those that the construct sets.
   * @default - none
   */
  readonly environment?: Record<string, string>;
}
