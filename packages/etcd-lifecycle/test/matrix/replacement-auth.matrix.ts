import { ROOT } from '../lambda/edges/authentication';
import { testReplacements } from './replacement';

testReplacements('127.0.57', { tls: true, auth: ROOT });
