import { testReplacements } from './replacement';

testReplacements('127.0.56', { tls: true });
