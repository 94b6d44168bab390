/** Every benchmark that needs Node only, one after the other: `npm run bench`. Those on the test bed are in bench/README.md. */
await import('./help.ts')
await import('./plan.ts')
await import('./verify.ts')
await import('./evidence.ts')
await import('./bundles.ts')
