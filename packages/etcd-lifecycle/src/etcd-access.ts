/** How etcdctl is called on an instance. Paths are taken as they are: no shell expands them. */
export interface EtcdSsmRunCommandOptions {
  /**
   * The program on the instances, of etcd 3.5 or newer: its name, if it is on root's PATH, or its path.
   * @default 'etcdctl'
   */
  readonly etcdctl?: string;

  /**
   * The file from which the member was started. It tells where the member serves clients
   * (`ETCD_ADVERTISE_CLIENT_URLS`) and its certificates (`ETCD_TRUSTED_CA_FILE`, `ETCD_CERT_FILE`,
   * `ETCD_KEY_FILE`), which etcdctl uses as its own.
   * @default - '/etc/etcd/quorate.env', which `bootstrapCommands()` writes; with `endpoint` none
   */
  readonly environmentFile?: string;

  /**
   * Where the instance's own member serves clients, for example `https://127.0.0.1:2379`.
   * @default - as the environment file says
   */
  readonly endpoint?: string;

  /**
   * The certificates of the authorities on the instance, such as `/etc/kubernetes/pki/etcd/ca.crt`.
   * @default - as the environment file says
   */
  readonly caFile?: string;

  /**
   * The client certificate on the instance.
   * @default - as the environment file says
   */
  readonly certificateFile?: string;

  /**
   * Its private key on the instance.
   * @default - as the environment file says
   */
  readonly keyFile?: string;
}

/** How the function reaches the members. */
export class EtcdAccess {
  /**
   * By the network, at the members' client port: the function runs in a VPC, and with TLS has a
   * certificate of its own. It takes fractions of a second.
   */
  public static gateway(): EtcdAccess {
    return new EtcdAccess(undefined);
  }

  /**
   * By etcdctl, which the instances run for SSM Run Command (`AWS-RunShellScript`): the function runs in
   * no VPC, and certificates stay on the instances. Each look takes some seconds, and a change more.
   *
   * The instances need etcdctl, `base64`, `xargs`, and the SSM agent with its permissions
   * (`ssmSessionPermissions: true` of the group, or the managed policy `AmazonSSMManagedInstanceCore`). The
   * function may then run shell scripts as root on the instances of the group. It takes no snapshots by
   * this way.
   */
  public static ssmRunCommand(options: EtcdSsmRunCommandOptions = {}): EtcdAccess {
    return new EtcdAccess(options);
  }

  private constructor(
    /** How etcdctl is called; undefined where members are reached by the network. */
    public readonly runCommand: EtcdSsmRunCommandOptions | undefined,
  ) {}
}
