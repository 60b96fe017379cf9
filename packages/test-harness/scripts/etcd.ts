// Shows which etcd the tests use, and gets it first where there is none; or, with the names of
// releases (or "all"), gets those.
import { ETCD_RELEASES, type EtcdBinary, type EtcdRelease, resolveEtcd } from '../src/etcd';

const HOW: Record<EtcdBinary['origin'], string> = {
  ETCD: 'found by ETCD',
  PATH: 'found by PATH',
  built: 'built from its Go modules',
  Debian: 'from a package of Debian',
};

async function main(names: readonly string[]): Promise<void> {
  const releases = names.includes('all') ? ETCD_RELEASES : (names as EtcdRelease[]);
  for (const release of releases.length > 0 ? releases : [undefined]) {
    const { path, version, origin } = await resolveEtcd({ release });
    console.log(`etcd ${version}, ${HOW[origin]}: ${path}`);
  }
}

main(process.argv.slice(2)).catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
