/** Who brings the member of a new instance into the cluster. */
export abstract class EtcdJoin {
  /**
   * The function does: it adds the member as a learner, tells the instance how to start it (the lines
   * of `bootstrapCommands()` do), and promotes it when it has caught up.
   */
  public static learner(): EtcdJoin {
    return new Join('learner');
  }

  /**
   * The instance's own tooling does, kubeadm say: it starts the cluster, adds its member, names it as
   * it likes, and promotes it. The function adds and promotes nobody: it completes the launch once the
   * instance's member votes and answers reads, has Auto Scaling replace instances of which none does,
   * by `launchDeadline`, and removes the members of instances that go.
   *
   * Members are told apart by the private IPv4 addresses of their instances, at which the function
   * must reach their client port. The function needs no way to SSM.
   */
  public static managedByInstance(): EtcdJoin {
    return new Join('instance');
  }

  /** What the function is told: `learner` or `instance`. */
  public abstract readonly mode: string;

  /** Whether the instances join by their own means. */
  public abstract readonly managedByInstance: boolean;
}

class Join extends EtcdJoin {
  public readonly managedByInstance: boolean;

  public constructor(public readonly mode: 'learner' | 'instance') {
    super();
    this.managedByInstance = mode === 'instance';
  }
}
