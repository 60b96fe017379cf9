import { resolveEtcd } from '../src/etcd';

resolveEtcd().then(
  ({ path, version, origin }) => {
    const how = origin === 'built' ? 'built from its Go modules' : `found by ${origin}`;
    console.log(`etcd ${version}, ${how}: ${path}`);
  },
  (error: Error) => {
    console.error(error.message);
    process.exitCode = 1;
  },
);
