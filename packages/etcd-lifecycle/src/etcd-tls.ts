import type { IGrantable } from 'aws-cdk-lib/aws-iam';
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager';

/** Whether the cluster's members and clients speak TLS, and how the function proves who it is. */
export abstract class EtcdTls {
  /**
   * Mutual TLS with a client certificate kept in AWS Secrets Manager.
   *
   * The secret's value is a JSON object with the keys `ca`, `certificate` and `key`, each in PEM
   * form. It is read at run time: it never appears in the template or in an environment variable.
   *
   * The members' own server certificates need the extended key usage `clientAuth` besides
   * `serverAuth`, since etcd's JSON gateway calls its own gRPC port with that certificate; and they
   * need the members' private addresses as subject alternative names.
   */
  public static fromSecret(secret: ISecret): EtcdTls {
    return new SecretTls(secret);
  }

  /**
   * Mutual TLS with certificates that are on the instances only, for a function that reaches the members
   * by `EtcdAccess.ssmRunCommand()`.
   */
  public static onInstances(): EtcdTls {
    return new WithoutSecret('https');
  }

  /** No TLS: whoever reaches the ports may read and change everything. Warned of at synthesis. */
  public static none(): EtcdTls {
    return new WithoutSecret('http');
  }

  /** `http` or `https`. */
  public abstract readonly scheme: string;

  /** The secret with the function's certificate, if there is one. */
  public abstract readonly secret?: ISecret;

  /** Lets the grantee read what it needs to connect. */
  public abstract grantRead(grantee: IGrantable): void;
}

class SecretTls extends EtcdTls {
  public readonly scheme = 'https';

  public constructor(public readonly secret: ISecret) {
    super();
  }

  public grantRead(grantee: IGrantable): void {
    this.secret.grantRead(grantee);
  }
}

class WithoutSecret extends EtcdTls {
  public readonly secret = undefined;

  public constructor(public readonly scheme: string) {
    super();
  }

  public grantRead(): void {
    // There is nothing to read.
  }
}
