import { KeyObject, randomUUID, webcrypto } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type * as X509 from '@peculiar/x509';
import { TemporaryDirectory } from '../process/temporary-directory';

/** The purpose of a certificate, as its extended key usage names it. */
export enum ExtendedKeyUsage {
  /** The holder may answer TLS connections. */
  SERVER_AUTH = 'serverAuth',
  /** The holder may open TLS connections that are authenticated by certificate. */
  CLIENT_AUTH = 'clientAuth',
}

/** A key pair with its certificate and the authority that signed it, as files in PEM. */
export interface TlsFiles {
  /** The certificate of the authority. */
  readonly caFile: string;
  /** The certificate. */
  readonly certFile: string;
  /** The private key, in PKCS#8. */
  readonly keyFile: string;
}

/** How a certificate is to be issued. */
export interface IssueCertificateOptions {
  /** The base of the file names; a name used before is overwritten. */
  readonly name: string;
  /**
   * The common name of the subject; empty for a subject without any name.
   *
   * etcd with authentication on takes a client certificate's common name as the user's name.
   *
   * @default - empty
   */
  readonly commonName?: string;
  /**
   * The IP addresses the certificate is good for.
   *
   * @default - none
   */
  readonly addresses?: readonly string[];
  /** What the certificate may be used for. */
  readonly extendedKeyUsages: readonly ExtendedKeyUsage[];
  /**
   * The first moment of validity.
   *
   * @default - an hour ago
   */
  readonly notBefore?: Date;
  /**
   * The last moment of validity.
   *
   * @default - a day from now
   */
  readonly notAfter?: Date;
}

/** What {@link EtcdCertificates.create} makes. */
export interface EtcdCertificatesProps {
  /** The IP addresses of all members, also of those that are started later. */
  readonly addresses: readonly string[];
  /**
   * Where the files are written. It is made if it is missing.
   *
   * @default - a new temporary directory, which {@link EtcdCertificates.remove} deletes
   */
  readonly directory?: string;
  /**
   * The common name in the client's certificate; empty for none.
   *
   * @default - empty
   */
  readonly clientCommonName?: string;
  /**
   * What the servers' certificate may be used for.
   *
   * etcd needs both: its JSON gateway calls its own gRPC port, and members call each other, with the
   * certificate that they serve with. With `serverAuth` alone every call of `/v3/...` is answered with
   * 503 while etcd itself and `/health` look well (measured on etcd 3.4.23 and 3.5.30).
   *
   * @default - serverAuth and clientAuth
   */
  readonly serverExtendedKeyUsages?: readonly ExtendedKeyUsage[];
  /**
   * The last moment of validity of the servers' and the client's certificate.
   *
   * @default - a day from now
   */
  readonly notAfter?: Date;
}

/** What a certificate is issued with. */
interface Issuer {
  readonly directory: string;
  readonly caFile: string;
  readonly authority: X509.X509Certificate;
  readonly keys: webcrypto.CryptoKeyPair;
}

const HOUR_MS = 3_600_000;
const KEY_ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' };
const SIGNING_ALGORITHM = { name: 'ECDSA', hash: 'SHA-256' };

/** Loaded at the first certificate: with what it needs it is two hundred modules. */
function loadX509(): typeof X509 {
  // Its dependency injection needs this polyfill, loaded before it.
  require('reflect-metadata');
  return require('@peculiar/x509');
}

/**
 * A certificate authority for one etcd cluster, with the certificates of its members and a client.
 *
 * The certificates satisfy strict verification as Python 3.13 does it by default: the authority states
 * its key usage, and every certificate names its own key and its authority's.
 */
export class EtcdCertificates {
  /** Makes an authority, one certificate for all members and one for a client. */
  static async create(props: EtcdCertificatesProps): Promise<EtcdCertificates> {
    let { directory } = props;
    let temporary: TemporaryDirectory | undefined;
    if (directory === undefined) {
      temporary = TemporaryDirectory.create('quorate-tls-');
      directory = temporary.path;
    }
    await mkdir(directory, { recursive: true });

    const keys = await webcrypto.subtle.generateKey(KEY_ALGORITHM, true, ['sign', 'verify']);
    const now = Date.now();
    const x509 = loadX509();
    const authority = await x509.X509CertificateGenerator.createSelfSigned({
      name: `CN=etcd authority ${randomUUID()}`,
      notBefore: new Date(now - HOUR_MS),
      notAfter: new Date(now + 24 * 365 * HOUR_MS),
      keys,
      signingAlgorithm: SIGNING_ALGORITHM,
      extensions: [
        new x509.BasicConstraintsExtension(true, undefined, true),
        new x509.KeyUsagesExtension(
          x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
          true,
        ),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    const caFile = join(directory, 'ca.pem');
    await writeFile(caFile, `${authority.toString('pem')}\n`);

    const issuer: Issuer = { directory, caFile, authority, keys };
    const server = await issue(issuer, {
      name: 'server',
      // A common name here would become the user of every call through the gateway.
      addresses: props.addresses,
      extendedKeyUsages: props.serverExtendedKeyUsages ?? [
        ExtendedKeyUsage.SERVER_AUTH,
        ExtendedKeyUsage.CLIENT_AUTH,
      ],
      notAfter: props.notAfter,
    });
    const client = await issue(issuer, {
      name: 'client',
      commonName: props.clientCommonName,
      extendedKeyUsages: [ExtendedKeyUsage.CLIENT_AUTH],
      notAfter: props.notAfter,
    });
    return new EtcdCertificates(issuer, temporary, server, client);
  }

  private constructor(
    private readonly issuer: Issuer,
    private readonly temporary: TemporaryDirectory | undefined,
    /** The certificate and key of every member, for its client port and its peer port. */
    readonly server: TlsFiles,
    /** The certificate and key of a client. */
    readonly client: TlsFiles,
  ) {}

  /** The directory of all files. */
  get directory(): string {
    return this.issuer.directory;
  }

  /** The file with the authority's certificate, in PEM. */
  get caFile(): string {
    return this.issuer.caFile;
  }

  /**
   * Issues one more certificate, for example a wrong or expired one for a negative test.
   *
   * With `addresses` the certificate is also good for 127.0.0.1: a member calls another from there,
   * and etcd compares the address of a calling peer with those in its certificate.
   */
  issue(options: IssueCertificateOptions): Promise<TlsFiles> {
    return issue(this.issuer, options);
  }

  /** Deletes the files, if they are in a temporary directory. */
  async remove(): Promise<void> {
    await this.temporary?.remove();
  }
}

async function issue(issuer: Issuer, options: IssueCertificateOptions): Promise<TlsFiles> {
  if (!/^[\w.-]+$/.test(options.name)) {
    throw new Error(`'${options.name}' cannot be part of a file name: use letters, digits, . _ -`);
  }
  const x509 = loadX509();
  const keys = await webcrypto.subtle.generateKey(KEY_ALGORITHM, true, ['sign', 'verify']);
  const now = Date.now();
  const notAfter = options.notAfter ?? new Date(now + 24 * HOUR_MS);
  const extensions: X509.Extension[] = [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    new x509.ExtendedKeyUsageExtension(
      options.extendedKeyUsages.map((usage) => x509.ExtendedKeyUsage[usage]),
    ),
    await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    await x509.AuthorityKeyIdentifierExtension.create(issuer.authority),
  ];
  if (options.addresses?.length) {
    const addresses = [...new Set([...options.addresses, '127.0.0.1'])];
    extensions.push(
      new x509.SubjectAlternativeNameExtension(
        addresses.map((value) => ({ type: 'ip' as const, value })),
        // Critical where it is the only name (RFC 5280, section 4.2.1.6).
        !options.commonName,
      ),
    );
  }
  const certificate = await x509.X509CertificateGenerator.create({
    subject: options.commonName ? [{ CN: [options.commonName] }] : [],
    issuer: issuer.authority.subjectName,
    notBefore: options.notBefore ?? new Date(Math.min(now - HOUR_MS, notAfter.getTime() - HOUR_MS)),
    notAfter,
    publicKey: keys.publicKey,
    signingKey: issuer.keys.privateKey,
    signingAlgorithm: SIGNING_ALGORITHM,
    extensions,
  });
  const files: TlsFiles = {
    caFile: issuer.caFile,
    certFile: join(issuer.directory, `${options.name}.pem`),
    keyFile: join(issuer.directory, `${options.name}-key.pem`),
  };
  await writeFile(files.certFile, `${certificate.toString('pem')}\n`);
  // The mode only counts when the file is made: an older one could be readable by others.
  await rm(files.keyFile, { force: true });
  await writeFile(files.keyFile, privateKeyPem(keys.privateKey), { mode: 0o600 });
  return files;
}

function privateKeyPem(key: webcrypto.CryptoKey): string {
  return KeyObject.from(key).export({ type: 'pkcs8', format: 'pem' }).toString();
}
