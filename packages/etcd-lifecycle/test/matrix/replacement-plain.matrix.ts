import { testReplacements } from './replacement';

testReplacements('127.0.55', {});
