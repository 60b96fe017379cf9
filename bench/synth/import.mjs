// Prints the milliseconds that requiring a module takes, and how many modules it loads.
// `import.mjs MODULE`
import { createRequire } from 'node:module';

const [module] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const start = performance.now();
require(module);
const ms = performance.now() - start;
console.log(JSON.stringify({ ms, modules: Object.keys(require.cache).length }));
