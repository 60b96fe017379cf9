export * from './aws';
export * from './etcd';
export * from './python';
