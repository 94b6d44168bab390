/** Every benchmark that needs Node only, one after the other: `npm run bench`. With `-- --bed`, as root, also those on the test bed. */
await import('./help.ts')
await import('./plan.ts')
await import('./verify.ts')
await import('./record.ts')
await import('./evidence.ts')
await import('./bundles.ts')
await import('./impact.ts')
await import('./hostile.ts')
if (process.argv.includes('--bed')) {
  await import('./apply.ts')
  await import('./accepted.ts')
  await import('./namespaces.ts')
  await import('./emergency.ts')
  await import('./mounted.ts')
  await import('./rotate.ts')
}
await import('./lint.ts')
