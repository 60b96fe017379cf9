import type { CrashCluster } from './crash-cluster';

/** A change of a group that the function brings to its end, however often it is killed on the way. */
export interface Scenario {
  /** Also the name of the file with its side effects. */
  readonly name: string;

  /** Where its instances are: each scenario has addresses of its own, since they run side by side. */
  readonly baseAddress: string;

  /** How many instances are in service before it; 0 if it creates the cluster. */
  readonly from: number;

  /** How many are after it. */
  readonly to: number;

  /** Says who is who. Nothing has happened yet. */
  prepare(cluster: CrashCluster): Promise<void>;

  /** What happens. */
  run(cluster: CrashCluster): Promise<void>;

  /** What follows on that to the end, and is the subject of other scenarios: nothing is killed. */
  afterwards?(cluster: CrashCluster): Promise<void>;

  /** Further environment variables of the function. */
  readonly environment?: Readonly<Record<string, string>>;

  /**
   * Whether no instance comes or goes.
   * @default false
   */
  readonly still?: boolean;

  /**
   * Whether it ends with another etcd cluster in place of the one before, made of a snapshot.
   * @default false
   */
  readonly madeAnew?: boolean;

  /** What else must be so at the end. */
  expectEnd?(cluster: CrashCluster): Promise<void>;

  /** The results of launch hooks that must not be CONTINUE, by the part of their instance. */
  readonly abandoned?: readonly string[];
}
