// Shows which etcd and which of its tools the tests use, and gets them first where there are none; or,
// with the names of releases of etcd (or "all"), gets those.
import {
  ETCD_RELEASES,
  type EtcdBinary,
  type EtcdRelease,
  Etcdutl,
  resolveEtcd,
  resolveEtcdctl,
} from '../src/etcd';

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
  if (releases.length === 0) {
    console.log(`etcdctl, ${HOW.built}: ${await resolveEtcdctl()}`);
    console.log(`etcdutl, ${HOW.built}: ${(await Etcdutl.resolve()).path}`);
  }
}

main(process.argv.slice(2)).catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
