import { resolveEtcd } from '@quorate/test-harness';
import { testAuthentication } from './authentication';

testAuthentication('127.0.54.60', () => resolveEtcd());
