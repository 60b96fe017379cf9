import type { IGrantable } from 'aws-cdk-lib/aws-iam';
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager';

/** The user as whom the function logs in to a cluster whose own authentication is on. */
export class EtcdAuth {
  /**
   * A user kept in AWS Secrets Manager.
   *
   * The secret's value is a JSON object with the keys `username` and `password`; others may be beside
   * them, so that it may be the secret of the TLS certificate too. It is read at run time: it never
   * appears in the template or in an environment variable.
   *
   * The user needs etcd's role `root`, which alone may change members. It has to exist before
   * authentication is turned on; until then the function works without it.
   */
  public static fromSecret(secret: ISecret): EtcdAuth {
    return new EtcdAuth(secret);
  }

  private constructor(
    /** The secret with the user. */
    public readonly secret: ISecret,
  ) {}

  /** Lets the grantee read what it needs to log in. */
  public grantRead(grantee: IGrantable): void {
    this.secret.grantRead(grantee);
  }
}
