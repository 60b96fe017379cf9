import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageFolder } from './package-folder';

/** Where an instance keeps its etcd certificates. Shell variables in the paths are expanded. */
export interface BootstrapTlsFiles {
  /** The certificate authority, in PEM form. */
  readonly caFile: string;
  /** The member's certificate, in PEM form; used towards clients and towards other members. */
  readonly certificateFile: string;
  /** The member's private key, in PEM form. */
  readonly keyFile: string;
}

/** How an instance starts its member. */
export interface BootstrapOptions {
  /**
   * The folder of etcd's data. Shell variables are expanded.
   * @default '/var/lib/etcd'
   */
  readonly dataDirectory?: string;

  /**
   * The file that the configuration is written to. Shell variables are expanded.
   * @default '/etc/etcd/quorate.env'
   */
  readonly environmentFile?: string;

  /**
   * The shell command that starts etcd, as it stands. The settings of the environment file are in its
   * environment.
   * @default - a systemd unit `etcd.service` is written, enabled and started
   */
  readonly startCommand?: string;

  /**
   * The certificates on the instance; needed when the cluster uses TLS.
   * @default - none
   */
  readonly tlsFiles?: BootstrapTlsFiles;

  /**
   * Seconds between two looks for the configuration; more than 0.
   * @default 2
   */
  readonly pollSeconds?: number;
}

/** What the cluster decides, rather than the instance. @internal */
export interface BootstrapCluster {
  readonly parameterPrefix: string;
  readonly scheme: string;
  readonly clientPort: number;
  readonly peerPort: number;
}

/**
 * A member that is still catching up is not ready for long, which is no reason to kill it; and one
 * that cannot start keeps trying, until its launch is given up.
 */
const SYSTEMD_START = `etcd=$(command -v etcd) || { echo 'quorate: there is no etcd on PATH' >&2; exit 1; }
  cat >/etc/systemd/system/etcd.service <<UNIT || exit 1
[Unit]
Description=etcd
After=network-online.target
Wants=network-online.target

[Service]
Type=notify
EnvironmentFile=\${environment_file}
ExecStart=\${etcd}
Restart=on-failure
RestartSec=5
TimeoutStartSec=infinity
LimitNOFILE=65536

[Install]
WantedBy=multi-user.target
UNIT
  systemctl daemon-reload
  systemctl enable --now etcd.service`;

/** The shell lines of an instance's user data that start its member. @internal */
export function renderBootstrap(cluster: BootstrapCluster, options: BootstrapOptions): string[] {
  const start = options.startCommand
    ? `set -a; . "\${environment_file}"; set +a\n  ${options.startCommand}`
    : SYSTEMD_START;
  return [
    `parameter_prefix=${doubleQuote(cluster.parameterPrefix)}`,
    `scheme=${cluster.scheme}`,
    `client_port=${cluster.clientPort}`,
    `peer_port=${cluster.peerPort}`,
    `data_directory=${doubleQuote(options.dataDirectory ?? '/var/lib/etcd')}`,
    `environment_file=${doubleQuote(options.environmentFile ?? '/etc/etcd/quorate.env')}`,
    `poll_seconds=${options.pollSeconds ?? 2}`,
    shellFunction('tls_settings', renderTls(options.tlsFiles)),
    shellFunction('start_etcd', start),
    readFileSync(join(packageFolder('bootstrap'), 'start-member.sh'), 'utf8').trimEnd(),
  ];
}

function renderTls(files: BootstrapTlsFiles | undefined): string {
  if (!files) {
    return ':';
  }
  return ['', 'PEER_']
    .flatMap((side) => [
      `setting ETCD_${side}TRUSTED_CA_FILE ${doubleQuote(files.caFile)}`,
      `setting ETCD_${side}CERT_FILE ${doubleQuote(files.certificateFile)}`,
      `setting ETCD_${side}KEY_FILE ${doubleQuote(files.keyFile)}`,
      `setting ETCD_${side}CLIENT_CERT_AUTH true`,
    ])
    .join('\n  ');
}

function shellFunction(name: string, body: string): string {
  return `${name}() {\n  ${body}\n}`;
}

/** Quotes for the shell, leaving variables to be expanded. */
function doubleQuote(text: string): string {
  return `"${text.replace(/["\\`]/g, '\\$&')}"`;
}
